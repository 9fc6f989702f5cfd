// What fit can be asked for.

import { checkAnyDataset } from '../data/contract.js';
import type { AnyDataset } from '../data/dataset.js';
import type { DType } from '../dtype.js';
import { ArgumentError, checkChoice, checkOptions } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import type { Loss } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { type StepPrecision, stepPrecisions } from '../program/fuse.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import type { Channel } from '../ops/group.js';
import type { ProcessGroup } from '../distributed/process-group.js';
import type { CallbackLike } from './callbacks.js';
import type { Sitter } from '../sitter/sitter.js';
import type { CheckpointOptions } from './checkpoint.js';
import type { ProgressOption } from './progress.js';

/** Options of `model.fit`. */
export interface FitOptions {
  /** The loss. Of a model with auxiliary classifiers, theirs are minimized with it: see {@link HasTrainingOutputs}. */
  readonly loss: Loss;
  /** The optimizer, made with the model. */
  // biome-ignore lint/suspicious/noExplicitAny: options of the optimizer do not matter here.
  readonly optimizer: Optimizer<any>;
  /** Times to go through the data; default 1. */
  readonly epochs?: number;
  /** Examples per step; default 32. */
  readonly batchSize?: number;
  /**
   * Parts that each batch is computed in, one after the other; default 1. It takes about the memory of one part. Gradients are added along one fixed tree,
   * and the weights depend on `shards` alone, not on what computes them. Batch normalization sees one part at a time, and its running statistics follow
   * the mean of the parts.
   */
  readonly shards?: number;
  /**
   * What batch normalization takes its mean and variance from where a batch is computed in several `shards`. `'perShard'`: each part has its own. `'synchronized'`:
   * those of the whole batch go to all parts, in all processes, forward and backward, as in PyTorch's `SyncBatchNorm`; all parts are then in memory at a time, and
   * the step has to be compiled. Either way the weights depend on `shards` alone. Default `'perShard'`.
   */
  readonly batchNorm?: ShardedBatchNorm;
  /**
   * The processes that train this model together, each of which calls `fit` with the same model, data and options: see {@link ProcessGroup}. Each computes
   * its share of the `shards` (default 16 here), and all have the same weights after each step: those of one process alone with as many shards, bit for bit.
   */
  readonly group?: ProcessGroup;
  /**
   * Shares the state of the optimizer, such as Adam's averages, out over the processes of `group`, as ZeRO does in its first stage (Rajbhandari et al.
   * 2020): each keeps the state of its part of the weights alone, gets their gradients, updates them, and gives them to the others: as many bytes travel as without. The weights have the same bits, and so have
   * checkpoints, which are whole: a run may go on with another number of processes, or without. After `fit` process 0 has the whole state. An update
   * has to work element by element, as all optimizers here do. A run that fails or is aborted leaves the last checkpoint that was due. Default false.
   */
  readonly shardOptimizer?: boolean;
  /** A new random order in every epoch; default true. */
  readonly shuffle?: boolean;
  /**
   * Decides the orders; default: the seed of `setSeed`. Epochs are counted by the optimizer's steps, so that a second call shuffles
   * as the next epoch of the first would: two runs of one epoch give the weights of one run of two.
   */
  readonly seed?: number;
  /** Leave out the last batch of an epoch when it is smaller; default false. */
  readonly dropLast?: boolean;
  /** Scales the gradients of each step so that their norm is at most this, see {@link clipGradNorm}; default: as they are. */
  readonly maxGradNorm?: number;
  /**
   * Penalties that are added to the loss, and bounds that hold after each update, such as `[new L2Regularizer(model, 1e-4)]`; default: none. The
   * losses that are reported are those of the data alone.
   */
  readonly regularizers?: readonly Regularizer[];
  /**
   * Steps from one observed step to the next, for callbacks with `onObserve`: layers and updates of every such step are measured, and of
   * the last step of each epoch; large tensors by a sample, see {@link ObservedOptions}. 0 for none. Default 10 where a callback has `onObserve`, else 0.
   */
  readonly observeEvery?: number;
  /** Scored after every epoch. */
  readonly validation?: AnyDataset;
  /** What is measured beside the loss; default: accuracy with a loss of classes or of yes and no, such as `CrossEntropyLoss`, else nothing. A list stands in its place. */
  readonly metrics?: readonly Metric[];
  /** Hooks into the run. */
  readonly callbacks?: readonly CallbackLike[];
  /**
   * Who watches the run. True, the default: findings go to `history.findings`, the log, and a line each beside the progress; it changes nothing in
   * the run. `'fix'` goes back to the beginning of an epoch that went wrong, lowers the learning rate (of a schedule, all of it) or clips the gradients,
   * and writes that down in `history.fixes`; checkpoints are larger by a second copy of weights and optimizer then. A {@link Sitter} of your own
   * takes readings as well. False: nobody; default with `eager: true`, since a look calls layers, which may count. A data set of your own that is
   * not in memory is not asked for examples.
   */
  readonly sitter?: boolean | 'fix' | Sitter;
  /** Ends the run between two steps, with a {@link TrainingAbortedError}. */
  readonly signal?: AbortSignal;
  /** A line on standard error, redrawn on a terminal, one per epoch elsewhere; a stream to write to, or false. What the sitter finds is told there as well: with false only
   * `history.findings` and the log have it. Default `'auto'`. */
  readonly progress?: ProgressOption;
  /** The file that the run's log is appended to (JSON lines, see `readRunLog`), or false. Default: `log.jsonl` in `runDir`, else a file in `runs/`. */
  readonly log?: string | false;
  /** Folder of the run. */
  readonly runDir?: string;
  /** Writes checkpoints, from which the run can go on after a crash with the bits it would have had without. Default: none. */
  readonly checkpoint?: CheckpointOptions;
  /**
   * Goes on from the newest good checkpoint in `checkpoint.dir`, or starts from the beginning where there is none. Model, optimizer, loss,
   * batch size, seed and data must be those of the run; data are known again by a digest of their examples. `epochs` may be more. A run that
   * had completed, or that a callback had stopped, gives its history at once. Default false: a folder that holds checkpoints is refused.
   */
  readonly resume?: boolean;
  /**
   * Runs every operation when it is called, on this thread, instead of compiling the step: for models that look at values while they
   * compute, or draw numbers by JavaScript. Where a compiled step is not refused, the numbers are the same; plain numbers and tensors that
   * code of your own takes from outside are then those of the beginning of each epoch, or of the last `onBatchEnd`, and here always those
   * of now. Default false.
   */
  readonly eager?: boolean;
  /**
   * How values between products are stored. `'bfloat16'`: activations and their gradients take half the memory, and the operands of products
   * are rounded to bfloat16; parameters, their gradients, the optimizer, statistics, softmax and losses stay float32, and so do checkpoints.
   * The weights have the same bits on every processor. Not with `eager`, nor for a model of float64. Validation is computed in float32. Default
   * `'float32'`.
   */
  readonly precision?: StepPrecision;
  /**
   * Writes a page about the run at its end, however it ended: curves, layers over time, findings, what the model takes for what. True for
   * `report.html` beside the log (of a log with another name than `log.jsonl`, its name with `.html`), or a path. See {@link runReport}. Default false.
   */
  readonly report?: boolean | string;
  /**
   * Shows the same page while the run goes on, at an address of this machine alone that is written to where progress goes. It ends with the run.
   * See {@link watchRuns}. Default false.
   */
  readonly watch?: boolean;
  /** Folder for event files of TensorBoard; see {@link TensorBoardLog}. Default: none. */
  readonly tensorboard?: string;
}

