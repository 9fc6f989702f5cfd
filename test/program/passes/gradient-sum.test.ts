// A convolution adds into the gradient that it is summed with.

import test from 'ava';
import { fuseActivationGradient } from '../../../lib/program/passes/activation-gradient.js';
import { fuseGradientSum } from '../../../lib/program/passes/gradient-sum.js';
import { Lister, names, outcome } from './lists.js';

// One image of 3×4 pixels, 2 channels to 3, kernel 1.
const ints = [1, 3, 4, 2, 3, 4, 3, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0];

function sums({ convolutionFirst = false, behind = (_l: Lister, _total: ReturnType<Lister['input']>): void => {} } = {}) {
  const l = new Lister();
  const [dy, w, upstream] = [l.input(36), l.external(6), l.input(24)];
  const [a, c, total] = [l.temporary(24), l.temporary(24), l.temporary(24)];
  const first = () => l.run('neg', [a], [upstream]);
  const convolution = () => l.run('conv2d_input_gradient', [c], [dy, w], ints);
  if (convolutionFirst) convolution();
  first();
  if (!convolutionFirst) convolution();
  l.run('add', [total], convolutionFirst ? [c, a] : [a, c], [1, 24, 1, 1]);
  behind(l, total);
  l.run('neg', [l.external(24)], [total]);
  return { l, a, c, total, w };
}

test('the sum of a gradient and that of a convolution is made in place, in either order', (t) => {
  for (const convolutionFirst of [false, true]) {
    const list = sums({ convolutionFirst }).l.list();
    const fused = fuseGradientSum(list);
    t.deepEqual(names(fused), ['neg', 'conv2d_input_gradient + accumulate', 'neg']);
    t.deepEqual(outcome(fused), outcome(list));
  }
});

test('a gradient that is added to in place is what the convolution adds to', (t) => {
  const make = (isOwn: boolean) => {
    const l = new Lister();
    const [dy, w] = [l.input(36), l.external(6)];
    const [grad, c] = [isOwn ? l.temporary(24) : dy, l.temporary(24)];
    if (isOwn) l.run('neg', [grad], [l.input(24)]);
    l.run('conv2d_input_gradient', [c], [dy, w], ints).run('accumulate', [{ ...grad, size: 24 }], [c]);
    return l.run('neg', [l.external(24)], [{ ...grad, size: 24 }]).list();
  };
  const list = make(true);
  const fused = fuseGradientSum(list);
  t.deepEqual(names(fused), ['neg', 'conv2d_input_gradient + accumulate', 'neg']);
  t.deepEqual(outcome(fused), outcome(list));
  t.deepEqual(names(fuseGradientSum(make(false))), names(make(false)), 'but not to its own input');
});

test('an activation behind the sum goes into it too', (t) => {
  const l = sums().l;
  const last = l.instructions.pop();
  const [y, dz] = [l.input(24), l.temporary(24)];
  const total = (last as { operands: readonly ReturnType<Lister['input']>[] }).operands[1];
  l.run('relu_backward', [dz], [total, y]).run('neg', [l.external(24)], [dz]);
  const list = l.list();
  const fused = fuseActivationGradient(fuseGradientSum(list));
  t.deepEqual(names(fused), ['neg', 'conv2d_input_gradient + accumulate + relu_backward', 'neg']);
  t.deepEqual(outcome(fused), outcome(list));
  const kept = fuseActivationGradient(fuseGradientSum(l.list(dz)));
  t.deepEqual(names(kept), ['neg', 'conv2d_input_gradient + accumulate', 'relu_backward', 'neg']);
});

test('two sums in a row end in the memory of the first gradient', (t) => {
  const list = sums({
    behind: (l, total) => {
      const [again, both] = [l.temporary(24), l.temporary(24)];
      l.run('conv2d_input_gradient', [again], [l.input(36), l.external(6)], ints)
        .run('add', [both], [total, again], [1, 24, 1, 1])
        .run('abs', [l.external(24)], [both]);
    },
  });
  // The sum has a second reader behind, so only the first one is made in place.
  const plain = list.l.list();
  const fused = fuseGradientSum(plain);
  t.deepEqual(names(fused), ['neg', 'conv2d_input_gradient + accumulate', 'conv2d_input_gradient', 'add', 'abs', 'neg']);
  t.deepEqual(outcome(fused), outcome(plain));
  list.l.instructions.pop();
  const chain = list.l.list();
  t.deepEqual(names(fuseGradientSum(chain)), ['neg', 'conv2d_input_gradient + accumulate', 'conv2d_input_gradient + accumulate', 'abs']);
  t.deepEqual(outcome(fuseGradientSum(chain)), outcome(chain));
});

test('it is left alone where a part is a result, read later, or broadcast, or where the weight changes in between', (t) => {
  const alone = ['neg', 'conv2d_input_gradient', 'add', 'neg'];
  for (const part of ['a', 'c', 'total'] as const) {
    const made = sums();
    t.deepEqual(names(fuseGradientSum(made.l.list(made[part]))), alone, part);
  }
  const read = sums();
  read.l.run('neg', [read.l.external(24)], [read.a]);
  t.deepEqual(names(fuseGradientSum(read.l.list())), [...alone, 'neg']);
  const changed = sums();
  const rest = changed.l.instructions.splice(2);
  changed.l.run('fill', [changed.w], [], [], [1]);
  changed.l.instructions.push(...rest);
  t.is(names(fuseGradientSum(changed.l.list())).length, 5);
});
