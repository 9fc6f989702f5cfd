// Metrics of numbers: mean absolute error, root mean squared error, and R².

import { ShapeError, describeShape } from '../errors.js';
import { keepNames } from '../names.js';
import { sameShape } from '../ops/broadcast.js';
import { concat, filled } from '../ops/shape.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { SumMetric } from './sums.js';

/** Predictions and targets in float64 as [examples, outputs]. */
function pairOf(name: string, prediction: AnyTensor, target: AnyTensor): [Tensor<'float64'>, Tensor<'float64'>] {
  const given = Tensor.check(prediction, 'prediction') as AnyTensor;
  const wanted = Tensor.check(target, 'target') as AnyTensor;
  if (!sameShape(given.shape, wanted.shape) || given.rank === 0)
    throw new ShapeError(
      `${name} expects predictions and targets of one shape [examples, …], received ${describeShape(given.shape)} and ${describeShape(wanted.shape)}`,
    );
  const shape = [given.shape[0], given.shape.slice(1).reduce((product, side) => product * side, 1)];
  return [given.to('float64').reshape(shape), wanted.to('float64').reshape(shape)];
}

/** The number of rows, and sums over them by output. */
function withCount(rows: Tensor<'float64'>, ...sums: Tensor<'float64'>[]): Tensor<'float64'> {
  return concat([filled([1], rows.shape[0], 'float64'), ...sums]);
}

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Mean absolute error `Σ|y − ŷ|/n`, over all numbers of all examples, in the unit of the targets.
 *
 * @throws {@link ShapeError} when predictions and targets differ in shape.
 * @example
 * ```ts
 * import { MeanAbsoluteError, tensor } from 'nodegrad';
 * const error = new MeanAbsoluteError();
 * error.update(tensor([[1], [4]]), tensor([[2], [2]]));
 * error.result(); // 1.5
 * ```
 */
export class MeanAbsoluteError extends SumMetric {
  readonly name = 'meanAbsoluteError';

  override measure(prediction: AnyTensor, target: AnyTensor): Tensor<'float64'> {
    const [given, wanted] = pairOf(this.name, prediction, target);
    return withCount(given, given.sub(wanted).abs().sum(0));
  }

  /** NaN before the first batch. */
  result(): number {
    const { sums } = this;
    return sums === null ? Number.NaN : mean(sums.subarray(1)) / sums[0];
  }
}

/**
 * Root mean squared error `√(Σ(y − ŷ)²/n)`, in the unit of the targets; of several outputs the mean of their roots.
 *
 * @throws {@link ShapeError} when predictions and targets differ in shape.
 * @example
 * ```ts
 * import { RootMeanSquaredError, tensor } from 'nodegrad';
 * const error = new RootMeanSquaredError();
 * error.update(tensor([[1], [5]]), tensor([[2], [2]]));
 * error.result(); // √5
 * ```
 */
export class RootMeanSquaredError extends SumMetric {
  readonly name = 'rootMeanSquaredError';

  override measure(prediction: AnyTensor, target: AnyTensor): Tensor<'float64'> {
    const [given, wanted] = pairOf(this.name, prediction, target);
    const errors = given.sub(wanted);
    return withCount(given, errors.mul(errors).sum(0));
  }

  /** NaN before the first batch. */
  result(): number {
    const { sums } = this;
    return sums === null ? Number.NaN : mean(sums.subarray(1).map((sum) => Math.sqrt(sum / sums[0])));
  }
}

/**
 * Coefficient of determination `R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)²`: 1 for perfect predictions, 0 for those that know the mean of the targets and no
 * more, negative for worse ones; of several outputs the mean of theirs. Where all targets are equal it is 1 for perfect predictions, else 0.
 *
 * @throws {@link ShapeError} when predictions and targets differ in shape.
 * @example
 * ```ts
 * import { R2, tensor } from 'nodegrad';
 * const r2 = new R2();
 * r2.update(tensor([[1], [2], [4]]), tensor([[1], [2], [3]]));
 * r2.result(); // 0.5
 * ```
 */
export class R2 extends SumMetric {
  readonly name = 'r2';

  /** By output: the mean of the targets, their squared distances from it, and the squared errors. */
  override measure(prediction: AnyTensor, target: AnyTensor): Tensor<'float64'> {
    const [given, wanted] = pairOf(this.name, prediction, target);
    const centre = wanted.mean(0);
    const [spread, errors] = [wanted.sub(centre), given.sub(wanted)];
    return withCount(given, centre, spread.mul(spread).sum(0), errors.mul(errors).sum(0));
  }

  /** Means and squares of two parts (Chan, Golub & LeVeque 1979). */
  protected override combine(before: Float64Array, more: Float64Array): Float64Array {
    const [n, m, outputs] = [before[0], more[0], (before.length - 1) / 3];
    const joined = before.map((sum, i) => sum + more[i]);
    for (let k = 1; k <= outputs; k++) {
      const distance = more[k] - before[k];
      joined[k] = before[k] + (distance * m) / (n + m);
      joined[outputs + k] += (distance * distance * n * m) / (n + m);
    }
    return joined;
  }

  /** NaN before the second example. */
  result(): number {
    const { sums } = this;
    if (sums === null || sums[0] < 2) return Number.NaN;
    const outputs = (sums.length - 1) / 3;
    const values = sums.subarray(1, 1 + outputs).map((_, k) => {
      const [spread, errors] = [sums[1 + outputs + k], sums[1 + 2 * outputs + k]];
      return spread > 0 ? 1 - errors / spread : Number(errors === 0);
    });
    return mean(values);
  }
}

keepNames({ MeanAbsoluteError, RootMeanSquaredError, R2 });
