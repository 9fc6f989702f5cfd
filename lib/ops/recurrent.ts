// Recurrent operations: a whole sequence of RNN, LSTM or GRU in one call, the products of all inputs being made before, and masks from lengths.

import { type DType, arrayTypes } from '../dtype.js';
import { ArgumentError, ShapeError, checkInteger, describeShape, expected } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type GradientContext, type Op, type OutputSpecification, defineOp } from './define.js';
import { requireFloat } from './elementwise.js';
import { allocateOutput, emit, emitInPlace, emitOne } from './emit.js';
import { weightGradient } from './matmul.js';
import { sum } from './reduce.js';
import { fillInPlace, reshape } from './shape.js';

/** Sizes of a sequence, and which way it is read. */
export interface Sequence {
  batch: number;
  time: number;
  hidden: number;
  reversed: boolean;
}

/** The output in every step, zeros where the mask is 0, and the states after the last one. */
export interface SequenceResult {
  output: Tensor;
  state: Tensor[];
}

/** What stands for an operand that is absent. */
function nothing(dtype: DType): AnyTensor {
  return Tensor.wrap(new arrayTypes[dtype](0) as never, [0], dtype);
}
const orNothing = (tensor: AnyTensor | null, like: AnyTensor): AnyTensor => tensor ?? nothing(like.dtype as DType);
const maskOrNothing = (mask: AnyTensor | null): AnyTensor => mask ?? nothing('uint8');

/** A backward, and whether it gives the gradient by the first state: where nobody asks, a product less. */
type Asked<A> = A & { isStateAsked: boolean };

const intsOf = ({ batch, time, hidden, reversed }: Sequence, last: number): number[] => [batch, time, hidden, reversed ? 1 : 0, last];
const each = ({ batch, time }: Sequence, n: number, dtype: DType): OutputSpecification => ({ shape: [batch, time, n], dtype });
const state = ({ batch }: Sequence, n: number, dtype: DType): OutputSpecification => ({ shape: [batch, n], dtype });
const none = (dtype: DType): OutputSpecification => ({ shape: [0], dtype });
const rows = (x: AnyTensor): AnyTensor => reshape(x as Tensor, [x.shape[0] * x.shape[1], x.shape[2]]);
/** Steps of all examples, each of which multiplies its state by the weights: [batch, time, gates] by [state, gates]. */
const stepsOf = (pre: AnyTensor, w: AnyTensor): number => pre.size / w.shape[1];

// ---- RNN ----

type Simple = Sequence & { rectified: boolean };

const rnnBackwardOp: Op<Asked<Simple>> = defineOp<Asked<Simple>>('rnn_backward', {
  shape: ([, , w], s) => {
    const dtype = w.dtype as DType;
    const initial = s.isStateAsked ? state(s, s.hidden, dtype) : none(dtype);
    return { outputs: [each(s, s.hidden, dtype), initial], ints: intsOf(s, s.rectified ? 1 : 0), reals: [] };
  },
  overwrites: [{ output: 0, input: 0 }],
  gradient: 'none',
});

const rnnOp: Op<Simple> = defineOp<Simple>('rnn', {
  shape: ([pre, w, initial], s) => {
    const dtype = requireFloat('rnn', [pre, w, initial]);
    const every = each(s, s.hidden, dtype);
    return { outputs: [every, state(s, s.hidden, dtype), every], ints: intsOf(s, s.rectified ? 1 : 0), reals: [] };
  },
  products: ([pre, w]) => stepsOf(pre, w) * w.size,
  differentiable: 2,
  // dW = Σ over time of hᵀ·da, h being the state before each step: one product.
  overwrites: [{ output: 0, input: 0 }],
  gradient: ({ inputs: [, w, , mask], outputs: [, final, before], attributes, upstreams: [dy, dfinal], needs, target }) => {
    const upstreams = [orNothing(dy, w), orNothing(dfinal, w)];
    const [dpre, dinitial] = emit(rnnBackwardOp, [...upstreams, w, before, final, mask], { ...attributes, isStateAsked: needs[2] });
    return [dpre, needs[1] ? weightGradient(rows(before), rows(dpre), target(1)) : null, needs[2] ? dinitial : null, null];
  },
});

/** `h = f(pre + h·W)` in every step; f is tanh, or ReLU where `rectified`. */
export function rnn(
  pre: Tensor,
  weight: Tensor,
  [initial]: readonly (Tensor | null)[],
  mask: AnyTensor | null,
  sizes: Sequence,
  rectified: boolean,
): SequenceResult {
  const [output, final] = emit(rnnOp, [pre, weight, orNothing(initial, pre), maskOrNothing(mask)], { ...sizes, rectified }) as Tensor[];
  return { output, state: [final] };
}

