// The backward of an activation goes into the product before it.

import test from 'ava';
import { fuseActivationGradient } from '../../../lib/program/passes/activation-gradient.js';
import { Lister, names, outcome } from './lists.js';

function backward(map: string, asUpstream = true) {
  const l = new Lister();
  const [dy, w, y] = [l.input(15), l.external(20), l.input(12)];
  const [dx, dz] = [l.temporary(12), l.external(12)];
  l.run('matmul', [dx], [dy, w], [3, 4, 5, 0, 1])
    .run('matmul + accumulate', [l.external(20)], [l.input(12), dy], [4, 5, 3, 1, 0])
    .run(map, [dz], asUpstream ? [dx, y] : [y, dx], [], map.startsWith('leaky') ? [0.25] : []);
  return { l, dx, w };
}

test('product and backward become one, past an accumulation between them', (t) => {
  for (const map of ['relu_backward', 'tanh_backward', 'sigmoid_backward', 'leaky_relu_backward']) {
    const list = backward(map).l.list();
    const fused = fuseActivationGradient(list);
    t.deepEqual(names(fused), ['matmul + accumulate', `matmul + ${map}`]);
    t.deepEqual(outcome(fused), outcome(list));
  }
});

test('it is left alone where the product is no upstream gradient, is a result, has another reader, or its weight changes', (t) => {
  const alone = ['matmul', 'matmul + accumulate', 'relu_backward'];
  t.deepEqual(names(fuseActivationGradient(backward('relu_backward', false).l.list())), alone);
  const { l, dx } = backward('relu_backward');
  t.deepEqual(names(fuseActivationGradient(l.list(dx))), alone);
  l.run('sum', [l.external(4)], [dx], [1, 3, 4]);
  t.deepEqual(names(fuseActivationGradient(l.list())), [...alone, 'sum']);
  const changed = backward('relu_backward');
  const last = changed.l.instructions.pop();
  changed.l.run('fill', [changed.w], [], [], [1]);
  changed.l.instructions.push(last as never);
  t.is(names(fuseActivationGradient(changed.l.list())).length, 4);
});
