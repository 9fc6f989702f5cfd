// Training: forward, backward, update, epoch after epoch, with everything around the steps that keeps a run observable and stoppable.

import type { Dataset } from '../data/dataset.js';
import { DataLoader } from '../data/loader.js';
import type { DType } from '../dtype.js';
import { ArgumentError, BusyError, checkInteger, checkNumber, checkOptions, expected } from '../errors.js';
import { type AnyLayer, Layer } from '../layers/layer.js';
import type { Loss } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import { clipGradNorm } from '../optimizers/clip.js';
import { Optimizer } from '../optimizers/optimizer.js';
import { getSeed } from '../random.js';
import { info } from '../runtime.js';
import { Schedule } from '../schedules/schedule.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { type BatchRecord, type CallbackLike, Callbacks, type TrainingRun } from './callbacks.js';
import { TrainingAbortedError, type TrainingNonFiniteError } from './errors.js';
import { checkLoss, checkMetrics, checkSignal, evaluate, lossValue, resultsOf, weightOf } from './evaluate.js';
import { type EpochRecord, History, type Scores } from './history.js';
import { Breather, rememberModes } from './modes.js';
import { allFinite, explainNonFinite } from './non-finite.js';
import { Progress, type ProgressOption } from './progress.js';
import { checkReach } from './reach.js';
import { type RunLog, openRunLog } from './run-log.js';

/** Options of `model.fit`. */
export interface FitOptions {
  /** The loss. */
  readonly loss: Loss;
  /** The optimizer, made with the model. */
  // biome-ignore lint/suspicious/noExplicitAny: options of the optimizer do not matter here.
  readonly optimizer: Optimizer<any>;
  /** Times to go through the data; default 1. */
  readonly epochs?: number;
  /** Examples per step; default 32. */
  readonly batchSize?: number;
  /** A new random order in every epoch; default true. */
  readonly shuffle?: boolean;
  /**
   * Decides the orders; default: the seed of `setSeed`. Epochs are counted by the optimizer's steps, so that a second call goes on with
   * the orders where the first one stopped: two runs of one epoch give the weights of one run of two.
   */
  readonly seed?: number;
  /** Leave out the last batch of an epoch when it is smaller; default false. */
  readonly dropLast?: boolean;
  /** Scales the gradients of each step so that their norm is at most this, see {@link clipGradNorm}; default: as they are. */
  readonly clipNorm?: number;
  /** Scored after every epoch. */
  readonly validation?: Dataset<DType, DType>;
  /** What is measured beside the loss; default: accuracy with a `CrossEntropyLoss`, else nothing. */
  readonly metrics?: readonly Metric[];
  /** Steps after each epoch. */
  readonly schedule?: Schedule;
  /** Hooks into the run. */
  readonly callbacks?: readonly CallbackLike[];
  /** Ends the run between two steps, with a {@link TrainingAbortedError}. */
  readonly signal?: AbortSignal;
  /** A line on standard error, redrawn on a terminal, one per epoch elsewhere; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
  /** The file that the run's log is appended to (JSON lines, see `readRunLog`), or false. Default: `log.jsonl` in `runDir`, else a file in `runs/`. */
  readonly log?: string | false;
  /** Folder of the run. */
  readonly runDir?: string;
}

const known: readonly (keyof FitOptions)[] = [
  'loss',
  'optimizer',
  'epochs',
  'batchSize',
  'shuffle',
  'seed',
  'dropLast',
  'clipNorm',
  'validation',
  'metrics',
  'schedule',
  'callbacks',
  'signal',
  'progress',
  'log',
  'runDir',
];

const inTraining = new WeakSet<AnyLayer>();

/** `model.fit(data, options)`: documented there. */
export async function fit(model: AnyLayer, data: Dataset<DType, DType>, options: FitOptions): Promise<History> {
  if (!(model instanceof Layer)) throw new ArgumentError(expected('a Layer', 'model', model));
  const fitting = new Fitting(model, data, options);
  if (inTraining.has(model)) throw new BusyError('this model is in training: wait for the fit() that is under way, or train a clone()');
  inTraining.add(model);
  const restore = rememberModes(model);
  try {
    return await fitting.run();
  } finally {
    restore();
    inTraining.delete(model);
  }
}

