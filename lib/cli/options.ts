// Options of the commands: what they are called, how they are read, and what they become.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { datasets } from '../data/index.js';
import type { ImageDatasets } from '../data/images.js';
import type { AnyLayer } from '../layers/layer.js';
import { linearModel, mlp } from '../models/mlp.js';
import { Adam, AdamW } from '../optimizers/adam.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { SGD } from '../optimizers/sgd.js';
import { ConstantLR, ExponentialLR, type Schedule, StepLR } from '../schedules/schedule.js';

/** Names of the data sets. */
export const dataNames = ['digits', 'mnist'] as const;
const modelNames = ['linear', 'mlp'] as const;
const optimizerNames = ['sgd', 'momentum', 'nesterov', 'adam', 'adamw'] as const;
const scheduleNames = ['constant', 'step', 'exponential'] as const;

type OptimizerName = (typeof optimizerNames)[number];

/** Where a learning rate usually works on these models, by optimizer. */
const usualRates: Readonly<Record<OptimizerName, number>> = { sgd: 0.1, momentum: 0.03, nesterov: 0.03, adam: 1e-3, adamw: 1e-3 };

/** What `train` and `start` are told. */
export interface TrainOptions {
  data: (typeof dataNames)[number];
  dataDir?: string;
  model: (typeof modelNames)[number];
  hidden: number[];
  optimizer: OptimizerName;
  lr?: number;
  schedule: (typeof scheduleNames)[number];
  epochs: number;
  batch: number;
  clipNorm?: number;
  seed: number;
  threads?: number;
  out?: string;
  checkpoint?: string;
  checkpointEvery?: number;
  resume?: boolean;
  json: boolean;
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
const seed = number(Number.MIN_SAFE_INTEGER, 'a whole number', true);

function sizes(text: string): number[] {
  return text.split(',').map(whole(1));
}

/** The options that say which data a command works on. */
export function addDataOptions(command: Command): Command {
  return command
    .addOption(new Option('--data <name>', 'data set').choices(dataNames).default('digits'))
    .option('--data-dir <folder>', 'where the files of mnist are (default: $NODEGRAD_DATA/mnist, the cache, or a download)');
}

/** The options of a run. */
export function addTrainOptions(command: Command): Command {
  return addDataOptions(command)
    .addOption(new Option('--model <name>', 'model preset').choices(modelNames).default('mlp'))
    .addOption(new Option('--hidden <sizes>', 'units of the hidden layers of mlp').argParser(sizes).default([512, 256], '512,256'))
    .addOption(new Option('--optimizer <name>', 'optimizer').choices(optimizerNames).default('adam'))
    .addOption(new Option('--lr <rate>', 'learning rate (default: 0.001 for adam and adamw, 0.03 with momentum, 0.1 for sgd)').argParser(rate))
    .addOption(
      new Option('--schedule <name>', 'learning rate over the epochs: step is a tenth after each third, exponential 0.9 an epoch')
        .choices(scheduleNames)
        .default('step'),
    )
    .option('--epochs <count>', 'times to go through the data', whole(1), 5)
    .option('--batch <size>', 'examples per step', whole(1), 128)
    .addOption(new Option('--clip-norm <norm>', 'scale the gradients of a step down to this norm (default: as they are)').argParser(rate))
    .option('--seed <number>', 'decides the first weights and the order of the examples', seed, 1)
    .option('--threads <count>', 'threads that compute (default: the CPUs of this process)', whole(1))
    .option('--out <folder>', 'where weights and log go (default: a new folder in runs/)')
    .option('--checkpoint <folder>', 'write checkpoints: after each epoch, and when Ctrl-C ends the run')
    .option('--checkpoint-every <steps>', 'write them every so many steps instead', whole(1))
    .option('--resume', 'go on from the newest checkpoint, if there is one; --epochs may be more')
    .option('--json', 'print one JSON document instead of text', false);
}

/** Loads a data set; `onProgress` sees a download. */
export function loadData(
  name: string,
  dir: string | undefined,
  signal: AbortSignal | undefined,
  stream: NodeJS.WritableStream,
): Promise<ImageDatasets> {
  if (name === 'digits') return datasets.digits();
  let last = '';
  return datasets.mnist({
    dir,
    signal,
    onProgress: ({ file, received, total }) => {
      const step = total === null ? '' : ` ${Math.floor((10 * received) / total) * 10} %`;
      if (`${file}${step}` === last) return;
      last = `${file}${step}`;
      stream.write(`downloading ${last}\n`);
    },
  });
}

/** The model of a run. */
export function makeModel({ model, hidden }: TrainOptions, inputShape: readonly number[], classes: number): AnyLayer {
  return model === 'linear' ? linearModel({ inputShape, classes }) : mlp({ inputShape, classes, hidden });
}

/** The optimizer of a run. */
export function makeOptimizer({ optimizer, lr = usualRates[optimizer] }: TrainOptions, model: AnyLayer): Optimizer {
  switch (optimizer) {
    case 'sgd':
      return new SGD(model, { lr }) as unknown as Optimizer;
    case 'momentum':
      return new SGD(model, { lr, momentum: 0.9 }) as unknown as Optimizer;
    case 'nesterov':
      return new SGD(model, { lr, momentum: 0.9, nesterov: true }) as unknown as Optimizer;
    case 'adam':
      return new Adam(model, { lr }) as unknown as Optimizer;
    case 'adamw':
      return new AdamW(model, { lr }) as unknown as Optimizer;
  }
}

/** The schedule of a run. */
export function makeSchedule({ schedule, epochs }: TrainOptions, optimizer: Optimizer): Schedule {
  switch (schedule) {
    case 'constant':
      return new ConstantLR(optimizer);
    case 'step':
      return new StepLR(optimizer, { stepSize: Math.ceil(epochs / 3), gamma: 0.1 });
    case 'exponential':
      return new ExponentialLR(optimizer, { gamma: 0.9 });
  }
}
