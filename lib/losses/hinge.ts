// Multiclass hinge: a sum over the wrong classes.

import type { FloatDType } from '../dtype.js';
import { checkNumber, checkOptions } from '../errors.js';
import { relu } from '../ops/activations.js';
import { called } from '../ops/called.js';
import { add, mul, sub } from '../ops/elementwise.js';
import { sum } from '../ops/reduce.js';
import { pick } from '../ops/softmax.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import { keepNames } from '../names.js';
import { checkMargin, checkSquared } from './binary.js';
import { type LabelOptions, type Labels, checkClassWeights, checkIgnoreIndex, checkScores, labelOptions, labelledLoss } from './labels.js';
import { ClassLoss } from './loss.js';

/** Options of {@link multiclassHingeLoss} and {@link MulticlassHingeLoss}: the mean is over the examples. */
export interface MulticlassHingeLossOptions extends LabelOptions {
  /** By how much the right class has to lead; default 1. */
  readonly margin?: number;
  /** Whether what is missing is squared; default false. */
  readonly squared?: boolean;
}

const known = ['margin', 'squared', ...labelOptions];

/**
 * Multiclass hinge of Weston and Watkins (1999): `Σ_{k≠y} max(0, s_k − s_y + margin)`, or of the squares, for an example of class y; by
 * default its mean over the examples. It is a SUM over the wrong classes: `multi_margin_loss` of PyTorch divides it by the number of
 * classes, Keras' categorical hinge takes the worst class alone. Course rows E16–E20, P30, P31.
 *
 * Where the right class leads by the margin, loss and gradient are exactly 0 (course row E23).
 *
 * @param scores - [..., classes], float32 or float64.
 * @param target - Class indices from 0 (int32 or uint8, shape [...]).
 * @param weights - How often each example counts, [examples].
 * @throws {@link ShapeError} when shapes do not fit; {@link IndexError} when an index lies outside the classes.
 * @example
 * ```ts
 * import { multiclassHingeLoss, Tensor, tensor } from 'nodegrad';
 * multiclassHingeLoss(tensor([[2.2, 2.5, -3.1]]), Tensor.from(Int32Array.of(2))).item(); // 6.3 + 6.6
 * ```
 */
export function multiclassHingeLoss<D extends FloatDType>(
  scores: Tensor<D>,
  target: Labels,
  options: MulticlassHingeLossOptions = {},
  weights?: AnyTensor,
): Tensor<D> {
  checkOptions(options, 'options', ['reduction', ...known], labelOptions);
  const [margin, squared] = [checkMargin(options.margin), checkSquared(options.squared)];
  const [x, labels] = checkScores('multiclassHingeLoss', scores, target);
  return called('multiclassHingeLoss', () =>
    labelledLoss(x, labels, options, weights, {
      plain: (wanted) => {
        const right = pick(x, wanted);
        const missing = relu(add(sub(x, right.reshape([...right.shape, 1])), margin));
        // The right class itself misses the whole margin.
        return sub(sum(squared ? mul(missing, missing) : missing, -1), squared ? margin * margin : margin);
      },
    }),
  );
}

/**
 * Multiclass hinge, a sum over the wrong classes; see {@link multiclassHingeLoss}. Course rows E16–E21, E27, P30, P31.
 *
 * @example
 * ```ts
 * import { MulticlassHingeLoss, Tensor, tensor } from 'nodegrad';
 * new MulticlassHingeLoss().forward(tensor([[5, 10, 10]]), Tensor.from(Int32Array.of(0))).item(); // 6 + 6
 * ```
 */
export class MulticlassHingeLoss extends ClassLoss {
  /** By how much the right class has to lead. */
  readonly margin: number;
  /** Whether what is missing is squared. */
  readonly squared: boolean;
  override readonly ignoreIndex: number | null;
  override readonly classWeights: readonly number[] | null;

  constructor(options: MulticlassHingeLossOptions = {}) {
    super(options, known, labelOptions);
    this.margin = checkMargin(options.margin);
    this.squared = checkSquared(options.squared);
    this.ignoreIndex = checkIgnoreIndex(options.ignoreIndex);
    this.classWeights = checkClassWeights(options.classWeights);
  }

  forward<D extends FloatDType>(prediction: Tensor<D>, target: Labels, weights?: AnyTensor): Tensor<D> {
    const { reduction, margin, squared, ignoreIndex, classWeights } = this;
    return multiclassHingeLoss(prediction, target, { reduction, margin, squared, ignoreIndex, classWeights }, weights);
  }

  /** (classes − 1)·margin, or of its square. */
  override chance(classes: number): number | null {
    const one = this.squared ? this.margin * this.margin : this.margin;
    return this.reduction === 'mean' ? (checkNumber(classes, 'classes', 1) - 1) * one : null;
  }
}

keepNames({ MulticlassHingeLoss });
