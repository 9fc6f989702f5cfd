// Elementwise operations on temporaries become one pass.

import test from 'ava';
import { fuseChains } from '../../../lib/program/passes/chain.js';
import { Lister, names, outcome } from './lists.js';

test('maps, arithmetic on either side, broadcast operands, clipping and dropout become one', (t) => {
  const l = new Lister();
  const [x, w] = [l.input(12), l.input(12)];
  const [a, b, c, d, e, f, g] = Array.from({ length: 7 }, () => l.temporary(12));
  l.run('mul', [a], [x, l.external(4)], [2, 3, 4, 4, 1, 0, 1])
    .run('sub', [b], [w, a], [1, 12, 1, 1])
    .run('div', [c], [b, l.external(3)], [2, 3, 4, 4, 1, 1, 0])
    .run('tanh', [d], [c])
    .run('dropout', [e], [d, l.input(6, 'int32')], [], [0.4])
    .run('clip', [f], [e], [], [-0.5, 0.75])
    .run('relu_backward', [g], [w, f])
    .run('add', [l.external(12)], [l.constant(2), g], [1, 12, 0, 1]);
  const fused = fuseChains(l.list());
  t.deepEqual(names(fused), ['elementwise_chain']);
  t.is(fused.instructions[0].of?.length, 8);
  t.is(fused.instructions[0].operands.length, 1 + 1 + 5, 'w is named once: it is an operand of two steps');
  t.deepEqual(outcome(fused), outcome(l.list()));
});

test('a chain ends where a value is a result, is read twice, or its rows are of another length', (t) => {
  const l = new Lister();
  const x = l.input(12);
  const [a, b, c, d] = Array.from({ length: 4 }, () => l.temporary(12));
  l.run('neg', [a], [x])
    .run('exp', [b], [a])
    .run('tanh', [c], [b])
    .run('mul', [d], [c, c], [1, 12, 1, 1])
    .run('relu', [l.external(12)], [d]);
  t.deepEqual(names(fuseChains(l.list(b))), ['elementwise_chain', 'tanh', 'elementwise_chain']);
  t.deepEqual(outcome(fuseChains(l.list(b))), outcome(l.list(b)));
  const rows = new Lister();
  const first = rows.temporary(12);
  rows.run('add', [first], [rows.input(12), rows.external(4)], [2, 3, 4, 4, 1, 0, 1]);
  rows.run('add', [rows.external(12)], [first, rows.external(3)], [2, 4, 3, 3, 1, 0, 1]);
  t.deepEqual(names(fuseChains(rows.list())), ['add', 'add']);
});

test('a chain ends where guards differ, an operand changes on the way, or a value is stretched', (t) => {
  const guarded = new Lister();
  const a = guarded.temporary(12);
  guarded.run('neg', [a], [guarded.input(12)]).run('exp', [guarded.external(12)], [a], [], [], guarded.guard());
  t.deepEqual(names(fuseChains(guarded.list())), ['neg', 'exp']);
  const changed = new Lister();
  const [w, b] = [changed.external(12), changed.temporary(12)];
  changed
    .run('neg', [b], [w])
    .run('accumulate', [w], [changed.input(12)])
    .run('exp', [changed.external(12)], [b]);
  t.deepEqual(names(fuseChains(changed.list())), ['neg', 'accumulate', 'exp']);
  const stretched = new Lister();
  const row = stretched.temporary(4);
  stretched.run('neg', [row], [stretched.input(4)]).run('add', [stretched.external(12)], [stretched.input(12), row], [2, 3, 4, 4, 1, 0, 1]);
  t.deepEqual(names(fuseChains(stretched.list())), ['neg', 'add']);
});

test('a long run of operations becomes several chains', (t) => {
  const l = new Lister();
  let value = l.input(40);
  for (let i = 0; i < 40; i++) {
    const next = i < 39 ? l.temporary(40) : l.external(40);
    l.run(i % 2 === 0 ? 'tanh' : 'neg', [next], [value]);
    value = next;
  }
  const fused = fuseChains(l.list());
  t.is(fused.instructions.length, 3);
  t.deepEqual(outcome(fused), outcome(l.list()));
});
