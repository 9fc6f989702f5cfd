// Clipped gradients are scaled by the update that uses them.

import test from 'ava';
import { fuseClipping } from '../../../lib/program/passes/clipping.js';
import { Lister, names, outcome } from './lists.js';

function clipped(optimizer: string, { size = 40, read = false, guard = false } = {}) {
  const l = new Lister();
  const slab = l.slab(48);
  const states = optimizer.startsWith('adam') ? 2 : 1;
  const memory = Array.from({ length: states + 1 }, () => l.external(40));
  const gradient = l.external(40, slab);
  const hyper = l.input(states === 2 ? 8 : 6, 'float64');
  l.run('scale_by', [l.external(size, slab)], [l.input(1, 'float64')]);
  if (read) l.run('sum', [l.external(1)], [gradient], [1, 40, 1]);
  const bit = guard ? l.guard() : undefined;
  if (optimizer.endsWith('clear')) l.run(optimizer, [...memory, gradient], [hyper], [], [], bit);
  else l.run(optimizer, memory, [gradient, hyper], [], [], bit);
  return l;
}

test('scaling and update become one, whether gradients are zeroed or stay', (t) => {
  for (const optimizer of ['sgd', 'sgd_and_clear', 'adam', 'adam_and_clear']) {
    const l = clipped(optimizer);
    const fused = fuseClipping(l.list());
    t.deepEqual(names(fused), [`scaled_${optimizer.split('_')[0]}`]);
    t.deepEqual(outcome(fused), outcome(l.list()));
  }
});

test('they stay apart where another stretch is scaled, it is read on the way, or guards differ', (t) => {
  for (const options of [{ size: 48 }, { size: 32 }, { read: true }, { guard: true }]) {
    const l = clipped('adam', options);
    t.deepEqual(names(fuseClipping(l.list())), names(l.list()));
  }
});
