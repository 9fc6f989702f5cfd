// The sitter's first lines: initial loss against chance, dead units, update-to-weight ratio, and the learning rate that makes a loss explode.

import { called } from '../ops/called.js';
import { ArgumentError, checkInteger, checkOptions, expected } from '../errors.js';
import { observeForward } from '../layers/forward.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import type { TensorTree } from '../tree.js';
import { Callback, type StepsRecord, type TrainingRun } from '../training/callbacks.js';
import { predict } from '../training/evaluate.js';
import type { EpochRecord } from '../training/history.js';
import type { Observation } from '../training/observation.js';
import { Breather, rememberModes } from '../training/modes.js';
import { formatCount, formatScore } from '../training/progress.js';
import { keepNames } from '../names.js';
import { preprocessed } from '../preprocessing/of-model.js';

/** Something that the sitter noticed. */
export interface Finding {
  /** What was looked at. */
  readonly about: 'initial loss' | 'dead units' | 'update ratio' | 'explosion';
  /** Whether there is anything to do. */
  readonly verdict: 'good' | 'warning' | 'fault';
  /** What it saw, and what to try. */
  readonly text: string;
  /** Epoch, from 1. */
  readonly epoch: number;
}

/** Share of units of one ReLU layer that put out nothing for any example. */
export interface DeadUnits {
  /** Path of the layer. */
  readonly path: string;
  /** Units that stayed at zero. */
  readonly dead: number;
  /** All units. */
  readonly units: number;
}

/** Above this share of the first loss, a loss has exploded. Course row J13. */
const explosionFactor = 3;
const chanceFactor = 1.5;
const ratioBounds = { small: 1e-5, good: 1e-3, large: 1e-1 } as const;
const deadShare = 0.4;

/**
 * The index of the first loss above three times the first one, or not finite; −1 when none is. Course rows J12, J13.
 *
 * @example
 * ```ts
 * import { explodedAt } from 'nodegrad';
 * explodedAt([2.3, 5, 6.8, 7]); // 3
 * ```
 */
export function explodedAt(losses: readonly number[]): number {
  // A little room: 3 · 2.3 is a hair below 6.9 in binary.
  if (!Array.isArray(losses)) throw new ArgumentError(expected('an array of losses', 'losses', losses));
  return losses.findIndex((loss) => !(loss <= explosionFactor * losses[0] * (1 + 1e-12)));
}

/**
 * Verdict on the loss of an untrained model: a model that knows nothing has that of chance, ln C for C classes. Regularization is to be
 * off for this look; weight decay in the optimizer does not enter the loss. Course rows J02, J03.
 *
 * @param loss - Of the first batch, before the first update.
 * @param chance - Of a model that knows nothing.
 * @param classes - C.
 * @example
 * ```ts
 * import { judgeInitialLoss } from 'nodegrad';
 * judgeInitialLoss(2.31, 2.3026, 10).verdict; // 'good'
 * ```
 */
export function judgeInitialLoss(loss: number, chance: number, classes: number): Omit<Finding, 'epoch'> {
  for (const [argument, value] of Object.entries({ loss, chance })) {
    if (typeof value !== 'number') throw new ArgumentError(expected('a number', argument, value));
  }
  const about = 'initial loss';
  const against = `initial loss ${formatScore(loss)} against ${formatScore(chance)} by chance (ln ${classes})`;
  if (loss > chanceFactor * chance) {
    return {
      about,
      verdict: 'warning',
      text: `${against}: ${(loss / chance).toPrecision(2)} times too high. The first weights or the inputs are too large: keep the default initializer, and centre and scale the inputs`,
    };
  }
  if (loss < chance / chanceFactor) {
    return {
      about,
      verdict: 'warning',
      text: `${against}: lower than knowing nothing allows. Either the model is trained already, or the inputs give the targets away`,
    };
  }
  return { about, verdict: 'good', text: `${against}: as it should be` };
}

