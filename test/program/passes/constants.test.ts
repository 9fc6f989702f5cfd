// Constant folding computes once what depends on constants only.

import test from 'ava';
import { foldConstants } from '../../../lib/program/passes/constants.js';
import { Lister, names, outcome } from './lists.js';

test('what depends on constants only becomes a constant, with the bits of its operations', (t) => {
  const l = new Lister();
  const [seed, third, factor, y] = [l.temporary(1), l.temporary(1), l.temporary(4), l.external(4)];
  l.run('fill', [seed], [], [], [1])
    .run('div', [third], [seed, l.constant(3)], [0])
    .run('mul', [factor], [l.constant(1, 1, -0, 1), third], [1, 4, 1, 0])
    .run('mul', [y], [l.input(4), factor], [1, 4, 1, 1]);
  const list = l.list(third);
  const folded = foldConstants(list);
  t.deepEqual(names(folded), ['mul']);
  t.deepEqual(folded.buffers[factor.buffer].kind, 'constant');
  t.deepEqual([...(folded.buffers[factor.buffer].data as Float32Array)], [1 / 3, 1 / 3, -0, 1 / 3].map(Math.fround));
  t.deepEqual(outcome(folded), outcome(list));
  t.is(list.buffers[factor.buffer].kind, 'temporary', 'the list that came in is as it was');
});

test('what depends on an input, stays in memory, is written twice, large, guarded or a product is not folded', (t) => {
  const l = new Lister();
  const [a, twice, large, guarded, product] = [l.temporary(4), l.temporary(4), l.temporary(20_000), l.temporary(4), l.temporary(1)];
  l.run('neg', [a], [l.input(4)])
    .run('fill', [l.external(4)], [], [], [0])
    .run('fill', [twice], [], [], [0])
    .run('accumulate', [twice], [l.input(4)])
    .run('fill', [large], [], [], [0])
    .run('fill', [guarded], [], [], [0], l.guard())
    .run('matmul', [product], [l.constant(1, 2), l.constant(3, 4)], [1, 1, 2, 0, 0]);
  t.deepEqual(names(foldConstants(l.list())), names(l.list()));
});
