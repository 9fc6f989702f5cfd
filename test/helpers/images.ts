// Operations on images beside convolution and pooling with a kernel, as gradient-check cases and as native calls.
import { localResponseNorm, type Tensor } from '../../lib/index.js';
import { columnsOf, type Maker, one, uniform } from '../native/calls.js';
import { f64 } from './build.js';
import type { GradientCase } from './gradients.js';
import { Seeded } from './seeded.js';

type Double = Tensor<'float64'>;

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);
const point = (seed: number, shape: readonly number[]): Double => f64(new Seeded(seed).uniform(size(shape), -2, 2), shape);

/** Sizes below, at and above the channels, odd and even; exponents with a formula of their own and without. */
const responses = [
  [[2, 3, 7], 5, { alpha: 0.4 }],
  [[3, 19], 4, { alpha: 2, beta: 0.6, k: 2 }],
  [[2, 2], 5, { alpha: 1, beta: 1.5, k: 0.5 }],
  [[2, 1, 2, 3], 1, { alpha: 0.3, beta: 0 }],
  [[0, 4], 3, {}],
] as const;

/** The gradient-check cases of these operations, by native op. */
export const imageCases: Record<string, () => GradientCase[]> = {
  local_response_norm: () =>
    responses.map(([shape, count, options], i) => ({
      name: `[${shape}] over ${count} ${JSON.stringify(options)}`,
      fn: (x: Double) => localResponseNorm(x, count, options),
      inputs: [point(i + 1, shape)],
    })),
};

function response(op: string): Maker {
  return (n, dtype, random) =>
    [1, 2, 5, 40].flatMap((count) =>
      [0.75, 0.5].map((beta) => {
        const channels = n > 100 ? columnsOf(n) : n;
        const rows = n > 100 ? n / channels : 2;
        const values = () => uniform(random, dtype, rows * channels);
        return {
          op,
          form: `${rows}×${channels} over ${count} to the power ${beta}`,
          outputs: one(dtype, rows * channels),
          inputs: op.endsWith('_backward') ? [values(), values()] : [values()],
          ints: [rows, channels, count],
          reals: [0.7, beta, 1.5],
        };
      }),
    );
}

/** Native calls of these operations. */
export const imageMakers: Record<string, Maker> = {
  local_response_norm: response('local_response_norm'),
  local_response_norm_backward: response('local_response_norm_backward'),
};
