// Norms and statistics, in float64 whatever the input: what clips gradients what observed steps report and samples of large tensors. They leave no tape.

import type { AnyTensor, Tensor } from '../tensor.js';
import { type Op, defineOp } from './define.js';
import { requireFloat } from './elementwise.js';
import { emit, withoutGradients } from './emit.js';
import { type Channel, groupShare, type OwnedRange } from './group.js';
import { copy, copyInto, filled, gather, reshape, slice } from './shape.js';

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

/** Elements whose squares are summed one after the other; such blocks are joined by one tree. */
export const squaresBlock = 4096;

const sumSquaresBlocksOp = defineOp('sum_squares_blocks', {
  shape: (inputs) => {
    requireFloat('sum_squares_blocks', inputs);
    return { outputs: [{ shape: [Math.ceil(inputs[0].size / squaresBlock)], dtype: 'float64' }], ints: [], reals: [] };
  },
  gradient: 'none',
});

const sumBlocksOp = defineOp('sum_blocks', {
  shape: () => ({ outputs: [{ shape: [1], dtype: 'float64' }], ints: [], reals: [] }),
  gradient: 'none',
});

/** Elements or blocks that one process of a group has; null: all have them. */
export type Stretch = Omit<OwnedRange, 'owner'> & { readonly owner: number | null };

/**
 * The first of what {@link sumSquares} gives, of the same bits, for a tensor of which each process has its stretches alone: they share sums of blocks, and
 * the elements of those that belong to several.
 *
 * @param stretches - All of the tensor, in order.
 */
export function sumSquaresOverGroup(x: AnyTensor, stretches: readonly Stretch[], channel: Channel): Tensor<'float64'> {
  const flat = reshape(x as Tensor, [x.size]);
  const count = Math.ceil(x.size / squaresBlock);
  const runs = runsOfBlocks(stretches, x.size);
  const apart = stretches.flatMap(({ begin, end, owner }) =>
    runs
      .filter((run) => run.owner === null && owner !== null)
      .map((run) => ({ owner: owner as number, begin: Math.max(begin, run.begin * squaresBlock), end: Math.min(end, run.end * squaresBlock) }))
      .filter((piece) => piece.begin < piece.end),
  );
  groupShare(
    channel,
    apart.map(({ begin, end }) => slice(flat, begin, end)),
    apart.map(({ owner }) => owner),
  );
  const sums = filled([count], 0, 'float64');
  for (const { begin, end, owner } of runs) {
    if (owner !== null && owner !== channel.rank) continue;
    const [ofBlocks] = emit(sumSquaresBlocksOp, [slice(flat, begin * squaresBlock, Math.min(x.size, end * squaresBlock))], undefined);
    copyInto(slice(sums, begin, end), ofBlocks);
  }
  const owned = runs.filter(({ owner }) => owner !== null);
  groupShare(
    channel,
    owned.map(({ begin, end }) => slice(sums, begin, end)),
    owned.map(({ owner }) => owner as number),
  );
  return emit(sumBlocksOp, [sums], undefined)[0] as Tensor<'float64'>;
}

/** Blocks in runs, each of one owner; null for those that all compute. */
function runsOfBlocks(stretches: readonly Stretch[], size: number): Stretch[] {
  const runs: { begin: number; end: number; owner: number | null }[] = [];
  let at = 0;
  for (let block = 0; block * squaresBlock < size; block++) {
    const [first, last] = [block * squaresBlock, Math.min(size, (block + 1) * squaresBlock)];
    while (stretches[at].end <= first) at += 1;
    const owner = stretches[at].end >= last ? stretches[at].owner : null;
    const before = runs.at(-1);
    if (before !== undefined && before.owner === owner) before.end = block + 1;
    else runs.push({ begin: block, end: block + 1, owner });
  }
  return runs;
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