/** What batch normalization sees of a batch in parts. */
export type ShardedBatchNorm = 'perShard' | 'synchronized';

/** Their names. */
export const fitOptions: readonly (keyof FitOptions)[] = [
  'loss',
  'optimizer',
  'epochs',
  'batchSize',
  'shards',
  'batchNorm',
  'group',
  'shardOptimizer',
  'shuffle',
  'seed',
  'dropLast',
  'maxGradNorm',
  'regularizers',
  'observeEvery',
  'validation',
  'metrics',
  'callbacks',
  'sitter',
  'signal',
  'progress',
  'log',
  'runDir',
  'checkpoint',
  'resume',
  'eager',
  'precision',
  'report',
  'watch',
  'tensorboard',
];

/** The options of a call of fit; what it is to train on comes first, or targets in the place of options would be read as such. */
export function checkFit(data: unknown, given: unknown): FitOptions {
  checkAnyDataset(data, 'data');
  const options = checkOptions<FitOptions>(given, 'options', fitOptions);
  if (options.validation !== undefined) checkAnyDataset(options.validation, 'options.validation');
  return options;
}

/** The precision that is asked for, as an option of compiled steps. */
export function precisionOf({ precision = 'float32', eager }: FitOptions, model?: AnyLayer): { precision: StepPrecision } {
  if (checkChoice(precision, 'options.precision', stepPrecisions) === 'bfloat16' && eager === true)
    throw new ArgumentError("precision 'bfloat16' is decided for a compiled step as a whole: leave `options.eager` out, or train in float32");
  if (precision === 'bfloat16' && model?.parameters().every(({ dtype }) => (dtype as DType) === 'float64'))
    throw new ArgumentError("precision 'bfloat16' is how float32 is stored, and the model is float64: model.to('float32'), or leave it out");
  return { precision };
}

/** Who computes a batch in parts, and whether batch normalization sees all of them. */
export function togetherOf({ group, batchNorm = 'perShard', eager }: FitOptions): { channel: Channel | null; isTogether: boolean } {
  const isTogether = checkChoice(batchNorm, 'options.batchNorm', ['perShard', 'synchronized']) === 'synchronized';
  if (isTogether && eager === true)
    throw new ArgumentError("batchNorm 'synchronized' lets the parts of a compiled step wait for each other: leave `options.eager` out");
  return { channel: group?.channel ?? null, isTogether };
}

/** What decides the numbers of a run beside its parts: what is compared when it is taken up again. */
export function settingsOf(options: FitOptions, shards: number, batchSize: number, seed: number): Readonly<Record<string, unknown>> {
  const { shuffle = true, dropLast = false, maxGradNorm = 'none' } = options;
  return {
    batchSize,
    seed,
    ...(shards > 1 && { shards, ...(togetherOf(options).isTogether && { batchNorm: 'synchronized' }) }),
    shuffle,
    dropLast,
    maxGradNorm,
    ...precisionOf(options),
  };
}
