// Gradient-check cases, by the name that the op has in native/ops/ops.def: inputs off every kink, sizes 0 and 1 among them.
import {
  addRelu,
  binaryCrossEntropy,
  concat,
  crossEntropy,
  dropout,
  exp,
  log,
  logSoftmax,
  mseLoss,
  pick,
  prelu,
  softmax,
  sqrt,
  stack,
  Tensor,
  where,
} from '../../lib/index.js';
import { linear } from '../../lib/ops/matmul.js';
import { Random } from '../../lib/random.js';
import { activations } from './activations.js';
import { attentionCases } from './attention-gradients.js';
import { convolutionCases } from './convolutions.js';
import { imageCases } from './images.js';
import { poolingCases } from './poolings.js';
import { f64, i32 } from './build.js';
import type { GradcheckOptions } from './gradcheck.js';
import { normCases } from './norm-gradients.js';
import { recurrentCases } from './recurrents.js';
import { Seeded } from './seeded.js';

type Double = Tensor<'float64'>;

/** A function and the point at which its Jacobian is checked. */
export interface GradientCase {
  readonly name: string;
  readonly fn: (...inputs: Double[]) => Double;
  readonly inputs: Double[];
  readonly options?: GradcheckOptions;
}

const shapes: readonly (readonly number[])[] = [[], [1], [0], [5], [17], [1, 1], [3, 4], [0, 3], [2, 3, 2], [1, 5, 1]];
const pairs: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[], []],
  [[1], [1]],
  [[0], [0]],
  [[5], [5]],
  [[17], []],
  [[], [4]],
  [[3, 4], [4]],
  [[4], [3, 4]],
  [
    [3, 1],
    [1, 4],
  ],
  [[2, 3, 1], [5]],
  [
    [0, 3],
    [1, 3],
  ],
  [
    [2, 1, 3],
    [2, 2, 3],
  ],
];
const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

interface Range {
  readonly low?: number;
  readonly high?: number;
  readonly kinks?: readonly number[];
}

function point(seed: number, shape: readonly number[], { low = -2, high = 2, kinks = [] }: Range = {}): Double {
  return f64(new Seeded(seed).uniform(size(shape), low, high, kinks), shape);
}

function unary(fn: (x: Double) => Double, range: Range = {}): GradientCase[] {
  return shapes.map((shape, index) => ({ name: `[${shape}]`, fn, inputs: [point(index + 1, shape, range)] }));
}

function binary(fn: (a: Double, b: Double) => Double, left: Range = {}, right: Range = {}): GradientCase[] {
  return pairs.map(([a, b], index) => ({ name: `[${a}] [${b}]`, fn, inputs: [point(index + 1, a, left), point(index + 101, b, right)] }));
}

/** Two tensors whose broadcast elements never come closer than 0.1: the order of each pair survives the step. */
function apart(fn: (a: Double, b: Double) => Double): GradientCase[] {
  return pairs.map(([a, b], index) => {
    const random = new Seeded(index + 1);
    // Even and odd tenths, so that every difference is at least a tenth.
    const left = Float64Array.from({ length: size(a) }, () => 0.2 * random.integer(11) - 1);
    const right = Float64Array.from({ length: size(b) }, () => 0.2 * random.integer(11) - 1.1);
    return { name: `[${a}] [${b}]`, fn, inputs: [f64(left, a), f64(right, b)] };
  });
}

const reductionAxes: readonly (readonly [readonly number[], readonly number[] | undefined])[] = [
  [[], undefined],
  [[1], [0]],
  [[6], undefined],
  [[70], [0]],
  [[3, 4], undefined],
  [[3, 4], [0]],
  [[3, 4], [1]],
  [[3, 4], [-1]],
  [[2, 3, 4], [1]],
  [
    [2, 3, 4],
    [0, 2],
  ],
  [[1, 3, 1], [1]],
];

