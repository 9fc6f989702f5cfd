// Metrics that follow from how often each class was taken for which: precision, recall, F1, balanced accuracy, Matthews, kappa.

import { ArgumentError, checkChoice, checkOptions, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { concat } from '../ops/shape.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import {
  type ClassMetricOptions,
  type ClassSettings,
  checkClassMetric,
  classMetricOptions,
  classRows,
  counting,
  decided,
  nullableClassMetricOptions,
  oneHot,
} from './decisions.js';
import { confusionLines } from './confusion-text.js';
import { SumMetric } from './sums.js';

/** How figures of classes become one: the mean over classes, over examples, by the examples of each class, or that of class 1 of two. */
export type ClassAverage = 'macro' | 'micro' | 'weighted' | 'binary';

const averages: readonly ClassAverage[] = ['macro', 'micro', 'weighted', 'binary'];

/** Options of {@link Precision}, {@link Recall} and {@link F1}. */
export interface AveragedClassOptions extends ClassMetricOptions {
  /**
   * `'macro'` (default): the mean over the classes that occur in targets or predictions; `'micro'`: of all examples at once; `'weighted'`: the
   * mean weighted by the examples of each class; `'binary'`: that of class 1, of two.
   */
  readonly average?: ClassAverage;
}

/** How classes that are far apart count in {@link CohensKappa}. */
export type KappaWeights = 'none' | 'linear' | 'quadratic';

/** Options of {@link CohensKappa}. */
export interface CohensKappaOptions extends ClassMetricOptions {
  /** What a mistake counts: 1, or how many classes lie between, or the square of that; default `'none'`. */
  readonly weights?: KappaWeights;
}

/**
 * How often class t was taken for class p: `matrix[t][p]`. As a metric it is the share of the diagonal, the accuracy.
 *
 * Predictions are scores [..., classes] beside class indices [...] or rows of probabilities; or those of one output, [examples] or
 * [examples, 1], beside 0 and 1 of the same shape. So are those of all metrics of classes.
 *
 * @throws {@link ShapeError} when shapes do not fit, {@link ArgumentError} for labels that are no class.
 * @example
 * ```ts
 * import { ConfusionMatrix, Tensor, tensor } from 'nodegrad';
 * const confusion = new ConfusionMatrix();
 * confusion.update(tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), Tensor.from(Int32Array.of(1, 0, 0)));
 * confusion.matrix; // [[1, 1], [0, 1]]
 * ```
 */
export class ConfusionMatrix extends SumMetric {
  get name(): string {
    return 'accuracy';
  }
  /** How predictions are read. */
  readonly settings: Readonly<ClassSettings>;

  /** @internal Names of the options that a class has beside those of all. */
  static readonly ownOptions: readonly string[] = [];

  constructor(options: ClassMetricOptions = {}) {
    super();
    const known = [...classMetricOptions, ...(new.target as typeof ConfusionMatrix).ownOptions];
    const given = checkOptions<ClassMetricOptions>(options, 'options', known, nullableClassMetricOptions);
    this.settings = Object.freeze(checkClassMetric(given));
  }

  /** The matrix row by row, and behind it how many examples have a label that is no class. */
  override measure(prediction: AnyTensor, target: AnyTensor): Tensor<'float64'> {
    const rows = classRows(this.name, prediction, target, this.settings);
    const { labels, classes } = rows;
    if (labels.size >= 2 ** 24) throw new ArgumentError(`${this.name} takes at most 2^24 examples per batch`);
    const counts = counting(rows, this.settings);
    const counted = counts.sum();
    const matrix = oneHot(labels, classes)
      .mul(counts.to('float32').reshape([-1, 1]))
      .matmul(oneHot(decided(rows), classes), { transposeA: true })
      .to('float64');
    const lost = counted.sub(matrix.sum());
    return concat([matrix.reshape([-1]), lost.reshape([1])]);
  }

  protected override check(more: Float64Array): void {
    const lost = more[more.length - 1];
    if (lost > 0)
      throw new ArgumentError(
        `${this.name} counts classes 0 to ${Math.sqrt(more.length - 1) - 1}, and ${lost} labels of this batch are none of them`,
      );
  }

  /** How often class t was taken for class p: `matrix[t][p]`; empty before the first batch. */
  get matrix(): number[][] {
    const cells = this.sums ?? new Float64Array(1);
    const classes = Math.sqrt(cells.length - 1);
    return Array.from({ length: classes }, (_, t) => [...cells.slice(t * classes, (t + 1) * classes)]);
  }

