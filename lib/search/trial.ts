// A trial while it runs, as the objective sees it: its number and seed, the data, and whom it tells how it goes.

import { ArgumentError, checkInteger, checkNumber, checkOptions, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { withSeed } from '../seed.js';
import { explodedAt } from '../sitter/readings.js';
import { Callback, type StepsRecord, type TrainingRun } from '../training/callbacks.js';
import type { EpochRecord } from '../training/history.js';
import { formatScore } from '../training/progress.js';
import type { Params, Plain } from './space.js';
import type { TrialEnd, TrialRecord, TrialReport } from './trial-record.js';

/** Options of `trial.watch`. */
export interface TrialWatchOptions {
  /** What each epoch's score is: `'loss'`, or the name of a metric, on the validation data; default `'loss'`. */
  readonly score?: string;
}

/** What a trial is made of. */
interface TrialParts<D> {
  readonly data: D;
  readonly settings: Plain;
  readonly dir: string | null;
  readonly signal: AbortSignal;
  readonly say: (report: TrialReport) => void;
}

/**
 * A trial while it runs: the second argument of an objective.
 *
 * @example
 * ```ts
 * import { type Trial, Adam, CrossEntropyLoss, datasets, mlp } from 'nodegrad';
 * const { train, test } = await datasets.digits();
 * async function objective({ lr }: { lr: number }, trial: Trial): Promise<number> {
 *   const model = mlp({ hidden: [64] });
 *   const optimizer = new Adam(model, { lr });
 *   const { signal, budget } = trial;
 *   const callbacks = [trial.watch()];
 *   const history = await model.fit(train, { loss: new CrossEntropyLoss(), optimizer, epochs: budget ?? 5, validation: test, callbacks, signal });
 *   return history.last?.validation?.loss ?? Number.NaN;
 * }
 * ```
 */
export class Trial<D = unknown> {
  /** From 0, in the order in which trials are begun. */
  readonly number: number;
  /** The first trial with these parameters. */
  readonly config: number;
  /** What it may spend in all, such as epochs; null where the strategy says nothing of it. */
  readonly budget: number | null;
  /** The seed in force: a function of the study's seed and `config`. */
  readonly seed: number;
  /**
   * A folder for the checkpoints of these parameters, the same for all trials with them: with `fit({ checkpoint: { dir: trial.dir }, resume: true })` one that
   * goes on with a larger budget takes up where it stood. Null without a log.
   */
  readonly dir: string | null;
  /** The search's `data`. */
  readonly data: D;
  /** The search's `settings`. */
  readonly settings: Plain;
  /** Fires when the search ends before the trial: pass it on to `fit`. */
  readonly signal: AbortSignal;
  readonly #say: (report: TrialReport) => void;
  #firstLoss = Number.NaN;
  #stopped: string | null = null;
  #hasEnded = false;

  /** @internal */
  constructor({ number, config, budget, seed }: TrialRecord, { data, settings, dir, signal, say }: TrialParts<D>) {
    [this.number, this.config, this.budget, this.seed] = [number, config, budget, seed];
    [this.data, this.settings, this.dir, this.signal, this.#say] = [data, settings, dir, signal, say];
  }

  /** Why it is to end; null while it is to go on. */
  get stopped(): string | null {
    return this.#stopped;
  }

  /** Ends the trial as stopped, whatever the objective gives: for rules of one's own. */
  stop(reason: string): void {
    this.#stopped ??= String(reason);
  }

  /**
   * Says how the trial goes, for curves in the report. A training loss above three times the first one that was told ends it (course rows
   * J13, K10).
   *
   * @returns whether to go on
   * @throws {ArgumentError} for an epoch that is no whole number, or unknown names.
   */
  report(report: { readonly epoch: number; readonly score?: number; readonly loss?: number }): boolean {
    const { epoch, score, loss } = checkOptions<typeof report>(report, 'report', ['epoch', 'score', 'loss']);
    checkInteger(epoch, 'report.epoch', 0);
    if (loss !== undefined) {
      if (Number.isNaN(this.#firstLoss)) this.#firstLoss = loss;
      else this.judge(this.#firstLoss, loss);
    }
    const finite = (value: number | undefined): number | null => (Number.isFinite(value) ? checkNumber(value, 'report') : null);
    // What an objective left behind may report later: that is nobody's curve.
    if (!this.#hasEnded) this.#say({ epoch, score: finite(score), loss: finite(loss) });
    return this.#stopped === null && !this.signal.aborted;
  }

  /** @internal Nothing that is reported from now on counts. */
  end(): void {
    this.#hasEnded = true;
  }

  /** @internal Compares a training loss with that of the beginning; gives whether to go on. */
  judge(first: number, loss: number): boolean {
    // Three times a loss that is not above zero means nothing.
    if ((first > 0 || !Number.isFinite(loss)) && explodedAt([first, loss]) >= 0)
      this.stop(`the loss exploded: ${formatScore(loss)} is more than three times the first one, ${formatScore(first)}`);
    return this.#stopped === null && !this.signal.aborted;
  }

  /** A callback for `fit` that reports each epoch, and ends the run when the loss explodes or the search is stopped. */
  watch(options: TrialWatchOptions = {}): Callback {
    const { score = 'loss' } = checkOptions<TrialWatchOptions>(options, 'options', ['score']);
    if (typeof score !== 'string') throw new ArgumentError(expected("'loss', or the name of a metric", 'options.score', score));
    return new TrialWatch(this, score);
  }
}

/** Batches are small and their losses vary: the mean of so many of the latest is compared with the highest of the first few. */
const [latest, first] = [10, 3];

class TrialWatch extends Callback {
  readonly #trial: Trial;
  readonly #score: string;
  readonly #first: number[] = [];
  readonly #latest: number[] = [];

  constructor(trial: Trial, score: string) {
    super();
    [this.#trial, this.#score] = [trial, score];
  }

  /** A run that goes on from a checkpoint begins with the epochs that it has: the curve of a trial is whole. */
  override onTrainBegin({ history }: TrainingRun): void {
    for (const record of history.epochs) this.onEpochEnd(record);
  }

  override onSteps({ losses }: StepsRecord, run: TrainingRun): void {
    if (!losses.every((loss) => this.#goesOn(loss))) run.stop(this.#trial.stopped ?? 'the search was stopped');
  }

  #goesOn(loss: number): boolean {
    if (this.#latest.push(loss) > latest) this.#latest.shift();
    if (this.#first.length < first) {
      this.#first.push(loss);
      return !this.#trial.signal.aborted;
    }
    return this.#trial.judge(Math.max(...this.#first), this.#latest.reduce((sum, value) => sum + value, 0) / this.#latest.length);
  }

  /** The first and the latest losses: in a resumed run they are not those of its own first steps. */
  override stateDict(): { first: readonly number[]; latest: readonly number[] } {
    return { first: [...this.#first], latest: [...this.#latest] };
  }

  override loadStateDict(state: unknown): void {
    const given = (state ?? {}) as Partial<ReturnType<TrialWatch['stateDict']>>;
    const areNumbers = (list: unknown): list is number[] => Array.isArray(list) && list.every((one) => typeof one === 'number');
    if (!areNumbers(given.first) || !areNumbers(given.latest)) throw new ArgumentError(expected('the losses of a trial', 'state', state));
    this.#first.splice(0, first, ...given.first.slice(0, first));
    this.#latest.splice(0, latest, ...given.latest.slice(-latest));
  }

  override onEpochEnd({ epoch, loss, validation }: EpochRecord): void {
    const score = this.#score === 'loss' ? validation?.loss : validation?.metrics[this.#score];
    this.#trial.report({ epoch, loss, score });
  }
}

/** An error as a study keeps it. */
export function reasonOf(error: unknown): string {
  const { name, message, code } = (typeof error === 'object' && error !== null ? error : { message: String(error) }) as NodeJS.ErrnoException;
  return `${name ?? 'Error'}: ${message}${code === undefined ? '' : ` [${code}]`}`.slice(0, 2000);
}

/** Runs an objective under the trial's seed; what it throws is how the trial ended. */
export async function runTrial(objective: (params: never, trial: Trial) => unknown, params: Params, trial: Trial): Promise<TrialEnd> {
  try {
    const score: unknown = await withSeed(trial.seed, () => objective(params as never, trial));
    if (trial.stopped !== null) return { state: 'stopped', score: null, reason: trial.stopped };
    if (typeof score === 'number' && Number.isFinite(score)) return { state: 'completed', score, reason: null };
    return { state: 'failed', score: null, reason: `the objective gave ${String(score)}, and not a finite number` };
  } catch (error) {
    if (trial.stopped !== null) return { state: 'stopped', score: null, reason: trial.stopped };
    return { state: 'failed', score: null, reason: reasonOf(error) };
  } finally {
    trial.end();
  }
}

keepNames({ Trial, TrialWatch });
