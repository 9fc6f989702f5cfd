// Weight gradients of several shards become one operation along their tree.

import test from 'ava';
import { joinShardGradients } from '../../../lib/program/passes/shard-gradients.js';
import { addInTree } from '../../../lib/training/shards.js';
import type { Slot } from '../../../lib/program/record.js';
import { Lister, names, outcome } from './lists.js';

// Weights of [3, 3, 2, 4] by images of 2×2: 72 numbers of 8 and 16 for each image.
const size = 72;
const intsOf = (images: number, pad = 1): number[] => [images, 2, 2, 2, 2, 2, 4, 3, 3, 1, 1, pad, pad, 1, 1, 1, 1];

interface Tree {
  /** Images of each shard. */
  readonly images: readonly number[];
  readonly title?: string;
  readonly padOf?: (index: number) => number;
  readonly guarded?: number;
  /** What is done behind gradient `index`. */
  readonly behind?: (l: Lister, index: number, gradient: Slot) => void;
}

function tree({ images, title = 'conv2d_weight_gradient + overwrite', padOf = () => 1, guarded = -1, behind = () => {} }: Tree) {
  const l = new Lister();
  const gradients: Slot[] = [];
  const leaf = (index: number): Slot => {
    const gradient = l.temporary(size);
    gradients.push(gradient);
    const inputs = [l.input(8 * images[index]), l.input(16 * images[index])];
    l.run(title, [gradient], inputs, intsOf(images[index], padOf(index)), [], index === guarded ? l.guard() : undefined);
    l.instructions[l.instructions.length - 1].shard = index;
    behind(l, index, gradient);
    return gradient;
  };
  const total = addInTree(0, images.length, leaf, (left, right) => {
    l.run('accumulate', [left], [right]);
    return left;
  }) as Slot;
  l.run('neg', [l.external(size)], [total]);
  return { l, gradients };
}

const joined = 'conv2d_weight_gradient_shards + overwrite';

test('gradients of all shards and their sums become one operation, which knows their images and their tree', (t) => {
  const one = [1, 0];
  for (const [images, shards] of [
    [
      [1, 1],
      [one, [1, 1]],
    ],
    [
      [1, 2, 1],
      [one, [2, 1], [1, 1]],
    ],
    [
      [1, 1, 2, 1, 1],
      [one, [1, 1], [2, 0], [1, 2], [1, 1]],
    ],
    [
      [1, 1, 1, 1, 1, 1, 1, 2],
      [one, [1, 1], one, [1, 2], one, [1, 1], one, [2, 3]],
    ],
  ] as const) {
    const list = tree({ images }).l.list();
    const made = joinShardGradients(list);
    t.deepEqual(names(made), [joined, 'neg']);
    t.deepEqual(made.instructions[0].ints.slice(17, -1), shards.flat());
    t.is(
      made.instructions[0].ints[0],
      images.reduce<number>((all, of) => all + of, 0),
    );
    t.is(made.instructions[0].shard, undefined);
    t.is(made.instructions[0].of?.length, 2 * images.length - 1);
    t.deepEqual(outcome(made), outcome(list));
  }
});

test('it is left alone where gradients may hold −0, are smaller than what they are made of, or of different convolutions', (t) => {
  const isLeft = (given: Tree): boolean => !names(joinShardGradients(tree(given).l.list())).includes(joined);
  t.true(isLeft({ images: [1, 1], title: 'conv2d_weight_gradient' }));
  t.true(isLeft({ images: [4, 4] }));
  t.true(isLeft({ images: [1, 1], padOf: (index) => index }));
  t.true(isLeft({ images: [1, 1], guarded: 1 }));
  t.false(isLeft({ images: [2, 2] }));
});

test('it is left alone where somebody else reads a gradient, writes what one is made of, or wants one back', (t) => {
  const isLeft = ({ l }: ReturnType<typeof tree>, ...results: Slot[]): boolean =>
    !names(joinShardGradients(l.list(...results))).includes(joined);
  const images = [1, 1];
  t.true(isLeft(tree({ images, behind: (l, index, gradient) => void (index === 0 && l.run('neg', [l.external(size)], [gradient])) })));
  t.true(
    isLeft(
      tree({
        images,
        behind: (l, index) => {
          if (index === 0) l.run('fill', [l.instructions[0].operands[1]], [], [], [1]);
        },
      }),
    ),
  );
  for (const which of [0, 1]) {
    const made = tree({ images });
    t.true(isLeft(made, made.gradients[which]));
  }
});
