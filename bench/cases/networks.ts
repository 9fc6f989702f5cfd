// Training steps of convolutional networks: the architectures as data, their parameters and their arithmetic.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, NetworkLayer, NetworkWork } from '../types.js';

const everybody = ['nodegrad', 'nodegrad sync', 'torch eager', 'torch channels_last', 'torch compile channels_last', 'jax'];

const relu: NetworkLayer = { kind: 'relu' };

function conv(inputs: number, outputs: number, kernel: number, stride = 1, padding = (kernel - 1) / 2, bias = true): NetworkLayer {
  return { kind: 'conv', inputs, outputs, kernel, stride, padding, bias };
}

/** A convolution without bias and the normalization behind it. */
function normed(inputs: number, outputs: number, kernel: number, stride = 1, factor = 1): NetworkLayer[] {
  return [conv(inputs, outputs, kernel, stride, (kernel - 1) / 2, false), { kind: 'norm', channels: outputs, factor }];
}

function linear(inputs: number, outputs: number, pixels = 1): NetworkLayer {
  return { kind: 'linear', inputs, outputs, pixels };
}

function max(size: number, stride: number, padding = 0): NetworkLayer {
  return { kind: 'max', size, stride, padding };
}

/** What branches with a shortcut beside them begin with: small, or gradients of deep networks explode and rounding errors with them. */
const last = 0.2;

/** Two 3×3 convolutions around a shortcut; `widen` has no parameters, the projection is a 1×1 convolution. */
function basicBlock(inputs: number, outputs: number, stride: number, projection: boolean): NetworkLayer[] {
  const extra = outputs - inputs;
  const widen: NetworkLayer = { kind: 'widen', stride, before: Math.floor(extra / 2), after: Math.ceil(extra / 2) };
  const shortcut = stride === 1 && extra === 0 ? [] : projection ? normed(inputs, outputs, 1, stride) : [widen];
  return [{ kind: 'sum', branches: [[...normed(inputs, outputs, 3, stride), relu, ...normed(outputs, outputs, 3, 1, last)], shortcut] }, relu];
}

/** 1×1, 3×3 (with the stride) and 1×1 convolutions around a shortcut. */
function bottleneck(inputs: number, width: number, stride: number): NetworkLayer[] {
  const outputs = 4 * width;
  const body = [...normed(inputs, width, 1), relu, ...normed(width, width, 3, stride), relu, ...normed(width, outputs, 1, 1, last)];
  const shortcut = stride === 1 && inputs === outputs ? [] : normed(inputs, outputs, 1, stride);
  return [{ kind: 'sum', branches: [body, shortcut] }, relu];
}

const lenet5: NetworkLayer[] = [
  ...[conv(1, 6, 5, 1, 2), relu, max(2, 2)],
  ...[conv(6, 16, 5, 1, 0), relu, max(2, 2)],
  ...[{ kind: 'flatten' } as const, linear(400, 120, 25), relu, linear(120, 84), relu, linear(84, 10)],
];

const vgg: NetworkLayer[] = [
  ...[...normed(3, 64, 3), relu, ...normed(64, 64, 3), relu, max(2, 2)],
  ...[...normed(64, 128, 3), relu, ...normed(128, 128, 3), relu, max(2, 2)],
  ...[...normed(128, 256, 3), relu, ...normed(256, 256, 3), relu, max(2, 2)],
  ...[{ kind: 'flatten' } as const, linear(4096, 512, 16), relu, linear(512, 10)],
];

function resnet20(): NetworkLayer[] {
  const layers = [...normed(3, 16, 3), relu];
  for (const [stage, width] of [16, 32, 64].entries()) {
    for (let block = 0; block < 3; block++) {
      const narrows = stage > 0 && block === 0;
      layers.push(...basicBlock(narrows ? width / 2 : width, width, narrows ? 2 : 1, false));
    }
  }
  return [...layers, { kind: 'mean' }, linear(64, 10)];
}

const stem: NetworkLayer[] = [...normed(3, 64, 7, 2), relu, max(3, 2, 1)];

function resnet18(): NetworkLayer[] {
  const layers = [...stem];
  for (const [stage, width] of [64, 128, 256, 512].entries()) {
    const narrows = stage > 0;
    layers.push(...basicBlock(narrows ? width / 2 : width, width, narrows ? 2 : 1, true), ...basicBlock(width, width, 1, true));
  }
  return [...layers, { kind: 'mean' }, linear(512, 1000)];
}

function resnet50(): NetworkLayer[] {
  const layers = [...stem];
  let inputs = 64;
  for (const [stage, blocks] of [3, 4, 6, 3].entries()) {
    const width = 64 * 2 ** stage;
    for (let block = 0; block < blocks; block++) {
      layers.push(...bottleneck(inputs, width, stage > 0 && block === 0 ? 2 : 1));
      inputs = 4 * width;
    }
  }
  return [...layers, { kind: 'mean' }, linear(inputs, 1000)];
}

function fire(inputs: number, squeezed: number, expanded: number): NetworkLayer[] {
  const branches = [1, 3].map((kernel) => [conv(squeezed, expanded, kernel), relu]);
  return [conv(inputs, squeezed, 1), relu, { kind: 'concat', branches }];
}

const squeezenet: NetworkLayer[] = [
  ...[conv(3, 64, 3, 2, 0), relu, max(3, 2)],
  ...[...fire(64, 16, 64), ...fire(128, 16, 64), max(3, 2)],
  ...[...fire(128, 32, 128), ...fire(256, 32, 128), max(3, 2)],
  ...[...fire(256, 48, 192), ...fire(384, 48, 192), ...fire(384, 64, 256), ...fire(512, 64, 256)],
  ...[conv(512, 1000, 1), relu, { kind: 'mean' } as const],
];

