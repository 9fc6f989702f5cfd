// The sitter: a callback that gathers what rules need, asks them before the run, after epochs and at the end, and says what they find.

import { isStreamed } from '../data/cursor.js';
import { type AnyDataset, isInMemory } from '../data/dataset.js';
import type { AnyPair } from '../data/loader.js';
import { ArgumentError, checkFlag, checkInteger, checkOptions, expected } from '../errors.js';
import { isBuiltIn, keepNames } from '../names.js';
import { preprocessed } from '../preprocessing/of-model.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { Callback, type StepsRecord, type TrainingRun } from '../training/callbacks.js';
import { TrainingNonFiniteError } from '../training/errors.js';
import { predict } from '../training/evaluate.js';
import type { EpochRecord } from '../training/history.js';
import { Breather, turn } from '../training/modes.js';
import type { Observation } from '../training/observation.js';
import { formatScore } from '../training/progress.js';
import { tensorsUnder } from '../training/run-state.js';
import type { AnyLayer } from '../layers/layer.js';
import { judge } from './causes.js';
import { LossCurve, type LossCurveState, shareOf, tellingShare } from './curve.js';
import { type Beside, type Evidence, type Setup, rateText } from './evidence.js';
import { type Finding, type FindingId, findingOf, isFinding } from './finding.js';
import { type Gathered, gather, gatherNothing, isTuned, quick, setupOf } from './gather.js';
import { type Look, lookAt } from './look.js';
import { spreadOver } from './measures.js';
import { Mender, type MenderState, mendable } from './mender.js';
import { type PreflightOptions, preflight } from './preflight.js';
import { type Peaks, type Reading, explodedAt, judgeInitialLoss, raisePeaks, readDeadUnits, readUpdateRatios } from './readings.js';
import { rules } from './rules/index.js';
import { explosion, nonFinite } from './rules/lr.js';
import { Trace, prefixed } from './snapshot.js';

/** Options of {@link Sitter}. */
export interface SitterOptions {
  /** Training examples to look at for dead units; default 2,048, spread over the data set. */
  readonly examples?: number;
  /** End the run when the loss explodes; default true, with `fix` false. */
  readonly stop?: boolean;
  /**
   * Take readings, too: dead units and update ratios after each epoch, from observed steps. Default true; the sitter that `fit` brings along
   * takes none, and looks at the model itself after some epochs.
   */
  readonly observe?: boolean;
  /**
   * Mend the run, at most four times: go back to the end of the last epoch in which nothing had exploded, and lower the learning rate where
   * a finding says that it is too high, or clip the gradients where it says that they explode. Each change is written down in `history.fixes` and as a
   * note. Rates of all groups are lowered by one factor, and a schedule as a whole, see {@link ScaledSchedule}. Where a run ends in a number that is
   * not finite all the same, model and optimizer are left in that state, with the rates of then. A checkpoint keeps it, so that a resumed run is mended
   * as one that was never stopped. Default false.
   */
  readonly fix?: boolean;
}

/** What `stateDict` of a {@link Sitter} gives. */
export interface SitterState {
  /** What it found. */
  readonly findings: readonly Finding[];
  /** What it read. */
  readonly readings: readonly Reading[];
  /** Loss of the first batch; NaN before it. */
  readonly firstLoss: number;
  /** Update-to-weight ratios by path, latest. */
  readonly ratios: readonly (readonly [path: string, ratio: number])[];
  /** What else later findings and fixes follow from; not there before a run, nor in checkpoints of earlier versions. */
  readonly course?: unknown;
}

/** How far a run is. */
interface Course {
  /** Learning rate at the beginning. */
  readonly firstRate: number;
  /** Whether no optimizer had moved the model then. */
  readonly isBlank: boolean;
  /** Whether most weights were loaded; not there in checkpoints of earlier versions. */
  readonly isTuned?: boolean;
  /** What was seen of the model then. */
  readonly start: Look | null;
  /** Step and learning rate where weights are measured from. */
  readonly trace: { readonly step: number; readonly lr: number };
  /** Losses since the beginning, or the latest fix. */
  readonly losses: LossCurveState;
  /** Findings before the latest fix. */
  readonly mended: number;
  /** Of a run that is mended: what was done, and where it would go back to. */
  readonly mender: MenderState | null;
}