// ---- LSTM ----

type Projected = Sequence & {
  /** Numbers of the projection; 0: there is none. */
  projected: number;
};

const lstmBackwardOp: Op<Asked<Projected>> = defineOp<Asked<Projected>>('lstm_backward', {
  shape: ([, , , w], s) => {
    const dtype = w.dtype as DType;
    const size = s.projected || s.hidden;
    const outputs = [
      each(s, 4 * s.hidden, dtype),
      s.isStateAsked ? state(s, size, dtype) : none(dtype),
      s.isStateAsked ? state(s, s.hidden, dtype) : none(dtype),
      s.projected ? each(s, size, dtype) : none(dtype),
    ];
    return { outputs, ints: intsOf(s, s.projected), reals: [] };
  },
  overwrites: [{ output: 0, input: 5 }],
  gradient: 'none',
});

const lstmOp: Op<Projected> = defineOp<Projected>('lstm', {
  shape: (inputs, s) => {
    const dtype = requireFloat('lstm', inputs.slice(0, 5));
    const size = s.projected || s.hidden;
    const [y, h, c] = [each(s, size, dtype), state(s, size, dtype), state(s, s.hidden, dtype)];
    const [cells, gates] = [each(s, s.hidden, dtype), each(s, 4 * s.hidden, dtype)];
    return { outputs: [y, h, c, y, cells, gates, s.projected ? cells : none(dtype)], ints: intsOf(s, s.projected), reals: [] };
  },
  products: ([pre, w, projection]) => stepsOf(pre, w) * (w.size + projection.size),
  differentiable: 3,
  overwrites: [{ output: 5, input: 0 }],
  gradient: ({ inputs, outputs, attributes, upstreams: [dy, dh, dc], needs, target }) => {
    const [, w, projection, , , mask] = inputs;
    const [, , , before, cells, gates, raw] = outputs;
    const upstreams = [orNothing(dy, w), orNothing(dh, w), orNothing(dc, w)];
    const asked = { ...attributes, isStateAsked: needs[3] || needs[4] };
    const [dpre, dh0, dc0, dout] = emit(lstmBackwardOp, [...upstreams, w, projection, gates, cells, mask], asked);
    return [
      dpre,
      needs[1] ? weightGradient(rows(before), rows(dpre), target(1)) : null,
      needs[2] && attributes.projected > 0 ? weightGradient(rows(raw), rows(dout), target(2)) : null,
      needs[3] ? dh0 : null,
      needs[4] ? dc0 : null,
      null,
    ];
  },
});

/** `c = σ(f)·c + σ(i)·tanh(g)`, `h = σ(o)·tanh(c)`, then `h·projection` where there is one; `i, f, g, o = pre + h·W`. */
export function lstm(
  pre: Tensor,
  weight: Tensor,
  projection: Tensor | null,
  [h, c]: readonly (Tensor | null)[],
  mask: AnyTensor | null,
  sizes: Sequence,
): SequenceResult {
  const inputs = [pre, weight, orNothing(projection, pre), orNothing(h, pre), orNothing(c, pre), maskOrNothing(mask)];
  const [output, lastH, lastC] = emit(lstmOp, inputs, { ...sizes, projected: projection === null ? 0 : projection.shape[1] }) as Tensor[];
  return { output, state: [lastH, lastC] };
}

// ---- GRU ----

type Resetting = Sequence & {
  /** Whether the reset gate works on the product of the state rather than on the state. */
  resetAfter: boolean;
};

const gruBackwardOp: Op<Asked<Resetting>> = defineOp<Asked<Resetting>>('gru_backward', {
  shape: ([, , w], s) => {
    const dtype = w.dtype as DType;
    const initial = s.isStateAsked ? state(s, s.hidden, dtype) : none(dtype);
    return {
      outputs: [each(s, 3 * s.hidden, dtype), initial, each(s, s.hidden, dtype)],
      ints: intsOf(s, s.resetAfter ? 1 : 0),
      reals: [],
    };
  },
  overwrites: [
    { output: 0, input: 4 },
    { output: 2, input: 0 },
  ],
  gradient: 'none',
});

