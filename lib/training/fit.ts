// Training: forward, backward, update, epoch after epoch, with everything around the steps that keeps a run observable and stoppable.

import type { AnyDataset, BatchPart, Dataset } from '../data/dataset.js';
import { Staging, feedOf } from '../data/feed.js';
import { type AnyLoader, type AnyPair, DataLoader, type Order } from '../data/loader.js';
import { ArgumentError, NodegradError, checkFlag, checkInteger, checkNumber, expected } from '../errors.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import type { Loss } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import { notFinite } from '../ops/finite.js';
import { Optimizer } from '../optimizers/optimizer.js';
import { preprocessed } from '../preprocessing/of-model.js';
import { type CompiledStep, type StepPrograms, stepPrograms } from '../program/step.js';
import { StepFailure, runSteps } from '../program/stream.js';
import { getSeed } from '../seed.js';
import { checkRegularizers } from '../regularizers/regularizer.js';
import { followersOf } from '../report/followers.js';
import { type TensorTree, firstTensor } from '../tree.js';
import { type Seat, seatOf } from '../sitter/of-run.js';
import { type BatchRecord, type CallbackLike, Callbacks, type StepsRecord, type TrainingRun } from './callbacks.js';
import { type CheckpointRounds, checkpointsOf } from './checkpoint.js';
import { takeFromData } from './class-names.js';
import { checkDomains } from './domains.js';
import { TrainingAbortedError, type TrainingNonFiniteError, endOf, leavesWholeSteps } from './errors.js';
import { checkLoss, checkMetrics, checkNotEmpty, checkSignal, isSumOf, meanOfBatches, resultsOf } from './evaluate.js';
import { type BatchPlace, explainInputs, locate } from './failed-batch.js';
import { type FitOptions, checkFit, precisionOf, settingsOf, togetherOf } from './fit-options.js';
import { type EpochRecord, History, type Scores } from './history.js';
import { type Meeting, endsBetweenSteps, failTogether, meet, optionsInGroup, stopTogether } from './in-group.js';
import { Breather, rememberModes } from './modes.js';
import { allStateFinite, explainNonFinite } from './non-finite.js';
import { type ObservedNumbers, decodeObservation } from './observe.js';
import { shardingOf } from './optimizer-sharding.js';
import { type RecordedParts, doubtRecordings } from './own-code.js';
import { preflight } from './preflight.js';
import { Progress, milliseconds } from './progress.js';
import { compileReported, runEnd, runHeader } from './run-header.js';
import { reading } from './reading.js';
import { runData } from './run-data.js';
import { type RunLog, openRunLog } from './run-log.js';
import { type EpochProgress, type RunParts, type RunPosition, positionOf, stateOfMetrics } from './run-state.js';
import { learnUnits } from './target-units.js';
import { NonFiniteLoss, type Seen, type StepResult, type TrainStep, addMeasured, makeTrainSteps, stepsUntilObserved } from './train-step.js';
import { inTraining } from './under-way.js';
import { validate } from './validate.js';

/** `model.fit(data, options)`: documented there. */
export async function fit(model: AnyLayer, data: AnyDataset, options: FitOptions): Promise<History> {
  return inTraining(checkLayer(model), () => train(model, data, optionsInGroup(checkFit(data, options))));
}

async function train(model: AnyLayer, data: AnyDataset, options: FitOptions): Promise<History> {
  const { validation, ...rest } = options;
  const learning = takeFromData(model, data, options);
  if (learning !== undefined) await learning;
  const seen = validation && preprocessed(model, validation);
  const followers = followersOf(rest, validation ?? data);
  const fitting = new Fitting(model, data as Dataset<BatchPart, BatchPart>, { ...rest, validation: seen }, followers.callbacks);
  learnUnits(model, data);
  const restore = rememberModes(model);
  try {
    return await failTogether(rest.group, () => fitting.run());
  } finally {
    restore();
    await followers.close(fitting.history);
  }
}

