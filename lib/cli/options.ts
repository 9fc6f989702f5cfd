// Options of the commands: what they are called, how they are read, and what they become.

import type { AnyModel } from '../training/model.js';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { tableFormat } from '../data/column-files.js';
import type { ColumnKind } from '../data/columns.js';
import type { DecimalMark } from '../data/decimals.js';
import { Adam, AdamW } from '../optimizers/adam.js';
import { Adadelta, Adagrad, RMSprop } from '../optimizers/adaptive.js';
import { Adamax, Lion, NAdam, RAdam } from '../optimizers/moments.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { type StepPrecision, stepPrecisions } from '../program/fuse.js';
import { SGD } from '../optimizers/sgd.js';
import { CosineDecay, ExponentialDecay, MultiStepDecay, PolynomialDecay, StepDecay } from '../schedules/decay.js';
import type { Scheduled } from '../schedules/schedule.js';
import { dataName, dataNames } from './data-name.js';
import { type Recipe, fineTuning, folderRecipe, modelNames, recipeOf, tableRecipe } from './models.js';

/** Names of the optimizers. */
export const optimizerNames = [
  'sgd',
  'momentum',
  'nesterov',
  'adam',
  'adamw',
  'adamax',
  'nadam',
  'radam',
  'lion',
  'rmsprop',
  'adagrad',
  'adadelta',
] as const;
const taskNames = ['classification', 'regression'] as const;
const scheduleNames = ['constant', 'step', 'late', 'wide', 'linear', 'exponential', 'cosine'] as const;

type OptimizerName = (typeof optimizerNames)[number];

/** Where a learning rate usually works on these models, by optimizer. */
const usualRates: Readonly<Record<OptimizerName, number>> = {
  sgd: 0.1,
  momentum: 0.03,
  nesterov: 0.03,
  adam: 1e-3,
  adamw: 1e-3,
  adamax: 2e-3,
  nadam: 1e-3,
  radam: 1e-3,
  lion: 1e-4,
  rmsprop: 1e-3,
  adagrad: 0.01,
  adadelta: 1,
};

/** Which data, and from where. */
export interface DataChoice {
  /** A name, or the path of a folder or archive of images. */
  data: string;
  dataDir?: string;
  imageSize?: number;
  /** Share of each class of a folder that is for testing. */
  test?: number;
  /** Folders that are classes. */
  classes?: string[];
  /** What becomes of images that cannot be decoded. */
  damaged?: 'error' | 'skip';
}

/** What `train` and `start` are told. */
export interface TrainOptions extends DataChoice {
  /** Column of a table that is to be predicted. */
  target?: string;
  task?: (typeof taskNames)[number];
  columns?: Record<string, ColumnKind | 'skip'>;
  badRows?: 'error' | 'skip';
  decimal?: DecimalMark;
  encoding?: string;
  missing?: string[];
  /** How much each class counts in the loss. */
  classWeights?: 'balanced';
  augment: boolean;
  model: string;
  /** File of the weights to begin with. */
  weights?: string;
  /** Layers that are not trained: paths, `body` for all but the last, `norms` for batch normalizations. */
  freeze?: string[];
  hidden: number[];
  optimizer: OptimizerName;
  lr?: number;
  schedule: (typeof scheduleNames)[number];
  epochs: number;
  patience?: number;
  batchSize: number;
  weightDecay?: number;
  maxGradNorm?: number;
  precision?: StepPrecision;
  seed: number;
  numThreads?: number;
  runDir?: string;
  checkpointDir?: string;
  checkpointEvery?: number;
  resume?: boolean;
  report?: boolean | string;
  watch?: boolean;
  tensorboard?: string;
  json: boolean;
}

/** The options of {@link TrainOptions} that follow from the model where nothing is said. */
type Recipes = 'model' | 'optimizer' | 'schedule' | 'batchSize' | 'augment' | 'hidden' | 'epochs';
export type GivenOptions = Omit<TrainOptions, Recipes> & Partial<Pick<TrainOptions, Recipes>>;

/** Whether data are a folder or an archive of images. */
export const isFolder = ({ data }: Pick<DataChoice, 'data'>): boolean => !dataNames.some((name) => name === data) && tableFormat(data) === null;

