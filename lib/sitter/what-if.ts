// What a finding's change would do: a few hundred steps with it, beside as many without, from the same first weights and in the same order.

import { checkDataset } from '../data/contract.js';
import type { AnyDataset } from '../data/dataset.js';
import type { DType } from '../dtype.js';
import { ArgumentError, checkInteger, checkOptions, expected } from '../errors.js';
import { plural } from '../words.js';
import { checkPath } from '../io/atomic.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { BinaryCrossEntropyLoss } from '../losses/binary.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import type { Loss } from '../losses/loss.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { StandardScaler } from '../preprocessing/standard-scaler.js';
import { ProgressBar, type ProgressOption } from '../progress.js';
import { checkLoss, evaluate } from '../training/evaluate.js';
import type { StepsRecord } from '../training/callbacks.js';
import { fit } from '../training/fit.js';
import type { FitOptions } from '../training/fit-options.js';
import { RunLog, readRunLog } from '../training/run-log.js';
import { preprocessed } from '../preprocessing/of-model.js';
import { transformed } from '../preprocessing/transformed.js';
import { type Change, type Finding, type FindingId, isFinding } from './finding.js';
import { short } from './evidence.js';

/** A run that can be made again: what {@link whatIf} trains twice. */
export interface Repeatable {
  /** Makes the model with its first weights: the same each time. */
  readonly model: () => AnyLayer;
  /** Makes the optimizer of such a model, at a learning rate: that of the run where none is given. */
  // biome-ignore lint/suspicious/noExplicitAny: options of the optimizer do not matter here.
  readonly optimizer: (model: AnyLayer, lr?: number) => Optimizer<any>;
  /** Its loss. */
  readonly loss: Loss;
  /** What it trains on. */
  readonly data: AnyDataset;
  /** What decides; default: the training data. */
  readonly validation?: AnyDataset;
  /** Examples per step; default 32. */
  readonly batchSize?: number;
  /** Largest norm of the gradients; default: as they are. */
  readonly maxGradNorm?: number;
  /** How values between products are stored; default `'float32'`. */
  readonly precision?: FitOptions['precision'];
  /** Whether examples come in a new order in each epoch; default true. */
  readonly shuffle?: boolean;
  /** Decides the orders; default 0. */
  readonly seed?: number;
}