/**
 * Verdict on a ratio of update to weights, which is to be about 1e-3 per step. Course rows J24, J25.
 *
 * @example
 * ```ts
 * import { judgeUpdateRatio } from 'nodegrad';
 * judgeUpdateRatio(1e-6); // 'too small'
 * ```
 */
export function judgeUpdateRatio(ratio: number): 'good' | 'too small' | 'too large' {
  if (typeof ratio !== 'number') throw new ArgumentError(expected('a number', 'ratio', ratio));
  if (ratio < ratioBounds.small) return 'too small';
  // A parameter of NaN compares with nothing.
  return ratio < ratioBounds.large ? 'good' : 'too large';
}

/**
 * `‖after − before‖ / ‖before‖`: how far a step moved a parameter, by its own size. Course row J24.
 *
 * @example
 * ```ts
 * import { tensor, updateRatio } from 'nodegrad';
 * updateRatio(tensor([1, 1]), tensor([0.999, 0.999])); // 0.001
 * ```
 */
export function updateRatio(before: AnyTensor, after: AnyTensor): number {
  Tensor.check(before, 'before');
  Tensor.check(after, 'after');
  const norm = (x: Tensor): number => Math.sqrt(x.mul(x).sum().item());
  return called('updateRatio', () => noGrad(() => norm((after as Tensor).sub(before as Tensor)) / norm(before as Tensor)));
}

/**
 * Counts the units of each `ReLU` and `ReLU6` layer that are zero for every example: they get no gradient and stay dead. A zero in one batch is no
 * death, so look at many examples. Course rows A19, J26.
 *
 * @param batches - Inputs to look at, after the model's preprocessing, as for `forward`: `model.preprocessing.transform(x)`.
 * @example
 * ```ts
 * import { deadUnits, mlp, zeros } from 'nodegrad';
 * deadUnits(mlp(), [zeros([64, 28, 28, 1])]); // [{ path: '2', dead: …, units: 512 }, { path: '4', … }]
 * ```
 */
export function deadUnits(model: AnyLayer, batches: Iterable<TensorTree>): DeadUnits[] {
  return countDead(peaksOf(model, batches));
}

/** Largest output of each unit of each layer whose units can die. */
export function peaksOf(model: AnyLayer, batches: Iterable<TensorTree>): Peaks {
  checkLayer(model);
  if (typeof (batches as Partial<Iterable<AnyTensor>> | null)?.[Symbol.iterator] !== 'function') {
    throw new ArgumentError(expected('an array of tensors, or what else can be iterated', 'batches', batches));
  }
  const peaks: Peaks = new Map();
  for (const inputs of batches) raisePeaks(peaks, model, inputs);
  return peaks;
}

/** Largest output of each unit, by layer. */
type Peaks = Map<string, Tensor>;

function raisePeaks(peaks: Peaks, model: AnyLayer, inputs: TensorTree): void {
  const look = (layer: AnyLayer, path: string, output: unknown): void => {
    if (!layer.canDie || !(output instanceof Tensor) || output.rank === 0) return;
    const highest = (output as Tensor).max(0);
    const before = peaks.get(path);
    peaks.set(path, before === undefined ? highest : highest.maximum(before));
  };
  const restore = rememberModes(model);
  try {
    model.eval();
    observeForward(look as never, () => noGrad(() => model.forward(inputs as never)));
  } finally {
    restore();
  }
}

function countDead(peaks: Peaks): DeadUnits[] {
  return [...peaks].map(([path, { data, size }]) => ({ path, dead: data.filter((peak) => peak === 0).length, units: size }));
}

/** Options of {@link Sitter}. */
export interface SitterOptions {
  /** Training examples to look at for dead units; default 2,048, spread over the data set. */
  readonly examples?: number;
  /** End the run when the loss explodes; default true. */
  readonly stop?: boolean;
}