function recipeFor(given: GivenOptions, model: string, examples: number): Recipe {
  const { data, weights, freeze } = given;
  if (tableFormat(data) !== null) return tableRecipe;
  if (weights !== undefined) return fineTuning(freeze?.includes('body') === true);
  return isFolder(given) ? folderRecipe(model, examples) : recipeOf(model);
}

/** Whether photographs are augmented where nobody says: few ones that trained weights go on with, and CIFAR's. */
const areAugmented = (given: GivenOptions): boolean => given.data === 'cifar10' || (given.weights !== undefined && isFolder(given));

/** What was said, completed by the recipe of the model's paper, or for so many images of a folder. Another optimizer has a rate and a decay of its own. */
export function withRecipe(given: GivenOptions, examples = Number.POSITIVE_INFINITY): TrainOptions {
  const { model = isFolder(given) ? 'small-conv-net' : 'mlp' } = given;
  const recipe = recipeFor(given, model, examples);
  const { optimizer = recipe.optimizer, schedule = recipe.schedule, batchSize = recipe.batchSize } = given;
  const { hidden = [...(recipe.hidden ?? [512, 256])], epochs = recipe.epochs ?? 5 } = given;
  const own = optimizer === recipe.optimizer ? recipe : undefined;
  const { lr = own?.lr, weightDecay = own?.weightDecay, augment = recipe.augment === true && areAugmented(given) } = given;
  return { ...given, model, optimizer, schedule, batchSize, weightDecay, lr, augment, hidden, epochs };
}

function number(from: number, what: string, isWhole: boolean): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(value) || value < from || (isWhole && !Number.isSafeInteger(value)))
      throw new InvalidArgumentError(`expected ${what}`);
    return value;
  };
}

/** Reads a whole number of at least `from`. */
export const whole = (from: number): ((text: string) => number) => number(from, `a whole number of at least ${from}`, true);
const rate = number(0, 'a number of at least 0', false);
/** Reads a seed. */
export const seedNumber = number(Number.MIN_SAFE_INTEGER, 'a whole number', true);

function share(text: string): number {
  const value = rate(text);
  if (value > 1) throw new InvalidArgumentError('expected a number from 0 to 1, such as 0.2 for 20 %');
  return value;
}

function names(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}

function sizes(text: string): number[] {
  return text.split(',').map(whole(1));
}

function kinds(text: string, before: Record<string, ColumnKind | 'skip'> = {}): Record<string, ColumnKind | 'skip'> {
  for (const part of text.split(',')) {
    const [name, kind, more] = part.split('=');
    if (more !== undefined || (kind !== 'number' && kind !== 'category' && kind !== 'skip'))
      throw new InvalidArgumentError('expected names and kinds, such as id=skip,zip=category; kinds are number, category and skip');
    before = { ...before, [name]: kind };
  }
  return before;
}

/** The options that say which data a command works on. */
export function addDataOptions(command: Command): Command {
  return addPlaceOptions(
    command.addOption(
      new Option(
        '--data <name>',
        `${dataNames.join(', ')}, or the path of a folder or archive of images, or of a table (.csv, .parquet, .arrow)`,
      )
        .argParser(dataName)
        .default('digits'),
    ),
  );
}

/** The options that say where the files are, and of what size images are. */
export function addPlaceOptions(command: Command): Command {
  return command
    .option('--data-dir <folder>', 'where the files of mnist or cifar10 are (default: below $NODEGRAD_DATA, the cache, or a download)')
    .option(
      '--image-size <side>',
      'scale and crop the images of a folder to squares (default: as they are, what a saved model takes, or 224 with the weights that train goes on with)',
      whole(1),
    )
    .option(
      '--test <share>',
      'share of each class of a folder that is for testing, where no folder is, or of the rows of a table; 0 for none; of evaluate, 1 for all images (default: 0.1, of a table 0.2)',
      share,
    )
    .option('--classes <names>', 'folders that are classes, with commas between; others are left out (default: all folders)', names)
    .addOption(damagedOption('images of a folder'));
}

