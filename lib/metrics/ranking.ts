// Metrics of the order that scores put examples in: the areas under the ROC curve and under precision and recall.

import { ours } from '../foreign.js';
import { ArgumentError, checkChoice, checkList, checkOptions } from '../errors.js';
import { keepNames } from '../names.js';
import { exp } from '../ops/elementwise.js';
import { refuseInStep } from '../recording.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import {
  type ClassMetricOptions,
  type ClassSettings,
  checkClassMetric,
  classMetricOptions,
  classRows,
  logProbabilities,
  nullableClassMetricOptions,
} from './decisions.js';
import { Metric } from './metric.js';

/** Options of {@link RocAuc} and {@link AveragePrecision}. */
export interface RankingOptions extends ClassMetricOptions {
  /** How the areas of more than two classes become one: their mean, or that by the examples of each class; default `'macro'`. */
  readonly average?: 'macro' | 'weighted';
}

/** What a ranking metric measures in a batch. */
export interface MeasuredRanking {
  /** Score of each class, float64 [examples, classes]; of two classes, of the second alone, [examples, 1]. */
  readonly scores: Tensor<'float64'>;
  /** Class indices, int32 [examples]. */
  readonly labels: Tensor<'int32'>;
}

/** What `stateDict` of a ranking metric gives. */
export interface RankingState {
  /** Scores per example. */
  readonly columns: number;
  /** The scores of all examples, row by row. */
  readonly scores: readonly number[];
  /** Their classes. */
  readonly labels: readonly number[];
}

/**
 * Base class of metrics that need the scores of all examples at once, and keep them: eight bytes for each score.
 *
 * @example
 * ```ts
 * import { type RankingMetric, RocAuc } from 'nodegrad';
 * const metric: RankingMetric = new RocAuc();
 * metric.perClass; // empty before the first batch
 * ```
 */
export abstract class RankingMetric extends Metric {
  /** How predictions are read. */
  readonly settings: Readonly<ClassSettings>;
  /** How the areas of more than two classes become one. */
  readonly average: 'macro' | 'weighted';
  #scores: Float64Array[] = [];
  #labels: Int32Array[] = [];
  #columns = 0;

  constructor(options: RankingOptions = {}) {
    super();
    const given = checkOptions<RankingOptions>(options, 'options', ['average', ...classMetricOptions], nullableClassMetricOptions);
    this.settings = Object.freeze(checkClassMetric(given));
    this.average = checkChoice(given.average ?? 'macro', 'options.average', ['macro', 'weighted']);
  }

  /** The area of one class, from scores in falling order and whether each example is of the class. */
  protected abstract area(scores: Float64Array, isOf: Uint8Array, positives: number): number;

  /**
   * Takes in a batch.
   *
   * @param prediction - Scores, as for {@link ConfusionMatrix}.
   * @param target - Classes, as there.
   * @throws {@link ShapeError} when shapes do not fit.
   */
  update(prediction: AnyTensor, target: AnyTensor): void {
    this.add(noGrad(() => this.measure(prediction, target)));
  }

  override measure(prediction: AnyTensor, target: AnyTensor): MeasuredRanking {
    const rows = classRows(this.name, prediction, target, this.settings);
    const { scores, labels, classes } = rows;
    const of = (begin: number): Tensor<'float64'> => scores.slice([0, begin], [scores.shape[0], begin + 1]).to('float64');
    // Of two classes the difference of scores, whose order no rounding of a softmax changes.
    if (classes === 2) return { scores: this.settings.fromLogits ? of(1).sub(of(0)) : of(1), labels };
    return { scores: this.settings.fromLogits ? exp(logProbabilities(rows, this.settings)) : scores.to('float64'), labels };
  }