/** What `stateDict` of a {@link Sitter} gives. */
export interface SitterState {
  /** Everything it noticed. */
  readonly findings: readonly Finding[];
  /** Loss of the first batch; NaN before it. */
  readonly firstLoss: number;
  /** Update-to-weight ratios by path, latest. */
  readonly ratios: readonly (readonly [path: string, ratio: number])[];
}

/**
 * A callback that watches a run and says in plain words what goes wrong: at the start whether the loss is that of chance; after each epoch
 * how many ReLU units are dead and how far a step moves the weights; and when the loss explodes.
 *
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, Sitter, datasets, mlp } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const model = mlp();
 * const sitter = new Sitter();
 * await model.fit(train, { loss: new CrossEntropyLoss(), optimizer: new Adam(model, { lr: 1e-3 }), callbacks: [sitter] });
 * console.log(sitter.summary().join('\n'));
 * ```
 */
export class Sitter extends Callback {
  /** Everything it noticed, first to last. */
  readonly findings: Finding[] = [];
  readonly #examples: number;
  readonly #stop: boolean;
  #firstLoss = Number.NaN;
  #isBlank = true;
  #classes = 1;
  #ratios: (readonly [path: string, ratio: number])[] = [];

  /** @throws {ArgumentError} for options out of range or unknown. */
  constructor(options: SitterOptions = {}) {
    super();
    const { examples = 2048, stop = true } = checkOptions<SitterOptions>(options, 'options', ['examples', 'stop']);
    if (typeof stop !== 'boolean') throw new ArgumentError(expected('true or false', 'options.stop', stop));
    this.#examples = checkInteger(examples, 'options.examples', 1);
    this.#stop = stop;
  }

  /** The first fault, if there was one. */
  get fault(): Finding | undefined {
    return this.findings.find(({ verdict }) => verdict === 'fault');
  }

  /** The latest finding about each thing that was looked at. */
  summary(): string[] {
    return [...new Map(this.findings.map(({ about, text }) => [about, text])).values()];
  }

  override async onTrainBegin(run: TrainingRun): Promise<void> {
    this.#firstLoss = Number.NaN;
    this.#ratios = [];
    this.#isBlank = run.optimizer.steps === 0; // a run that goes on is no blank model
    this.#classes = run.data.classes?.length ?? (await scoresOf(run));
  }