/** What becomes of images that cannot be read. */
export const damagedOption = (what: string): Option =>
  new Option(
    '--damaged <what>',
    `${what} that cannot be read: error ends the command, skip leaves them out and lists them (default: error)`,
  ).choices(['error', 'skip']);

/** What becomes of rows that do not fit. */
export const badRowsOption = (): Option =>
  new Option(
    '--bad-rows <what>',
    'rows of a table that do not fit: an error, or skip to leave them out and count them (default: error)',
  ).choices(['error', 'skip']);

/** How the numbers of a text file are written. */
export const decimalOption = (): Option =>
  new Option('--decimal <mark>', 'what stands before the decimals of numbers in a .csv (default: what the file has)').choices(['.', ',']);

/** How the characters of a text file are written. */
export const encodingOption = (): Option => new Option('--encoding <name>', 'encoding of a .csv, such as windows-1252 (default: utf-8)');

/** What stands for nothing in a text file. */
export const missingOption = (): Option =>
  new Option(
    '--missing <texts>',
    "fields of a .csv that stand for a missing value, with commas between, besides empty ones and NA, N/A, NaN, null, of numbers - and ?; '' for empty ones alone",
  ).argParser(names);

/** What becomes of categories that training never saw. */
export const unknownCategoriesOption = (): Option =>
  new Option(
    '--unknown-categories <what>',
    'categories of a table that training never saw: an error, or missing to take them for missing values (default: error)',
  ).choices(['error', 'missing']);

/** What becomes of columns that a file does not have. */
export const absentColumnsOption = (): Option =>
  new Option(
    '--absent-columns <what>',
    'columns of the model that a table does not have: an error, or missing to take all their values for missing ones (default: error)',
  ).choices(['error', 'missing']);

/** The options of a run, and the model that it trains when nothing is said, where that does not follow from the data. */
export function addTrainOptions(command: Command, model?: string): Command {
  const models = model === undefined ? 'model preset (default: mlp, for a folder of images small-conv-net)' : 'model preset';
  return addDataOptions(command)
    .addOption(new Option('--model <name>', models).choices(modelNames).default(model))
    .option(
      '--weights <file>',
      "fine-tune weights of --model, which may be left out: torchvision's or timm's, or a model saved by nodegrad (.safetensors)",
    )
    .addOption(
      new Option(
        '--freeze <layers>',
        'do not train these of --weights: layers by name, body for all but the last one, norms for batch normalizations (default: train all)',
      ).argParser(names),
    )
    .option('--target <column>', 'column of a table that is to be predicted')
    .addOption(
      new Option('--task <kind>', 'what the target of a table is (default: categories and up to 10 whole numbers are classes)').choices(
        taskNames,
      ),
    )
    .addOption(new Option('--columns <kinds>', 'kinds of columns, such as id=skip,zip=category (default: as they look)').argParser(kinds))
    .addOption(badRowsOption())
    .addOption(decimalOption())
    .addOption(encodingOption())
    .addOption(missingOption())
    .addOption(
      new Option('--class-weights <how>', 'balanced: rare classes count as much as common ones (default: each example counts alike)').choices([
        'balanced',
      ]),
    )
    .addOption(new Option('--hidden <sizes>', 'units of the hidden layers of mlp (default: 512,256, for a table 64,64)').argParser(sizes))
    .addOption(new Option('--optimizer <name>', "optimizer (default: that of the model's paper, or adam)").choices(optimizerNames))
    .addOption(
      new Option(
        '--lr <rate>',
        "learning rate (default: that of the model's paper, or the optimizer's: 0.1 for sgd, 0.03 with momentum, 0.001 for adam and adamw)",
      ).argParser(rate),
    )
    .addOption(
      new Option(
        '--schedule <name>',
        "what becomes of the learning rate over the epochs. constant: it stays; step: a tenth of it after each third (of three epochs or more); late: a tenth after half and after three quarters; wide: a fifth after 30, 60 and 80 %; linear, cosine: it falls to 0; exponential: 0.9 of it after each epoch (default: that of the model's paper, linear with --weights, or step)",
      ).choices(scheduleNames),
    )
    .option(
      '--epochs <count>',
      'times to go through the data (default: 5, for a folder of images 15, with --weights 10, for a table 50)',
      whole(1),
    )
    .option('--patience <epochs>', 'end after so many epochs without a better one on the test data, and keep the best', whole(1))
    .option(
      '--batch-size <count>',
      "examples per step (default: that of the model's paper, or 128, down to 16 for few images of a folder; 32 for tables and with --weights)",
      whole(1),
    )
    .addOption(
      new Option('--weight-decay <factor>', "decay of the weights (default: that of the model's paper, or the optimizer's)").argParser(rate),
    )
    .addOption(new Option('--max-grad-norm <norm>', 'scale the gradients of a step down to this norm (default: as they are)').argParser(rate))
    .addOption(
      new Option('--precision <name>', 'how values between products are stored: bfloat16 takes half the memory (default: float32)').choices(
        stepPrecisions,
      ),
    )
    .option(
      '--augment',
      'crop training images at random places, and flip those of cifar10 or a folder (default: for cifar10, where the paper of the model does; for a folder with --weights)',
    )
    .option('--no-augment', 'take training images as they are')
    .option('--seed <number>', 'decides the first weights and the order of the examples', seedNumber, 1)
    .option('--num-threads <count>', 'threads that compute (default: the CPUs of this process)', whole(1))
    .option(
      '--run-dir <folder>',
      'where weights and log go; the weights of a run before become model.previous.safetensors (default: a new folder in runs/)',
    )
    .option('--checkpoint-dir <folder>', 'write checkpoints: after each epoch, and when Ctrl-C ends the run')
    .option('--checkpoint-every <steps>', 'write them every so many steps instead', whole(1))
    .option('--resume', 'go on from the newest checkpoint, if there is one; --epochs may be more')
    .option('--report [file]', 'write a page about the run at its end (default: report.html in the folder of the run)')
    .option('--watch', 'show the same page in a browser of this machine while the run goes on')
    .option('--tensorboard <folder>', 'write event files of TensorBoard')
    .option('--json', 'print one JSON document instead of text', false);
}

