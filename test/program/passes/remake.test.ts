// Cheap values that wait for the backward pass are made again in large steps, when what they are made of is still there.

import test from 'ava';
import { bytesOf } from '../../../lib/dtype.js';
import { remakeCheap } from '../../../lib/program/passes/remake.js';
import type { List } from '../../../lib/program/passes/list.js';
import { planMemory } from '../../../lib/program/plan.js';
import type { Recording, Slot } from '../../../lib/program/record.js';
import { Lister, names, outcome } from './lists.js';

const size = 64;
/** x, by a product, which is never made again. */
const product = (l: Lister, x: Slot): Lister => l.run('matmul', [x], [l.external(size), l.external(32 * 32)], [2, 32, 32, 0, 0]);
const all = { step: 0, value: 0 };

const arenaOf = (list: List): number =>
  planMemory(
    { ...list, inputs: [], hooks: [], live: [], before: [], stamps: [], conditions: [] } as Recording,
    list.results.map(({ buffer }) => buffer),
  ).arenaBytes;

interface Options {
  /** What is done between y = relu(x) and its reader at the end; `x` itself is read behind that. */
  between?: (l: Lister, x: Slot, y: Slot) => void;
  /** Whether x is read at the end. */
  stays?: boolean;
  /** What makes y of x. */
  make?: (l: Lister, x: Slot, y: Slot) => void;
}

/** x and y = relu(x) are made, some work takes more memory than anything else, and y is read once more. */
function waiting({ between = () => {}, stays = true, make = (l, x, y) => l.run('relu', [y], [x]) }: Options = {}) {
  const l = new Lister();
  const [x, y, large, end] = [l.temporary(size), l.temporary(size), l.temporary(size), l.external(size)];
  product(l, x);
  make(l, x, y);
  l.run('exp', [l.external(size)], [y])
    .run('abs', [large], [l.external(size)])
    .run('neg', [l.external(size)], [large]);
  between(l, x, y);
  l.run('add', [end], [y, l.external(size)], [1, size, 1, 1]);
  if (stays) l.run('abs', [l.external(size)], [x]);
  return { l, x, y };
}

test('a value is made again right before it is read, and the bits stay', (t) => {
  const list = waiting().l.list();
  const remade = remakeCheap(list, all);
  t.deepEqual(names(remade), ['matmul', 'relu', 'exp', 'abs', 'neg', 'relu', 'add', 'abs']);
  t.deepEqual(remade.instructions[5].of, ['relu', 'again']);
  t.deepEqual(outcome(remade), outcome(list));
  t.is(arenaOf(list), 3 * size * bytesOf('float32'));
  t.is(arenaOf(remade), 2 * size * bytesOf('float32'));
});

test('a step that takes little memory is left as it is, and so are small values', (t) => {
  const list = waiting().l.list();
  t.is(remakeCheap(list), list);
  t.is(remakeCheap(list, { step: 3 * size * 4 + 1, value: 0 }), list);
  t.is(remakeCheap(list, { step: 0, value: size * 4 + 1 }), list);
  t.not(remakeCheap(list, { step: 3 * size * 4, value: size * 4 }), list);
});

test('it stays where its input has gone or changes, where it changes itself, is a result, or is made in some steps only', (t) => {
  const left = (list: List): void => {
    t.deepEqual(names(remakeCheap(list, all)), names(list));
  };
  left(waiting({ stays: false }).l.list());
  left(waiting({ between: (l, x) => l.run('accumulate', [x], [l.external(size)]) }).l.list());
  left(waiting({ between: (l, _x, y) => l.run('accumulate', [y], [l.external(size)]) }).l.list());
  const { l, y } = waiting();
  left(l.list(y));
  const guarded = new Lister();
  const guard = guarded.guard();
  left(waiting({ make: (one, x, to) => one.run('relu', [to], [x], [], [], guard) }).l.list());
});

test('a chain of values is made again in its order, those without a reader of their own too', (t) => {
  const l = new Lister();
  const [x, u, v, w, large] = [1, 2, 3, 4, 5].map(() => l.temporary(size));
  product(l, x).run('abs', [u], [x]).run('relu', [v], [u]).run('exp', [w], [v]);
  l.run('abs', [large], [w]).run('neg', [l.external(size)], [large]);
  // Behind the fullest place v is read first, then w, then x: u is made again for v, and v for w as well.
  l.run('abs', [l.external(size)], [w])
    .run('abs', [l.external(size)], [v])
    .run('abs', [l.external(size)], [x]);
  const list = l.list();
  const remade = remakeCheap(list, all);
  t.deepEqual(names(remade).slice(6), ['abs', 'relu', 'exp', 'abs', 'abs', 'abs']);
  t.deepEqual(outcome(remade), outcome(list));
  t.true(arenaOf(remade) < arenaOf(list));
});
