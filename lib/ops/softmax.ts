// Softmax, log-softmax and the cross-entropies of rows and of single logits.

import { publicName } from './called.js';
import type { FloatDType } from '../dtype.js';
import { DTypeError, ShapeError, describeShape } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { sameShape } from './broadcast.js';
import { type Op, type Plan, defineOp } from './define.js';
import { mul, requireFloat, sub } from './elementwise.js';
import { emitOne, sizeOf } from './emit.js';
import { classTargetHint } from './hints.js';
import { checkAxis, filled, transpose } from './shape.js';

function rowsPlan(name: string, inputs: readonly AnyTensor[]): Plan {
  const dtype = requireFloat(name, inputs);
  const { shape } = inputs[0];
  if (shape.length === 0) throw new ShapeError(`[${name}] expected at least one axis, received a rank-0 tensor`);
  const columns = shape[shape.length - 1];
  return { outputs: [{ shape, dtype }], ints: [sizeOf(shape.slice(0, -1)), columns], reals: [] };
}

function defineRows(name: string): Op<undefined> {
  const backward = defineOp(`${name}_backward`, { shape: (inputs) => rowsPlan(`${name}_backward`, inputs), gradient: 'none' });
  return defineOp(name, {
    shape: (inputs) => rowsPlan(name, inputs),
    gradient: ({ outputs, upstream }) => [emitOne(backward, [upstream, outputs[0]], undefined)],
  });
}

const softmaxOp = defineRows('softmax');
const logSoftmaxOp = defineRows('log_softmax');

function alongAxis<D extends FloatDType>(op: Op<undefined>, x: Tensor<D>, axis: number): Tensor<D> {
  const input = Tensor.check(x, 'x') as Tensor<D>;
  const rank = input.shape.length;
  if (rank === 0) throw new ShapeError(`[${publicName(op.name)}] expected at least one axis, received a rank-0 tensor`);
  const at = checkAxis(axis, rank);
  if (at === rank - 1) return emitOne(op, [input], undefined);
  const order = input.shape.map((_, d) => (d === at ? rank - 1 : d === rank - 1 ? at : d));
  return transpose(emitOne<undefined, D>(op, [transpose(input, order)], undefined), order);
}

/**
 * `softmax(x)ᵢ = exp(xᵢ − max) / Σⱼ exp(xⱼ − max)` along an axis. Course rows E10–E12.
 *
 * @param x - Rank ≥ 1, float32 or float64.
 * @param axis - Default −1, the last.
 * @throws {@link ShapeError} for a rank-0 tensor or an axis outside it.
 * @example
 * ```ts
 * import { softmax, tensor } from 'nodegrad';
 * softmax(tensor([1000, 1001, 1002])).toArray(); // [0.0900…, 0.2447…, 0.6652…]
 * ```
 */
export function softmax<D extends FloatDType>(x: Tensor<D>, axis = -1): Tensor<D> {
  return alongAxis(softmaxOp, x, axis);
}

/**
 * `log softmax(x) = (x − max) − log Σ exp(x − max)` along an axis.
 *
 * @param x - Rank ≥ 1, float32 or float64.
 * @param axis - Default −1, the last.
 * @throws {@link ShapeError} for a rank-0 tensor or an axis outside it.
 * @example
 * ```ts
 * import { logSoftmax, tensor } from 'nodegrad';
 * logSoftmax(tensor([0, 0])).toArray(); // [-0.6931…, -0.6931…]
 * ```
 */
export function logSoftmax<D extends FloatDType>(x: Tensor<D>, axis = -1): Tensor<D> {
  return alongAxis(logSoftmaxOp, x, axis);
}

const crossEntropyBackwardOp = defineOp('cross_entropy_backward', {
  shape: ([, difference]) => ({
    outputs: [{ shape: difference.shape, dtype: difference.dtype }],
    ints: [sizeOf(difference.shape.slice(0, -1)), difference.shape[difference.shape.length - 1]],
    reals: [],
  }),
  gradient: 'none',
});

interface Smoothing {
  smoothing: number;
}

const crossEntropyOp = defineOp<Smoothing>('cross_entropy', {
  shape: (inputs, { smoothing }) => {
    const [logits, labels] = inputs;
    const plan = rowsPlan('crossEntropy', [logits]);
    const rows = logits.shape.slice(0, -1);
    if (!sameShape(labels.shape, rows)) {
      throw new ShapeError(
        `[crossEntropy] expected class indices of shape ${describeShape(rows)} for logits ${describeShape(logits.shape)}, received ${describeShape(labels.shape)}${classTargetHint(labels.shape, plan.outputs[0])}`,
      );
    }
    return { outputs: [{ shape: rows, dtype: plan.outputs[0].dtype }, plan.outputs[0]], ints: plan.ints, reals: [smoothing] };
  },
  gradient: ({ outputs, upstream }) => [emitOne(crossEntropyBackwardOp, [upstream, outputs[1]], undefined), null],
});