function reduction(fn: (x: Double, axes: number[] | undefined, keepDims: boolean) => Double, distinct = false, least = 1): GradientCase[] {
  return reductionAxes
    .filter(([shape, axes]) => size(axes === undefined ? shape : axes.map((axis) => shape.at(axis) as number)) >= least)
    .flatMap(([shape, axes], index) =>
      [false, true].map((keepDims) => {
        const numbers = distinct ? new Seeded(index + 1).distinct(size(shape), -2, 2) : new Seeded(index + 1).uniform(size(shape), -2, 2);
        return {
          name: `[${shape}] over [${axes ?? 'all'}]${keepDims ? ' kept' : ''}`,
          fn: (x: Double) => fn(x, axes && [...axes], keepDims),
          inputs: [f64(numbers, shape)],
        };
      }),
    );
}

function products(): GradientCase[] {
  const sizes = [
    [1, 1, 1],
    [2, 3, 4],
    [5, 1, 2],
    [1, 6, 1],
    [3, 17, 2],
    [0, 3, 2],
    [2, 0, 3],
  ];
  return sizes.flatMap(([m, k, n], index) =>
    [false, true].flatMap((transposeA) =>
      [false, true].map((transposeB) => ({
        name: `${m}x${k} by ${k}x${n}${transposeA ? ', left transposed' : ''}${transposeB ? ', right transposed' : ''}`,
        fn: (a: Double, b: Double) => a.matmul(b, { transposeA, transposeB }),
        inputs: [point(index + 1, transposeA ? [k, m] : [m, k]), point(index + 51, transposeB ? [n, k] : [k, n])],
      })),
    ),
  );
}

const rows: readonly (readonly number[])[] = [
  [1, 1],
  [1, 4],
  [3, 2],
  [4, 5],
  [2, 17],
];

/** A single class has nothing to tell apart, and is refused. */
const classRows = rows.filter(([, classes]) => classes !== 1);

function classLosses(): GradientCase[] {
  return classRows.flatMap((shape, index) =>
    [{}, { labelSmoothing: 0.1 }, { reduction: 'sum' as const }, { reduction: 'none' as const, labelSmoothing: 0.25 }].map((options) => {
      const random = new Seeded(index + 1);
      const labels = i32(Array.from({ length: shape[0] }, () => random.integer(shape[1])));
      return {
        name: `[${shape}] ${JSON.stringify(options)}`,
        fn: (x: Double) => crossEntropy(x, labels, options),
        inputs: [point(index + 1, shape, { low: -4, high: 4 })],
      };
    }),
  );
}

/** Both inputs are differentiated, and the targets need not sum to 1. */
function probabilityLosses(): GradientCase[] {
  return classRows.flatMap((shape, index) =>
    [{}, { labelSmoothing: 0.1 }, { reduction: 'none' as const, labelSmoothing: 0.25 }].map((options) => ({
      name: `[${shape}] ${JSON.stringify(options)}`,
      fn: (x: Double, target: Double) => crossEntropy(x, target, options),
      inputs: [point(index + 1, shape, { low: -4, high: 4 }), point(index + 51, shape, { low: 0.1, high: 1 })],
    })),
  );
}

function normalized(fn: (x: Double, axis?: number) => Double): GradientCase[] {
  return [[1], [5], ...rows, [2, 3, 4], [2, 0]].flatMap((shape, index) =>
    shape.map((_, axis) => ({
      name: `[${shape}] along ${axis}`,
      fn: (x: Double) => fn(x, axis),
      inputs: [point(index + 1, shape, { low: -4, high: 4 })],
    })),
  );
}

function activationCases(op: string): GradientCase[] {
  return Object.values(activations)
    .filter((row) => row.op === op)
    .flatMap(({ fn, kinks, wide }) => [...unary(fn, { kinks }), ...(wide === undefined ? [] : unary(fn, { low: -wide, high: wide, kinks }))]);
}

const positive: Range = { low: 0.2, high: 3 };
const offZero: Range = { kinks: [0] };

