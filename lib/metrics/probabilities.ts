// Metrics of the probabilities that a model gives: log loss, and how far confidence is from being right.

import { checkInteger, checkOptions } from '../errors.js';
import { keepNames } from '../names.js';
import { exp, where } from '../ops/elementwise.js';
import { concat, stack } from '../ops/shape.js';
import { pick } from '../ops/softmax.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import {
  type ClassMetricOptions,
  type ClassSettings,
  checkClassMetric,
  classMetricOptions,
  classRows,
  counting,
  decided,
  logProbabilities,
  nullableClassMetricOptions,
} from './decisions.js';
import { SumMetric } from './sums.js';

/** Options of {@link CalibrationError}. */
export interface CalibrationErrorOptions extends ClassMetricOptions {
  /** Bins of equal width that confidences fall into; default 15. */
  readonly bins?: number;
}

/** A bin of a {@link CalibrationError}. */
export interface CalibrationBin {
  /** Examples whose confidence is in it. */
  readonly count: number;
  /** Their mean confidence, the probability of the class that was decided for; NaN for none. */
  readonly confidence: number;
  /** The share of them that were right; NaN for none. */
  readonly accuracy: number;
}

/**
 * Log loss, the mean of `−ln p` of each example's class: {@link CrossEntropyLoss} as a metric, in float64. Of probabilities, with
 * `fromLogits: false`, those below 2⁻⁵² count as that.
 *
 * @throws {@link ShapeError} when shapes do not fit.
 * @example
 * ```ts
 * import { LogLoss, Tensor, tensor } from 'nodegrad';
 * const loss = new LogLoss({ fromLogits: false });
 * loss.update(tensor([[0.25, 0.75]]), Tensor.from(Int32Array.of(1)));
 * loss.result(); // 0.2876…
 * ```
 */
export class LogLoss extends SumMetric {
  readonly name = 'logLoss';
  /** How predictions are read. */
  readonly settings: Readonly<ClassSettings>;

  constructor(options: ClassMetricOptions = {}) {
    super();
    const given = checkOptions<ClassMetricOptions>(options, 'options', classMetricOptions, nullableClassMetricOptions);
    this.settings = Object.freeze(checkClassMetric(given));
  }

  override measure(prediction: AnyTensor, target: AnyTensor): Tensor<'float64'> {
    const rows = classRows(this.name, prediction, target, this.settings);
    const counts = counting(rows, this.settings);
    const labels = where(counts.greater(0), rows.labels, 0) as Tensor<'int32'>;
    const losses = pick(logProbabilities(rows, this.settings), labels);
    // What is ignored may be NaN.
    return stack([where(counts.greater(0), losses.mul(counts), 0).sum().neg(), counts.sum()]);
  }

  /** NaN before the first batch. */
  result(): number {
    const { sums } = this;
    return sums === null ? Number.NaN : sums[0] / sums[1];
  }
}

/**
 * Expected calibration error: examples are put into bins by their confidence, the probability p of the class that the model decides for; the
 * error is `Σ_bins count/n · |accuracy − mean confidence|` (Guo et al. 2017). 0 for a model that is right in 80 % of the cases where it says
 * 80 %. {@link calibrateTemperature} makes it smaller.
 *
 * @throws {@link ShapeError} when shapes do not fit.
 * @example
 * ```ts
 * import { CalibrationError, Tensor, tensor } from 'nodegrad';
 * const error = new CalibrationError({ fromLogits: false });
 * error.update(tensor([[0.1, 0.9], [0.1, 0.9]]), Tensor.from(Int32Array.of(1, 0)));
 * error.result(); // 0.4: it says 90 % and is right in 50 %
 * ```
 */
export class CalibrationError extends SumMetric {
  readonly name = 'calibrationError';
  /** Number of bins. */
  readonly bins: number;
  /** How predictions are read. */
  readonly settings: Readonly<ClassSettings>;

  constructor(options: CalibrationErrorOptions = {}) {
    super();
    const known = ['bins', ...classMetricOptions];
    const given = checkOptions<CalibrationErrorOptions>(options, 'options', known, nullableClassMetricOptions);
    this.bins = checkInteger(given.bins ?? 15, 'options.bins', 1, 10_000);
    this.settings = Object.freeze(checkClassMetric(given));
  }

  /** For each bin its examples, the sum of their confidences, and how many were right. */
  override measure(prediction: AnyTensor, target: AnyTensor): Tensor<'float64'> {
    const rows = classRows(this.name, prediction, target, this.settings);
    const counts = counting(rows, this.settings).reshape([-1, 1]);
    // Of a row that does not count, NaN says nothing.
    const confidence = where(counts.greater(0), exp(logProbabilities(rows, this.settings).max(-1)).reshape([-1, 1]), 0);
    const edges = (from: number): Tensor<'float64'> =>
      Tensor.from(Float64Array.from({ length: this.bins }, (_, i) => (i + from) / this.bins)) as unknown as Tensor<'float64'>;
    // A bin has its upper end, the last one all above it: rounding may lead past 1.
    const above = confidence.greater(edges(0)).to('float64');
    const isIn = above.sub(concat([above.slice([0, 1], [above.shape[0], this.bins]), above.slice([0, 0], [above.shape[0], 1]).mul(0)], 1));
    const right = decided(rows).equal(rows.labels).to('float64').reshape([-1, 1]);
    return isIn.matmul(concat([counts, confidence.mul(counts), right.mul(counts)], 1), { transposeA: true }).reshape([-1]);
  }

  /** The bins, from the least sure to the surest: what a reliability diagram draws. */
  get reliability(): CalibrationBin[] {
    const { sums } = this;
    if (sums === null) return [];
    return Array.from({ length: this.bins }, (_, i) => {
      const [count, confidence, right] = sums.slice(3 * i, 3 * i + 3);
      return { count, confidence: confidence / count, accuracy: right / count };
    });
  }

  /** NaN before the first batch. */
  result(): number {
    const all = this.reliability;
    const total = all.reduce((sum, { count }) => sum + count, 0);
    const gaps = all.map(({ count, confidence, accuracy }) => (count === 0 ? 0 : count * Math.abs(accuracy - confidence)));
    return gaps.reduce((sum, gap) => sum + gap, 0) / total;
  }
}

keepNames({ LogLoss, CalibrationError });
