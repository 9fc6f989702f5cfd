// Experiments on architectures: their sizes, blocks that a step leaves out, and pooling by less than two.

import { multiplyAccumulates, weightLayers } from '../layers/costs.js';
import { ResidualBlock } from '../models/blocks.js';
import { alexnet } from '../models/alexnet.js';
import { densenet121, densenet201 } from '../models/densenet.js';
import { fractalnet } from '../models/fractalnet.js';
import { googlenet } from '../models/googlenet.js';
import { cifarResnet, resnet152, resnet18, resnet34, resnet50, resnext50, wideResnet50 } from '../models/resnet.js';
import { squeezenet } from '../models/squeezenet.js';
import { vgg11, vgg16, vgg19 } from '../models/vgg.js';
import { type FractionalSequence, fractionalMaxPool2d } from '../ops/window_pooling.js';
import { Random } from '../random.js';
import { Tensor, noGrad } from '../tensor.js';
import type { AnyModel } from '../training/model.js';
import { type Experiment, series } from './experiment.js';

const families: Readonly<Record<string, Readonly<Record<string, () => AnyModel>>>> = {
  AlexNet: { AlexNet: alexnet },
  VGG: { 'VGG-11': vgg11, 'VGG-16': vgg16, 'VGG-19': vgg19 },
  GoogLeNet: { GoogLeNet: googlenet },
  ResNet: { 'ResNet-18': resnet18, 'ResNet-34': resnet34, 'ResNet-50': resnet50, 'ResNet-152': resnet152, 'Wide ResNet-50': wideResnet50 },
  ResNeXt: { 'ResNeXt-50': resnext50 },
  DenseNet: { 'DenseNet-121': densenet121, 'DenseNet-201': densenet201 },
  SqueezeNet: { SqueezeNet: squeezenet },
  'FractalNet (32×32)': { FractalNet: fractalnet },
};

/** Sizes, work and depth of the networks of the course. */
export const architectures: Experiment = {
  title: 'Architectures: parameters, work and depth',
  question: 'What does a network cost: how many numbers does it learn, and how much does it compute for one image?',
  rows: ['M28', 'M29'],
  run: async ({ size, step }) => {
    const all = Object.entries(families).flatMap(([family, members]) =>
      Object.entries(members)
        .slice(0, size(9, 1))
        .map(([name, make]) => {
          step(name);
          const model = make();
          return { family, name, parameters: model.parameterCount() / 1e6, work: multiplyAccumulates(model) / 1e9, depth: weightLayers(model) };
        }),
    );
    const by = (x: 'parameters' | 'depth') =>
      Object.keys(families).map((family) => {
        const own = all.filter((one) => one.family === family);
        return { name: family, x: own.map((one) => one[x]), y: own.map(({ work }) => work), kind: 'points' as const };
      });
    const axes = { yLabel: 'billion multiply-accumulates an image', xScale: 'log', yScale: 'log' } as const;
    return {
      lines: all.map(
        ({ name, parameters, work, depth }) =>
          `${name}: ${parameters.toFixed(1)} million parameters, ${work.toFixed(2)} billion multiply-accumulates, ${depth} weight layers`,
      ),
      panels: [
        { title: 'By parameters', xLabel: 'million parameters', series: by('parameters'), ...axes },
        { title: 'By depth', xLabel: 'weight layers', series: by('depth'), ...axes },
      ],
    };
  },
};

/** Stochastic depth: how deep a net of 110 layers is, step by step. */
export const dropPath: Experiment = {
  title: 'Stochastic depth: a deep net that trains as a shallow one',
  question: 'How many of the 54 blocks of a ResNet-110 does a step keep, when the last one is left out half of the time?',
  rows: ['F11', 'M22'],
  run: async ({ seed, step }) => {
    step('ResNet-110');
    const model = cifarResnet({ depth: 110, dropPath: 0.5 });
    const blocks = [...model.namedLayers().values()].flatMap((layer) => (layer instanceof ResidualBlock ? [layer.dropPath] : []));
    const random = new Random(seed, 'drop-path');
    const live = Array.from({ length: 200 }, () => blocks.reduce((count, p) => count + Number(random.uniform() >= p), 0));
    const expected = blocks.reduce((sum, p) => sum + 1 - p, 0);
    return {
      lines: [
        `the first block is left out in ${(100 * blocks[0]).toFixed(1)} % of the steps, the last in ${(100 * blocks[blocks.length - 1]).toFixed(1)} %`,
        `a step keeps ${expected.toFixed(1)} of ${blocks.length} blocks on the mean; in 200 steps from ${Math.min(...live)} to ${Math.max(...live)}`,
      ],
      panels: [
        {
          title: 'How likely a block is kept',
          xLabel: 'block',
          yLabel: 'probability',
          yRange: [0, 1],
          series: [
            series(
              'kept',
              blocks.map((p) => 1 - p),
            ),
          ],
        },
        { title: 'Blocks that a step keeps', xLabel: 'step', yLabel: 'blocks', series: [series('kept', live, 'points')] },
      ],
    };
  },
};

/** Fractional max pooling: windows of one and two rows, so that an image shrinks by √2. */
export const fractionalPooling: Experiment = {
  title: 'Fractional max pooling: shrinking by less than two',
  question: 'Where do the windows end when 26 rows become 18, and how many more layers does that leave room for?',
  rows: ['F10'],
  run: async ({ seed, step }) => {
    step('windows');
    const [from, to] = [26, 18];
    const ramp = Tensor.from(
      Float32Array.from({ length: from * from }, (_, i) => Math.floor(i / from)),
      [1, from, from, 1],
    ) as Tensor;
    // The largest number of a window of a ramp is its last row.
    const ends = (sequence: FractionalSequence): number[] => {
      const options = { sequence, overlapping: false, random: new Random(seed, sequence) };
      const rows = noGrad(() => fractionalMaxPool2d(ramp, to, options)).data;
      return Array.from({ length: to }, (_, row) => rows[row * to]);
    };
    const sizesOf = (factor: number): number[] => {
      const sizes = [94];
      while (sizes[sizes.length - 1] / factor >= 2) sizes.push(Math.round(sizes[sizes.length - 1] / factor));
      return sizes;
    };
    const [half, root] = [sizesOf(2), sizesOf(Math.SQRT2)];
    const kinds: FractionalSequence[] = ['random', 'pseudorandom', 'fixed'];
    return {
      lines: [
        `from 94 rows to 2 or 3: ${half.length - 1} poolings by 2, ${root.length - 1} by √2`,
        'random windows differ from image to image: a net sees each image in many slightly stretched versions',
      ],
      panels: [
        { title: 'Last row of each window', xLabel: 'window', yLabel: 'row', series: kinds.map((kind) => series(kind, ends(kind), 'path')) },
        {
          title: 'Size after each pooling',
          xLabel: 'pooling',
          yLabel: 'rows',
          yScale: 'log',
          series: [series('by 2', half, 'path'), series('by √2', root, 'path')],
        },
      ],
    };
  },
};