/** Cases by native op; several names of the API may stand under the op that carries them out. */
export const gradientCases: Record<string, () => GradientCase[]> = {
  add: () => [...binary((a, b) => a.add(b)), ...apart(addRelu)],
  sub: () => binary((a, b) => a.sub(b)),
  mul: () => binary((a, b) => a.mul(b)),
  div: () => binary((a, b) => a.div(b), {}, { low: 0.5, high: 3 }),
  minimum: () => apart((a, b) => a.minimum(b)),
  maximum: () => apart((a, b) => a.maximum(b)),
  pow: () => [
    ...binary((a, b) => a.pow(b), positive),
    ...[2, 3, 0.5, -1, 2.5, 1, 0].flatMap((exponent) => unary((x) => x.pow(exponent), positive)),
    ...[2, 3, -1].flatMap((exponent) => unary((x) => x.pow(exponent), offZero)),
  ],
  where: () =>
    pairs.map(([a, b], index) => {
      const random = new Seeded(index + 1);
      const inputs = [point(index + 1, a), point(index + 101, b)];
      const shape = inputs[0].add(inputs[1]).shape;
      const mask = Tensor.from(
        Uint8Array.from({ length: size(shape) }, () => random.integer(2)),
        [...shape],
      ) as Tensor<'uint8'>;
      return { name: `[${a}] [${b}]`, fn: (x: Double, y: Double) => where(mask, x, y), inputs };
    }),
  neg: () => unary((x) => x.neg()),
  abs: () => unary((x) => x.abs(), offZero),
  exp: () => unary(exp),
  log: () => unary(log, positive),
  sqrt: () => unary(sqrt, positive),
  ...Object.fromEntries([...new Set(Object.values(activations).map(({ op }) => op))].map((op) => [op, () => activationCases(op)])),
  clip: () => [...activationCases('clip'), ...unary((x) => x.clip(-1, 0.75), { kinks: [-1, 0.75] })],
  prelu: () => [...binary(prelu, offZero), { name: 'one slope', fn: prelu, inputs: [point(1, [3, 4], offZero), point(2, [1])] }],
  // Numbers and steps that float32 holds exactly: through it and back the function is linear without rounding.
  cast: () =>
    shapes.map((shape, index) => ({
      name: `[${shape}]`,
      fn: (x: Double) => x.to('float32').mul(4).to('float64'),
      inputs: [
        f64(
          new Seeded(index + 1).uniform(size(shape)).map((value) => Math.round(256 * value) / 256),
          shape,
        ),
      ],
      options: { step: 2 ** -10 },
    })),
  // The same stream each time, so the same mask.
  dropout: () => [0, 0.25, 0.5, 1].flatMap((p, seed) => unary((x) => dropout(x, p, { random: new Random(seed) }))),
  copy_strided: () => [
    ...[[1, 0]].map((permutation) => ({
      name: `transpose [3,4] to ${permutation}`,
      fn: (x: Double) => x.transpose(permutation),
      inputs: [point(1, [3, 4])],
    })),
    ...[
      [2, 0, 1],
      [1, 2, 0],
      [0, 2, 1],
    ].map((permutation) => ({
      name: `transpose [2,3,4] to ${permutation}`,
      fn: (x: Double) => x.transpose(permutation),
      inputs: [point(2, [2, 3, 4])],
    })),
    { name: 'slice rows', fn: (x: Double) => x.slice([1, 0], [3, 4]), inputs: [point(3, [4, 4])] },
    { name: 'slice a block', fn: (x: Double) => x.slice([1, 1], [3, 4]), inputs: [point(4, [4, 5])] },
    { name: 'slice nothing', fn: (x: Double) => x.slice([2, 1], [2, 3]), inputs: [point(5, [4, 4])] },
    { name: 'split', fn: (x: Double) => x.split([1, 3], 1)[1], inputs: [point(6, [2, 4])] },
    { name: 'reshape', fn: (x: Double) => x.reshape([3, 2]), inputs: [point(7, [2, 3])] },
  ],
  embed: () => [
    { name: 'pad a vector', fn: (x: Double) => x.pad([[2, 1]]), inputs: [point(1, [3])] },
    {
      name: 'pad with a value',
      fn: (x: Double) =>
        x.pad(
          [
            [0, 1],
            [2, 0],
          ],
          0.5,
        ),
      inputs: [point(2, [2, 3])],
    },
    {
      name: 'pad nothing',
      fn: (x: Double) =>
        x.pad([
          [0, 0],
          [0, 0],
        ]),
      inputs: [point(3, [2, 1])],
    },
  ],
  concat: () => [
    ...[0, 1, 2].map((axis) => ({
      name: `concat at ${axis}`,
      fn: (a: Double, b: Double) => concat([a, b], axis),
      inputs: [point(1, [2, 3, 2]), point(2, [2, 3, 2])],
    })),
    {
      name: 'concat unequal',
      fn: (a: Double, b: Double, c: Double) => concat([a, b, c], 1),
      inputs: [point(3, [2, 1]), point(4, [2, 0]), point(5, [2, 3])],
    },
    { name: 'concat with itself', fn: (a: Double) => concat([a, a], 0), inputs: [point(6, [3])] },
    ...[0, 1, 2].map((axis) => ({
      name: `stack at ${axis}`,
      fn: (a: Double, b: Double) => stack([a, b], axis),
      inputs: [point(7, [2, 3]), point(8, [2, 3])],
    })),
  ],
  gather_rows: () =>
    [[0, 2, 1], [3, 3, 3], [1], []].map((indices) => ({
      name: `rows ${indices}`,
      fn: (x: Double) => x.gather(i32(indices)),
      inputs: [point(indices.length + 1, [4, 3])],
    })),
  sum: () => [
    ...reduction((x, axes, keepDims) => x.sum(axes, { keepDims })),
    ...reduction((x, axes, keepDims) => x.mean(axes, { keepDims })),
    ...[0, 1].flatMap((correction) => reduction((x, axes, keepDims) => x.var(axes, { keepDims, correction }), false, 2)),
    ...[0, 1].flatMap((correction) => reduction((x, axes, keepDims) => x.std(axes, { keepDims, correction }), false, 2)),
    ...shapes
      .filter((shape) => size(shape) > 0)
      .map((shape, index) => ({
        name: `mean squared error [${shape}]`,
        fn: (a: Double, b: Double) => mseLoss(a, b),
        inputs: [point(index + 1, shape), point(index + 31, shape)],
      })),
  ],
  max: () => reduction((x, axes, keepDims) => x.max(axes, { keepDims }), true),
  min: () => reduction((x, axes, keepDims) => x.min(axes, { keepDims }), true),
  matmul: () => [
    ...products(),
    ...[
      [1, 1, 1],
      [3, 4, 2],
      [2, 17, 5],
      [5, 1, 3],
      [0, 3, 2],
    ].flatMap(([m, k, n], index) => [
      { name: `${m}x${k} to ${n}`, fn: linear, inputs: [point(index + 1, [m, k]), point(index + 21, [k, n]), point(index + 41, [n])] },
      { name: `2x${m}x${k} to ${n}`, fn: linear, inputs: [point(index + 1, [2, m, k]), point(index + 21, [k, n]), point(index + 41, [n])] },
    ]),
  ],
  softmax: () => normalized(softmax),
  log_softmax: () => normalized(logSoftmax),
  cross_entropy: classLosses,
  cross_entropy_dense: probabilityLosses,
  pick: () =>
    rows.map((shape, index) => {
      const random = new Seeded(index + 1);
      const indices = i32(Array.from({ length: shape[0] }, () => random.integer(shape[1])));
      return { name: `[${shape}]`, fn: (x: Double) => pick(x, indices), inputs: [point(index + 1, shape)] };
    }),
  // Both inputs are differentiated; targets need not be from 0 to 1.
  binary_cross_entropy: () =>
    shapes
      .flatMap((shape, index) =>
        [{}, { positiveWeight: 3 }, { reduction: 'none' as const }].map((options) => ({
          name: `[${shape}] ${JSON.stringify(options)}`,
          fn: (x: Double, target: Double) => binaryCrossEntropy(x, target, options),
          inputs: [point(index + 1, shape, { low: -6, high: 6, kinks: [0] }), point(index + 51, shape, { low: 0.1, high: 1 })],
        })),
      )
      .filter(({ inputs, name }) => inputs[0].size > 0 || name.includes('none')),
  ...attentionCases,
  ...normCases,
  ...convolutionCases,
  ...poolingCases,
  ...imageCases,
  ...recurrentCases,
};
