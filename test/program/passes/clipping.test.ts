// Clipped gradients are scaled by the update that uses them.

import test from 'ava';
import { fuseClipping } from '../../../lib/program/passes/clipping.js';
import { ruleSamples } from '../../helpers/optimizers.js';
import { Lister, names, outcome } from './lists.js';

function clipped(op: string, { size = 40, read = false, guard = false, clear = false } = {}) {
  const l = new Lister();
  const slab = l.slab(48);
  const [{ hyper: numbers, state }] = ruleSamples[op];
  const memory = [l.external(40), ...state.map((low) => l.external(low === null ? 0 : 40))];
  const gradient = l.external(40, slab);
  const hyper = l.input(numbers.length, 'float64');
  l.run('scale_by', [l.external(size, slab)], [l.input(1, 'float64')]);
  if (read) l.run('sum', [l.external(1)], [gradient], [1, 40, 1]);
  const bit = guard ? l.guard() : undefined;
  if (clear) l.run(op, [...memory, gradient], [hyper], [1], [], bit);
  else l.run(op, memory, [gradient, hyper], [0], [], bit);
  return l;
}

test('scaling and update become one, whether gradients are zeroed or stay', (t) => {
  for (const op of Object.keys(ruleSamples)) {
    for (const clear of [false, true]) {
      const l = clipped(op, { clear });
      const fused = fuseClipping(l.list());
      t.deepEqual(names(fused), [op]);
      t.deepEqual(fused.instructions[0].ints, [Number(clear)]);
      t.deepEqual(outcome(fused), outcome(l.list()));
    }
  }
});

test('they stay apart where another stretch is scaled, it is read on the way, or guards differ', (t) => {
  for (const options of [{ size: 48 }, { size: 32 }, { read: true }, { guard: true }]) {
    const l = clipped('adam', options);
    t.deepEqual(names(fuseClipping(l.list())), names(l.list()));
  }
});
