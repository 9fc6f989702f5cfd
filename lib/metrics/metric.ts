// Metrics: what a person reads beside the loss, gathered over batches.

import { ours } from '../foreign.js';
import { ArgumentError, ShapeError, checkInteger, checkOptions, describeShape, expected } from '../errors.js';
import { sameShape } from '../ops/broadcast.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { keepNames } from '../names.js';

/**
 * Base class of metrics: `update` with each batch, then `result`.
 *
 * @example
 * ```ts
 * import { Metric, Tensor } from 'nodegrad';
 * class Count extends Metric {
 *   readonly name = 'count';
 *   #seen = 0;
 *   update(prediction: Tensor): void {
 *     this.#seen += prediction.shape[0];
 *   }
 *   result(): number {
 *     return this.#seen;
 *   }
 *   reset(): void {
 *     this.#seen = 0;
 *   }
 * }
 * ```
 */
export abstract class Metric {
  /** Key in histories and logs. */
  abstract readonly name: string;
  /** Takes in a batch. */
  abstract update(prediction: AnyTensor, target: AnyTensor): void;
  /**
   * What a batch adds, by operations alone: a tensor, or arrays and plain objects of tensors and numbers. With `add`, training measures
   * inside its compiled step; without them, it calls `update` with the batch's prediction.
   */
  measure?(prediction: AnyTensor, target: AnyTensor): unknown;
  /** Takes in what {@link measure} gave. */
  add?(measured: unknown): void;
  /** The value over everything since the last reset; NaN before the first batch. */
  abstract result(): number;
  /** Forgets everything. */
  abstract reset(): void;
  /**
   * Optional, with `loadStateDict`: what was gathered since the last reset, as plain data that JSON can hold. Checkpoints in the middle of an
   * epoch need the two; without them a run can be saved at the ends of epochs.
   */
  stateDict?(): unknown;
  /** Optional: goes on where `stateDict` was taken. */
  loadStateDict?(state: unknown): void;
}

/** What {@link Accuracy} measures in a batch. */
export interface MeasuredAccuracy {
  /** Examples that were right, a rank-0 tensor. */
  readonly right: Tensor;
  /** All examples. */
  readonly seen: number;
}

/** What `stateDict` of an {@link Accuracy} gives. */
export interface AccuracyState {
  /** Examples that were right. */
  readonly right: number;
  /** All examples. */
  readonly seen: number;
}

/**
 * Share of examples whose largest score stands at the target class.
 *
 * @example
 * ```ts
 * import { Accuracy, Tensor, tensor } from 'nodegrad';
 * const accuracy = new Accuracy();
 * accuracy.update(tensor([[0.1, 0.9], [0.8, 0.2]]), Tensor.from(Int32Array.of(1, 1)));
 * accuracy.result(); // 0.5
 * ```
 */
export class Accuracy extends Metric {
  readonly name = 'accuracy';
  #right = 0;
  #seen = 0;

  /**
   * Takes in a batch.
   *
   * @param prediction - Scores [..., classes].
   * @param target - Class indices (int32 or uint8) of shape [...], or probabilities of the same shape as the scores.
   */
  update(prediction: AnyTensor, target: AnyTensor): void {
    this.add(noGrad(() => this.measure(prediction, target)));
  }

  override measure(prediction: AnyTensor, target: AnyTensor): MeasuredAccuracy {
    const scores = Tensor.check(prediction, 'prediction');
    const wanted = Tensor.check(target, 'target');
    if (scores.shape.length === 0) throw new ShapeError('accuracy needs scores of shape [..., classes], received a rank-0 tensor');
    const best = scores.argmax(-1);
    const labels = sameShape(wanted.shape, scores.shape) && wanted.dtype === scores.dtype ? wanted.argmax(-1) : wanted.to('int32');
    if (!sameShape(labels.shape, best.shape)) {
      throw new ShapeError(`accuracy expects targets of shape ${describeShape(best.shape)}, received ${describeShape(wanted.shape)}`);
    }
    if (best.size >= 2 ** 24) throw new ArgumentError('accuracy takes at most 2^24 examples per batch');
    return { right: best.equal(labels).to('float32').sum(), seen: best.size };
  }

  override add(measured: MeasuredAccuracy): void {
    const { right, seen } = checkOptions<MeasuredAccuracy>(measured, 'measured', ['right', 'seen']);
    const more = Tensor.check(right, 'measured.right').item();
    this.#seen += checkInteger(seen, 'measured.seen', 0);
    this.#right += more;
  }

  result(): number {
    return this.#right / this.#seen;
  }

  reset(): void {
    this.#right = 0;
    this.#seen = 0;
  }

  /** Examples that were right, and all. */
  override stateDict(): AccuracyState {
    return { right: this.#right, seen: this.#seen };
  }

  /** @throws {@link ArgumentError} for anything but what `stateDict` gives. */
  override loadStateDict(state: unknown): void {
    if (typeof state !== 'object' || state === null) throw new ArgumentError(expected('the state of an accuracy', 'state', state));
    const { right, seen } = state as Partial<AccuracyState>;
    const count = checkInteger(seen, 'state.seen', 0);
    this.#right = checkInteger(right, 'state.right', 0, count);
    this.#seen = count;
  }
}

keepNames({ Metric, Accuracy });

ours(Metric);
