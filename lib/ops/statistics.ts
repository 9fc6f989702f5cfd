// Norms and statistics, in float64 whatever the input: what clips gradients what observed steps report and samples of large tensors. They leave no tape.

import type { AnyTensor, Tensor } from '../tensor.js';
import { type Op, defineOp } from './define.js';
import { requireFloat } from './elementwise.js';
import { emit, withoutGradients } from './emit.js';
import { copy, gather, reshape, slice } from './shape.js';

type Two = [Tensor<'float64'>, Tensor<'float64'>];

function defineSquares(name: string): Op<undefined> {
  const sum = { shape: [1], dtype: 'float64' } as const;
  return defineOp(name, {
    shape: (inputs) => {
      requireFloat(name, inputs);
      return { outputs: [sum, sum], ints: [], reals: [] };
    },
    gradient: 'none',
  });
}

const sumSquaresOp = defineSquares('sum_squares');
const sumSquaresDifferenceOp = defineSquares('sum_squares_difference');

/** Σ x² over all elements, and how many of them are not finite; of shape [1] each. */
export function sumSquares(x: AnyTensor): Two {
  return emit(sumSquaresOp, [x], undefined) as unknown as Two;
}

/** Σ (a − b)² over all elements, and Σ b²; of shape [1] each. */
export function sumSquaresDifference(a: AnyTensor, b: AnyTensor): Two {
  return emit(sumSquaresDifferenceOp, [a, b], undefined) as unknown as Two;
}

/** Length of {@link statistics}' first output. */
export const statisticsLength = 6;

/** Bins of {@link statistics}' histogram, from the most negative to the most positive. */
export const statisticsBins = 256;

const statisticsOp = defineOp('statistics', {
  shape: (inputs) => {
    requireFloat('statistics', inputs);
    return {
      outputs: [
        { shape: [statisticsLength], dtype: 'float64' },
        { shape: [statisticsBins], dtype: 'int32' },
      ],
      ints: [],
      reals: [],
    };
  },
  gradient: 'none',
});

/**
 * Elements that are not finite, zeros, and of the finite ones mean, standard deviation (of the population), least and largest; and the
 * counts of a histogram.
 */
export function statistics(x: AnyTensor): [numbers: Tensor<'float64'>, counts: Tensor<'int32'>] {
  return emit(statisticsOp, [x], undefined) as unknown as [Tensor<'float64'>, Tensor<'int32'>];
}

/**
 * Ends of the histogram's bins: each octave of magnitudes from 2⁻²⁴ to 2⁸ has four bins, smaller magnitudes are in the bins beside 0 and
 * larger ones in the outermost two. They do not depend on the data, so that one pass counts; they resolve activations near 1 and gradients
 * near 1e-7 alike; and they are fine enough to draw any linear picture from.
 */
export const statisticsEdges: readonly number[] = edges();

function edges(): number[] {
  const ends = [0];
  for (let octave = 2 / 33554432, o = 0; o < 32; octave *= 2, o++) for (let q = o === 0 ? 1 : 0; q < 4; q++) ends.push(octave * (1 + q / 4));
  ends.push(Infinity);
  return [
    ...ends
      .slice(1)
      .reverse()
      .map((end) => -end),
    ...ends,
  ];
}

/** Elements that lie together in a sample, and how many such blocks it has. */
const [blockLength, blocksTaken] = [1024, 16];

const goldenRatio = (Math.sqrt(5) - 1) / 2;

const isSampled = ({ size }: AnyTensor): boolean => size >= 2 * blockLength * blocksTaken;

/**
 * 16,384 elements from all over a tensor with twice as many or more; a smaller one as it is. A block of 1,024 from each of equal stretches, at
 * places in them that follow the golden ratio: at equal distances all might lie in the same rows of their images.
 */
export function sampleOf(x: AnyTensor): AnyTensor {
  if (!isSampled(x)) return x;
  const blocks = Math.floor(x.size / blockLength);
  const rows = Array.from({ length: blocksTaken }, (_, i) => Math.floor(((i + ((i * goldenRatio) % 1)) * blocks) / blocksTaken));
  return withoutGradients(() => {
    const flat = slice(reshape(x as Tensor, [x.size]), 0, blocks * blockLength);
    return gather(reshape(flat, [blocks, blockLength]), rows);
  });
}

/** The same as a copy in any case: later writes to the tensor leave it as it is. */
export function sampledCopy(x: AnyTensor): AnyTensor {
  return isSampled(x) ? sampleOf(x) : withoutGradients(() => copy(x));
}