/** One call of `fit`. */
class Fitting implements TrainingRun {
  readonly optimizer: Optimizer;
  readonly loss: Loss;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly batchSize: number;
  readonly history = new History();
  epoch = 0;
  step = 0;
  outcome: TrainingRun['outcome'] = null;
  readonly #options: FitOptions;
  readonly #metrics: readonly Metric[];
  readonly #loader: DataLoader<DType, DType>;
  readonly #callbacks: Callbacks;
  readonly #signal: AbortSignal | undefined;
  readonly #schedule: Schedule | undefined;
  readonly #progress: Progress;
  readonly #seed: number;
  readonly #breather = new Breather();
  #log: RunLog | null = null;
  #began = 0;

  constructor(
    readonly model: AnyLayer,
    readonly data: Dataset<DType, DType>,
    given: FitOptions,
  ) {
    const options = checkOptions<FitOptions>(given, 'options', known);
    this.#options = options;
    this.loss = checkLoss(options.loss);
    if (!(options.optimizer instanceof Optimizer))
      throw new ArgumentError(expected('an optimizer, such as new Adam(model, { lr: 1e-3 })', 'options.optimizer', options.optimizer));
    this.optimizer = options.optimizer;
    this.#metrics = checkMetrics(options.metrics, this.loss);
    this.#signal = checkSignal(options.signal);
    if (options.schedule !== undefined && !(options.schedule instanceof Schedule))
      throw new ArgumentError(expected('a schedule', 'options.schedule', options.schedule));
    this.#schedule = options.schedule;
    this.#callbacks = new Callbacks(options.callbacks);
    this.epochs = checkInteger(options.epochs ?? 1, 'options.epochs', 0);
    this.#seed = checkInteger(options.seed ?? getSeed(), 'options.seed');
    const { batchSize, shuffle = true, dropLast } = options;
    this.#loader = new DataLoader<DType, DType>(data, { batchSize, shuffle, dropLast, seed: this.#seed });
    if (this.#loader.length === 0) throw new ArgumentError(`the data set ${data.name} is empty: there is nothing to train on`);
    this.batchSize = this.#loader.batchSize;
    this.stepsPerEpoch = this.#loader.length;
    if (options.clipNorm !== undefined) checkNumber(options.clipNorm, 'options.clipNorm', 0);
    if (options.validation !== undefined) new DataLoader(options.validation);
    this.#progress = new Progress(options.progress, this.epochs, this.stepsPerEpoch);
  }

  stop(reason = 'stopped by a callback'): void {
    this.history.stopped ??= String(reason);
  }

  note(text: string): void {
    this.#progress.note(text);
  }

  async run(): Promise<History> {
    this.#log = openRunLog(this.#options.log, this.#options.runDir);
    this.history.log = this.#log?.path ?? null;
    this.#log?.write({ type: 'run', ...this.#describe() });
    this.#began = performance.now();
    const failures: unknown[] = [];
    const attempt = async (body: () => Promise<void> | undefined): Promise<void> => {
      try {
        await body();
      } catch (error) {
        failures.push(error);
      }
    };
    await attempt(() => this.#runEpochs());
    const [failure] = failures;
    this.outcome =
      failure instanceof TrainingAbortedError ? 'aborted' : failure ? 'failed' : this.history.stopped === null ? 'completed' : 'stopped';
    this.#progress.clear();
    this.#endLog(failure);
    await attempt(() => this.#callbacks.call('onTrainEnd', this));
    if (failures.length > 0) throw failures[0];
    return this.history;
  }

  async #runEpochs(): Promise<void> {
    await this.#callbacks.call('onTrainBegin', this);
    // Where the optimizer stands says which epochs have been: see `seed`.
    const first = Math.floor(this.optimizer.steps / this.stepsPerEpoch);
    while (this.epoch < this.epochs && this.history.stopped === null) {
      this.epoch += 1;
      await this.#callbacks.call('onEpochBegin', this);
      await this.#runEpoch(first + this.epoch - 1);
    }
  }

  #endLog(failure: unknown): void {
    const { message, code } = (failure ?? {}) as { message?: string; code?: string };
    const seconds = (performance.now() - this.#began) / 1000;
    const { outcome, step: steps, history } = this;
    this.#log?.write({ type: 'end', time: new Date(), outcome, stopped: history.stopped, steps, seconds, code, message });
    this.#log?.close();
  }

  async #runEpoch(order: number): Promise<void> {
    const { model, optimizer, loss, batchSize } = this;
    const { lr } = optimizer;
    const began = performance.now();
    let [sum, weight, seen, batch] = [0, 0, 0, 0];
    for (const metric of this.#metrics) metric.reset();
    model.train();
    for (const [inputs, targets] of this.#loader.epoch(order)) {
      if (this.#signal?.aborted) throw this.#aborted();
      batch += 1;
      const prediction = Tensor.check(model.forward(inputs as never) as unknown, "the model's output");
      const result = loss.forward(prediction, targets);
      if (this.step === 0) checkReach(result, inputs, model, optimizer);
      const value = lossValue(result);
      if (!Number.isFinite(value)) throw this.#nonFinite(batch, { inputs, targets });
      optimizer.zeroGrad();
      result.backward();
      if (this.#options.clipNorm !== undefined) clipGradNorm(model, this.#options.clipNorm);
      optimizer.step();
      this.step += 1;
      const examples = inputs.shape[0];
      sum += value * weightOf(loss, examples);
      weight += examples;
      seen += examples;
      if (this.#metrics.length > 0) {
        noGrad(() => {
          for (const metric of this.#metrics) metric.update(prediction, targets);
        });
      }
      if (this.#callbacks.wantsBatches) {
        const record: BatchRecord = {
          epoch: this.epoch,
          batch,
          step: this.step,
          loss: value,
          inputs,
          targets,
          prediction: prediction.detach(),
        };
        await this.#callbacks.call('onBatchEnd', record, this);
        if (this.history.stopped !== null) break;
      }
      if (this.#progress.isDue) this.#draw(batch, sum / weight, (seen / (performance.now() - began)) * 1000);
      const pause = this.#breather.pause();
      if (pause !== undefined) {
        await pause;
        // Whoever used the model in between may have left it in evaluation mode.
        if (!model.training) model.train();
      }
    }
    if (batch < this.stepsPerEpoch) return;
    if (!model.parameters().every(allFinite)) throw this.#nonFinite(batch, null);
    const seconds = (performance.now() - began) / 1000;
    const scores: Scores = { loss: sum / weight, metrics: resultsOf(this.#metrics) };
    const validation = await this.#validate(batchSize);
    const record: EpochRecord = {
      epoch: this.epoch,
      ...scores,
      ...(validation && { validation }),
      lr,
      seconds,
      samplesPerSecond: seen / seconds,
    };
    this.history.epochs.push(record);
    this.#log?.write({ type: 'epoch', ...record });
    this.#progress.epochEnd(record);
    this.#schedule?.step();
    await this.#callbacks.call('onEpochEnd', record, this);
  }

  async #validate(batchSize: number): Promise<Scores | undefined> {
    const { validation } = this.#options;
    if (validation === undefined) return undefined;
    try {
      return await evaluate(this.model, validation, {
        loss: this.loss,
        metrics: this.#metrics,
        batchSize: Math.max(256, batchSize),
        signal: this.#signal,
      });
    } catch (error) {
      throw this.#signal?.aborted ? this.#aborted() : error;
    }
  }

  #aborted(): TrainingAbortedError {
    const done = `${this.history.epochs.length} of ${this.epochs} epochs`;
    return new TrainingAbortedError(`the run was aborted after step ${this.step} (${done} completed)`, this.history, this.step, {
      cause: this.#signal?.reason,
    });
  }

  #nonFinite(batch: number, found: { inputs: AnyTensor; targets: AnyTensor } | null): TrainingNonFiniteError {
    const where = { epoch: this.epoch, batch, step: found === null ? this.step : this.step + 1, lr: this.optimizer.lr };
    return explainNonFinite({ model: this.model, loss: this.loss, batch: found, where, history: this.history });
  }

  #draw(batch: number, loss: number, samplesPerSecond: number): void {
    const done = this.step / (this.epochs * this.stepsPerEpoch);
    const secondsLeft = ((performance.now() - this.#began) / 1000) * (1 / done - 1);
    this.#progress.draw({ epoch: this.epoch, batch, loss, metrics: resultsOf(this.#metrics), samplesPerSecond, secondsLeft });
  }

  /** What the log's first line says. */
  #describe(): Record<string, unknown> {
    const { model, data, optimizer, epochs, batchSize } = this;
    const { version, node, platform, cpu, isa, threads } = info();
    return {
      time: new Date(),
      model: { type: model.constructor.name, parameters: model.parameterCount() },
      data: { name: data.name, examples: data.length },
      loss: this.loss.constructor.name,
      optimizer: { kind: optimizer.constructor.name, steps: optimizer.steps, groups: optimizer.groups.map(({ options }) => options) },
      schedule: this.#schedule?.constructor.name,
      epochs,
      batchSize,
      seed: this.#seed,
      environment: { version, node, platform, cpu: cpu.brand, isa, threads },
    };
  }
}
