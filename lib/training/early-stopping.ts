// Early stopping: ends a run that gets no better on validation data, and puts the best weights back.

import { ArgumentError, checkChoice, checkFlag, checkInteger, checkNumber, checkOptions, expected } from '../errors.js';
import { copiesOf } from '../layers/state.js';
import { keepNames } from '../names.js';
import type { AnyTensor } from '../tensor.js';
import { Callback, type TrainingRun } from './callbacks.js';
import type { EpochRecord, Scores } from './history.js';
import { plural } from '../words.js';

/** Options of {@link EarlyStopping}. */
export interface EarlyStoppingOptions {
  /** What is watched: `'loss'` (default), or the name of a metric of the run. */
  readonly monitor?: string;
  /** Of which data: `'validation'` (default), or `'training'`. */
  readonly of?: 'validation' | 'training';
  /** Whether lower is better or higher; default: lower for `'loss'`, higher for metrics. */
  readonly better?: 'lower' | 'higher';
  /** Epochs without a better one after which the run ends; default 5. */
  readonly patience?: number;
  /** By how much an epoch has to be better to count; default 0. */
  readonly minDelta?: number;
  /** Whether the model gets the weights of the best epoch at the end of the run; default true. */
  readonly restoreBest?: boolean;
}

/**
 * Ends a run when `patience` epochs have brought nothing better, and gives the model the weights and buffers of the best epoch: training error goes on
 * falling when a net begins to learn its training data by heart, validation error does not. Course rows F23, F24.
 *
 * The best weights are part of checkpoints, so a resumed run ends as it would have. The optimizer keeps the state of the last epoch.
 *
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, EarlyStopping, datasets, mlp } from 'nodegrad';
 * const { train, test } = await datasets.digits();
 * const model = mlp();
 * const stopping = new EarlyStopping({ patience: 3 });
 * const optimizer = new Adam(model, { lr: 1e-3 });
 * await model.fit(train, { loss: new CrossEntropyLoss(), optimizer, epochs: 50, validation: test, callbacks: [stopping] });
 * stopping.bestEpoch;
 * ```
 */
export class EarlyStopping extends Callback {
  /** What is watched. */
  readonly monitor: string;
  /** Of which data. */
  readonly of: 'validation' | 'training';
  /** Whether lower is better or higher. */
  readonly better: 'lower' | 'higher';
  /** Epochs without a better one after which the run ends. */
  readonly patience: number;
  /** By how much an epoch has to be better to count. */
  readonly minDelta: number;
  /** Whether the model gets the weights of the best epoch. */
  readonly restoreBest: boolean;
  #best = Number.NaN;
  #bestEpoch = 0;
  #epoch = 0;
  #weights: ReadonlyMap<string, AnyTensor> = new Map();

  constructor(options: EarlyStoppingOptions = {}) {
    super();
    const known = ['monitor', 'of', 'better', 'patience', 'minDelta', 'restoreBest'];
    const {
      monitor = 'loss',
      of = 'validation',
      better,
      patience = 5,
      minDelta = 0,
      restoreBest = true,
    } = checkOptions<EarlyStoppingOptions>(options, 'options', known);
    if (typeof monitor !== 'string') throw new ArgumentError(expected("'loss' or the name of a metric", 'options.monitor', monitor));
    this.monitor = monitor;
    this.of = checkChoice(of, 'options.of', ['validation', 'training']);
    this.better = checkChoice(better ?? (monitor === 'loss' ? 'lower' : 'higher'), 'options.better', ['lower', 'higher']);
    this.patience = checkInteger(patience, 'options.patience', 1);
    this.minDelta = checkNumber(minDelta, 'options.minDelta', 0);
    this.restoreBest = checkFlag(restoreBest, 'options.restoreBest');
  }

  /** What was watched in the best epoch; NaN before the first. */
  get best(): number {
    return this.#best;
  }

  /** The best epoch, from 1; 0 before the first. */
  get bestEpoch(): number {
    return this.#bestEpoch;
  }

  override onTrainBegin(): void {
    this.#best = Number.NaN;
    this.#bestEpoch = 0;
    this.#epoch = 0;
    this.#weights = new Map();
  }

  override onEpochEnd(record: EpochRecord, run: TrainingRun): void {
    const value = this.#valueOf(record);
    this.#epoch = record.epoch;
    if (this.#isBetter(value)) {
      this.#best = value;
      this.#bestEpoch = record.epoch;
      if (this.restoreBest) this.#weights = copiesOf(run.model.stateDict());
    } else if (record.epoch - this.#bestEpoch >= this.patience) {
      const best = this.#bestEpoch === 0 ? 'none was finite' : `the best was epoch ${this.#bestEpoch}`;
      const reason = `no better ${this.of} ${this.monitor} in ${plural(this.patience, 'epoch')}: ${best}`;
      run.note(`stopped: ${reason}`);
      run.stop(reason);
    }
  }

  override onTrainEnd(run: TrainingRun): void {
    const isWhole = run.outcome === 'completed' || run.outcome === 'stopped';
    if (isWhole && this.#weights.size > 0 && this.#bestEpoch < this.#epoch) run.model.loadStateDict(new Map(this.#weights));
  }

  #valueOf(record: EpochRecord): number {
    const scores: Scores | undefined = this.of === 'training' ? record : record.validation;
    if (scores === undefined)
      throw new ArgumentError(
        "EarlyStopping watches validation data, and fit() has none: give it `validation`, or new EarlyStopping({ of: 'training' })",
      );
    if (this.monitor === 'loss') return scores.loss;
    if (Object.hasOwn(scores.metrics, this.monitor)) return scores.metrics[this.monitor];
    throw new ArgumentError(
      `EarlyStopping watches '${this.monitor}', and the run measures ${['loss', ...Object.keys(scores.metrics)].join(', ')}`,
    );
  }

  #isBetter(value: number): boolean {
    if (Number.isNaN(value)) return false;
    if (this.#bestEpoch === 0) return true;
    return this.better === 'lower' ? value < this.#best - this.minDelta : value > this.#best + this.minDelta;
  }

  /** The best epoch so far, and the last one. */
  override stateDict(): unknown {
    return { best: this.#best, bestEpoch: this.#bestEpoch, epoch: this.#epoch };
  }

  /** The weights of the best epoch. */
  override stateTensors(): ReadonlyMap<string, AnyTensor> {
    return this.#weights;
  }

  override loadStateDict(state: unknown, tensors: ReadonlyMap<string, AnyTensor>): void {
    const { best, bestEpoch, epoch } = (state ?? {}) as { best?: unknown; bestEpoch?: unknown; epoch?: unknown };
    if (typeof best !== 'number') throw new ArgumentError(expected('the state of an EarlyStopping', 'state', state));
    this.#bestEpoch = checkInteger(bestEpoch, 'state.bestEpoch', 0);
    this.#epoch = checkInteger(epoch, 'state.epoch', 0);
    this.#best = best;
    this.#weights = copiesOf(tensors);
  }
}

keepNames({ EarlyStopping });
