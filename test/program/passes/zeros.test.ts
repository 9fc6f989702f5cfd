// Zeros are written by the optimizer, or not at all where the first accumulation overwrites.

import test from 'ava';
import { fuseClear, fuseOverwrite } from '../../../lib/program/passes/zeros.js';
import { ruleSamples } from '../../helpers/optimizers.js';
import { Lister, names, outcome } from './lists.js';

function update(op: string, { guard = false, between = '' } = {}) {
  const l = new Lister();
  const slab = l.slab(64).fill(0, 49); // padding
  const [{ hyper: numbers, state }] = ruleSamples[op];
  const states = state.map((low) => l.external(low === null ? 0 : 33));
  const gradient = l.external(33, slab, 16);
  const hyper = l.input(numbers.length, 'float64');
  l.run(op, [l.external(33), ...states], [gradient, hyper], [0]);
  if (between === 'read') l.run('sum', [l.external(1)], [l.external(16, slab, 16)], [1, 16, 1]);
  if (between === 'check') l.run('require_finite', [], [l.input(1)]);
  l.run('fill', [l.external(64, slab)], [], [], [0], guard ? l.guard() : undefined);
  return l;
}

test('an update clears its stretch of gradients, and the rest keeps its zeros', (t) => {
  for (const op of Object.keys(ruleSamples)) {
    const l = update(op);
    const fused = fuseClear(l.list());
    t.deepEqual(names(fused), [op, 'fill']);
    t.deepEqual(fused.instructions[0].ints, [1]);
    // What is before it; behind it is the padding to the end of the slab.
    const { offset, size } = fused.instructions[1].operands[0];
    t.deepEqual([offset, size], [0, 16]);
    t.deepEqual(outcome(fused), outcome(l.list()));
  }
});

test('it is left alone where gradients are read on the way, guards differ, a check stands between, or the value is no zero', (t) => {
  for (const options of [{ between: 'read' }, { guard: true }, { between: 'check' }]) {
    const l = update('adam', options);
    t.deepEqual(names(fuseClear(l.list())), names(l.list()));
  }
  const l = update('sgd');
  l.instructions[1] = { ...l.instructions[1], reals: [-0] };
  t.deepEqual(names(fuseClear(l.list())), ['sgd', 'fill']);
});

function accumulation({ guard = false, read = false, check = false } = {}) {
  const l = new Lister();
  const bit = guard ? l.guard() : undefined;
  const slab = l.slab(64).fill(0, 20, 32); // padding behind the weight
  const [weight, bias] = [l.external(20, slab), l.external(5, slab, 32)];
  const [x, dy] = [l.input(12), l.input(15)];
  l.run('fill', [l.external(64, slab)], [], [], [0]);
  if (read) l.run('sum', [l.external(1)], [l.external(4, slab, 34)], [1, 4, 1]);
  if (check) l.run('require_finite', [], [l.input(1)]);
  l.run('matmul + accumulate + sums accumulate', [weight, bias], [x, dy], [4, 5, 3, 1, 0], [], bit);
  l.run('matmul + accumulate + sums accumulate', [weight, bias], [x, l.input(15)], [4, 5, 3, 1, 0], [], bit);
  return l;
}

test('the first accumulation into zeros overwrites, the second adds, and what nobody writes is zeroed', (t) => {
  for (const check of [false, true]) {
    const l = accumulation({ check });
    const fused = fuseOverwrite(l.list());
    t.deepEqual(
      fused.instructions.filter(({ op }) => op.name === 'fill').map(({ operands }) => [operands[0].offset, operands[0].size]),
      // The padding behind a parameter is zero already; what begins at a boundary may be another parameter.
      [[37, 27]],
    );
    t.deepEqual(
      names(fused).filter((name) => name.startsWith('matmul')),
      ['matmul + overwrite + sums overwrite', 'matmul + accumulate + sums accumulate'],
    );
    t.deepEqual(outcome(fused), outcome(l.list()));
  }
});

test('products and sums alone overwrite too', (t) => {
  const l = new Lister();
  const slab = l.slab(37);
  l.run('fill', [l.external(37, slab)], [], [], [0])
    .run('matmul + accumulate', [l.external(32, slab)], [l.input(24), l.input(12)], [8, 4, 3, 1, 0])
    .run('sum + accumulate', [l.external(5, slab, 32)], [l.input(15)], [1, 3, 5]);
  const fused = fuseOverwrite(l.list());
  t.deepEqual(names(fused), ['matmul + overwrite', 'sum + overwrite']);
  t.deepEqual(outcome(fused), outcome(l.list()));
});

test('zeros stay where they are read, where guards differ, and where they belong to one update of part of a tensor', (t) => {
  const read = fuseOverwrite(accumulation({ read: true }).list());
  t.is(
    names(read).find((name) => name.startsWith('matmul')),
    'matmul + overwrite + sums accumulate',
  );
  t.deepEqual(outcome(read), outcome(accumulation({ read: true }).list()));
  const guarded = accumulation({ guard: true });
  t.deepEqual(fuseOverwrite(guarded.list()).instructions, guarded.instructions);
  const l = new Lister();
  const part = { ...l.external(64), size: 5, offset: 3 };
  l.run('fill', [{ ...part, offset: 0, size: 64 }], [], [], [0]).run('sum + accumulate', [part], [l.input(15)], [1, 3, 5]);
  t.deepEqual(names(fuseOverwrite(l.list())), ['fill', 'sum + accumulate']);
});
