// Random tensors and dropout: the counter is an operand, so that a mask comes back in backward and after resume.

import { context } from '../context.js';
import type { FloatDType } from '../dtype.js';
import { ArgumentError, checkNumber, checkOptions, expected } from '../errors.js';
import { Random, hashStream } from '../random.js';
import { defaultRandom } from '../seed.js';
import { type AnyTensor, Tensor, checkShape } from '../tensor.js';
import { type Op, defineOp } from './define.js';
import { requireFloat } from './elementwise.js';
import { emitOne, liveInput, sizeOf } from './emit.js';
import { drawnPerStep } from './shards.js';

const two32 = 4294967296;

/** Sets `count` numbers of `random` aside and says where they start, as native code wants it: key, block, stream (two words each). */
export function reserveState(random: Random, count: number): AnyTensor {
  const { shard } = context;
  // Shards differ in their sizes, and a generator goes on alike for each of them: one number names a stream of the shard's own.
  const start = drawnPerStep(random, () => random.reserve(shard === null ? count : 1));
  return liveInput(6, 'int32', (words) => {
    const { seed, stream } = random.state;
    const block = shard === null ? start() / 4 : 0;
    const name = shard === null ? stream : `${stream}/${start()}/shard ${shard.index}`;
    const [low, high] = typeof name === 'string' ? hashStream(name) : [name >>> 0, Math.floor(name / two32) >>> 0];
    words.set([seed, Math.floor(seed / two32), block, Math.floor(block / two32), low, high]);
  });
}

/** A bit that is 1 with probability `p`, drawn anew for each step: int32 [1]. */
export function drawBit(random: Random, p: number): Tensor<'int32'> {
  const bit = drawnPerStep(random, () => (random.uniform() < p ? 1 : 0), [random, p]);
  return liveInput(1, 'int32', (bits) => {
    bits[0] = bit();
  });
}

interface Range {
  shape: readonly number[];
  dtype: FloatDType;
  a: number;
  b: number;
}

function defineRandom(name: string): Op<Range> {
  return defineOp<Range>(name, {
    shape: (_inputs, { shape, dtype, a, b }) => ({ outputs: [{ shape, dtype }], ints: [], reals: [a, b] }),
    gradient: 'none',
  });
}

const uniformOp = defineRandom('random_uniform');
const normalOp = defineRandom('random_normal');

/** Uniform numbers in [low, high). */
export function uniformTensor<D extends FloatDType>(shape: readonly number[], low: number, high: number, dtype: D, random: Random): Tensor<D> {
  const dimensions = checkShape(shape);
  return emitOne(uniformOp, [reserveState(random, sizeOf(dimensions))], { shape: dimensions, dtype, a: low, b: high });
}

/** Normal numbers. */
export function normalTensor<D extends FloatDType>(shape: readonly number[], mean: number, std: number, dtype: D, random: Random): Tensor<D> {
  const dimensions = checkShape(shape);
  return emitOne(normalOp, [reserveState(random, sizeOf(dimensions))], { shape: dimensions, dtype, a: mean, b: std });
}

const dropoutOp: Op<{ p: number }> = defineOp<{ p: number }>('dropout', {
  shape: (inputs, { p }) => ({
    outputs: [{ shape: inputs[0].shape, dtype: requireFloat('dropout', inputs.slice(0, 1)) }],
    ints: [],
    reals: [p],
  }),
  // The same counter gives the same mask.
  isRemade: true,
  gradient: ({ inputs, upstream, attributes }) => [emitOne(dropoutOp, [upstream, inputs[1]], attributes), null],
});

/** Options of {@link dropout}. */
export interface DropoutOptions {
  /** Whose numbers to draw. Default: the generator that {@link setSeed} restarts. */
  random?: Random;
}

/**
 * Zeroes each element with probability `p` and multiplies the others by `1/(1−p)`, so that the expectation stays.
 *
 * Course rows F06, F07 (inverted form: nothing to do at test time).
 *
 * @param x - Any shape, float32 or float64.
 * @param p - Probability of dropping, from 0 to 1.
 * @throws {@link ArgumentError} when `p` lies outside.
 * @example
 * ```ts
 * import { dropout, ones } from 'nodegrad';
 * dropout(ones([4]), 0.5).toArray(); // zeros and twos
 * ```
 */
export function dropout<D extends FloatDType>(x: Tensor<D>, p = 0.5, options: DropoutOptions = {}): Tensor<D> {
  const input = Tensor.check(x, 'x') as Tensor<D>;
  checkNumber(p, 'p', 0, 1);
  const { random = defaultRandom() } = checkOptions<DropoutOptions>(options, 'options', ['random']);
  if (!(random instanceof Random)) throw new ArgumentError(expected('a Random', 'options.random', random));
  requireFloat('dropout', [input]); // before numbers are set aside
  return emitOne(dropoutOp, [input, reserveState(random, input.size)], { p });
}
