// Softmax cross-entropy from logits, with smoothed, ignored and weighted labels.

import { type FloatDType, isFloat } from '../dtype.js';
import { ArgumentError, DTypeError, ShapeError, checkNumber, checkOptions, describeShape } from '../errors.js';
import { log, mul, requireFloat, sub } from '../ops/elementwise.js';
import { twoOutputs } from '../ops/hints.js';
import { sum } from '../ops/reduce.js';
import { crossEntropyOfRows, logSoftmax } from '../ops/softmax.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { keepNames } from '../names.js';
import { type LabelOptions, checkClassWeights, checkIgnoreIndex, classTable, labelOptions, labelledLoss } from './labels.js';
import { ClassLoss } from './loss.js';
import { checkReduction, reduceLoss } from './reduce.js';

/** Options of {@link crossEntropy} and {@link CrossEntropyLoss}: the mean is over the examples. */
export interface CrossEntropyOptions extends LabelOptions {
  /** Share of the target spread evenly over all classes: `target·(1−s) + s/classes`. Default 0. */
  readonly labelSmoothing?: number;
}

const known = ['labelSmoothing', ...labelOptions];
const checkSmoothing = (value: unknown = 0): number => checkNumber(value, 'options.labelSmoothing', 0, 1);

function refuseOneClass({ shape }: AnyTensor): void {
  if (shape[shape.length - 1] !== 1) return;
  throw new ShapeError(
    `[crossEntropy] expected logits for at least two classes (the last dimension), received shape ${describeShape(shape)}: the softmax of one is always 1, and nothing is learned. ${twoOutputs}, or binaryCrossEntropy() with targets from 0 to 1; one output that fits numbers goes with mseLoss`,
  );
}

/**
 * Softmax cross-entropy from logits: `−log softmax(logits)[target]`, fused and stable for any finite logits.
 *
 * Its gradient by the logits is `softmax(logits) − target`. With class weights w and smoothing s the loss of an example of class y is
 * `(1−s)·w_y·loss_y + s/classes·Σ_c w_c·loss_c`, and the mean divides by the sum of `w_y` over the labels that are not ignored (PyTorch's
 * form; where all are ignored it is 0). Course rows E13–E15, E22, E30.
 *
 * @param logits - [..., classes], scores before any softmax, float32 or float64.
 * @param target - Class indices from 0 (int32 or uint8, shape [...]), or probabilities (same shape and dtype as the logits).
 * @param weights - How often each example counts, [examples].
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
  weights?: AnyTensor,
): Tensor<D> {
  const scores = Tensor.check(logits, 'logits') as Tensor<D>;
  const wanted: AnyTensor = Tensor.check(target, 'target');
  checkOptions(options, 'options', ['reduction', ...known], labelOptions);
  const smoothing = checkSmoothing(options.labelSmoothing);
  requireFloat('crossEntropy', [scores]);
  const isLabels = wanted.dtype === 'int32' || wanted.dtype === 'uint8';
  if (!isLabels && (!isFloat(wanted.dtype) || wanted.dtype !== scores.dtype)) {
    throw new DTypeError(
      `[crossEntropy] expected int32 class indices or ${scores.dtype} probabilities for \`target\`, received ${wanted.dtype}`,
    );
  }
  refuseOneClass(scores);
  if (!isLabels) return ofProbabilities(scores, wanted as Tensor<D>, smoothing, options, weights);
  const isSpread = smoothing > 0 && checkClassWeights(options.classWeights) !== null;
  return labelledLoss(scores, wanted as Tensor<'int32'>, options, weights, {
    plain: (labels) => crossEntropyOfRows(scores, labels, isSpread ? 0 : smoothing),
    weighted: (losses, own, table) => {
      const weighted = mul(losses, own);
      if (!isSpread) return weighted;
      const all = sum(mul(logSoftmax(scores), table), -1);
      return sub(mul(weighted, 1 - smoothing), mul(all, smoothing / table.size));
    },
  });
}

function ofProbabilities<D extends FloatDType>(
  scores: Tensor<D>,
  target: Tensor<D>,
  smoothing: number,
  options: CrossEntropyOptions,
  weights: AnyTensor | undefined,
): Tensor<D> {
  if (checkIgnoreIndex(options.ignoreIndex) !== null)
    throw new ArgumentError('`options.ignoreIndex` goes with class indices: of probabilities, leave examples out by weights of 0');
  const reduction = checkReduction(options.reduction);
  const classWeights = checkClassWeights(options.classWeights);
  if (classWeights === null) return reduceLoss(crossEntropyOfRows(scores, target, smoothing), reduction, weights);
  const classes = scores.shape[scores.shape.length - 1];
  const smoothed = smoothing === 0 ? target : target.mul(1 - smoothing).add(smoothing / classes);
  return reduceLoss(crossEntropyOfRows(scores, mul(smoothed, classTable(classWeights, classes, scores.dtype)), 0), reduction, weights);
}

/**
 * Softmax cross-entropy from logits, the loss of classifiers; see {@link crossEntropy}. Course rows E13–E15, E27.
 *
 * @example
 * ```ts
 * import { CrossEntropyLoss, Tensor, tensor } from 'nodegrad';
 * new CrossEntropyLoss().forward(tensor([[2, 1, 0]]), Tensor.from(Int32Array.of(0))).item();
 * ```
 */
export class CrossEntropyLoss extends ClassLoss {
  /** Share of the target that is spread evenly over all classes. */
  readonly labelSmoothing: number;
  override readonly ignoreIndex: number | null;
  override readonly classWeights: readonly number[] | null;

  constructor(options: CrossEntropyOptions = {}) {
    super(options, known, labelOptions);
    this.labelSmoothing = checkSmoothing(options.labelSmoothing);
    this.ignoreIndex = checkIgnoreIndex(options.ignoreIndex);
    this.classWeights = checkClassWeights(options.classWeights);
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Tensor<'int32'> | Tensor<'uint8'> | Tensor<D>, weights?: AnyTensor): Tensor<D> {
    const { reduction, labelSmoothing, ignoreIndex, classWeights } = this;
    return crossEntropy(prediction, target, { reduction, labelSmoothing, ignoreIndex, classWeights }, weights);
  }

  /** ln(classes). */
  override chance(classes: number): number | null {
    return this.reduction === 'mean' ? log(Tensor.from(Float64Array.of(checkNumber(classes, 'classes', 1)))).item() : null;
  }
}

keepNames({ CrossEntropyLoss });
