// Trees of tensors: what is a leaf, in which order, and the way back.
import test from 'ava';
import { ArgumentError } from '../lib/index.js';
import { firstTensor, isTree, leavesOf, mapTensors, tensorsOf } from '../lib/tree.js';
import { f32, i32 } from './helpers/build.js';

const [a, b, c] = [f32([1]), i32([2]), f32([3])];

test('the tensors of a tree come in the order of its arrays and of sorted names, and go back to their places', (t) => {
  const tree = { sequence: a, rest: [b, { mask: c }] };
  const { leaves, paths, structure } = tensorsOf(tree, 'inputs');
  t.deepEqual(leaves, [b, c, a]);
  t.deepEqual(paths, ['inputs.rest[0]', 'inputs.rest[1].mask', 'inputs.sequence']);
  t.deepEqual(structure.rebuild([a, b, c]), { sequence: c, rest: [a, { mask: b }] });
  t.is(tensorsOf(a, 'inputs').structure.rebuild([b]), b);
});

test('the order in which an object was made tells nothing; names, lengths and depth do', (t) => {
  const key = (tree: Parameters<typeof tensorsOf>[0]) => tensorsOf(tree, 'inputs').structure.key;
  t.is(key({ x: a, y: b }), key({ y: a, x: b }));
  const others: Parameters<typeof tensorsOf>[0][] = [a, [a], [a, a], [[a], a], { x: a }, { x: [a] }, { x: a, y: a }, { y: a }];
  t.is(new Set(others.map(key)).size, others.length);
});

test('what is no tensor is named by where it stands', (t) => {
  t.throws(() => tensorsOf({ sequence: a, rest: [b, { mask: 3 }] } as never, 'inputs'), {
    instanceOf: ArgumentError,
    message: /`inputs\.rest\[1\]\.mask`, received 3/,
  });
  t.throws(() => tensorsOf([a, null] as never, 'targets'), { instanceOf: ArgumentError, message: /`targets\[1\]`/ });
  t.throws(() => tensorsOf(new Map() as never, 'targets'), { instanceOf: ArgumentError, message: /`targets`/ });
  t.throws(() => firstTensor({ x: [] }, 'inputs'), { instanceOf: ArgumentError, message: /at least one tensor/ });
});

test('arrays of numbers and empty branches are no tree', (t) => {
  for (const tree of [a, [a], { x: [1, { y: b }] }]) t.true(isTree(tree));
  for (const other of [1, null, [], {}, [[1, 2]], { x: 'y' }, new Map([[1, a]])]) t.false(isTree(other));
});

test('what holds itself is no tree, or is refused with the place', (t) => {
  const round: unknown[] = [1];
  round.push(round, { round });
  t.false(isTree(round));
  round.push(a);
  t.true(isTree(round));
  t.throws(() => tensorsOf({ x: round } as never, 'inputs'), { instanceOf: ArgumentError, message: /a tensor/ });
  round[0] = b;
  t.throws(() => tensorsOf({ x: round } as never, 'inputs'), { instanceOf: ArgumentError, message: /`inputs\.x\[1\]` holds itself/ });
  t.is(tensorsOf({ x: [a], y: [a] }, 'inputs').leaves.length, 2, 'twice is not within itself');
});

test('a tree of other tensors has the same branches', (t) => {
  t.deepEqual(
    mapTensors({ x: [a, c] }, 'inputs', (tensor) => (tensor === a ? b : a)),
    { x: [b, a] },
  );
  t.is(firstTensor({ x: [c], y: a }, 'inputs'), c);
});

test('what is no leaf and no branch stays as it is, in the order in which it stood', (t) => {
  const { leaves, structure } = leavesOf({ n: 3, text: ['x', null], first: 1 }, (value) => typeof value === 'number');
  t.deepEqual(leaves, [3, 1]);
  t.is(JSON.stringify(structure.rebuild([4, 5])), '{"n":4,"text":["x",null],"first":5}');
});