  override add(measured: unknown): void {
    const { scores, labels } = checkOptions<MeasuredRanking>(measured, 'measured', ['scores', 'labels']);
    const columns = Tensor.check(scores, 'measured.scores').shape[1];
    if (this.#columns !== 0 && this.#columns !== columns)
      throw new ArgumentError(
        `${this.name} has gathered ${this.#columns} scores an example, and this batch has ${columns}: call reset() between models`,
      );
    this.#columns = columns;
    this.#scores.push(Float64Array.from(scores.data));
    this.#labels.push(Int32Array.from(Tensor.check(labels, 'measured.labels').data));
  }

  /** The area of each class against all others; of two classes, of the second alone. NaN for a class that all or no examples are of. */
  get perClass(): number[] {
    refuseInStep('the result of a metric was taken', 'Take it between two steps');
    return this.#areas().map(({ value }) => value);
  }

  #areas(): { value: number; positives: number }[] {
    const columns = this.#columns;
    const labels = joined(this.#labels, Int32Array);
    const all = joined(this.#scores, Float64Array);
    const rows = Int32Array.from(labels.keys()).filter((row) => labels[row] !== this.settings.ignoreIndex);
    return Array.from({ length: columns }, (_, column) => {
      const own = columns === 1 ? 1 : column;
      const order = rows.slice().sort((a, b) => all[b * columns + column] - all[a * columns + column]);
      const scores = Float64Array.from(order, (row) => all[row * columns + column]);
      const isOf = Uint8Array.from(order, (row) => Number(labels[row] === own));
      const positives = isOf.reduce((sum, one) => sum + one, 0);
      const isDefined = positives > 0 && positives < isOf.length && !scores.some(Number.isNaN);
      return { value: isDefined ? this.area(scores, isOf, positives) : Number.NaN, positives };
    });
  }

  /** NaN where no area is defined: before the first batch, with examples of one class alone, or with scores that are NaN. */
  result(): number {
    refuseInStep('the result of a metric was taken', 'Take it between two steps');
    const areas = this.#areas().filter(({ value }) => !Number.isNaN(value));
    const weight = ({ positives }: { positives: number }): number => (this.average === 'weighted' ? positives : 1);
    return areas.reduce((sum, area) => sum + weight(area) * area.value, 0) / areas.reduce((sum, area) => sum + weight(area), 0);
  }

  reset(): void {
    refuseInStep('a metric was reset', 'Reset it between two steps');
    [this.#scores, this.#labels, this.#columns] = [[], [], 0];
  }

  /** All scores and classes. */
  override stateDict(): RankingState {
    return { columns: this.#columns, scores: [...joined(this.#scores, Float64Array)], labels: [...joined(this.#labels, Int32Array)] };
  }

  /** @throws {@link ArgumentError} for anything but what `stateDict` gives. */
  override loadStateDict(state: unknown): void {
    const { columns, scores, labels } = (state ?? {}) as Partial<RankingState>;
    const what = 'the scores and classes of a metric';
    const [values, classes] = [checkList<number>(scores, 'state.scores', what), checkList<number>(labels, 'state.labels', what)];
    if (
      typeof columns !== 'number' ||
      values.length !== classes.length * columns ||
      ![...values, ...classes].every((one) => typeof one === 'number')
    )
      throw new ArgumentError('the state of a ranking metric has as many scores as labels times columns, and this one has not');
    this.#columns = columns;
    this.#scores = [Float64Array.from(values)];
    this.#labels = [Int32Array.from(classes)];
  }
}

function joined<A extends Float64Array | Int32Array>(parts: readonly A[], Kind: new (length: number) => A): A {
  const whole = new Kind(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Calls `use` for each run of equal scores, with the examples of the class in it and all others. */
function forTies(scores: Float64Array, isOf: Uint8Array, use: (of: number, others: number) => void): void {
  for (let begin = 0; begin < scores.length; ) {
    let [end, of] = [begin, 0];
    for (; end < scores.length && scores[end] === scores[begin]; end++) of += isOf[end];
    use(of, end - begin - of);
    begin = end;
  }
}

/**
 * Area under the ROC curve: the probability that an example of the class has a larger score than one of another class, ties counting half. 0.5
 * for guessing. Of more than two classes each is taken against all others, by its probability, and the areas are averaged.
 *
 * @throws {@link ShapeError} when shapes do not fit.
 * @example
 * ```ts
 * import { RocAuc, tensor } from 'nodegrad';
 * const auc = new RocAuc();
 * auc.update(tensor([0.9, 0.4, 0.6, 0.1]), tensor([1, 1, 0, 0]));
 * auc.result(); // 0.75
 * ```
 */
export class RocAuc extends RankingMetric {
  readonly name = 'rocAuc';

  protected override area(scores: Float64Array, isOf: Uint8Array, positives: number): number {
    let [above, wins] = [0, 0];
    forTies(scores, isOf, (of, others) => {
      wins += others * (above + of / 2);
      above += of;
    });
    return wins / (positives * (scores.length - positives));
  }
}

/**
 * Average precision, the area under precision as a function of recall: `Σ (R_k − R_(k−1))·P_k` over the thresholds from the largest score
 * down, without interpolation. For rare classes it says more than {@link RocAuc}; guessing gives the share of the class.
 *
 * @throws {@link ShapeError} when shapes do not fit.
 * @example
 * ```ts
 * import { AveragePrecision, tensor } from 'nodegrad';
 * const precision = new AveragePrecision();
 * precision.update(tensor([0.9, 0.4, 0.6, 0.1]), tensor([1, 1, 0, 0]));
 * precision.result(); // 0.833…
 * ```
 */
export class AveragePrecision extends RankingMetric {
  readonly name = 'averagePrecision';

  protected override area(scores: Float64Array, isOf: Uint8Array, positives: number): number {
    let [hits, seen, area] = [0, 0, 0];
    forTies(scores, isOf, (of, others) => {
      hits += of;
      seen += of + others;
      area += (of / positives) * (hits / seen);
    });
    return area;
  }
}

keepNames({ RankingMetric, RocAuc, AveragePrecision });

ours(RankingMetric);