  /**
   * The matrix as text, with the share of hits of each class: its accuracy.
   *
   * @param classNames - Names of the classes, such as {@link Model.classNames}; default: their numbers.
   * @throws {@link ArgumentError} for names that are not as many as the classes.
   * @example
   * ```ts
   * import { ConfusionMatrix, CrossEntropyLoss, datasets, mlp } from 'nodegrad';
   * const { test } = await datasets.digits({ train: 1, test: 200 });
   * const [model, confusion] = [mlp(), new ConfusionMatrix()];
   * await model.evaluate(test, { loss: new CrossEntropyLoss(), metrics: [confusion] });
   * console.log(confusion.text(model.classNames ?? test.classes));
   * ```
   */
  text(classNames: readonly string[] | null = null): string {
    const { matrix } = this;
    const names = classNames ?? matrix.map((_, i) => String(i));
    if (!Array.isArray(names) || (names.length !== matrix.length && matrix.length > 0))
      throw new ArgumentError(expected(`an array of ${matrix.length} names`, 'classNames', classNames));
    return confusionLines(matrix, names).join('\n');
  }

  /** NaN before the first batch. */
  result(): number {
    const { hits, seen } = countsOf(this.matrix);
    return sum(hits) / sum(seen);
  }
}

/** Per class: how often it was right, how often it was so, how often it was said. */
interface Counts {
  readonly hits: number[];
  readonly seen: number[];
  readonly said: number[];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function countsOf(matrix: readonly (readonly number[])[]): Counts {
  return {
    hits: matrix.map((row, t) => row[t]),
    seen: matrix.map(sum),
    said: matrix.map((_, p) => sum(matrix.map((row) => row[p]))),
  };
}

/** Base class of precision, recall and F1, figures of each class that are averaged. */
abstract class Averaged extends ConfusionMatrix {
  /** @internal */
  static override readonly ownOptions: readonly string[] = ['average'];

  /** How the figures of classes become one. */
  readonly average: ClassAverage;

  constructor(options: AveragedClassOptions = {}) {
    super(options);
    this.average = checkChoice(options.average ?? 'macro', 'options.average', averages);
  }

  /** The figure, and `Micro`, `Weighted` or `Binary` behind it where it is not the mean over classes. */
  override get name(): string {
    const { average = 'macro' } = this;
    return average === 'macro' ? this.figure : `${this.figure}${average[0].toUpperCase()}${average.slice(1)}`;
  }

  /** @internal */
  protected abstract readonly figure: string;

  /** @internal Numerator and denominator from the counts of a class, or of all of them. */
  protected abstract fraction(hits: number, seen: number, said: number): [over: number, under: number];

  /** The figure of each class; 0 where the denominator is. */
  get perClass(): number[] {
    const { hits, seen, said } = countsOf(this.matrix);
    return hits.map((hit, c) => ratio(this.fraction(hit, seen[c], said[c])));
  }

  /** NaN before the first batch; 0 where there is nothing to divide by. */
  override result(): number {
    const { hits, seen, said } = countsOf(this.matrix);
    if (hits.length === 0) return Number.NaN;
    const values = this.perClass;
    switch (this.average) {
      case 'micro':
        return ratio(this.fraction(sum(hits), sum(seen), sum(said)));
      case 'weighted':
        return sum(values.map((value, c) => value * seen[c])) / sum(seen);
      case 'binary':
        if (values.length !== 2)
          throw new ArgumentError(`${this.name} is of two classes, and there are ${values.length}: take another average`);
        return values[1];
      default: {
        const there = values.filter((_, c) => seen[c] + said[c] > 0);
        return sum(there) / there.length;
      }
    }
  }
}

const ratio = ([over, under]: [number, number]): number => (under === 0 ? 0 : over / under);

/**
 * Precision: of the examples that were given a class, the share that are of it, `hits/(hits + false alarms)`; averaged over classes.
 *
 * @throws {@link ArgumentError} for an average that is none.
 * @example
 * ```ts
 * import { Precision, tensor } from 'nodegrad';
 * const precision = new Precision({ average: 'binary' });
 * precision.update(tensor([2, 1, -1]), tensor([1, 0, 1])); // scores of one output
 * precision.result(); // 0.5
 * ```
 */
export class Precision extends Averaged {
  protected override get figure(): string {
    return 'precision';
  }
  protected override fraction(hits: number, _seen: number, said: number): [number, number] {
    return [hits, said];
  }
}

/**
 * Recall: of the examples of a class, the share that were given it, `hits/(hits + misses)`; averaged over classes.
 *
 * @throws {@link ArgumentError} for an average that is none.
 * @example
 * ```ts
 * import { Recall, tensor } from 'nodegrad';
 * const recall = new Recall({ average: 'binary' });
 * recall.update(tensor([2, 1, -1]), tensor([1, 0, 1]));
 * recall.result(); // 0.5
 * ```
 */
export class Recall extends Averaged {
  protected override get figure(): string {
    return 'recall';
  }
  protected override fraction(hits: number, seen: number): [number, number] {
    return [hits, seen];
  }
}

/**
 * F1, the harmonic mean of precision and recall: `2·hits/(2·hits + false alarms + misses)`; averaged over classes.
 *
 * @throws {@link ArgumentError} for an average that is none.
 * @example
 * ```ts
 * import { F1, tensor } from 'nodegrad';
 * const f1 = new F1({ average: 'binary' });
 * f1.update(tensor([2, 1, -1]), tensor([1, 0, 1]));
 * f1.result(); // 0.5
 * ```
 */
export class F1 extends Averaged {
  protected override get figure(): string {
    return 'f1';
  }
  protected override fraction(hits: number, seen: number, said: number): [number, number] {
    return [2 * hits, seen + said];
  }
}

/**
 * Balanced accuracy: the mean of the recalls of the classes that there are, which no frequent class can outvote.
 *
 * @example
 * ```ts
 * import { BalancedAccuracy, tensor } from 'nodegrad';
 * const balanced = new BalancedAccuracy();
 * balanced.update(tensor([1, 1, 1, -1]), tensor([1, 1, 0, 0]));
 * balanced.result(); // (1 + 0.5)/2
 * ```
 */
export class BalancedAccuracy extends ConfusionMatrix {
  override get name(): string {
    return 'balancedAccuracy';
  }