type Visit = (layer: NetworkLayer, pixels: number) => void;

const windows = (size: number, kernel: number, stride: number, padding: number): number =>
  Math.floor((size + 2 * padding - kernel) / stride) + 1;

/** Calls `visit` for every layer, branches included, with the number of pixels of its result; returns the side of the last one. */
function walk(layers: readonly NetworkLayer[], side: number, visit: Visit): number {
  for (const layer of layers) {
    if (layer.kind === 'conv') side = windows(side, layer.kernel, layer.stride, layer.padding);
    else if (layer.kind === 'max') side = windows(side, layer.size, layer.stride, layer.padding);
    else if (layer.kind === 'widen') side = Math.ceil(side / layer.stride);
    else if (layer.kind === 'mean' || layer.kind === 'flatten') side = 1;
    else if (layer.kind === 'sum' || layer.kind === 'concat') {
      const before = side;
      for (const branch of layer.branches) side = walk(branch, before, visit);
    }
    visit(layer, side * side);
  }
  return side;
}

/** FLOPs of a step: 6 a weight and place it is used at, 4 in the first layer, which needs no gradient of its input. */
function flopsOf(work: NetworkWork): number {
  let [flops, factor] = [0, 4];
  walk(work.layers, work.image[0], (layer, pixels) => {
    if (layer.kind !== 'conv' && layer.kind !== 'linear') return;
    const weights = layer.inputs * layer.outputs * (layer.kind === 'conv' ? layer.kernel ** 2 : 1);
    flops += factor * weights * pixels * work.batch;
    factor = 6;
  });
  return flops;
}

/**
 * Writes parameters, images and targets. As with the perceptrons every batch of images stands in the file several times with other
 * targets, so that no network learns them by heart.
 */
function prepare(folder: string, work: NetworkWork): void {
  const generator = new Generator(work.batch * 1000 + work.layers.length);
  const parameters: Float32Array[] = [];
  let classes = 0;
  walk(work.layers, work.image[0], (layer) => {
    if (layer.kind === 'norm') {
      const scale = generator.array(layer.channels, 0.1).map((value) => layer.factor * (1 + value));
      parameters.push(scale, generator.array(layer.channels, 0.1));
    } else if (layer.kind === 'conv' || layer.kind === 'linear') {
      const fan = layer.inputs * (layer.kind === 'conv' ? layer.kernel ** 2 : 1);
      parameters.push(generator.array(fan * layer.outputs, Math.sqrt(2 / fan)));
      if (layer.kind === 'linear' || layer.bias) parameters.push(generator.array(layer.outputs, 0.01));
      classes = layer.outputs;
    }
  });
  writeParts(folder, 'weights.bin', parameters);
  const distinct = Math.ceil(work.batches / 4);
  const [height, width, channels] = work.image;
  const images = Array.from({ length: distinct }, () => generator.array(work.batch * height * width * channels));
  writeParts(
    folder,
    'inputs.bin',
    Array.from({ length: work.batches }, (_, batch) => images[batch % distinct]),
  );
  writeParts(folder, 'targets.bin', [Int32Array.from({ length: work.batches * work.batch }, () => generator.integer(classes))]);
}

type Description = Pick<NetworkWork, 'layers' | 'image' | 'batch' | 'lr'> & { title: string; chunk?: number };

function network(name: string, { title, chunk, ...description }: Description): BenchCase {
  const { batch, image } = description;
  // Together 40 MB, more than the last-level cache, and never fewer than four.
  const batches = Math.max(4, 4 * Math.ceil(10e6 / (batch * image[0] * image[1] * image[2] * 4)));
  // Small networks can be followed for longer before rounding errors part the contestants.
  const work: NetworkWork = { kind: 'network', ...description, batches, momentum: 0.9, checks: name === 'lenet5' ? 20 : 5 };
  return {
    name,
    title: `training step of ${title}, softmax cross-entropy, SGD (lr ${work.lr}, momentum 0.9), batch ${batch}`,
    work,
    chunk: chunk ?? 1,
    unit: 'ms',
    flops: flopsOf(work),
    limit: 'fma',
    contestants: name === 'resnet50' ? [...everybody, 'nodegrad recompute'] : everybody,
    slow: ['jax'], // It compiles large networks for minutes, and is never the best rival here.
    tolerance: 1e-3,
    memory: true,
    prepare: (folder) => prepare(folder, work),
  };
}

/** The network cases. */
export const networkCases: BenchCase[] = [
  network('lenet5', { title: 'LeNet-5 (ReLU, maxima) on 28×28', layers: lenet5, image: [28, 28, 1], batch: 64, lr: 0.01, chunk: 8 }),
  network('vgg-cifar', {
    title: 'a VGG on 32×32 (64-64-M-128-128-M-256-256-M-512, batch norm)',
    layers: vgg,
    image: [32, 32, 3],
    batch: 64,
    lr: 0.001,
  }),
  network('resnet20', {
    title: 'ResNet-20 on 32×32, shortcuts without parameters',
    layers: resnet20(),
    image: [32, 32, 3],
    batch: 128,
    lr: 0.01,
  }),
  network('resnet18', { title: 'ResNet-18 on 224×224', layers: resnet18(), image: [224, 224, 3], batch: 16, lr: 0.001 }),
  network('resnet50', { title: 'ResNet-50 on 224×224', layers: resnet50(), image: [224, 224, 3], batch: 8, lr: 0.001 }),
  network('squeezenet', {
    title: 'SqueezeNet 1.1 without dropout on 224×224',
    layers: squeezenet,
    image: [224, 224, 3],
    batch: 16,
    lr: 0.01,
  }),
];
