// What computes only what nobody reads goes; results, memory that stays and checks do not.

import test from 'ava';
import { removeDead } from '../../../lib/program/passes/dead.js';
import { Lister, names, outcome } from './lists.js';

test('instructions that nobody needs go, and those that only they need', (t) => {
  const l = new Lister();
  const x = l.input(4);
  const [a, b, kept] = [l.temporary(4), l.temporary(4), l.temporary(4)];
  l.run('relu', [a], [x]).run('tanh', [b], [a]).run('exp', [kept], [x]);
  t.deepEqual(names(removeDead(l.list(kept))), ['exp']);
  t.deepEqual(outcome(removeDead(l.list(kept))), outcome(l.list(kept)));
});

test('what computes the bit of a guard is needed', (t) => {
  const l = new Lister();
  const bit = l.input(1, 'int32');
  const [copied, unused] = [l.temporary(1), l.temporary(1)];
  l.run('copy_strided', [copied], [bit], [0, 1, 1, 1]).run('copy_strided', [unused], [bit], [0, 1, 1, 1]);
  l.run('neg', [l.external(4)], [l.input(4)], [], [], l.guard(copied));
  t.deepEqual(names(removeDead(l.list())), ['copy_strided', 'neg']);
});

test('results, memory that stays, checks and what they read remain', (t) => {
  const l = new Lister();
  const x = l.input(4);
  const [a, b, sum] = [l.temporary(4), l.temporary(4), l.temporary(4)];
  l.run('relu', [a], [x])
    .run('require_finite', [], [a])
    .run('neg', [l.external(4)], [x])
    .run('fill', [sum], [], [], [1])
    .run('accumulate', [sum], [x])
    .run('exp', [b], [sum]);
  t.deepEqual(names(removeDead(l.list(b))), names(l.list()));
});
