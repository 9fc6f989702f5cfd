// Single layers: every direction of the convolutions that the networks are made of, and batch normalization with ReLU.

import { Generator, writeParts } from '../data.js';
import type { BenchCase, ConvolutionWork, NormalizationWork } from '../types.js';

/** As many sets of operands as 64 MB hold: more than the last-level cache. */
const rotation = (bytes: number): number => Math.max(2, Math.min(64, Math.ceil(64e6 / bytes)));

const milliseconds = (flops: number): number => flops / 200e6;
const chunkOf = (flops: number): number => Math.max(1, Math.min(16, Math.floor(5 / milliseconds(flops))));

interface Shape {
  n: number;
  inputs: number;
  size: number;
  outputs: number;
  kernel: number;
  stride?: number;
  padding?: number;
  groups?: number;
  /** A first layer needs no gradient of its input. */
  first?: boolean;
}

const square = (n: number, channels: number, size: number): Shape => ({ n, inputs: channels, size, outputs: channels, kernel: 3 });

const shapes: Shape[] = [
  square(16, 64, 56),
  square(16, 128, 28),
  square(16, 256, 14),
  square(16, 512, 7),
  square(64, 64, 32),
  square(64, 128, 16),
  square(64, 256, 8),
  square(128, 16, 32),
  square(128, 32, 16),
  square(128, 64, 8),
  { n: 16, inputs: 64, size: 56, outputs: 128, kernel: 3, stride: 2 },
  { n: 16, inputs: 128, size: 56, outputs: 128, kernel: 3, stride: 2 },
  { n: 16, inputs: 256, size: 14, outputs: 512, kernel: 3, stride: 2 },
  { n: 128, inputs: 16, size: 32, outputs: 32, kernel: 3, stride: 2 },
  { n: 16, inputs: 64, size: 56, outputs: 256, kernel: 1 },
  { n: 16, inputs: 256, size: 56, outputs: 64, kernel: 1 },
  { n: 16, inputs: 256, size: 14, outputs: 1024, kernel: 1 },
  { n: 16, inputs: 512, size: 14, outputs: 1024, kernel: 1 },
  { n: 16, inputs: 256, size: 56, outputs: 512, kernel: 1, stride: 2 },
  { n: 16, inputs: 3, size: 224, outputs: 64, kernel: 7, stride: 2, first: true },
  { n: 16, inputs: 3, size: 224, outputs: 64, kernel: 3, stride: 2, padding: 0, first: true },
  { n: 64, inputs: 3, size: 32, outputs: 64, kernel: 3, first: true },
  { n: 64, inputs: 1, size: 28, outputs: 6, kernel: 5, first: true },
  { n: 64, inputs: 6, size: 14, outputs: 16, kernel: 5, padding: 0 },
  { n: 16, inputs: 256, size: 14, outputs: 256, kernel: 3, groups: 256 },
];

const meanings = { forward: 'y', dx: 'the gradient by the input', dw: 'the gradient by the weight' } as const;

function convolution(shape: Shape, direction: ConvolutionWork['direction']): BenchCase {
  const { n, inputs, size, outputs, kernel, stride = 1, padding = (kernel - 1) / 2, groups = 1 } = shape;
  const out = Math.floor((size + 2 * padding - kernel) / stride) + 1;
  const lengths = { x: n * size * size * inputs, w: (kernel * kernel * inputs * outputs) / groups, y: n * out * out * outputs };
  const sets = rotation(4 * (lengths.x + lengths.w + lengths.y));
  const work: ConvolutionWork = { kind: 'convolution', direction, n, size, out, inputs, outputs, kernel, stride, padding, groups, sets };
  const flops = 2 * lengths.y * kernel * kernel * (inputs / groups);
  const winograd = kernel === 3 && stride === 1 && groups === 1;
  const named = `conv${kernel}s${stride}${groups > 1 ? `g${groups}` : ''}-n${n}c${inputs}h${size}k${outputs}`;
  return {
    name: `${named}-${direction}`,
    title: `${meanings[direction]} of a ${kernel}×${kernel} convolution, stride ${stride}${groups > 1 ? `, ${groups} groups` : ''}: [${n}, ${size}, ${size}, ${inputs}] to [${n}, ${out}, ${out}, ${outputs}]`,
    work,
    chunk: chunkOf(flops),
    unit: 'ms',
    flops,
    limit: 'fma',
    table: 'Convolutions',
    pace: 0.2,
    contestants: [
      'nodegrad',
      ...(winograd ? ['nodegrad direct'] : []),
      'nodegrad avx2',
      ...(winograd ? ['nodegrad avx2 direct'] : []),
      'torch eager',
      'torch channels_last',
    ],
    prepare(folder) {
      const generator = new Generator(n + 7 * inputs + 11 * size + 13 * outputs + 17 * kernel);
      // Scaled so that y and dx are of order one.
      const scale = Math.sqrt(groups / (kernel * kernel * inputs));
      const parts = (length: number, factor?: number): Float32Array[] => Array.from({ length: sets }, () => generator.array(length, factor));
      if (direction !== 'dx') writeParts(folder, 'x.bin', parts(lengths.x));
      if (direction !== 'dw') writeParts(folder, 'w.bin', parts(lengths.w, scale));
      if (direction !== 'forward') writeParts(folder, 'dy.bin', parts(lengths.y));
    },
  };
}

/** The convolutions, direction by direction. */
export const convolutionCases: BenchCase[] = shapes.flatMap((shape) =>
  (shape.first ? (['forward', 'dw'] as const) : (['forward', 'dx', 'dw'] as const)).map((direction) => convolution(shape, direction)),
);

function normalization(n: number, size: number, channels: number, direction: NormalizationWork['direction']): BenchCase {
  const elements = n * size * size * channels;
  const sets = rotation((direction === 'forward' ? 8 : 12) * elements);
  const work: NormalizationWork = { kind: 'normalization', direction, n, size, channels, sets };
  // Forward: x for the statistics, x again, y. Backward: x and dy for the sums, both again, dx.
  const bytesPerElement = direction === 'forward' ? 12 : 20;
  return {
    name: `norm-n${n}h${size}c${channels}-${direction}`,
    title: `batch norm (training) and ReLU, ${direction}, over [${n}, ${size}, ${size}, ${channels}]; ${bytesPerElement} bytes an element are counted`,
    work,
    chunk: 1,
    unit: 'ms',
    bytes: bytesPerElement * elements,
    limit: 'copy',
    table: 'Batch normalization with ReLU',
    pace: 0.2,
    contestants: ['nodegrad', 'torch eager', 'torch channels_last', 'torch compile channels_last'],
    prepare(folder) {
      const generator = new Generator(n + size + channels);
      const parts = (): Float32Array[] => Array.from({ length: sets }, () => generator.array(elements));
      writeParts(folder, 'x.bin', parts());
      if (direction === 'backward') writeParts(folder, 'dy.bin', parts());
      writeParts(folder, 'scale.bin', [generator.array(channels, 0.1).map((value) => 1 + value), generator.array(channels, 0.1)]);
    },
  };
}

/** Batch normalization at the first layer of a ResNet on 224×224 and of one on 32×32. */
export const normalizationCases: BenchCase[] = [
  normalization(16, 112, 64, 'forward'),
  normalization(16, 112, 64, 'backward'),
  normalization(128, 32, 16, 'forward'),
  normalization(128, 32, 16, 'backward'),
];
