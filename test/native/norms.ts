// Valid calls of the normalizations, and of their fused forms beside the operations that these stand for.
import type { TypedArray } from '../../lib/dtype.js';
import { arrayTypes } from '../../lib/dtype.js';
import type { Seeded } from '../helpers/seeded.js';
import { type Float, type Maker, one, runInto, type Sample, uniform } from './calls.js';

interface Fused {
  sample: Sample;
  apart: () => TypedArray[];
}

// Numbers of channels that fill whole vectors alone, several rows at a time, or never; and more than one tile of columns.
const widths = [1, 2, 3, 6, 7, 16, 17, 32, 48, 64, 70, 96, 260];
const eps = 1e-5;

interface Shape {
  rows: number;
  channels: number;
}

const shapesOf = (n: number, least = 1): Shape[] =>
  widths.map((channels) => ({ rows: Math.floor(n / channels), channels })).filter(({ rows }) => rows >= least);

/** Operands of a batch norm: tensors of its shape, statistics (in the dtype, or in float64 and large), factor and shift. */
function operands(dtype: Float, { rows, channels }: Shape, random: Seeded) {
  const full = (): TypedArray => uniform(random, dtype, rows * channels);
  const each = (low: number, high: number, type: Float = dtype): TypedArray => uniform(random, type, channels, low, high);
  const precise = channels % 2 === 1;
  return {
    x: full(),
    dy: full(),
    other: full(),
    mean: each(-1, 1, precise ? 'float64' : dtype),
    variance: each(0.1, 2, precise ? 'float64' : dtype),
    gamma: channels % 3 === 2 ? new arrayTypes[dtype](0) : each(-2, 2),
    beta: channels % 3 === 2 ? new arrayTypes[dtype](0) : each(-2, 2),
    dGamma: each(-9, 9),
    dBeta: each(-9, 9),
  };
}

function apply(op: string, outputs: readonly { dtype: Float; length: number }[], inputs: TypedArray[], ints: number[], reals: number[]) {
  const made = outputs.map(({ dtype, length }) => new arrayTypes[dtype](length) as TypedArray);
  runInto({ op, form: '', outputs: [], inputs, ints, reals }, made, inputs);
  return made;
}

export const normMakers: Record<string, Maker> = {
  batch_norm_statistics: (n, dtype, random) =>
    shapesOf(n).map(({ rows, channels }) => ({
      op: 'batch_norm_statistics',
      form: `${rows}×${channels}`,
      outputs: [...one('float64', channels), ...one('float64', channels)],
      inputs: [uniform(random, dtype, rows * channels)],
      ints: [rows, channels],
      reals: [],
    })),
  batch_norm_running: (n, dtype, random) =>
    [0.1, 1, -1].map((momentum) => ({
      op: 'batch_norm_running',
      form: `momentum ${momentum}`,
      outputs: [
        { dtype, length: n, initial: uniform(random, dtype, n) },
        { dtype, length: n, initial: uniform(random, dtype, n, 0, 2) },
        { dtype: 'int32', length: 1, initial: Int32Array.of(4) },
      ],
      inputs: [uniform(random, 'float64', n), uniform(random, 'float64', n, 0, 2), Float64Array.of(momentum)],
      ints: [7],
      reals: [],
    })),
  batch_norm: (n, dtype, random) =>
    shapesOf(n).map((shape) => {
      const { x, mean, variance, gamma, beta } = operands(dtype, shape, random);
      return {
        op: 'batch_norm',
        form: `${shape.rows}×${shape.channels}`,
        outputs: one(dtype, x.length),
        inputs: [x, mean, variance, gamma, beta],
        ints: [shape.rows, shape.channels],
        reals: [eps],
      };
    }),
  batch_norm_gradients: (n, dtype, random) =>
    shapesOf(n).map((shape) => {
      const { x, dy, mean, variance } = operands(dtype, shape, random);
      return {
        op: 'batch_norm_gradients',
        form: `${shape.rows}×${shape.channels}`,
        outputs: [...one(dtype, shape.channels), ...one(dtype, shape.channels)],
        inputs: [dy, x, mean, variance],
        ints: [shape.rows, shape.channels],
        reals: [eps],
      };
    }),
  batch_norm_backward: (n, dtype, random) =>
    shapesOf(n).flatMap((shape) =>
      [0, 1].map((ofInput) => {
        const { x, dy, mean, variance, gamma, dGamma, dBeta } = operands(dtype, shape, random);
        return {
          op: 'batch_norm_backward',
          form: `${shape.rows}×${shape.channels}, ${ofInput}`,
          outputs: one(dtype, x.length),
          inputs: [dy, x, mean, variance, gamma, dGamma, dBeta],
          ints: [shape.rows, shape.channels, ofInput],
          reals: [eps],
        };
      }),
    ),
};

/** [examples, positions, channels, groups] of about n elements. */
const groupSizes = (n: number): number[][] =>
  [
    [5, 1, 1],
    [7, 6, 3],
    [1, 32, 4],
    [300, 32, 32],
    [1, 70, 1],
    [2, 600, 2],
    [1, 300, 100],
  ].flatMap(([positions, channels, groups]) => {
    const examples = Math.min(9, Math.floor(n / (positions * channels)));
    return examples === 0 ? [] : [[examples, positions, channels, groups]];
  });