/** One call of `fit`. */
class Fitting implements TrainingRun {
  readonly optimizer: Optimizer;
  readonly loss: Loss;
  readonly epochs: number;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly validation: AnyDataset | undefined;
  readonly history = new History();
  maxGradNorm: number | undefined;
  epoch = 0;
  step = 0;
  outcome: TrainingRun['outcome'] = null;
  readonly #options: FitOptions;
  readonly #metrics: readonly Metric[];
  readonly #parts: Required<RecordedParts>;
  readonly #loader: AnyLoader;
  readonly #staging = new Staging();
  readonly #callbacks: Callbacks;
  readonly #sitter: Seat['sitter'];
  readonly #signal: AbortSignal | undefined;
  readonly #progress: Progress;
  readonly #seed: number;
  readonly #breather = new Breather();
  readonly #eager: boolean;
  readonly #steps: readonly [plain: TrainStep, observed: TrainStep];
  readonly #compiled: readonly CompiledStep<TensorTree[], StepResult>[];
  readonly #observeEvery: number;
  readonly #checkpoints: CheckpointRounds | null;
  readonly #runParts: RunParts;
  #meeting: Meeting | null = null;
  #log: RunLog | null = null;
  #began = 0;
  /** The order of the first epoch: where the optimizer stands says which epochs have been, see `seed`. */
  #firstOrder = 0;
  /** The epoch in progress; null between two. */
  #progressed: EpochProgress | null = null;
  #epochBegan = 0;

