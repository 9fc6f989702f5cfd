// Metrics whose batches add up: a row of float64 sums is all that is kept.

import { ours } from '../foreign.js';
import { ArgumentError, checkList, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { refuseInStep } from '../recording.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { Metric } from './metric.js';

/** What `stateDict` of a {@link SumMetric} gives. */
export interface SumMetricState {
  /** What was gathered since the last reset; empty before the first batch. */
  readonly sums: readonly number[];
}

/**
 * Base class of metrics that need no more of a batch than some sums: `measure` gives them as a float64 tensor, by operations alone, so that a
 * compiled step computes them; they are added up, kept in checkpoints, and `result` makes one number of them.
 *
 * @example
 * ```ts
 * import { type AnyTensor, SumMetric, type Tensor } from 'nodegrad';
 * class MeanScore extends SumMetric {
 *   readonly name = 'meanScore';
 *   override measure(prediction: Tensor, _target: AnyTensor): Tensor<'float64'> {
 *     return prediction.mean(0).sum().to('float64');
 *   }
 *   result(): number {
 *     return this.sums?.[0] ?? Number.NaN;
 *   }
 * }
 * ```
 */
export abstract class SumMetric extends Metric {
  #sums: Float64Array | null = null;

  /** The sums of a batch, by operations alone. */
  // biome-ignore lint/suspicious/noExplicitAny: what a metric compares is its own to say.
  abstract override measure(prediction: any, target: any): Tensor<'float64'>;

  /**
   * Takes in a batch.
   *
   * @param prediction - What the model gives.
   * @param target - The batch's targets.
   * @throws {@link ShapeError} when shapes do not fit.
   */
  update(prediction: AnyTensor, target: AnyTensor): void {
    this.add(noGrad(() => this.measure(prediction, target)));
  }

  override add(measured: unknown): void {
    const tensor = Tensor.check(measured, 'measured');
    if (tensor.dtype !== 'float64') throw new ArgumentError(expected('float64 sums', 'measured', measured));
    const more = Float64Array.from(tensor.data);
    this.check(more);
    if (this.#sums !== null && this.#sums.length !== more.length)
      throw new ArgumentError(
        `${this.name} has gathered ${this.#sums.length} sums, and this batch has ${more.length}: call reset() between models`,
      );
    this.#sums = this.#sums === null ? more : this.combine(this.#sums, more);
  }

  /** What was gathered since the last reset; null before the first batch. */
  protected get sums(): Float64Array | null {
    refuseInStep('the result of a metric was taken', 'Take it between two steps');
    return this.#sums;
  }

  /** The sums of two parts as those of the whole; by default their sum. */
  protected combine(before: Float64Array, more: Float64Array): Float64Array {
    return before.map((sum, i) => sum + more[i]);
  }

  /** Refuses the sums of a batch that cannot be, before they are added; by default none. */
  protected check(_more: Float64Array): void {}

  reset(): void {
    refuseInStep('a metric was reset', 'Reset it between two steps');
    this.#sums = null;
  }

  /** What was gathered. */
  override stateDict(): SumMetricState {
    return { sums: [...(this.sums ?? [])] };
  }

  /** @throws {@link ArgumentError} for anything but what `stateDict` gives. */
  override loadStateDict(state: unknown): void {
    const sums = checkList((state as Partial<SumMetricState> | null)?.sums, 'state.sums', 'the sums of a metric');
    const values = Float64Array.from(sums, checkSum);
    this.#sums = values.length === 0 ? null : values;
  }
}

/** A sum may be infinite or NaN: the run goes on with it. */
function checkSum(sum: unknown): number {
  if (typeof sum !== 'number') throw new ArgumentError(expected('a number', 'state.sums', sum));
  return sum;
}

keepNames({ SumMetric });

ours(SumMetric);
