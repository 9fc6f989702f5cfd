// Fine-tuning: weights that a run on images begins with, and the layers that stay as they are.

import type { ChannelStatistics } from '../data/augmented.js';
import { ArgumentError, describe } from '../errors.js';
import { readSafetensors } from '../io/safetensors.js';
import { BatchNorm } from '../layers/batch-norm.js';
import { headOf } from '../layers/outputs.js';
import { describeModel } from '../layers/registry.js';
import type { LoadReport } from '../layers/state.js';
import { loadPyTorch } from '../models/pytorch.js';
import { ChannelScaler, imagenetStatistics } from '../preprocessing/channel-scaler.js';
import { withSeed } from '../seed.js';
import type { AnyModel } from '../training/model.js';
import { imageSizeOf, shapeOf } from './image-data.js';
import { buildModel, modelNames } from './models.js';
import type { TrainOptions } from './options.js';
import { savedModel } from './saved.js';

/** Weights out of a file. */
export interface Pretrained {
  /** How bytes become the numbers that the weights were trained on; null where the file does not say. */
  readonly statistics: ChannelStatistics | null;
  /** Side of the images that they are for. */
  readonly imageSize: number | undefined;
  /** Gives the weights to a model of the same layers, but for those of other shapes. */
  fill(model: AnyModel): Promise<LoadReport>;
}

/** Side of the photographs that weights of ImageNet were trained on. */
const imagenetSize = 224;

/** Reads weights with the names of torchvision or timm, or those of a model that nodegrad saved. */
export async function readPretrained(file: string): Promise<Pretrained> {
  const { metadata, tensors } = await readSafetensors(file);
  if (!metadata.has('architecture'))
    return {
      statistics: imagenetStatistics,
      imageSize: imagenetSize,
      fill: (model) => loadPyTorch(model, tensors, { otherShapes: 'skip' }),
    };
  const saved = await savedModel(file);
  const { preprocessing } = saved;
  return {
    statistics: preprocessing instanceof ChannelScaler ? preprocessing.given : null,
    imageSize: imageSizeOf(saved),
    fill: async (model) => model.loadStateDict(saved.stateDict(), { otherShapes: 'skip' }),
  };
}

/** The preset that the weights of a file are for, whatever classes they tell apart; undefined where they are for none. */
export async function presetIn(file: string, hidden: readonly number[]): Promise<string | undefined> {
  const { metadata, tensors } = await readSafetensors(file);
  const architecture = metadata.get('architecture');
  const saved = architecture === undefined ? null : await savedModel(file);
  const shape = saved === null ? [imagenetSize, imagenetSize, 3] : shapeOf(saved);
  const classes = saved === null ? 2 : saved.classNames?.length;
  if (shape === null || classes === undefined) return undefined;
  const count = [...tensors.keys()].filter((name) => /(weight|bias)$/.test(name)).length;
  return withSeed(0, async () => {
    for (const name of modelNames) {
      try {
        const model = buildModel(name, shape, classes, hidden);
        if (architecture !== undefined) {
          if (JSON.stringify(describeModel(model)) === JSON.stringify(JSON.parse(architecture))) return name;
        } else if (model.parameters().length === count) {
          const { skipped } = await loadPyTorch(model, tensors, { otherShapes: 'skip' });
          const [head] = headOf(model);
          if (skipped.every((path) => path.startsWith(`${head}.`))) return name;
        }
      } catch {
        // It takes other images, or has other layers.
      }
    }
    return undefined;
  });
}

/** Says before anything is decoded that weights do not fit, or that a layer that is to be frozen is none. */
export async function tryOut(options: TrainOptions, pretrained: Pretrained): Promise<void> {
  const size = options.imageSize ?? pretrained.imageSize;
  if (size === undefined) return;
  await withSeed(0, async () => {
    await begin(buildModel(options.model, [size, size, 3], 2, options.hidden), options, pretrained);
  });
}

/** Fills a model and freezes what is to stay; gives that as a line. */
export async function begin(
  model: AnyModel,
  { model: name, weights: file, freeze, hidden }: TrainOptions,
  pretrained: Pretrained,
): Promise<string> {
  const { matched, skipped } = await pretrained.fill(model).catch(async (error: unknown) => {
    if (!(error instanceof ArgumentError)) throw error;
    const fitting = await presetIn(file as string, hidden);
    const says = error.message.replace(/\. In a program, \{ ignore: .*$/, '');
    const hint = fitting === undefined || fitting === name ? '' : `. It holds a ${fitting}: --model ${fitting}`;
    throw new ArgumentError(`${file} does not fit --model ${name}: ${says}${hint}`, { cause: error });
  });
  const [path] = headOf(model);
  const other = skipped.find((one) => !one.startsWith(`${path}.`));
  if (other !== undefined)
    throw new ArgumentError(
      `${describe(other)} of ${file} has another shape than that of --model ${name} on these images: only the last layer may`,
    );
  freezeLayers(model, freeze ?? []);
  const trained = [...model.parameters()].filter(({ isTrained }) => isTrained).reduce((sum, { size }) => sum + size, 0);
  const head = skipped.length === 0 ? '' : `, '${path}' is new`;
  return `${file}: ${matched.length} tensors${head}; ${trained.toLocaleString('en-US')} parameters in training`;
}

function freezeLayers(model: AnyModel, words: readonly string[]): void {
  const layers = model.namedLayers();
  for (const word of words) {
    if (word === 'body') {
      model.freeze();
      headOf(model)[1].unfreeze();
    } else if (word === 'norms') {
      for (const layer of layers.values()) if (layer instanceof BatchNorm) layer.freeze();
    } else {
      const layer = layers.get(word);
      if (layer === undefined) {
        const known = [...layers.keys()].filter((path) => path !== '' && !path.includes('.'));
        throw new ArgumentError(
          `--freeze ${word}: the model has no such layer, but ${known.join(', ')}; body is all but the last one, norms are batch normalizations`,
        );
      }
      layer.freeze();
    }
  }
}