  override result(): number {
    const { hits, seen } = countsOf(this.matrix);
    const recalls = hits.flatMap((hit, c) => (seen[c] > 0 ? [hit / seen[c]] : []));
    return sum(recalls) / recalls.length;
  }
}

/**
 * Matthews' correlation of predictions and targets, from −1 to 1, with 0 for guessing; of more than two classes Gorodkin's form (2004). 0 where
 * all targets or all predictions are of one class.
 *
 * @example
 * ```ts
 * import { MatthewsCorrelation, tensor } from 'nodegrad';
 * const matthews = new MatthewsCorrelation();
 * matthews.update(tensor([1, 1, -1, -1]), tensor([1, 0, 0, 0]));
 * matthews.result(); // 0.577…
 * ```
 */
export class MatthewsCorrelation extends ConfusionMatrix {
  override get name(): string {
    return 'matthewsCorrelation';
  }

  override result(): number {
    const { hits, seen, said } = countsOf(this.matrix);
    if (hits.length === 0) return Number.NaN;
    const n = sum(seen);
    const product = (a: readonly number[], b: readonly number[]): number => sum(a.map((value, c) => value * b[c]));
    const spread = (n * n - product(said, said)) * (n * n - product(seen, seen));
    return spread === 0 ? 0 : (sum(hits) * n - product(seen, said)) / Math.sqrt(spread);
  }
}

/**
 * Cohen's kappa: how far predictions agree with targets beyond chance, `1 − mistakes/mistakes by chance`. Classes that are steps of a scale
 * weigh mistakes by their distance. NaN where chance makes no mistake.
 *
 * @throws {@link ArgumentError} for weights that are none.
 * @example
 * ```ts
 * import { CohensKappa, tensor } from 'nodegrad';
 * const kappa = new CohensKappa({ weights: 'none' });
 * kappa.update(tensor([1, 1, -1, -1]), tensor([1, 0, 0, 0]));
 * kappa.result(); // 0.5
 * ```
 */
export class CohensKappa extends ConfusionMatrix {
  /** @internal */
  static override readonly ownOptions: readonly string[] = ['weights'];

  /** What a mistake counts. */
  readonly weights: KappaWeights;

  constructor(options: CohensKappaOptions = {}) {
    super(options);
    this.weights = checkChoice(options.weights ?? 'none', 'options.weights', ['none', 'linear', 'quadratic']);
  }

  override get name(): string {
    return 'cohensKappa';
  }

  override result(): number {
    const { matrix } = this;
    const { seen, said } = countsOf(matrix);
    const n = sum(seen);
    const weight = (t: number, p: number): number => {
      if (this.weights === 'none') return Number(t !== p);
      return this.weights === 'linear' ? Math.abs(t - p) : (t - p) * (t - p);
    };
    const mistakes = sum(matrix.flatMap((row, t) => row.map((count, p) => weight(t, p) * count)));
    const byChance = sum(matrix.flatMap((row, t) => row.map((_, p) => (weight(t, p) * seen[t] * said[p]) / n)));
    return 1 - mistakes / byChance;
  }
}

keepNames({ ConfusionMatrix, Precision, Recall, F1, BalancedAccuracy, MatthewsCorrelation, CohensKappa });