/** Options of {@link whatIf}. */
export interface WhatIfOptions {
  /** Steps of each of the two runs, rounded up to whole epochs; default 300. */
  readonly steps?: number;
  /** The log of the run, `history.log`: what was tried is appended to it, and reports of the run show it beside the finding. Default: none. */
  readonly log?: string;
  /** A bar on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
}

/** What {@link whatIf} gives. */
export interface WhatIfReport {
  /** The finding. */
  readonly id: FindingId;
  /** What was changed; null where the change is one that only a person can make. */
  readonly change: Change | null;
  /** Loss after the steps as the run is; NaN where it became no number. */
  readonly before: number;
  /** The same with the change. */
  readonly after: number;
  /** Steps that were trained, of each: of another batch size, others; fewer where the loss became no number, none where nothing was tried. */
  readonly steps: readonly [before: number, after: number];
  /** Whether the change helped: the loss is lower by a twentieth or more. Losses of two kinds are not compared: null. */
  readonly helped: boolean | null;
  /** The same in words. */
  readonly text: string;
}

/** A lower loss by less than this share may be chance. */
const better = 0.05;
const known = ['model', 'optimizer', 'loss', 'data', 'validation', 'batchSize', 'maxGradNorm', 'precision', 'shuffle', 'seed'];

/**
 * Tries a finding's change: trains the run once as it is and once changed, from the same first weights and in the same order, and says whether
 * the change helped. It makes changes of learning rate, clipping, batch size, shuffling, loss and scaling of inputs; one of the model itself
 * (another activation, more units) is a person's to make.
 *
 * @param run - How the run is made.
 * @param finding - What to try.
 * @param options - How long.
 * @throws {@link ArgumentError} for arguments of other kinds, or unknown options.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, type Finding, datasets, mlp, setSeed, whatIf } from 'nodegrad';
 * const { train, test } = await datasets.digits();
 * const make = () => { setSeed(1); return mlp(); };
 * const run = { model: make, optimizer: (model: ReturnType<typeof mlp>, lr = 1) => new Adam(model, { lr }), loss: new CrossEntropyLoss(), data: train, validation: test };
 * const tried = async (finding: Finding) => (await whatIf(run as never, finding)).text;
 * ```
 */
export async function whatIf(run: Repeatable, finding: Finding, options: WhatIfOptions = {}): Promise<WhatIfReport> {
  const given = checkOptions<Repeatable>(run, 'run', known);
  for (const name of ['model', 'optimizer'] as const)
    if (typeof given[name] !== 'function') throw new ArgumentError(expected('a function that makes it', `run.${name}`, given[name]));
  checkDataset(given.data, 'run.data');
  checkLoss(given.loss);
  if (!isFinding(finding)) throw new ArgumentError(expected('a finding', 'finding', finding));
  const { steps = 300, log, progress } = checkOptions<WhatIfOptions>(options, 'options', ['steps', 'log', 'progress']);
  checkInteger(steps, 'options.steps', 1);
  if (log !== undefined) readRunLog(checkPath(log, 'options.log', 'the path of a log')); // before anything is trained
  // Of another batch size the second run may have more steps, or fewer.
  const bar = new ProgressBar(progress, `trying what to do about ${finding.id}, steps:`, null);
  const report = await tryOut(given, finding, steps, bar).finally(() => bar.end());
  if (log !== undefined) {
    const file = new RunLog(log);
    file.write({ type: 'tried', ...report });
    file.close();
  }
  return report;
}

async function tryOut(given: Repeatable, finding: Finding, steps: number, bar: ProgressBar): Promise<WhatIfReport> {
  const { id } = finding;
  const changed = finding.change === null ? null : await changedBy(given, finding.change);
  if (changed === null) {
    const text = `${finding.advice || finding.seen}: this is a change that only a person can make, and nothing was tried`;
    return { id, change: null, before: Number.NaN, after: Number.NaN, steps: [0, 0], helped: null, text };
  }
  const [{ loss: before, ...one }, { loss: after, ...other }] = [await scoreOf(given, steps, bar), await scoreOf(changed, steps, bar)];
  const isComparable = changed.loss === given.loss;
  const helped = isComparable ? after < before * (1 - better) || (Number.isNaN(before) && !Number.isNaN(after)) : null;
  const words = helped === null ? 'losses of two kinds, which are not compared' : helped ? 'it helped' : 'it did not help';
  const without = one.steps === other.steps ? 'without' : `after ${one.steps} without`;
  return {
    id,
    change: finding.change,
    before,
    after,
    steps: [one.steps, other.steps],
    helped,
    text: `${finding.advice}: loss ${short(after)} after ${plural(other.steps, 'step')}, ${short(before)} ${without}: ${words}`,
  };
}

/** The run with a change; null where it is one of the model. */
async function changedBy(run: Repeatable, change: Change): Promise<Repeatable | null> {
  switch (change.kind) {
    case 'learningRate':
      return { ...run, optimizer: (model) => run.optimizer(model, change.value) };
    case 'maxGradNorm':
      return { ...run, maxGradNorm: change.value };
    case 'batchSize':
      return { ...run, batchSize: change.value };
    case 'shuffle':
      return { ...run, shuffle: true };
    case 'loss': {
      const loss =
        change.name === 'CrossEntropyLoss'
          ? new CrossEntropyLoss()
          : change.name === 'BinaryCrossEntropyLoss'
            ? new BinaryCrossEntropyLoss()
            : null;
      return loss === null ? null : { ...run, loss };
    }
    case 'standardizeInputs': {
      const scaler = await new StandardScaler().fit(run.data as AnyDataset<DType>);
      const scaled = (data: AnyDataset): AnyDataset => transformed(data as AnyDataset<DType>, scaler) as unknown as AnyDataset;
      return { ...run, data: scaled(run.data), ...(run.validation && { validation: scaled(run.validation) }) };
    }
    default:
      return null;
  }
}

/** The loss after some steps, over what decides, and how many these were. */
async function scoreOf(run: Repeatable, steps: number, bar: ProgressBar): Promise<{ loss: number; steps: number }> {
  const model = checkLayer(run.model());
  const { batchSize = 32, seed = 0, loss, data, validation, maxGradNorm, precision, shuffle } = run;
  const epochs = Math.ceil(steps / Math.ceil(data.length / batchSize));
  const optimizer = run.optimizer(model);
  const taken = optimizer.steps;
  try {
    await fit(model, data, {
      loss,
      optimizer,
      epochs,
      batchSize,
      seed,
      maxGradNorm,
      precision,
      shuffle,
      callbacks: [{ onSteps: ({ step, losses }: StepsRecord) => bar.update(step + losses.length - 1) }],
      sitter: false,
      progress: false,
      log: false,
    });
    const scored = preprocessed(model, validation ?? data);
    return { loss: (await evaluate(model, scored, { loss, progress: false })).loss, steps: optimizer.steps - taken };
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_NON_FINITE') return { loss: Number.NaN, steps: optimizer.steps - taken };
    throw error;
  }
}
