// Scaled dot-product attention of several heads, fused: no row of scores is ever whole.

import type { FloatDType } from '../dtype.js';
import {
  ArgumentError,
  DTypeError,
  ShapeError,
  checkFlag,
  checkInteger,
  checkNumber,
  checkOptions,
  describeShape,
  expected,
} from '../errors.js';
import { Random } from '../random.js';
import { defaultRandom } from '../seed.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { sameShape } from './broadcast.js';
import { type Op, defineOp } from './define.js';
import { requireFloat } from './elementwise.js';
import { emit, emitOne } from './emit.js';
import { reserveState } from './random.js';

interface Heads {
  batch: number;
  queries: number;
  keys: number;
  heads: number;
  depth: number;
  causal: boolean;
  scale: number;
  dropout: number;
}

const intsOf = ({ batch, queries, keys, heads, depth, causal }: Heads): number[] => [batch, queries, keys, heads, depth, causal ? 1 : 0];
const realsOf = ({ scale, dropout }: Heads): number[] => [scale, dropout];

const backwardOp: Op<Heads> = defineOp<Heads>('attention_backward', {
  shape: ([, q, k, v], sizes) => ({
    outputs: [q, k, v].map(({ shape, dtype }) => ({ shape, dtype })),
    ints: intsOf(sizes),
    reals: realsOf(sizes),
  }),
  gradient: 'none',
});

const attentionOp: Op<Heads> = defineOp<Heads>('attention', {
  shape: (inputs, sizes) => {
    const dtype = requireFloat('attention', inputs.slice(0, 3));
    const statistics = { shape: [sizes.batch, sizes.heads, sizes.queries, 2], dtype };
    return { outputs: [{ shape: inputs[0].shape, dtype }, statistics], ints: intsOf(sizes), reals: realsOf(sizes) };
  },
  gradient: ({ inputs: [q, k, v, keep, state], outputs: [y, statistics], upstream, attributes }) => [
    ...emit(backwardOp, [upstream, q, k, v, y, statistics, keep, state], attributes),
    null,
    null,
  ],
});

/** Options of {@link attention}. */
export interface AttentionOptions {
  /** How many heads share the features; divides them. Default 1. */
  heads?: number;
  /** Whether a query sees the keys up to its own position only. Default false. */
  causal?: boolean;
  /**
   * Which keys count, [N, keys]: 1 for those that do, 0 for padding. Default: all. (PyTorch's `key_padding_mask` is the other way round.) What does not count has the weight 0,
   * as keys behind a causal mask have, and has to be finite: 0·NaN is NaN.
   */
  mask?: Tensor<'uint8'>;
  /** What scores are multiplied by. Default `1/√depth`, the depth being the features of a head. */
  scale?: number;
  /** Probability of dropping a weight, from 0 to 1; the others are multiplied by `1/(1−p)`. Default 0. */
  dropout?: number;
  /** Whose numbers drop weights. Default: the generator that {@link setSeed} restarts. */
  random?: Random;
}

const known = ['heads', 'causal', 'mask', 'scale', 'dropout', 'random'];

function sizesOf(q: AnyTensor, k: AnyTensor, v: AnyTensor, options: AttentionOptions): Heads {
  const shapes = [q, k, v].map(({ shape }) => describeShape(shape)).join(', ');
  const { heads = 1, causal = false, dropout = 0 } = options;
  if (
    [q, k, v].some(({ shape }) => shape.length !== 3) ||
    !sameShape(k.shape, v.shape) ||
    q.shape[0] !== k.shape[0] ||
    q.shape[2] !== k.shape[2]
  )
    throw new ShapeError(`[attention] expected q [N, queries, features], k and v [N, keys, features], received ${shapes}`);
  const [batch, queries, features] = q.shape;
  const keys = k.shape[1];
  if (features === 0 || features % checkInteger(heads, 'options.heads', 1) !== 0)
    throw new ShapeError(`[attention] expected \`heads\` to divide the features, received ${heads} and ${features}`);
  if (checkFlag(causal, 'options.causal') && queries !== keys)
    throw new ShapeError(`[attention] expected as many keys as queries under a causal mask, received ${keys} and ${queries}`);
  const depth = features / heads;
  const scale = checkNumber(options.scale ?? 1 / Math.sqrt(depth), 'options.scale');
  return { batch, queries, keys, heads, depth, causal, scale, dropout: checkNumber(dropout, 'options.dropout', 0, 1) };
}

function checkMask(mask: unknown, { batch, keys }: Heads): AnyTensor {
  if (mask === undefined) return Tensor.wrap(new Uint8Array(0), [0], 'uint8');
  const given = Tensor.check(mask, 'options.mask') as AnyTensor;
  if (given.dtype !== 'uint8')
    throw new DTypeError(`[attention] expected a uint8 mask of ones and zeros, received ${given.dtype}: mask.to('uint8')`);
  if (!sameShape(given.shape, [batch, keys]))
    throw new ShapeError(
      `[attention] expected a mask [N, keys] = ${describeShape([batch, keys])}, received shape ${describeShape(given.shape)}`,
    );
  return given;
}

/**
 * `softmax(q·kᵀ·scale)·v` for each head, a stretch of the features: what each query takes of the values, by how well its key fits. Vaswani et al. 2017.
 *
 * The scores are never stored: keys come in tiles with a running maximum and sum, and backward computes them again. A query that sees no key
 * gives zeros (PyTorch: NaN).
 *
 * @param q - Queries [N, queries, features], float32 or float64.
 * @param k - Keys [N, keys, features].
 * @param v - Values, of the shape of the keys.
 * @returns [N, queries, features].
 * @throws {@link ShapeError} when shapes do not fit or `heads` does not divide the features, {@link DTypeError} for other element types,
 *   {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { attention, ones } from 'nodegrad';
 * const x = ones([2, 10, 64]);
 * attention(x, x, x, { heads: 4, causal: true }).shape; // [2, 10, 64]
 * ```
 */
export function attention<D extends FloatDType>(q: Tensor<D>, k: Tensor<D>, v: Tensor<D>, options: AttentionOptions = {}): Tensor<D> {
  const operands = [Tensor.check(q, 'q'), Tensor.check(k, 'k'), Tensor.check(v, 'v')] as AnyTensor[];
  const given = checkOptions<AttentionOptions>(options, 'options', known);
  const { random = defaultRandom() } = given;
  if (!(random instanceof Random)) throw new ArgumentError(expected('a Random', 'options.random', random));
  const sizes = sizesOf(operands[0], operands[1], operands[2], given);
  const mask = checkMask(given.mask, sizes);
  requireFloat('attention', operands); // before numbers are set aside
  // Every row of weights has its numbers in whole blocks of four.
  const numbers = sizes.batch * sizes.heads * sizes.queries * Math.ceil(sizes.keys / 4) * 4;
  const state = sizes.dropout > 0 ? reserveState(random, numbers) : Tensor.wrap(new Int32Array(0), [0], 'int32');
  return emitOne(attentionOp, [...operands, mask, state], sizes);
}