/**
 * A callback that watches a run and says in plain words what goes wrong. `fit` brings one along: see its option `sitter`. One of your own
 * takes readings as well, and ends a run whose loss explodes: at the start whether the loss is that of chance; after each epoch how many
 * ReLU units are dead and how far a step moves the weights. Course rows J01–J30.
 *
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, Sitter, datasets, mlp } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const model = mlp();
 * const sitter = new Sitter();
 * await model.fit(train, { loss: new CrossEntropyLoss(), optimizer: new Adam(model, { lr: 1e-3 }), sitter });
 * console.log(sitter.summary().join('\n'));
 * ```
 */
export class Sitter extends Callback {
  /** What it found, first to last: nothing when all is well. */
  readonly findings: Finding[] = [];
  /** What it read, first to last. */
  readonly readings: Reading[] = [];
  /** @internal How a finding is told: the command line names its flags. */
  words = ({ text }: Finding): string => text;
  readonly #examples: number;
  readonly #stop: boolean;
  readonly #observe: boolean;
  readonly #mender: Mender | null;
  #firstLoss = Number.NaN;
  #classes = 1;
  #ratios: (readonly [path: string, ratio: number])[] = [];
  #gathered: Gathered | null = null;
  #losses = new LossCurve();
  #trace: Trace | null = null;
  #beside: Beside = { stopsEarly: false, isRegularized: false, maxGradNorm: null };
  #isBlank = true;
  #isTuned = false;
  #hasExploded = false;
  #wild = 0; // steps in a row whose loss is that of an explosion
  /** Learning rate at the beginning. */
  #firstRate = 0;
  /** Findings before the latest fix. */
  #mended = 0;
  #run: TrainingRun | null = null;

  /** @throws {@link ArgumentError} for options out of range or unknown. */
  constructor(options: SitterOptions = {}) {
    super();
    const known = ['examples', 'stop', 'observe', 'fix'];
    const { examples = 2048, observe = true, fix = false, stop = !fix } = checkOptions<SitterOptions>(options, 'options', known);
    this.#examples = checkInteger(examples, 'options.examples', 1);
    this.#stop = checkFlag(stop, 'options.stop');
    this.#observe = checkFlag(observe, 'options.observe');
    this.#mender = checkFlag(fix, 'options.fix') ? new Mender() : null;
    // Whoever hears of observed steps pays for them.
    if (!observe) this.onObserve = Callback.prototype.onObserve as never;
  }

  /** The first fault, if there was one. */
  get fault(): Finding | undefined {
    return this.findings.find(({ verdict }) => verdict === 'fault');
  }

  /** The latest reading about each thing that was looked at, then what was found. */
  summary(): string[] {
    return [...new Map(this.readings.map(({ about, text }) => [about, text])).values(), ...this.findings.map((finding) => this.words(finding))];
  }

  /**
   * What can be said before the first step: see {@link preflight}.
   *
   * @throws what {@link preflight} throws.
   */
  preflight(model: AnyLayer, data: AnyDataset, options: PreflightOptions): Promise<Finding[]> {
    return preflight(model, data, options);
  }

