// Softmax, log-softmax and the fused softmax cross-entropy.

import { publicName } from './called.js';
import type { FloatDType } from '../dtype.js';
import { DTypeError, ShapeError, checkChoice, checkNumber, checkOptions, describeShape } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { sameShape } from './broadcast.js';
import { type Op, type Plan, defineOp } from './define.js';
import { mul, requireFloat } from './elementwise.js';
import { emitOne, sizeOf } from './emit.js';
import { classTargetHint, twoOutputs } from './hints.js';
import { mean, sum } from './reduce.js';
import { checkAxis, transpose } from './shape.js';

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

/** How a loss per example becomes one number. */
export type Reduction = 'mean' | 'sum' | 'none';

/** Reduces a loss per example or per element. */
export function reduceLoss<D extends FloatDType>(loss: Tensor<D>, reduction: Reduction): Tensor<D> {
  return reduction === 'mean' ? mean(loss) : reduction === 'sum' ? sum(loss) : loss;
}

const reductions = ['mean', 'sum', 'none'] as const;
export function checkReduction(value: unknown): Reduction {
  return checkChoice(value, 'reduction', reductions);
}

function refuseOneClass({ shape }: AnyTensor): void {
  if (shape[shape.length - 1] !== 1) return;
  throw new ShapeError(
    `[crossEntropy] expected logits for at least two classes (the last dimension), received shape ${describeShape(shape)}: the softmax of one is always 1, and nothing is learned. ${twoOutputs}; one output that fits numbers goes with mseLoss`,
  );
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

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** `'mean'` over the examples (default), `'sum'`, or `'none'` for a loss per example. */
  reduction?: Reduction;
  /** Share of the target spread evenly over all classes: `target·(1−s) + s/classes`. Default 0. */
  labelSmoothing?: number;
}

/**
 * Softmax cross-entropy from logits: `−log softmax(logits)[target]`, fused and stable for any finite logits.
 *
 * Its gradient by the logits is `softmax(logits) − target`. Course rows E13–E15, E22, E30.
 *
 * @param logits - [..., classes], scores before any softmax, float32 or float64.
 * @param target - Class indices from 0 (int32 or uint8, shape [...]), or probabilities (same shape and dtype as the logits).
 * @returns A rank-0 tensor, or shape [...] with `reduction: 'none'`.
 * @throws {@link ShapeError} when shapes do not fit, or there is one class, whose probability is always 1; {@link IndexError} when an index lies outside the classes.
 * @example
 * ```ts
 * import { crossEntropy, Tensor, tensor } from 'nodegrad';
 * const logits = tensor([[3.2, 5.1, -1.7]]);
 * crossEntropy(logits, Tensor.from(Int32Array.of(0))).item(); // 2.040…
 * ```
 */
export function crossEntropy<D extends FloatDType>(
  logits: Tensor<D>,
  target: Tensor<'int32'> | Tensor<'uint8'> | Tensor<D>,
  options: CrossEntropyOptions = {},
): Tensor<D> {
  const scores = Tensor.check(logits, 'logits') as Tensor<D>;
  let wanted: AnyTensor = Tensor.check(target, 'target');
  checkOptions(options, 'options', ['reduction', 'labelSmoothing']);
  const reduction = checkReduction(options.reduction ?? 'mean');
  const smoothing = checkNumber(options.labelSmoothing ?? 0, 'labelSmoothing', 0, 1);
  requireFloat('crossEntropy', [scores]);
  if (wanted.dtype === 'uint8') wanted = wanted.to('int32');
  if (wanted.dtype !== 'int32' && wanted.dtype !== scores.dtype) {
    throw new DTypeError(
      `[crossEntropy] expected int32 class indices or ${scores.dtype} probabilities for \`target\`, received ${wanted.dtype}`,
    );
  }
  refuseOneClass(scores);
  const op = wanted.dtype === 'int32' ? crossEntropyOp : crossEntropyDenseOp;
  return reduceLoss(emitOne<Smoothing, D>(op, [scores, wanted], { smoothing }), reduction);
}
