// The update of a linear layer goes into the instruction that computes its gradients.

import test from 'ava';
import { fuseUpdate } from '../../../lib/program/passes/update.js';
import { Lister, names, outcome } from './lists.js';

interface Options {
  optimizer?: string;
  guard?: object;
  /** An instruction between gradients and update that reads the bias's gradient. */
  read?: boolean;
  momentum?: boolean;
}

// Two layers, 4 → 5 and 5 → 3, and a parameter of another kind, in one slab; the update covers all.
function layers({ optimizer = 'adam', guard, read = false, momentum = true }: Options = {}) {
  const l = new Lister();
  const slab = (): Float32Array => {
    const made = l.slab(96);
    // Padding behind parameters of 20, 5, 15, 3 and 16 elements.
    for (const [begin, end] of [[20, 32], [37, 48], [63, 64], [67, 80]]) made.fill(0, begin, end); // biome-ignore format: one line
    return made;
  };
  const gradients = slab();
  const part = (begin: number, size: number) => l.external(size, gradients, begin);
  const [w1, b1, w2, b2] = [part(0, 20), part(32, 5), part(48, 15), part(64, 3)];
  const [x, h, d1, d2] = [l.input(8), l.input(10), l.input(10), l.input(6)];
  l.run('linear_gradients', [w2, b2], [h, d2], [5, 3, 2, 1, 1]).run('linear_gradients', [w1, b1], [x, d1], [4, 5, 2, 0, 0]);
  if (read) l.run('neg', [l.external(5)], [b1]);
  const states = optimizer.startsWith('adam') ? 2 : 1;
  const memory = Array.from({ length: states + 1 }, (_, i) => (i > 0 && !momentum ? l.external(0) : l.external(96, slab())));
  const hyper = l.input(optimizer.startsWith('adam') ? 8 : 6, 'float64');
  const whole = l.external(96, gradients);
  const clear = optimizer.endsWith('clear');
  if (!optimizer.startsWith('sgd') || momentum)
    l.run(optimizer, clear ? [...memory, whole] : memory, clear ? [hyper] : [whole, hyper], [], [], guard);
  else l.run(optimizer, clear ? [...memory, whole] : memory, clear ? [hyper] : [whole, hyper]);
  return { l, x, memory };
}

test('layers are updated with their gradients; what belongs to others keeps its update', (t) => {
  for (const optimizer of ['sgd', 'adam', 'sgd_and_clear', 'adam_and_clear']) {
    const { l } = layers({ optimizer });
    const fused = fuseUpdate(l.list());
    const op = `linear_${optimizer.replace('_and_clear', '')}`;
    t.deepEqual(names(fused), [op, op, optimizer]);
    t.deepEqual(fused.instructions[0].of, ['linear_gradients', optimizer]);
    t.deepEqual([fused.instructions[2].operands[0].offset, fused.instructions[2].operands[0].size], [80, 16]);
    const [found, wanted] = [outcome(fused), outcome(l.list())];
    t.deepEqual(found, wanted);
  }
});

test('an update without momentum has no velocity to share', (t) => {
  const { l } = layers({ optimizer: 'sgd', momentum: false });
  const fused = fuseUpdate(l.list());
  t.deepEqual(names(fused), ['linear_sgd', 'linear_sgd', 'sgd']);
  t.is(fused.instructions[0].operands[1].size, 0);
});

test('a layer whose gradient is read before, and one under another guard, stay apart', (t) => {
  const { l } = layers({ read: true });
  const fused = fuseUpdate(l.list());
  t.deepEqual(names(fused), ['linear_gradients', 'neg', 'linear_adam', 'adam', 'adam']);
  t.deepEqual(outcome(fused), outcome(l.list()));
  const guarded = layers({ guard: {} });
  t.deepEqual(names(fuseUpdate(guarded.l.list())), names(guarded.l.list()));
});

test('a layer that reads what the update writes stays apart', (t) => {
  const { l, memory } = layers();
  const [weight, bias, , dy] = l.instructions[0].operands;
  l.instructions[0] = { ...l.instructions[0], operands: [weight, bias, { ...memory[0], size: 10 }, dy] };
  const fused = fuseUpdate(l.list());
  t.deepEqual(names(fused).slice(0, 2), ['linear_gradients', 'linear_adam']);
  t.deepEqual(outcome(fused), outcome(l.list()));
});
