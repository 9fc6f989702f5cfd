// Product, bias and activation become one instruction where nobody else reads what lies between.

import test from 'ava';
import { fuseActivation } from '../../../lib/program/passes/activation.js';
import { Lister, names, outcome } from './lists.js';

function product(op: 'linear' | 'matmul', activation: string | null) {
  const l = new Lister();
  const [x, w, b] = [l.input(12), l.external(20), l.external(5)];
  const [z, biased, y] = [l.temporary(15), l.temporary(15), l.external(15)];
  if (op === 'linear') l.run('matmul + bias', [z], [x, w, b], [3, 5, 4, 0, 0]);
  else l.run('matmul', [z], [x, w], [3, 5, 4, 0, 0]).run('add', [biased], [b, z], [2, 3, 5, 0, 1, 5, 1]);
  const value = op === 'linear' ? z : biased;
  if (activation !== null) l.run(activation, [y], [value], [], activation === 'elu' ? [0.5, 1] : []);
  return { l, x, z: value, y };
}

test('linear and a map become one', (t) => {
  for (const map of ['relu', 'tanh', 'sigmoid', 'exp', 'elu']) {
    const list = product('linear', map).l.list();
    const fused = fuseActivation(list);
    t.deepEqual(names(fused), [`matmul + bias + ${map}`]);
    t.deepEqual(fused.instructions[0].of, ['matmul + bias', map]);
    t.deepEqual(outcome(fused), outcome(list));
  }
});

test('matmul, the addition of a row and a map become one', (t) => {
  const { l, z } = product('matmul', 'tanh');
  t.deepEqual(names(fuseActivation(l.list())), ['matmul + bias + tanh']);
  t.deepEqual(outcome(fuseActivation(l.list())), outcome(l.list()));
  t.deepEqual(names(fuseActivation(l.list(z))), ['matmul + bias', 'tanh'], 'what comes before the activation is asked for');
  t.deepEqual(outcome(fuseActivation(l.list(z))), outcome(l.list(z)));
});

test('a sum with ReLU counts as both', (t) => {
  const l = new Lister();
  const z = l.temporary(15);
  l.run('matmul', [z], [l.input(12), l.external(20)], [3, 5, 4, 0, 0]).run(
    'add + relu',
    [l.external(15)],
    [z, l.external(5)],
    [2, 3, 5, 5, 1, 0, 1],
  );
  t.deepEqual(names(fuseActivation(l.list())), ['matmul + bias + relu']);
  t.deepEqual(outcome(fuseActivation(l.list())), outcome(l.list()));
});

test('it is left alone where another reads it, guards differ, a column is added, or an operand changes on the way', (t) => {
  const { l, z } = product('linear', 'relu');
  l.run('neg', [l.external(15)], [z]);
  t.deepEqual(names(fuseActivation(l.list())), ['matmul + bias', 'relu', 'neg']);

  const guarded = product('linear', null);
  guarded.l.run('relu', [guarded.y], [guarded.z], [], [], guarded.l.guard());
  t.deepEqual(names(fuseActivation(guarded.l.list())), ['matmul + bias', 'relu']);

  const column = new Lister();
  const wide = column.temporary(9);
  column.run('matmul', [wide], [column.input(9), column.external(9)], [3, 3, 3, 0, 0]);
  column.run('add', [column.external(9)], [wide, column.external(3)], [2, 3, 3, 3, 1, 1, 0]);
  t.deepEqual(names(fuseActivation(column.list())), ['matmul', 'add']);

  const changed = product('linear', null);
  const weight = changed.l.instructions[0].operands[2];
  changed.l.run('accumulate', [weight], [changed.l.input(20)]).run('relu', [changed.y], [changed.z]);
  t.deepEqual(names(fuseActivation(changed.l.list())), ['matmul + bias', 'accumulate', 'relu']);

  const transposed = new Lister();
  const turned = transposed.temporary(15);
  transposed.run('matmul', [turned], [transposed.input(12), transposed.external(20)], [3, 5, 4, 0, 1]);
  transposed.run('add', [transposed.external(15)], [turned, transposed.external(5)], [2, 3, 5, 5, 1, 0, 1]);
  t.deepEqual(names(fuseActivation(transposed.list())), ['matmul', 'add']);
});
