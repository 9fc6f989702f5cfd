// The backward of max pooling and of the ReLU before it become one instruction where nobody else reads what lies between.

import test from 'ava';
import { fusePooling } from '../../../lib/program/passes/pooling.js';
import { Lister, names, outcome } from './lists.js';

const ints = [1, 4, 2, 2, 2, 0, 1, 4, 2, 2, 2, 0, 1, 3];

function backward() {
  const l = new Lister();
  const [x, dx, taps] = [l.external(48), l.temporary(48), l.input(12, 'uint8')];
  const [y, out] = [l.external(48), l.external(48)];
  l.run('relu', [y], [x]).run('max_pool2d_backward', [dx], [l.input(12), taps], ints);
  return { l, dx, y, out };
}

test('the gradient goes through max pooling and ReLU in one pass', (t) => {
  const { l, dx, y, out } = backward();
  l.run('relu_backward', [out], [dx, y]);
  const fused = fusePooling(l.list());
  t.deepEqual(names(fused), ['relu', 'max_pool2d_backward + relu_backward']);
  t.deepEqual(fused.instructions[1].of, ['max_pool2d_backward', 'relu_backward']);
  t.deepEqual(outcome(fused), outcome(l.list()));
});

test('it is left alone where another reads it, guards differ, or it is the output of ReLU', (t) => {
  const read = backward();
  read.l.run('relu_backward', [read.out], [read.dx, read.y]).run('neg', [read.l.external(48)], [read.dx]);
  t.deepEqual(names(fusePooling(read.l.list())), ['relu', 'max_pool2d_backward', 'relu_backward', 'neg']);
  const guarded = backward();
  guarded.l.run('relu_backward', [guarded.out], [guarded.dx, guarded.y], [], [], guarded.l.guard());
  t.is(names(fusePooling(guarded.l.list())).length, 3);
  const turned = backward();
  turned.l.run('relu_backward', [turned.out], [turned.y, turned.dx]);
  t.is(names(fusePooling(turned.l.list())).length, 3);
});
