// Metrics that are the share of examples that were right: one output, and the k best of many.

import { ShapeError, checkFlag, checkInteger, checkNumber, checkOptions, describeShape } from '../errors.js';
import { keepNames } from '../names.js';
import { sigmoid } from '../ops/activations.js';
import { sameShape } from '../ops/broadcast.js';
import { filled, stack } from '../ops/shape.js';
import { pick, yesAndNo } from '../ops/softmax.js';
import { where } from '../ops/elementwise.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import {
  type ClassMetricOptions,
  type ClassSettings,
  checkClassMetric,
  classMetricOptions,
  classRows,
  counting,
  nullableClassMetricOptions,
} from './decisions.js';
import { SumMetric } from './sums.js';

/** Options of {@link BinaryAccuracy}. */
export interface BinaryAccuracyOptions {
  /** Whether predictions are logits, before any sigmoid; default true. With false they are probabilities. */
  readonly fromLogits?: boolean;
  /** The probability above which the answer is yes; default 0.5. */
  readonly threshold?: number;
}

/** Options of {@link TopKAccuracy}. */
export interface TopKAccuracyOptions extends ClassMetricOptions {
  /** How many classes may be named; default 5. */
  readonly k?: number;
}

/**
 * Share of yes-or-no answers that are right, for a model with one output, or one for each of several labels: `fit` and `evaluate` measure it
 * beside a {@link BinaryCrossEntropyLoss} where no other metrics are asked for. The answer is yes where the probability is above the threshold; a
 * target is yes above ½. All elements count alike.
 *
 * @throws {@link ShapeError} when predictions and targets differ in shape.
 * @example
 * ```ts
 * import { BinaryAccuracy, tensor } from 'nodegrad';
 * const accuracy = new BinaryAccuracy();
 * accuracy.update(tensor([[2], [-1], [0.5]]), tensor([[1], [0], [0]]));
 * accuracy.result(); // 0.666…
 * ```
 */
export class BinaryAccuracy extends SumMetric {
  readonly name = 'accuracy';
  /** Whether predictions are logits; else they are probabilities. */
  readonly fromLogits: boolean;
  /** The probability above which the answer is yes. */
  readonly threshold: number;

  constructor(options: BinaryAccuracyOptions = {}) {
    super();
    const { fromLogits = true, threshold = 0.5 } = checkOptions<BinaryAccuracyOptions>(options, 'options', ['fromLogits', 'threshold']);
    this.fromLogits = checkFlag(fromLogits, 'options.fromLogits');
    this.threshold = checkNumber(threshold, 'options.threshold', 0, 1);
  }

  override measure(prediction: AnyTensor, target: AnyTensor): Tensor<'float64'> {
    const given = Tensor.check(prediction, 'prediction') as Tensor;
    const wanted = yesAndNo(given, Tensor.check(target, 'target') as Tensor) as AnyTensor;
    if (!sameShape(given.shape, wanted.shape))
      throw new ShapeError(
        `${this.name} expects predictions and targets of one shape, received ${describeShape(given.shape)} and ${describeShape(wanted.shape)}. Of scores of several classes, take Accuracy`,
      );
    const probability = this.fromLogits ? sigmoid(given) : given;
    const right = probability.greater(this.threshold).equal(wanted.to('float64').greater(0.5)).to('float64');
    // NaN is no answer.
    const known = given.equal(given).to('float64');
    return stack([right.mul(known).sum(), filled([], given.size, 'float64')]);
  }

  /** NaN before the first batch. */
  result(): number {
    const { sums } = this;
    return sums === null ? Number.NaN : sums[0] / sums[1];
  }
}

/**
 * Share of examples whose class is among the k largest scores, such as the top-5 accuracy of ImageNet. Of equal scores the first ones are the
 * larger ones, as in {@link Accuracy}, which is this for k = 1; a score that is NaN is larger than any.
 *
 * @throws {@link ShapeError} when shapes do not fit.
 * @example
 * ```ts
 * import { Tensor, TopKAccuracy, tensor } from 'nodegrad';
 * const top2 = new TopKAccuracy({ k: 2 });
 * top2.update(tensor([[3, 2, 1], [3, 2, 1]]), Tensor.from(Int32Array.of(1, 2)));
 * top2.result(); // 0.5
 * ```
 */
export class TopKAccuracy extends SumMetric {
  /** How many classes may be named. */
  readonly k: number;
  /** How predictions are read. */
  readonly settings: Readonly<ClassSettings>;

  constructor(options: TopKAccuracyOptions = {}) {
    super();
    const given = checkOptions<TopKAccuracyOptions>(options, 'options', ['k', ...classMetricOptions], nullableClassMetricOptions);
    this.k = checkInteger(given.k ?? 5, 'options.k', 1);
    this.settings = Object.freeze(checkClassMetric(given));
  }

  /** `top5Accuracy` for k = 5. */
  get name(): string {
    return `top${this.k}Accuracy`;
  }

  override measure(prediction: AnyTensor, target: AnyTensor): Tensor<'float64'> {
    const rows = classRows(this.name, prediction, target, this.settings);
    const { scores, labels, classes } = rows;
    const counts = counting(rows, this.settings);
    const known = labels.greaterEqual(0).to('float64').mul(labels.less(classes).to('float64'));
    const own = pick(scores, where(known.greater(0), labels, 0) as Tensor<'int32'>).reshape([-1, 1]);
    const place = Tensor.from(Int32Array.from({ length: classes }, (_, i) => i));
    const earlier = place.lessEqual(labels.reshape([-1, 1])).to('float32');
    // What is not below the class's own score stands before it; so does the class itself, and what is NaN.
    const below = scores.less(own).to('float32');
    const ties = scores.equal(own).to('float32').mul(earlier.neg().add(1));
    const rank = below.add(ties).sum(-1).neg().add(classes);
    const right = rank.lessEqual(this.k).to('float64').mul(counts).mul(known);
    return stack([right.sum(), counts.sum()]);
  }

  /** NaN before the first batch. */
  result(): number {
    const { sums } = this;
    return sums === null ? Number.NaN : sums[0] / sums[1];
  }
}

keepNames({ BinaryAccuracy, TopKAccuracy });
