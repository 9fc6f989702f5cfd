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
