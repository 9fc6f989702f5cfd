// Trees of tensors: what is a leaf, in which order, and the way back.
import test from 'ava';
import { ArgumentError } from '../lib/index.js';
import { takeLeaves, tensorsOf } from '../lib/tree.js';
import { f32, i32 } from './helpers/build.js';

const [a, b, c] = [f32([1]), i32([2]), f32([3])];

test('the tensors of a tree come in the order of its arrays and names, and go back to their places', (t) => {
  const tree = { sequence: a, rest: [b, { mask: c }] };
  const { leaves, rebuild } = tensorsOf(tree, 'inputs');
  t.deepEqual(leaves, [a, b, c]);
  t.deepEqual(rebuild([c, a, b]), { sequence: c, rest: [a, { mask: b }] });
  t.is(tensorsOf(a, 'inputs').rebuild([b]), b);
});

test('what is no tensor is named by where it stands', (t) => {
  t.throws(() => tensorsOf({ sequence: a, rest: [b, { mask: 3 }] } as never, 'inputs'), {
    instanceOf: ArgumentError,
    message: /`inputs\.rest\[1\]\.mask`, received 3/,
  });
  t.throws(() => tensorsOf([a, null] as never, 'targets'), { instanceOf: ArgumentError, message: /`targets\[1\]`/ });
  t.throws(() => tensorsOf(new Map() as never, 'targets'), { instanceOf: ArgumentError, message: /`targets`/ });
});

test('what is no leaf and no branch stays as it is', (t) => {
  const { leaves, rebuild } = takeLeaves({ n: 3, text: ['x', null] }, (value) => typeof value === 'number');
  t.deepEqual(leaves, [3]);
  t.deepEqual(rebuild([4]), { n: 4, text: ['x', null] });
});
