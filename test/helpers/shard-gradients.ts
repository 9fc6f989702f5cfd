// Weight gradients of several shards: valid calls, each with the separate gradients and sums that it stands for.
import type { TypedArray } from '../../lib/dtype.js';
import { middleOf } from '../../lib/ops/group.js';
import { apply, columnsOf, type FusedMaker, uniform } from '../native/calls.js';

// [h, w, c, kernel, stride, padding, dilation, groups], by who serves: tap by tap, windows, Winograd, depthwise.
const geometries: readonly (readonly [number, number, number, number, number, number, number, number])[] = [
  [2, 2, 40, 3, 1, 1, 1, 1],
  [4, 3, 67, 3, 2, 1, 1, 1],
  [5, 4, 64, 2, 2, 1, 2, 2],
  [1, 3, 33, 3, 2, 4, 1, 1],
  [5, 5, 3, 3, 1, 1, 1, 1],
  [6, 4, 16, 3, 1, 1, 1, 1],
  [3, 2, 5, 3, 1, 1, 1, 5],
];

/** How many sums end with each of `count` shards, along the tree of a step. */
export function sumsOf(count: number): number[] {
  const sums = new Array<number>(count).fill(0);
  const collect = (begin: number, end: number): void => {
    if (end - begin === 1) return;
    const middle = middleOf(begin, end);
    collect(begin, middle);
    collect(middle, end);
    sums[end - 1] += 1;
  };
  collect(0, count);
  return sums;
}

/** Native calls of up to 16 shards, some without images; the outputs of the forward are a multiple of n. */
export const shardGradients: FusedMaker = (n, dtype, random) =>
  geometries.map(([h, w, c, kernel, stride, pad, dilation, groups], i) => {
    const k = columnsOf(n) * groups;
    const [oh, ow] = [h, w].map((size) => Math.floor((size + 2 * pad - dilation * (kernel - 1) - 1) / stride) + 1);
    const count = 1 + ((n + i) % 16);
    const images = Array.from({ length: count }, () => (n === 0 ? 0 : random.integer(4)));
    // Those that keep the order of a matrix product are compared with im2col.
    const intsOf = (of: number, choice: number): number[] => [
      of,
      h,
      w,
      c,
      oh,
      ow,
      k,
      kernel,
      kernel,
      stride,
      stride,
      pad,
      pad,
      dilation,
      dilation,
      groups,
      choice,
    ];
    const isExact = n % 2 === 1;
    const length = (kernel * kernel * c * k) / groups;
    const operands = images.map((of) => [of * h * w * c, of * oh * ow * k].map((size) => uniform(random, dtype, size)));
    const initial = uniform(random, dtype, length);
    const prior = ['', ' + overwrite', ' + accumulate'][(n + i) % 3];
    const sums = sumsOf(count);
    const apart = (): TypedArray[] => {
      const waiting: TypedArray[] = [];
      const add = (): void => {
        const right = waiting.pop() as TypedArray;
        waiting.push(apply('accumulate', dtype, length, [right], [], [], waiting.pop()));
      };
      for (const [at, of] of images.entries()) {
        waiting.push(
          apply(`conv2d_weight_gradient${prior === '' ? '' : ' + overwrite'}`, dtype, length, operands[at], intsOf(of, isExact ? 2 : 0)),
        );
        for (let sum = 0; sum < sums[at]; sum++) add();
      }
      return prior === ' + accumulate' ? [apply('accumulate', dtype, length, waiting, [], [], initial)] : waiting;
    };
    return {
      sample: {
        op: `conv2d_weight_gradient_shards${prior}`,
        form: `shards of ${images} images of ${h}×${w}×${c} to ${k}, kernel ${kernel}, stride ${stride}, dilation ${dilation}, ${groups} groups`,
        outputs: [{ dtype, length, ...(prior === '' ? {} : { initial }) }],
        inputs: operands.flat(),
        ints: [
          ...intsOf(
            images.reduce((all, of) => all + of, 0),
            isExact ? 1 : 0,
          ),
          ...images.flatMap((of, at) => [of, sums[at]]),
        ],
        reals: [],
      },
      apart,
    };
  });