  override onSteps({ losses, step, epoch }: StepsRecord, run: TrainingRun): void {
    for (const [i, loss] of losses.entries()) {
      if (Number.isNaN(this.#firstLoss)) this.#first(loss, epoch, run);
      else if (explodedAt([this.#firstLoss, loss]) >= 0) this.#exploded(loss, step + i, epoch, run);
    }
  }

  override onObserve({ parameters }: Observation): void {
    // Weights alone: biases begin at zero, and anything is much by that measure.
    const weights = parameters.filter(({ shape }) => shape.length >= 2);
    this.#ratios = weights.map(({ path, updateRatio: ratio }) => [path, ratio] as const);
  }

  override async onEpochEnd(record: EpochRecord, run: TrainingRun): Promise<void> {
    await this.#countDead(record.epoch, run);
    if (this.#ratios.length > 0) this.#judgeRatios(record.epoch, run);
  }

  /** Findings and first loss, for checkpoints. */
  override stateDict(): SitterState {
    return { findings: [...this.findings], firstLoss: this.#firstLoss, ratios: [...this.#ratios] };
  }

  /** @throws {ArgumentError} for anything but what `stateDict` gives. */
  override loadStateDict(state: unknown): void {
    const { findings, firstLoss, ratios } = (state ?? {}) as Partial<SitterState>;
    if (!Array.isArray(findings) || typeof firstLoss !== 'number' || !Array.isArray(ratios))
      throw new ArgumentError(expected('the state of a sitter', 'state', state));
    this.findings.splice(0, this.findings.length, ...findings);
    this.#firstLoss = firstLoss;
    this.#ratios = [...ratios];
  }

  #first(loss: number, epoch: number, run: TrainingRun): void {
    this.#firstLoss = loss;
    const chance = this.#isBlank ? run.loss.chance(this.#classes) : null;
    if (chance !== null) this.#found({ ...judgeInitialLoss(loss, chance, this.#classes), epoch }, run, true);
  }

  #exploded(loss: number, step: number, epoch: number, run: TrainingRun): void {
    if (this.fault !== undefined) return;
    const { lr } = run.optimizer;
    const lower = Number((lr / 10).toPrecision(2));
    const text = `learning rate too high: with ${lr}, the loss grew from ${formatScore(this.#firstLoss)} to ${formatScore(loss)} by step ${step}. Try ${lower}, then ${Number((lr / 100).toPrecision(2))}`;
    this.#found({ about: 'explosion', verdict: 'fault', text, epoch }, run, true);
    if (this.#stop) run.stop('the loss exploded');
  }

  async #countDead(epoch: number, run: TrainingRun): Promise<void> {
    const peaks: Peaks = new Map();
    const breather = new Breather();
    const seen = preprocessed(run.model, run.data);
    for (const indices of spread(run.data.length, this.#examples, 256)) {
      // A data set may answer later.
      raisePeaks(peaks, run.model, (await seen.batch(indices)).inputs);
      const pause = breather.pause();
      if (pause !== undefined) await pause;
    }
    if (peaks.size === 0) return;
    const percent = ({ dead, units }: DeadUnits): string => `${((100 * dead) / units).toFixed(1)} %`;
    const list = countDead(peaks);
    const text = `dead units: ${list.map((layer) => `${percent(layer)} of ${formatCount(layer.units)} in layer '${layer.path}'`).join(', ')} (over ${formatCount(Math.min(this.#examples, run.data.length))} examples)`;
    const bad = list.filter(({ dead, units }) => dead > deadShare * units);
    const advice =
      bad.length === 0
        ? ''
        : `. Too many in ${bad.map(({ path }) => `'${path}'`).join(', ')}: lower the learning rate, keep the He initializer`;
    this.#found({ about: 'dead units', verdict: bad.length === 0 ? 'good' : 'warning', text: text + advice, epoch }, run, bad.length > 0);
  }

  #judgeRatios(epoch: number, run: TrainingRun): void {
    const show = ([path, ratio]: readonly [string, number]): string => `${ratio.toExponential(1)} in '${path}'`;
    const bad = this.#ratios.filter(([, ratio]) => judgeUpdateRatio(ratio) !== 'good');
    const text = `update-to-weight ratio: ${this.#ratios.map(show).join(', ')} (good is about ${ratioBounds.good.toExponential(0)})`;
    const kind = bad.some(([, ratio]) => judgeUpdateRatio(ratio) === 'too large') ? 'large: lower' : 'small: raise';
    const advice = bad.length === 0 ? '' : `. Too ${kind} the learning rate`;
    this.#found({ about: 'update ratio', verdict: bad.length === 0 ? 'good' : 'warning', text: text + advice, epoch }, run, bad.length > 0);
  }

  #found(finding: Finding, run: TrainingRun, say: boolean): void {
    this.findings.push(finding);
    if (say) run.note(`sitter: ${finding.text}`);
  }
}

/** How many numbers the model puts out for an example. */
async function scoresOf({ model, data }: TrainingRun): Promise<number> {
  const prediction = await predict(model, (await data.batch(Int32Array.of(0))).inputs);
  return prediction instanceof Tensor ? (prediction.shape.at(-1) ?? 1) : 1;
}

function* spread(length: number, count: number, batchSize: number): Generator<Int32Array> {
  const all = Math.min(length, count);
  for (let start = 0; start < all; start += batchSize) {
    yield Int32Array.from({ length: Math.min(batchSize, all - start) }, (_, i) => Math.floor(((start + i) * length) / all));
  }
}

keepNames({ Sitter });
