// Models that the command line trains, and the recipes of their papers.

import { ArgumentError } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import { cifarDensenet } from '../models/densenet.js';
import { lenet5, smallConvNet } from '../models/lenet.js';
import { linearModel, mlp } from '../models/mlp.js';
import { networkInNetwork } from '../models/nin.js';
import { wideResnet } from '../models/preact-resnet.js';
import { cifarResnet, resnet18, resnet50 } from '../models/resnet.js';
import { squeezenet } from '../models/squeezenet.js';
import { cifarVgg } from '../models/vgg.js';

/** What a run does when it is not told otherwise. */
export interface Recipe {
  readonly optimizer: 'momentum' | 'nesterov' | 'adam';
  readonly lr?: number;
  readonly weightDecay?: number;
  readonly schedule: 'step' | 'late' | 'exponential';
  readonly batch: number;
}

interface Images {
  inputSize: number;
  inputChannels: number;
  classes: number;
}

const common: Recipe = { optimizer: 'adam', schedule: 'step', batch: 128 };
const residual: Recipe = { optimizer: 'momentum', lr: 0.1, weightDecay: 1e-4, schedule: 'late', batch: 128 };
const wide: Recipe = { ...residual, optimizer: 'nesterov', weightDecay: 5e-4 };
const dense: Recipe = { ...residual, optimizer: 'nesterov', batch: 64 };

const networks: Readonly<Record<string, { readonly make: (images: Images) => AnyLayer; readonly recipe: Recipe }>> = {
  conv: { make: smallConvNet, recipe: { ...common, schedule: 'exponential' } },
  lenet5: { make: lenet5, recipe: common },
  vgg: { make: cifarVgg, recipe: common },
  resnet20: { make: (images) => cifarResnet({ ...images, depth: 20 }), recipe: residual },
  resnet32: { make: (images) => cifarResnet({ ...images, depth: 32 }), recipe: residual },
  resnet44: { make: (images) => cifarResnet({ ...images, depth: 44 }), recipe: residual },
  resnet56: { make: (images) => cifarResnet({ ...images, depth: 56 }), recipe: residual },
  resnet110: { make: (images) => cifarResnet({ ...images, depth: 110, survival: 0.5 }), recipe: { ...residual, optimizer: 'nesterov' } },
  wrn16: { make: (images) => wideResnet({ ...images, depth: 16, widen: 4 }), recipe: wide },
  densenet40: { make: (images) => cifarDensenet({ ...images, depth: 40, compress: false }), recipe: dense },
  nin: { make: ({ classes, inputChannels }) => networkInNetwork({ classes, inputChannels }), recipe: common },
  resnet18: { make: resnet18, recipe: residual },
  resnet50: { make: resnet50, recipe: residual },
  squeezenet: { make: squeezenet, recipe: { ...common, optimizer: 'momentum', lr: 0.04, weightDecay: 2e-4 } },
};

/** Names of the models. */
export const modelNames: readonly string[] = ['linear', 'mlp', ...Object.keys(networks)];

/** The recipe of a model's paper; for the others one that works. */
export function recipeOf(name: string): Recipe {
  return networks[name]?.recipe ?? common;
}

/** The model of this name for images of this shape. */
export function buildModel(name: string, inputShape: readonly number[], classes: number, hidden: readonly number[]): AnyLayer {
  if (name === 'linear') return linearModel({ inputShape, classes });
  if (name === 'mlp') return mlp({ inputShape, classes, hidden });
  const [height, width, inputChannels] = inputShape;
  if (height !== width) throw new ArgumentError(`--model ${name} takes square images, these are ${height}×${width}`);
  return networks[name].make({ inputSize: height, inputChannels, classes });
}