const crossEntropyDenseOp = defineOp<Smoothing>('cross_entropy_dense', {
  shape: (inputs, { smoothing }) => {
    requireFloat('crossEntropy', inputs);
    const plan = rowsPlan('crossEntropy', [inputs[0]]);
    if (!sameShape(inputs[1].shape, inputs[0].shape)) {
      const isIndices = sameShape(inputs[1].shape, inputs[0].shape.slice(0, -1));
      throw new ShapeError(
        `[crossEntropy] expected target probabilities of shape ${describeShape(inputs[0].shape)}, received ${describeShape(inputs[1].shape)}. Class indices are int32${isIndices ? ": target.to('int32')" : ''}`,
      );
    }
    return {
      outputs: [{ shape: inputs[0].shape.slice(0, -1), dtype: plan.outputs[0].dtype }, plan.outputs[0]],
      ints: plan.ints,
      reals: [smoothing],
    };
  },
  gradient: ({ inputs, outputs, upstream, needs, attributes }) => {
    // d loss / d target = −(1−s)·log softmax: targets are rarely learned, so it is composed.
    const target = (): AnyTensor => {
      const negative = mul(logSoftmax(inputs[0] as Tensor), attributes.smoothing - 1);
      const dy = upstream as Tensor;
      return mul(negative, dy.reshape([...dy.shape, 1]));
    };
    return [needs[0] ? emitOne(crossEntropyBackwardOp, [upstream, outputs[1]], undefined) : null, needs[1] ? target() : null];
  },
});

/** `−log softmax(logits)[label]` of each row, `−Σ target·log softmax(logits)` where targets are probabilities. */
export function crossEntropyOfRows<D extends FloatDType>(logits: Tensor<D>, target: Tensor<'int32'> | Tensor<D>, smoothing: number): Tensor<D> {
  return emitOne<Smoothing, D>(target.dtype === 'int32' ? crossEntropyOp : crossEntropyDenseOp, [logits, target], { smoothing });
}

const binaryCrossEntropyOp = defineOp<{ positiveWeight: number }>('binary_cross_entropy', {
  shape: ([logits, target], { positiveWeight }) => {
    const output = { shape: logits.shape, dtype: requireFloat('binaryCrossEntropy', [logits, target]) };
    return { outputs: [output, output], ints: [], reals: [positiveWeight] };
  },
  gradient: ({ inputs, outputs, upstream, needs, attributes: { positiveWeight } }) => {
    const [logits, difference, dy] = [inputs[0] as Tensor, outputs[1] as Tensor, upstream as Tensor];
    // d loss / d target = p·softplus(−x) − softplus(x), and softplus(x) = softplus(−x) + x; softplus(−x) is the loss of a target of 1.
    const target = (): Tensor => {
      const likely = binaryCrossEntropyOfLogits(logits, filled(logits.shape, 1, logits.dtype), 1);
      return mul(dy, sub(mul(likely, positiveWeight - 1), logits));
    };
    return [needs[0] ? mul(dy, difference) : null, needs[1] ? target() : null];
  },
});

/** `p·t·softplus(−x) + (1 − t)·softplus(x)` of each logit x beside a target t. */
export function binaryCrossEntropyOfLogits<D extends FloatDType>(logits: Tensor<D>, target: Tensor<D>, positiveWeight: number): Tensor<D> {
  return emitOne(binaryCrossEntropyOp, [logits, target], { positiveWeight });
}

const pickBackwardOp = defineOp<{ shape: readonly number[] }>('pick_backward', {
  shape: ([dy], { shape }) => ({
    outputs: [{ shape, dtype: dy.dtype }],
    ints: [sizeOf(shape.slice(0, -1)), shape[shape.length - 1]],
    reals: [],
  }),
  gradient: 'none',
});

const pickOp = defineOp('pick', {
  shape: ([x, index]) => {
    const { ints, outputs } = rowsPlan('pick', [x]);
    const rows = x.shape.slice(0, -1);
    if (index.dtype !== 'int32') throw new DTypeError(`[pick] expected int32 for \`index\`, received ${index.dtype}: index.to('int32')`);
    if (!sameShape(index.shape, rows))
      throw new ShapeError(
        `[pick] expected one index for each row, ${describeShape(rows)} beside ${describeShape(x.shape)}, received ${describeShape(index.shape)}`,
      );
    if (ints[1] === 0) throw new ShapeError(`[pick] expected rows of at least one number, received shape ${describeShape(x.shape)}`);
    return { outputs: [{ shape: rows, dtype: outputs[0].dtype }], ints, reals: [] };
  },
  gradient: ({ inputs, upstream }) => [emitOne(pickBackwardOp, [upstream, inputs[1]], { shape: inputs[0].shape }), null],
});

/**
 * One number of each row: `y[…] = x[…, index[…]]`, such as the score of each example's class.
 *
 * @param x - [..., columns], float32 or float64.
 * @param index - int32 [...], from 0.
 * @throws {@link ShapeError} when there is not one index for each row, {@link DTypeError} when it is not int32, {@link IndexError} when an
 *   index lies outside the columns.
 * @example
 * ```ts
 * import { Tensor, pick, tensor } from 'nodegrad';
 * pick(tensor([[1, 2, 3], [4, 5, 6]]), Tensor.from(Int32Array.of(2, 0))).toArray(); // [3, 4]
 * ```
 */
export function pick<D extends FloatDType>(x: Tensor<D>, index: Tensor<'int32'>): Tensor<D> {
  return emitOne(pickOp, [Tensor.check(x, 'x'), Tensor.check(index, 'index')], undefined);
}

/** Class indices of two classes, 0 for no and 1 for yes, beside one output each: as numbers of the outputs' shape. Any other target stays as it is. */
export function yesAndNo<D extends FloatDType>({ shape, dtype }: Tensor<D>, target: Tensor<D> | Tensor<'int32'> | Tensor<'uint8'>): Tensor<D> {
  const isLabel = target.dtype === 'int32' || target.dtype === 'uint8';
  const fits = isLabel && (sameShape(shape, target.shape) || sameShape(shape, [...target.shape, 1]));
  return fits ? ((target as Tensor<'int32'>).to(dtype).reshape(shape) as unknown as Tensor<D>) : (target as Tensor<D>);
}
