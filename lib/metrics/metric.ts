// Metrics: what a person reads beside the loss, gathered over batches.

import { ours } from '../foreign.js';
import { ArgumentError, ShapeError, checkInteger, checkOptions, describeShape, expected } from '../errors.js';
import { sameShape } from '../ops/broadcast.js';
import { classTargetHint, twoOutputs } from '../ops/hints.js';
import { refuseInStep } from '../recording.js';
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
  /** Takes in a batch: what the model gives, and the targets, each a tensor or a tree of them. */
  // biome-ignore lint/suspicious/noExplicitAny: what a metric compares is its own to say.
  abstract update(prediction: any, target: any): void;
  /**
   * What a batch adds, by operations alone: a tensor, or arrays and plain objects of tensors and numbers. With `add`, training measures
   * inside its compiled step; without them, it calls `update` with the batch's prediction.
   */
  // biome-ignore lint/suspicious/noExplicitAny: as for update.
  measure?(prediction: any, target: any): unknown;
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
  /** All examples; a rank-0 tensor where some are ignored. */
  readonly seen: number | Tensor;
}

/** Options of {@link Accuracy}. */
export interface AccuracyOptions {
  /** The label of examples that do not count; default: none. */
  readonly ignoreIndex?: number | null;
}

/** What `stateDict` of an {@link Accuracy} gives. */
export interface AccuracyState {
  /** Examples that were right. */
  readonly right: number;
  /** All examples. */
  readonly seen: number;
}

/**
 * Share of examples whose largest score stands at the target class, of two classes or more. Each example counts once, whatever its weight in
 * the loss; what is not to count has the label `ignoreIndex`.
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
  /** The label of examples that do not count; null for none. */
  readonly ignoreIndex: number | null;
  #right = 0;
  #seen = 0;

  constructor(options: AccuracyOptions = {}) {
    super();
    const { ignoreIndex } = checkOptions<AccuracyOptions>(options, 'options', ['ignoreIndex'], ['ignoreIndex']);
    this.ignoreIndex = ignoreIndex === undefined || ignoreIndex === null ? null : checkInteger(ignoreIndex, 'options.ignoreIndex');
  }

  /**
   * Takes in a batch.
   *
   * @param prediction - Scores [..., classes].
   * @param target - Class indices (int32 or uint8) of shape [...], or probabilities of the same shape and dtype as the scores.
   * @throws {@link ShapeError} when shapes do not fit, or there is one class: the best of one score is always right.
   */
  update(prediction: AnyTensor, target: AnyTensor): void {
    this.add(noGrad(() => this.measure(prediction, target)));
  }

  override measure(prediction: AnyTensor, target: AnyTensor): MeasuredAccuracy {
    const scores = Tensor.check(prediction, 'prediction');
    const wanted = Tensor.check(target, 'target');
    if (scores.shape.length === 0) throw new ShapeError('accuracy needs scores of shape [..., classes], received a rank-0 tensor');
    const isRows = sameShape(wanted.shape, scores.shape) && wanted.dtype === scores.dtype;
    if (scores.shape[scores.shape.length - 1] === 1)
      throw new ShapeError(
        `accuracy expects scores for at least two classes (the last dimension), received shape ${describeShape(scores.shape)}: the best of one is always right. ${twoOutputs}; beside a model of one output, count in a Metric of your own`,
      );
    if (isRows && scores.shape.length === 1)
      throw new ShapeError(
        `accuracy expects scores of shape [examples, classes] beside rows of probabilities, received ${describeShape(scores.shape)} for both. One example is .reshape([1, -1]). ${twoOutputs}`,
      );
    const best = scores.argmax(-1);
    const labels = isRows ? wanted.argmax(-1) : wanted.to('int32');
    if (!sameShape(labels.shape, best.shape)) {
      throw new ShapeError(
        `accuracy expects targets of shape ${describeShape(best.shape)}, received ${describeShape(wanted.shape)}${classTargetHint(wanted.shape, scores)}`,
      );
    }
    if (best.size >= 2 ** 24) throw new ArgumentError('accuracy takes at most 2^24 examples per batch');
    const hits = best.equal(labels).to('float32');
    if (this.ignoreIndex === null) return { right: hits.sum(), seen: best.size };
    const counts = labels.notEqual(this.ignoreIndex).to('float32');
    return { right: hits.mul(counts).sum(), seen: counts.sum() };
  }

  override add(measured: MeasuredAccuracy): void {
    const { right, seen } = checkOptions<MeasuredAccuracy>(measured, 'measured', ['right', 'seen']);
    const more = Tensor.check(right, 'measured.right').item();
    this.#seen += checkInteger(seen instanceof Tensor ? seen.item() : seen, 'measured.seen', 0);
    this.#right += more;
  }

  result(): number {
    refuseInStep('the result of a metric was taken', 'Take it between two steps');
    return this.#right / this.#seen;
  }

  reset(): void {
    refuseInStep('a metric was reset', 'Reset it between two steps');
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