const gruWeightOp: Op<Resetting> = defineOp<Resetting>('gru_weight_accumulate', {
  shape: (_inputs, s) => ({ outputs: [], ints: [s.batch * s.time, s.hidden, s.resetAfter ? 1 : 0], reals: [] }),
  gradient: 'none',
});

const gruOp: Op<Resetting> = defineOp<Resetting>('gru', {
  shape: (inputs, s) => {
    const dtype = requireFloat('gru', inputs.slice(0, 4));
    const every = each(s, s.hidden, dtype);
    return {
      outputs: [every, state(s, s.hidden, dtype), every, each(s, 3 * s.hidden, dtype), every],
      ints: intsOf(s, s.resetAfter ? 1 : 0),
      reals: [],
    };
  },
  products: ([pre, w]) => stepsOf(pre, w) * w.size,
  differentiable: 2,
  overwrites: [{ output: 3, input: 0 }],
  gradient: (context) => {
    const { inputs, outputs, attributes, upstreams, needs } = context;
    const [, w, , , mask] = inputs;
    const [, , before, gates, q] = outputs;
    const upstream = [orNothing(upstreams[0], w), orNothing(upstreams[1], w)];
    const asked = { ...attributes, isStateAsked: needs[3] };
    const [dpre, dinitial, dq] = emit(gruBackwardOp, [...upstream, w, before, gates, q, mask], asked);
    const dw = needs[1] ? gruWeightGradient(context, [before, q, dpre, dq]) : null;
    return [dpre, dw, needs[2] && attributes.resetAfter ? sum(rows(dq) as Tensor, 0) : null, needs[3] ? dinitial : null, null];
  },
});

function gruWeightGradient({ inputs, attributes, target }: GradientContext<Resetting>, from: readonly AnyTensor[]): AnyTensor | null {
  const known = target(1);
  const into = known ?? allocateOutput({ shape: inputs[1].shape, dtype: inputs[1].dtype as DType });
  if (known === null) fillInPlace(into, 0);
  emitInPlace(gruWeightOp, [into], from, attributes);
  return known === null ? into : null;
}

/**
 * `h = (1 − z)·n + z·h` with `r, z = σ(pre + h·W)` and `n = tanh(pre + r·(h·W + bias))`, or with the reset before the product
 * `n = tanh(pre + (r·h)·W)`, which has no bias.
 */
export function gru(
  pre: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  [initial]: readonly (Tensor | null)[],
  mask: AnyTensor | null,
  sizes: Sequence,
  resetAfter: boolean,
): SequenceResult {
  const inputs = [pre, weight, orNothing(bias, pre), orNothing(initial, pre), maskOrNothing(mask)];
  const [output, final] = emit(gruOp, inputs, { ...sizes, resetAfter }) as Tensor[];
  return { output, state: [final] };
}

// ---- lengths ----

const sequenceMaskOp = defineOp<{ time: number }>('sequence_mask', {
  shape: ([lengths], { time }) => {
    const [batch] = lengths.shape;
    return { outputs: [{ shape: [batch, time], dtype: 'uint8' }], ints: [batch, time], reals: [] };
  },
  gradient: 'none',
});

/**
 * Which steps of padded sequences count: 1 where `step < length`, shape [batch, time].
 *
 * @param lengths - int32 [batch], or whole numbers, each from 0 to `time`.
 * @param time - Steps of the longest sequence.
 * @throws {@link ShapeError} when the lengths are no vector, {@link ArgumentError} for another type, and when a length lies outside 0 … time.
 * @example
 * ```ts
 * import { sequenceMask } from 'nodegrad';
 * sequenceMask([1, 3], 3).toArray(); // [[1, 0, 0], [1, 1, 1]]
 * ```
 */
export function sequenceMask(lengths: Tensor<'int32'> | readonly number[], time: number): Tensor<'uint8'> {
  checkInteger(time, 'time', 0, 2 ** 31 - 1);
  const vector = Array.isArray(lengths)
    ? Tensor.from(
        Int32Array.from(lengths as number[], (length, i) => checkInteger(length, `lengths[${i}]`, 0, time)),
        [lengths.length],
      )
    : (Tensor.check(lengths, 'lengths') as AnyTensor);
  if ((vector.dtype as DType) !== 'int32')
    throw new ArgumentError(expected('a tensor of int32, or a list of whole numbers', 'lengths', lengths));
  if (vector.shape.length !== 1) throw new ShapeError(`[sequenceMask] expected lengths [batch], received shape ${describeShape(vector.shape)}`);
  return emitOne(sequenceMaskOp, [vector], { time });
}
