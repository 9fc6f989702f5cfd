// Models that the command line trains, and the recipes of their papers.

import type { AnyModel } from '../training/model.js';
import { ArgumentError } from '../errors.js';
import { cifarDensenet } from '../models/densenet.js';
import { lenet5, smallConvNet } from '../models/lenet.js';
import { linearModel, mlp } from '../models/mlp.js';
import { networkInNetwork } from '../models/nin.js';
import { cifarWideResnet } from '../models/preact-resnet.js';
import { cifarResnet, resnet18, resnet34, resnet50 } from '../models/resnet.js';
import { squeezenet } from '../models/squeezenet.js';
import { cifarVgg } from '../models/vgg.js';

/** What a run does when it is not told otherwise. */
export interface Recipe {
  readonly optimizer: 'momentum' | 'nesterov' | 'adam';
  readonly lr?: number;
  readonly weightDecay?: number;
  readonly schedule: 'step' | 'late' | 'wide' | 'linear' | 'exponential';
  readonly batchSize: number;
  /** Units of the hidden layers. */
  readonly hidden?: readonly number[];
  readonly epochs?: number;
  /** Whether photos are cropped at random places and mirrored. */
  readonly augment?: boolean;
  /** What the paper does and this recipe does not. */
  readonly note?: string;
}

/** The recipe for tables: small nets, many passes over few rows. */
export const tableRecipe: Recipe = { optimizer: 'adam', schedule: 'step', batchSize: 32, hidden: [64, 64], epochs: 50 };

/** Batches of this many examples are small enough. */
const smallBatch = 16;

/** The recipe for images of a folder: more passes, and where few images would make few steps smaller batches, unless the rate is meant for a batch. */
export function folderRecipe(model: string, examples: number): Recipe {
  const recipe = recipeOf(model);
  let { batchSize } = recipe;
  while (recipe.lr === undefined && batchSize > smallBatch && batchSize * smallBatch > examples) batchSize /= 2;
  return { epochs: 15, ...recipe, batchSize };
}

/** The recipe for weights that were trained before: small steps, fewer where the last layer alone is new. */
export const fineTuning = (isHeadAlone: boolean): Recipe => ({
  optimizer: 'adam',
  lr: isHeadAlone ? 1e-3 : 1e-4,
  schedule: 'linear',
  batchSize: 32,
  epochs: 10,
  augment: true,
});

interface Images {
  imageSize: number;
  channels: number;
  classes: number;
}

const common: Recipe = { optimizer: 'adam', schedule: 'step', batchSize: 128 };
const residual: Recipe = { optimizer: 'momentum', lr: 0.1, weightDecay: 1e-4, schedule: 'late', batchSize: 128, augment: true };
const warm = 'the paper trains this one at 0.01 until the training error is below 80 %, and only then at 0.1; to do that, begin with --lr 0.01';
const large: Recipe = { ...residual, schedule: 'step', batchSize: 256 };
const wide: Recipe = { ...residual, optimizer: 'nesterov', weightDecay: 5e-4, schedule: 'wide' };
const dense: Recipe = { ...residual, optimizer: 'nesterov', batchSize: 64 };

const networks: Readonly<Record<string, { readonly make: (images: Images) => AnyModel; readonly recipe: Recipe }>> = {
  'small-conv-net': { make: smallConvNet, recipe: { ...common, schedule: 'exponential' } },
  lenet5: { make: lenet5, recipe: common },
  'cifar-vgg': { make: cifarVgg, recipe: common },
  'cifar-resnet20': { make: (images) => cifarResnet({ ...images, depth: 20 }), recipe: residual },
  'cifar-resnet32': { make: (images) => cifarResnet({ ...images, depth: 32 }), recipe: residual },
  'cifar-resnet44': { make: (images) => cifarResnet({ ...images, depth: 44 }), recipe: residual },
  'cifar-resnet56': { make: (images) => cifarResnet({ ...images, depth: 56 }), recipe: residual },
  'cifar-resnet110': { make: (images) => cifarResnet({ ...images, depth: 110 }), recipe: { ...residual, note: warm } },
  'cifar-resnet110-drop-path': {
    make: (images) => cifarResnet({ ...images, depth: 110, dropPath: 0.5 }),
    recipe: { ...residual, optimizer: 'nesterov' },
  },
  'cifar-wide-resnet16': { make: (images) => cifarWideResnet({ ...images, depth: 16, widthFactor: 4 }), recipe: wide },
  'cifar-densenet40': { make: (images) => cifarDensenet({ ...images, depth: 40, compress: false }), recipe: dense },
  'network-in-network': { make: networkInNetwork, recipe: common },
  resnet18: { make: resnet18, recipe: large },
  resnet34: { make: resnet34, recipe: large },
  resnet50: { make: resnet50, recipe: large },
  squeezenet: { make: squeezenet, recipe: { ...large, lr: 0.04, weightDecay: 2e-4, schedule: 'linear', batchSize: 512 } },
};

/** Names of the models. */
export const modelNames: readonly string[] = ['linear-model', 'mlp', ...Object.keys(networks)];

/** The recipe of a model's paper; for the others one that works. */
export function recipeOf(name: string): Recipe {
  return networks[name]?.recipe ?? common;
}

/** The model of this name for images of this shape. */
export function buildModel(name: string, inputShape: readonly number[], classes: number, hidden: readonly number[]): AnyModel {
  if (name === 'linear-model') return linearModel({ inputShape, classes });
  if (name === 'mlp') return mlp({ inputShape, classes, hidden });
  const [height, width, channels] = inputShape;
  if (height !== width)
    throw new ArgumentError(
      `--model ${name} takes square images, these are ${height}×${width}: --image-size ${Math.min(height, width)} makes them so, --model mlp takes them as they are`,
    );
  return networks[name].make({ imageSize: height, channels, classes });
}