function grouped(op: string, place: (all: Record<'x' | 'dy' | 'mean' | 'variance' | 'gamma' | 'beta', TypedArray>) => TypedArray[]): Maker {
  return (n, dtype, random) =>
    groupSizes(n).map((sizes, i) => {
      const [examples, positions, channels, groups] = sizes;
      const ints = op === 'group_norm_gradients' ? sizes : [...sizes, i % 2];
      const [size, count, each] = [examples * positions * channels, examples * groups, positions % 2 === 0 ? 0 : channels];
      const inputs = place({
        x: uniform(random, dtype, size),
        dy: uniform(random, dtype, size),
        mean: uniform(random, 'float64', count, -1, 1),
        variance: uniform(random, 'float64', count, 0.1, 2),
        gamma: uniform(random, dtype, each),
        beta: uniform(random, dtype, each),
      });
      const outputs = {
        group_norm: [...one(dtype, size), ...one('float64', count), ...one('float64', count)],
        group_norm_gradients: [...one(dtype, channels), ...one(dtype, channels)],
      }[op];
      return { op, form: `${ints}`, outputs: outputs ?? one(dtype, size), inputs, ints, reals: [eps] };
    });
}

Object.assign(normMakers, {
  group_norm: grouped('group_norm', ({ x, gamma, beta }) => [x, gamma, beta]),
  group_norm_gradients: grouped('group_norm_gradients', ({ dy, x, mean, variance }) => [dy, x, mean, variance]),
  group_norm_backward: grouped('group_norm_backward', ({ dy, x, mean, variance, gamma }) => [dy, x, mean, variance, gamma]),
});

type FusedMaker = (n: number, dtype: Float, random: Seeded) => Fused[];

export const normFused: Record<string, FusedMaker> = {
  'batch_norm + relu': (n, dtype, random) =>
    shapesOf(n).map((shape) => {
      const { x, mean, variance, gamma, beta } = operands(dtype, shape, random);
      const [inputs, ints, outputs] = [[x, mean, variance, gamma, beta], [shape.rows, shape.channels], [{ dtype, length: x.length }]];
      return {
        sample: { op: 'batch_norm + relu', form: `${ints}`, outputs, inputs, ints, reals: [eps] },
        apart: () => apply('relu', outputs, apply('batch_norm', outputs, inputs, ints, [eps]), [], []),
      };
    }),
  'batch_norm + residual + relu': (n, dtype, random) =>
    shapesOf(n).map((shape) => {
      const { x, mean, variance, gamma, beta, other } = operands(dtype, shape, random);
      const [inputs, ints, outputs] = [[x, mean, variance, gamma, beta], [shape.rows, shape.channels], [{ dtype, length: x.length }]];
      return {
        sample: { op: 'batch_norm + residual + relu', form: `${ints}`, outputs, inputs: [...inputs, other], ints, reals: [eps] },
        apart: () => apply('add + relu', outputs, [...apply('batch_norm', outputs, inputs, ints, [eps]), other], [1, x.length, 1, 1], []),
      };
    }),
  'batch_norm_gradients + relu_backward recomputed': (n, dtype, random) =>
    shapesOf(n).map((shape) => {
      const { x, dy, mean, variance, gamma, beta } = operands(dtype, shape, random);
      const ints = [shape.rows, shape.channels];
      const [whole, sums] = [[{ dtype, length: x.length }], [shape.channels, shape.channels].map((length) => ({ dtype, length }))];
      return {
        sample: {
          op: 'batch_norm_gradients + relu_backward recomputed',
          form: `${ints}`,
          outputs: sums,
          inputs: [dy, x, mean, variance, gamma, beta],
          ints,
          reals: [eps],
        },
        apart: () => {
          const [y] = apply('batch_norm + relu', whole, [x, mean, variance, gamma, beta], ints, [eps]);
          const [g] = apply('relu_backward', whole, [dy, y], [], []);
          return apply('batch_norm_gradients', sums, [g, x, mean, variance], ints, [eps]);
        },
      };
    }),
  'batch_norm_backward + relu_backward recomputed': (n, dtype, random) =>
    shapesOf(n).flatMap((shape) =>
      [0, 1].map((ofInput) => {
        const { x, dy, mean, variance, gamma, beta, dGamma, dBeta } = operands(dtype, shape, random);
        const [ints, whole] = [[shape.rows, shape.channels], [{ dtype, length: x.length }]];
        return {
          sample: {
            op: 'batch_norm_backward + relu_backward recomputed',
            form: `${ints}, ${ofInput}`,
            outputs: whole,
            inputs: [dy, x, mean, variance, gamma, dGamma, dBeta, gamma, beta],
            ints: [...ints, ofInput],
            reals: [eps],
          },
          apart: () => {
            const [y] = apply('batch_norm + relu', whole, [x, mean, variance, gamma, beta], ints, [eps]);
            const [g] = apply('relu_backward', whole, [dy, y], [], []);
            return apply('batch_norm_backward', whole, [g, x, mean, variance, gamma, dGamma, dBeta], [...ints, ofInput], [eps]);
          },
        };
      }),
    ),
  'batch_norm_gradients + relu_backward kept': (n, dtype, random) =>
    shapesOf(n).map((shape) => {
      const { x, dy, other: y, mean, variance } = operands(dtype, shape, random);
      const ints = [shape.rows, shape.channels];
      const [whole, sums] = [[{ dtype, length: x.length }], [shape.channels, shape.channels].map((length) => ({ dtype, length }))];
      return {
        sample: {
          op: 'batch_norm_gradients + relu_backward kept',
          form: `${ints}`,
          outputs: [...sums, ...whole],
          inputs: [dy, x, mean, variance, y],
          ints,
          reals: [eps],
        },
        apart: () => {
          const [g] = apply('relu_backward', whole, [dy, y], [], []);
          return [...apply('batch_norm_gradients', sums, [g, x, mean, variance], ints, [eps]), g];
        },
      };
    }),
};