  override async onTrainBegin(run: TrainingRun): Promise<void> {
    this.#firstLoss = Number.NaN;
    this.#ratios = [];
    this.#losses = new LossCurve();
    [this.#mended, this.#wild, this.#hasExploded] = [0, 0, false];
    this.#firstRate = run.history.epochs[0]?.lr ?? run.optimizer.lr;
    // Of this run alone; a resumed one has findings already, and nothing is said twice.
    this.findings.splice(0, this.findings.length, ...run.history.findings);
    this.readings.length = 0;
    this.#isBlank = run.optimizer.steps === 0; // a run that goes on is no blank model
    this.#isTuned = isTuned(run.model);
    if (this.#observe) this.#classes = run.data.classes?.length ?? (await scoresOf(run));
    if (run.epochs === 0) return;
    // A set of a user's own may draw or count when it makes a batch: the run would be another one.
    if (isStreamed(run.data) || (!isInMemory(run.data) && !isBuiltIn(run.data))) this.#gathered = gatherNothing(run);
    else this.#gathered = await gather(run, preprocessed(run.model, run.data), run.validation, quick, run.batchSize);
    this.#trace = new Trace(run.model, run.step, run.optimizer.lr);
    this.#run = run;
    this.#mender?.begin(run);
    // Of a run that goes on, it has been said.
    if (run.step === 0) await this.#judge('before', run);
    await turn();
  }

  override onSteps({ losses, step, epoch }: StepsRecord, run: TrainingRun): void {
    for (const [i, loss] of losses.entries()) {
      const share = shareOf(step + i, run);
      this.#losses.add(loss, share);
      if (Number.isNaN(this.#firstLoss)) this.#first(loss, run);
      else if (this.#stop && share >= tellingShare && this.#losses.lowest >= 0 && this.#isWild(loss))
        this.#exploded(loss, step + i, epoch, run);
    }
  }

  override onObserve({ parameters }: Observation): void {
    // Weights alone: biases begin at zero, and anything is much by that measure.
    const weights = parameters.filter(({ shape }) => shape.length >= 2);
    this.#ratios = weights.map(({ path, updateRatio: ratio }) => [path, ratio] as const);
  }

  override async onEpochEnd(record: EpochRecord, run: TrainingRun): Promise<void> {
    if (this.#observe) await this.#countDead(run);
    if (this.#ratios.length > 0) this.#read(readUpdateRatios(this.#ratios, run.optimizer.lr < this.#firstRate), run);
    const isLooking = (this.#mender !== null || isLookedAt(record.epoch)) && record.epoch < run.epochs;
    const found = isLooking ? await this.#judge('epoch', run) : [];
    if (this.#mender?.mend(run, found)) this.#beginAnew();
    // What has exploded is nothing to go back to.
    else if (explodedAt([this.#firstLoss, record.loss]) < 0) this.#mender?.keep(run);
  }

  /** @internal What else the run to come was given. */
  sit(beside: Beside): void {
    this.#beside = beside;
  }

  /** @internal What is said at the end of a run, before its log is closed. */
  async conclude(run: TrainingRun, failures: readonly unknown[]): Promise<void> {
    const failure = failures.find((one) => one instanceof TrainingNonFiniteError) ?? null;
    const isWhole = run.step > 0 && failures.length === 0 && run.history.epochs.length > 0;
    if (failure !== null) {
      await this.#judge('failure', run, failure);
      if (!isOfData(failure)) this.#mender?.giveUp(run);
    } else if (isWhole) await this.#judge(run.history.epochs.length >= run.epochs ? 'end' : 'epoch', run);
    this.#gathered = null;
    this.#trace = null;
    this.#run = null;
    this.#mender?.end();
  }

  /** @internal Whether a run that met a number that is not finite goes on: from where its epoch began, at a tenth of the rate. */
  async recover(run: TrainingRun, failure: unknown): Promise<boolean> {
    if (!(failure instanceof TrainingNonFiniteError)) return false;
    if (!this.#mender?.mayHelp(run, failure.place) || isOfData(failure)) return false;
    const isMended = this.#mender.recover(run, failure.place.lr, await this.#judge('failure', run, failure));
    if (isMended) this.#beginAnew();
    return isMended;
  }

  /** Findings, readings, and what later ones follow from, for checkpoints. */
  override stateDict(): SitterState {
    const found = { findings: [...this.findings], readings: [...this.readings], firstLoss: this.#firstLoss, ratios: [...this.#ratios] };
    if (this.#gathered === null || this.#trace === null || this.#run === null) return found;
    const { step, lr } = this.#trace;
    const [firstRate, isBlank, isTuned, mended] = [this.#firstRate, this.#isBlank, this.#isTuned, this.#mended];
    const mender = this.#mender?.stateDict(this.#run) ?? null;
    const losses = this.#losses.stateDict();
    const course: Course = { firstRate, isBlank, isTuned, start: this.#gathered.start, trace: { step, lr }, losses, mended, mender };
    return { ...found, course };
  }

  /** Numbers of the first weights, and of a run that is mended the state to go back to. */
  override stateTensors(): Map<string, AnyTensor> {
    return new Map([...prefixed('trace.', this.#trace?.before ?? new Map()), ...(this.#mender?.stateTensors() ?? [])]);
  }

  /** @throws {@link ArgumentError} for anything but what `stateDict` gives. */
  override loadStateDict(state: unknown, tensors: ReadonlyMap<string, AnyTensor> = new Map()): void {
    const { findings, readings, firstLoss, ratios, course } = (state ?? {}) as Partial<SitterState>;
    const isState = Array.isArray(findings) && findings.every(isFinding) && Array.isArray(readings) && Array.isArray(ratios);
    if (!isState || typeof firstLoss !== 'number') throw new ArgumentError(expected('the state of a sitter', 'state', state));
    this.findings.splice(0, this.findings.length, ...(findings as Finding[]));
    this.readings.splice(0, this.readings.length, ...readings);
    this.#firstLoss = firstLoss;
    this.#ratios = [...ratios];
    if (course === undefined || this.#gathered === null || this.#trace === null || this.#run === null) return;
    const { firstRate, isBlank, isTuned = false, start, trace, losses, mended, mender } = course as Course;
    [this.#firstRate, this.#isBlank, this.#isTuned, this.#mended] = [firstRate, isBlank, isTuned, mended];
    this.#gathered = { ...this.#gathered, start };
    this.#trace = new Trace(this.#run.model, trace.step, trace.lr, tensorsUnder(tensors, 'trace.'));
    this.#losses = LossCurve.from(losses);
    if (mender !== null) this.#mender?.loadStateDict(mender, tensors, this.#run);
  }

  #first(loss: number, run: TrainingRun): void {
    this.#firstLoss = loss;
    const chance = this.#observe && this.#isBlank ? run.loss.chance(this.#classes) : null;
    if (chance !== null) this.#read(judgeInitialLoss(loss, chance, this.#classes), run, true);
  }

  /** Whether a loss is that of an explosion; beside a target far from all others one batch alone is none. */
  #isWild(loss: number): boolean {
    this.#wild = explodedAt([this.#firstLoss, loss]) >= 0 ? this.#wild + 1 : 0;
    return this.#wild > Number((this.#gathered?.data?.extremes ?? null) !== null);
  }

  #exploded(loss: number, step: number, epoch: number, run: TrainingRun): void {
    if (this.#hasExploded) return;
    this.#hasExploded = true;
    const { lr } = run.optimizer;
    const lower = Number((lr / 10).toPrecision(2));
    const finding = findingOf(
      {
        id: 'learning-rate-too-high',
        verdict: 'fault',
        seen: `learning rate too high: with ${rateText(lr)}, the loss grew from ${formatScore(this.#firstLoss)} to ${formatScore(loss)} by step ${step}`,
        why: 'A loss above three times the first does not come back by itself (course row J13)',
        advice: `Try ${lower}, then ${Number((lr / 100).toPrecision(2))}`,
        change: { kind: 'learningRate', value: lower },
        confidence: 0.9,
      },
      epoch,
      step,
      ['loss-exploded'],
    );
    this.#say([finding], run);
    run.stop('the loss exploded');
  }

  async #countDead(run: TrainingRun): Promise<void> {
    const peaks: Peaks = new Map();
    const breather = new Breather();
    const seen = preprocessed(run.model, run.data);
    const count = Math.min(this.#examples, run.data.length);
    const all = spreadOver(run.data.length, count);
    for (let start = 0; start < count; start += 256) {
      // A data set may answer later.
      raisePeaks(peaks, run.model, (await seen.batch(all.slice(start, start + 256))).inputs);
      const pause = breather.pause();
      if (pause !== undefined) await pause;
    }
    if (peaks.size > 0) this.#read(readDeadUnits(peaks, count), run);
  }

  /** A warning is said once, and again when there was none in between. */
  #read(reading: Reading, run: TrainingRun, say?: boolean): void {
    const before = this.readings.findLast(({ about }) => about === reading.about);
    this.readings.push(reading);
    if (say ?? (reading.verdict !== 'good' && before?.verdict !== reading.verdict)) run.note(`sitter: ${reading.text}`);
  }

  /** Asks the rules, and says what is new: this, and what else there is to mend. */
  async #judge(moment: Evidence['moment'], run: TrainingRun, failure: TrainingNonFiniteError | null = null): Promise<Finding[]> {
    if (this.#gathered === null) return [];
    const { batch, ...gathered } = this.#gathered;
    const now = moment === 'before' || batch === null ? gathered.start : await lookAt(run, batch as AnyPair, gathered.start);
    await turn();
    const evidence: Evidence = {
      moment,
      epoch: moment === 'failure' ? run.epoch : run.history.epochs.length,
      step: run.step,
      setup: this.#setup(run),
      ...gathered,
      now,
      losses: moment === 'before' ? null : this.#losses,
      epochs: run.history.epochs,
      movement: moment === 'before' ? null : (this.#trace?.since(run.step) ?? null),
      failure: failure === null ? null : { place: failure.place, message: failure.message },
    };
    // What a change did not mend is said again.
    const isSaid = ({ id }: Finding, i: number): boolean => i >= this.#mended || !mendable.has(id);
    const known = new Set<FindingId>(this.findings.filter(isSaid).map(({ id }) => id));
    const found = judge(rules, evidence, known);
    this.#say(found, run);
    if (this.#mender === null) return found;
    // What made the loss explode may be said already, and be nothing that can be changed here: a lower rate calms it as well.
    const wild = judge([explosion, nonFinite], evidence);
    return [...found, ...wild.filter(({ id, symptoms }) => [id, ...symptoms].some((one) => one === 'loss-exploded' || one === 'non-finite'))];
  }

  #setup(run: TrainingRun): Setup {
    const { batchSize, epochs, stepsPerEpoch, shuffle } = run;
    const [isBlank, isTuned] = [this.#isBlank, this.#isTuned];
    return setupOf(run, { batchSize, epochs, stepsPerEpoch, shuffle, ...this.#beside, isBlank, isTuned });
  }

  #say(findings: readonly Finding[], run: TrainingRun): void {
    for (const finding of findings) {
      this.findings.push(finding);
      run.history.findings.push(finding);
      run.record({ type: 'finding', ...finding });
      run.note(`sitter: ${this.words(finding)}`);
    }
  }

  /** After a fix. */
  #beginAnew(): void {
    this.#mended = this.findings.length;
    this.#losses = new LossCurve();
  }
}

/** Epochs after which the model is looked at: all of the first few, then ever fewer. */
function isLookedAt(epoch: number): boolean {
  let next = 1;
  while (next < epoch) next = Math.max(next + 1, Math.floor(next * 1.7));
  return next === epoch;
}

/** Whether a number that is not finite came with the data: no change of the run mends it. */
const isOfData = ({ place: { what } }: TrainingNonFiniteError): boolean => what === 'input' || what === 'target' || what === 'weight';

/** How many numbers the model puts out for an example. */
async function scoresOf({ model, data }: TrainingRun): Promise<number> {
  const prediction = await predict(model, (await data.batch(Int32Array.of(0))).inputs);
  return prediction instanceof Tensor ? (prediction.shape.at(-1) ?? 1) : 1;
}

keepNames({ Sitter });