  constructor(
    readonly model: AnyLayer,
    readonly data: Dataset<BatchPart, BatchPart>,
    options: FitOptions,
    followers: readonly CallbackLike[],
  ) {
    this.#options = options;
    this.loss = checkLoss(options.loss);
    if (!(options.optimizer instanceof Optimizer))
      throw new ArgumentError(expected('an optimizer, such as new Adam(model, { lr: 1e-3 })', 'options.optimizer', options.optimizer));
    this.optimizer = options.optimizer;
    this.#metrics = checkMetrics(options.metrics, this.loss);
    this.#signal = checkSignal(options.signal);
    const { sitter, added, kept } = seatOf(options as Required<FitOptions>);
    this.#sitter = sitter;
    this.#callbacks = new Callbacks(options.callbacks, [...added, ...followers]);
    this.epochs = checkInteger(options.epochs ?? 1, 'options.epochs', 0);
    this.#seed = checkInteger(options.seed ?? getSeed(), 'options.seed');
    ({ shuffle: this.shuffle = true, validation: this.validation } = options);
    const { loader, shards } = runData(preprocessed(model, data), options, this.#seed);
    [this.#loader, this.batchSize] = [loader, loader.batchSize];
    if (this.validation !== undefined) checkNotEmpty(new DataLoader(this.validation), 'validate with. Leave `options.validation` out');
    this.#progress = new Progress(options.progress, this.epochs, this.stepsPerEpoch);
    this.#eager = checkFlag(options.eager ?? false, 'options.eager');
    this.maxGradNorm = options.maxGradNorm === undefined ? undefined : checkNumber(options.maxGradNorm, 'options.maxGradNorm', 0);
    const { loss, optimizer, history, epochs, validation } = this;
    const [wanted, sharding, every] = [this.#callbacks, shardingOf(options), options.observeEvery ?? 10];
    this.#observeEvery = checkInteger(every, 'options.observeEvery', 0) * Number(wanted.wantsObservations || sharding !== null);
    this.#parts = { model, loss, optimizer, metrics: this.#metrics, regularizers: checkRegularizers(options.regularizers) };
    this.#steps = makeTrainSteps({ ...this.#parts, clipping: this, wanted, shards, sharding, ...togetherOf(options) });
    this.#compiled = this.#steps.map((step) => compileReported(step, precisionOf(options, model), this));
    const run = { data, validation, history, epochs, sharding, callbacks: [...(options.callbacks ?? []), ...kept] };
    this.#runParts = { ...this.#parts, ...run, settings: settingsOf(options, shards, this.batchSize, this.#seed) };
    this.#checkpoints = checkpointsOf(options.checkpoint, options.resume, this.#runParts, this, options.group);
  }

  get stepsPerEpoch(): number {
    return this.#loader.length;
  }

  stop(reason = 'stopped by a callback'): void {
    this.history.stopped ??= String(reason);
  }

  note(text: string): void {
    this.#progress.note(text);
  }

  record(entry: { readonly type: string }): void {
    this.#log?.write(entry, false);
  }

  /** What somebody should look at, though the run goes on. */
  warn(text: string): void {
    this.history.warnings.push(text);
    this.#log?.write({ type: 'warning', time: new Date(), message: text });
    if (this.#progress.isShown) this.note(`warning: ${text}`);
    else process.emitWarning(text, { code: 'NODEGRAD_CHECKPOINT' });
  }

  async run(): Promise<History> {
    if (!this.#eager && this.epochs > 0) preflight({ ...this.#parts, loader: this.#loader, validation: this.validation });
    if (this.epochs > 0) checkDomains(this.loss, this.#loader.dataset, this.validation);
    try {
      return await reading(this.#loader, this.#signal, () => this.#run());
    } finally {
      await this.#checkpoints?.close();
    }
  }

  async #run(): Promise<History> {
    this.#firstOrder = Math.floor(this.optimizer.steps / this.stepsPerEpoch);
    this.#began = milliseconds();
    const resumed = (await this.#checkpoints?.open()) ?? null;
    this.#meeting = await meet(this.#options.group, this.#runParts, this.#checkpoints, this.#callbacks, () => this.#position());
    this.#goOn(this.#meeting.position ?? resumed?.position);
    const first = this.step;
    this.#log = openRunLog(this.#options.log, this.#options.runDir);
    this.history.log = this.#log?.path ?? null;
    this.#log?.write({ type: 'run', ...runHeader(this, this.#seed, resumed), ...precisionOf(this.#options) });
    const failures: unknown[] = [];
    const attempt = async (body: () => Promise<void> | undefined): Promise<void> => {
      await (async () => body())().catch((error) => failures.push(error));
    };
    await attempt(() => this.#runEpochs());
    for (const step of this.#compiled) step.dispose();
    await attempt(() => this.#runParts.sharding?.end(failures.length > 0));
    const isWhole = failures.every((failure) => leavesWholeSteps(failure, this.step - first) && !this.#runParts.sharding);
    await attempt(() => this.#checkpoints?.finish(isWhole ? () => this.#position() : null));
    await this.#sitter?.conclude(this, failures);
    const failure = failures.find((one) => !(one instanceof TrainingAbortedError)) ?? failures[0];
    this.outcome = failures.length > 0 ? endOf(failure) : this.history.stopped === null ? 'completed' : 'stopped';
    this.#progress.clear();
    await attempt(() => this.#callbacks.call('onTrainEnd', this));
    this.#log?.write({ type: 'end', ...runEnd(this, (milliseconds() - this.#began) / 1000, failure) });
    this.#log?.close();
    if (failures.length > 0) throw failure ?? failures[0];
    return this.history;
  }

  async #runEpochs(): Promise<void> {
    await this.#callbacks.call('onTrainBegin', this);
    this.#checkpoints?.restoreCallbacks();
    this.#meeting?.restoreCallbacks();
    while (this.epoch < this.epochs && this.history.stopped === null) {
      this.epoch += 1;
      // Before the callbacks, which may then put some layers into another mode. An epoch that is taken up in its middle has begun already.
      this.model.train();
      if (this.#progressed === null) await this.#callbacks.call('onEpochBegin', this);
      try {
        await this.#runEpoch(this.#firstOrder + this.epoch - 1);
        if (this.#options.group !== undefined) await stopTogether(this.#options.group, this.history);
      } catch (error) {
        if (!(await this.#sitter?.recover(this, error))) throw error;
        this.#progressed = null;
        this.epoch -= 1; // it begins again
      }
    }
  }

  /** Takes over where a checkpoint was made; model, optimizer and history are as they were. */
  #goOn(position: RunPosition | undefined): void {
    if (position === undefined) return;
    this.step = position.step;
    this.epoch = this.history.epochs.length;
    this.#firstOrder = position.firstOrder;
    this.#progressed = position.progress;
    this.#began = milliseconds() - position.seconds * 1000;
    this.#epochBegan = milliseconds() - (position.progress?.seconds ?? 0) * 1000;
  }

  /** Where the run stands, between two steps. */
  #position(): RunPosition {
    return positionOf(this.step, this.#firstOrder, this.#began, this.#progressed, this.#epochBegan, this.#metrics);
  }

  async #runEpoch(order: number): Promise<void> {
    const { model, optimizer } = this;
    if (this.#progressed === null) for (const metric of this.#metrics) metric.reset();
    const epoch = (this.#progressed ??= { batch: 0, sum: 0, weight: 0, seen: 0, lr: optimizer.lr, seconds: 0, metrics: null });
    epoch.metrics = null; // they hold it themselves, until validation needs them
    this.#epochBegan = milliseconds() - epoch.seconds * 1000;
    doubtRecordings(this.#compiled, this.#parts, this.#callbacks.areOwn);
    if (this.#eager || this.#callbacks.wantsBatches) await this.#stepByStep(order, epoch);
    else await this.#streamed(order, epoch);
    if (epoch.batch < this.stepsPerEpoch) return;
    if (!allStateFinite(model)) throw this.#nonFinite(epoch.batch, null);
    const seconds = (milliseconds() - this.#epochBegan) / 1000;
    const scores: Scores = { loss: meanOfBatches(epoch.sum, epoch.weight), metrics: resultsOf(this.#metrics) };
    // Validation uses the same metrics.
    if (this.#checkpoints !== null) epoch.metrics = stateOfMetrics(this.#metrics);
    const scoring = { loss: this.loss, metrics: this.#metrics, batchSize: this.batchSize, signal: this.#signal };
    const validation = await validate(model, this.validation, scoring, this.#options.group, () => this.#aborted());
    const speed = { lr: epoch.lr, seconds, samplesPerSecond: epoch.seen / seconds };
    const record: EpochRecord = { epoch: this.epoch, ...scores, ...(validation && { validation }), ...speed };
    this.#progressed = null;
    this.history.epochs.push(record);
    this.#log?.write({ type: 'epoch', ...record });
    this.#progress.epochEnd(record);
    this.optimizer.nextEpoch((validation ?? scores).loss);
    await this.#callbacks.call('onEpochEnd', record, this);
    if (this.#checkpoints?.isDueAfterEpoch) await this.#checkpoints.take(() => this.#position());
  }

  /** Many steps per native call: JavaScript hears of them a few dozen times a second. */
  async #streamed(order: number, epoch: EpochProgress): Promise<void> {
    const feed = feedOf(this.#loader, order, this.#staging);
    /** What a callback threw: steps that were under way are taken in before it ends the run. */
    let failure: { readonly error: unknown } | null = null;
    const stopped = (): boolean => failure !== null || this.#signal?.aborted === true || endsBetweenSteps(this.#options.group, this.history);
    const [plain, observing] = this.#compiled.map((step) => stepPrograms(step));
    const choose = (at: number): { programs: StepPrograms<StepResult>; count: number } => {
      const until = stepsUntilObserved(this.#observeEvery, this.step + at - epoch.batch, this.stepsPerEpoch - at);
      return until === 0 ? { programs: observing, count: 1 } : { programs: plain, count: until };
    };
    // A checkpoint wants whole steps and nothing under way: the stream ends there, and another one goes on.
    while (epoch.batch < this.stepsPerEpoch && !stopped()) {
      const last = Math.min(this.stepsPerEpoch, epoch.batch + (this.#checkpoints?.stepsUntilDue(this.step) ?? this.stepsPerEpoch));
      try {
        for await (const { first, count, read } of runSteps(plain, feed, {
          first: epoch.batch,
          last,
          stopped,
          choose: this.#observeEvery > 0 ? choose : undefined,
          within: (body) => {
            this.#enterTraining();
            body();
          },
        })) {
          const losses: number[] = [];
          for (let i = 0; i < count; i++) {
            const result = read(i);
            const whole = (): Seen => [result.prediction as TensorTree, feed.pair(first + i)[1]];
            losses.push(this.#count(result, feed.examples(first + i), epoch, whole));
          }
          if (failure !== null) continue;
          try {
            await this.#tell(losses, epoch, read(count - 1).observation);
          } catch (error) {
            failure = { error };
          }
        }
      } catch (error) {
        failure ??= { error: explainInputs(error, this.model, this.#loader.dataset) };
        if (failure.error instanceof StepFailure)
          failure = { error: this.#explain(error, failure.error.batch, this.#loader.order(order), feed.pair(failure.error.batch)) };
      }
      if (failure !== null) throw failure.error;
      if (this.#checkpoints?.isDue(this.step)) await this.#checkpoints.take(() => this.#position());
    }
    if (this.#signal?.aborted && epoch.batch < this.stepsPerEpoch) throw this.#aborted();
  }

  /** Step by step: for callbacks that want to see each batch, and for models that cannot be compiled. */
  async #stepByStep(order: number, progress: EpochProgress): Promise<void> {
    const rows = this.#loader.order(order);
    while (progress.batch < this.stepsPerEpoch) {
      const pair = await this.#loader.make(rows, progress.batch, order);
      if (this.#signal?.aborted) throw this.#aborted();
      if (pair === null) continue;
      const [inputs, targets] = pair;
      this.#enterTraining();
      let result: StepResult;
      try {
        const kind = stepsUntilObserved(this.#observeEvery, this.step, this.stepsPerEpoch - progress.batch) === 0 ? 1 : 0;
        result = this.#eager ? this.#steps[kind](...pair) : await this.#compiled[kind](...(pair as TensorTree[]));
      } catch (error) {
        throw this.#explain(error, progress.batch, rows, pair);
      }
      const value = this.#count(result, firstTensor(inputs, 'inputs').shape[0], progress, () => [result.prediction as TensorTree, targets]);
      if (this.#callbacks.wantsBatches) {
        const [{ epoch, step }, { batch }, prediction] = [this, progress, result.prediction as TensorTree];
        const record: BatchRecord<TensorTree> = { epoch, batch, step, loss: value, inputs, targets, prediction };
        await this.#callbacks.call('onBatchEnd', record, this);
        doubtRecordings(this.#compiled, this.#parts, this.#callbacks.areOwn);
      }
      await this.#tell([value], progress, result.observation);
      if (endsBetweenSteps(this.#options.group, this.history)) break;
      if (this.#checkpoints?.isDue(this.step)) await this.#checkpoints.take(() => this.#position());
      if (this.#eager) await this.#breather.pause();
    }
  }

  // Whoever used the model in between may have left it in evaluation mode.
  #enterTraining(): void {
    if (!this.model.training) this.model.train();
  }

  /** Takes in a step; its loss as a number. */
  #count(result: StepResult, examples: number, epoch: EpochProgress, whole: () => Seen): number {
    const value = result.loss.item();
    const weight = result.counted?.item() ?? examples;
    // A sum holds its examples already, and still counts for all of them.
    epoch.sum += value * (isSumOf(this.loss) ? 1 : weight);
    epoch.weight += weight;
    epoch.seen += examples;
    epoch.batch += 1;
    this.step += 1;
    addMeasured(this.#metrics, result.measured, whole);
    return value;
  }

  async #tell(losses: readonly number[], epoch: EpochProgress, observation: ObservedNumbers | null): Promise<void> {
    await this.#callbacks.call('onSteps', { epoch: this.epoch, step: this.step - losses.length + 1, losses } satisfies StepsRecord, this);
    if (observation !== null) await this.#callbacks.call('onObserve', decodeObservation(observation, this.step), this);
    if (this.#progress.isDue)
      this.#draw(epoch.batch, meanOfBatches(epoch.sum, epoch.weight), (epoch.seen / (milliseconds() - this.#epochBegan)) * 1000);
  }

  /** What a user can do something about, for a step that was refused. */
  #explain(error: unknown, batch: number, order: Order, pair: AnyPair): unknown {
    const place = { model: this.model, data: this.#loader.dataset, order, batchSize: this.batchSize, batch, epoch: this.epoch };
    if (error instanceof NonFiniteLoss || (error instanceof NodegradError && error.message.startsWith(notFinite)))
      return this.#nonFinite(batch + 1, { pair, place });
    return locate(error, place, pair);
  }

  #aborted(): TrainingAbortedError {
    const what = `the run was aborted after step ${this.step} (${this.history.epochs.length} of ${this.epochs} epochs completed)`;
    return new TrainingAbortedError(what, this.history, this.step, { cause: this.#signal?.reason });
  }

  #nonFinite(batch: number, found: { pair: AnyPair; place: BatchPlace } | null): TrainingNonFiniteError {
    const where = { epoch: this.epoch, batch, step: found === null ? this.step : this.step + 1, lr: this.optimizer.lr };
    return explainNonFinite({ ...this.#parts, batch: found, updates: this.optimizer.steps, where, history: this.history });
  }

  #draw(batch: number, loss: number, samplesPerSecond: number): void {
    const secondsLeft = ((milliseconds() - this.#began) / 1000) * ((this.epochs * this.stepsPerEpoch) / this.step - 1);
    this.#progress.draw({ epoch: this.epoch, batch, loss, metrics: resultsOf(this.#metrics), samplesPerSecond, secondsLeft });
  }
}