/** Optimizers that need no other options than their rate. */
const classes = {
  adam: Adam,
  adamw: AdamW,
  adamax: Adamax,
  nadam: NAdam,
  radam: RAdam,
  lion: Lion,
  rmsprop: RMSprop,
  adagrad: Adagrad,
  adadelta: Adadelta,
} as const;

/** The optimizer of a run. */
export function makeOptimizer(given: TrainOptions, model: AnyModel): Optimizer {
  const { optimizer, weightDecay } = given;
  // A checkpoint tells an option that was left out from one that is undefined.
  const options = { lr: rateOf(given), ...(weightDecay !== undefined && { weightDecay }) };
  switch (optimizer) {
    case 'sgd':
      return new SGD(model, options) as unknown as Optimizer;
    case 'momentum':
      return new SGD(model, { ...options, momentum: 0.9 }) as unknown as Optimizer;
    case 'nesterov':
      return new SGD(model, { ...options, momentum: 0.9, nesterov: true }) as unknown as Optimizer;
    default:
      return new classes[optimizer](model, options) as unknown as Optimizer;
  }
}

// The learning rate over the epochs.
function rateOf({ optimizer, schedule, epochs, lr = usualRates[optimizer] }: TrainOptions): Scheduled {
  const parts = (...shares: number[]): number[] => shares.map((share) => Math.ceil(share * epochs));
  switch (schedule) {
    case 'constant':
      return lr;
    case 'step':
      // A third of one or two epochs is nothing to learn in.
      return new StepDecay(lr, { every: epochs < 3 ? epochs : Math.ceil(epochs / 3), factor: 0.1 });
    case 'late':
      return new MultiStepDecay(lr, { milestones: parts(0.5, 0.75) });
    case 'wide':
      return new MultiStepDecay(lr, { milestones: parts(0.3, 0.6, 0.8), factor: 0.2 });
    case 'linear':
      return new PolynomialDecay(lr, { length: epochs });
    case 'cosine':
      return new CosineDecay(lr, { length: epochs });
    case 'exponential':
      return new ExponentialDecay(lr, { factor: 0.9 });
  }
}
