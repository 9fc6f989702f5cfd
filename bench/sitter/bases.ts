// Programs that work, over tables, functions, images and sequences: each is a form that a seed makes many of, and what faults are put into.

import type { LayerSpec } from './layers.js';
import type { OptimizerSpec, Program } from './program.js';

const adam = (lr: number): OptimizerSpec => ({ name: 'adam', lr });
const linear = (units: number): LayerSpec => ({ linear: units });
const dense = (activation: LayerSpec, ...units: number[]): LayerSpec[] => units.flatMap((count) => [linear(count), activation]);
const conv = (filters: number): LayerSpec => ({ conv: filters, kernelSize: 3, same: true });
const pool: LayerSpec = { maxPool: 2 };

/** A healthy program by a seed, and of what kind its net and its targets are. */
export interface Base {
  readonly net: 'mlp' | 'cnn' | 'rnn';
  readonly kind: 'one' | 'several' | 'labels' | 'numbers';
  /** Classes of `several`. */
  readonly classes?: number;
  /** Whether its columns have sizes that need scaling. */
  readonly isRaw?: true;
  make(seed: number): Program;
}

/** Healthy programs by name. */
export const bases: Readonly<Record<string, Base>> = {
  tabular: {
    net: 'mlp',
    kind: 'one',
    make: (seed) => ({
      data: { kind: 'tabular', rows: 1500, seed },
      inputs: 'standardize',
      targets: 'numbers',
      layers: [...dense('relu', 32, 16), linear(1)],
      loss: 'binaryCrossEntropy',
      optimizer: { ...adam(3e-3), weightDecay: 1e-3 },
      epochs: 20,
      batchSize: 32,
      seed,
    }),
  },
  kinds: {
    net: 'mlp',
    kind: 'several',
    classes: 4,
    make: (seed) => ({
      data: { kind: 'tabular', rows: 2000, classes: 4, seed },
      inputs: 'standardize',
      targets: 'classes',
      layers: [...dense('relu', 64), linear(4)],
      loss: 'crossEntropy',
      optimizer: adam(3e-3),
      epochs: 20,
      batchSize: 32,
      seed,
    }),
  },
  clusters: {
    net: 'mlp',
    kind: 'several',
    classes: 3,
    make: (seed) => ({
      data: { kind: 'clusters', rows: 1200, features: 12, informative: 4, classes: 3, separation: 1, seed },
      inputs: 'none',
      targets: 'classes',
      layers: [...dense('tanh', 32), linear(3)],
      loss: 'crossEntropy',
      optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9 },
      epochs: 12,
      batchSize: 64,
      seed,
    }),
  },
  flows: {
    net: 'mlp',
    kind: 'several',
    classes: 5,
    make: (seed) => ({
      data: { kind: 'flows5', rows: 1000, seed },
      inputs: 'standardize',
      targets: 'classes',
      layers: [...dense('relu', 24), linear(5)],
      init: 'glorot',
      loss: 'crossEntropy',
      optimizer: { name: 'rmsprop', lr: 3e-3 },
      epochs: 12,
      batchSize: 32,
      seed,
    }),
  },
  census: {
    net: 'mlp',
    kind: 'one',
    isRaw: true,
    make: (seed) => ({
      data: { kind: 'census14', rows: 1200, seed },
      inputs: 'standardize',
      targets: 'numbers',
      layers: [...dense('relu', 16), linear(1)],
      loss: 'binaryCrossEntropy',
      optimizer: adam(3e-3),
      epochs: 15,
      batchSize: 32,
      seed,
    }),
  },
  county: {
    net: 'mlp',
    kind: 'one',
    isRaw: true,
    make: (seed) => ({
      data: { kind: 'county16', rows: 1200, seed },
      inputs: 'standardize',
      targets: 'numbers',
      layers: [...dense('tanh', 16), linear(1)],
      loss: 'binaryCrossEntropy',
      optimizer: { ...adam(3e-3), weightDecay: 1e-3 },
      epochs: 15,
      batchSize: 32,
      seed,
    }),
  },
  words: {
    net: 'mlp',
    kind: 'labels',
    make: (seed) => ({
      data: { kind: 'multilabel', rows: 1500, features: 20, classes: 3, seed },
      inputs: 'standardize',
      targets: 'numbers',
      layers: [...dense('relu', 32), linear(3)],
      loss: 'binaryCrossEntropy',
      optimizer: adam(3e-3),
      epochs: 15,
      batchSize: 32,
      seed,
    }),
  },
  cars: {
    net: 'mlp',
    kind: 'numbers',
    isRaw: true,
    make: (seed) => ({
      data: { kind: 'cars5', rows: 800, seed },
      inputs: 'standardize',
      targets: 'numbers',
      targetScaling: 'standardize',
      layers: [...dense('relu', 32), linear(1)],
      loss: 'mse',
      optimizer: adam(5e-3),
      epochs: 25,
      batchSize: 32,
      seed,
    }),
  },
  linear: {
    net: 'mlp',
    kind: 'numbers',
    make: (seed) => ({
      data: { kind: 'linear', rows: 1000, features: 6, seed },
      inputs: 'none',
      targets: 'numbers',
      targetScaling: 'standardize',
      layers: [...dense('relu', 32, 32), linear(1)],
      loss: 'mse',
      optimizer: adam(3e-3),
      epochs: 20,
      batchSize: 32,
      seed,
    }),
  },
  sine: {
    net: 'mlp',
    kind: 'numbers',
    make: (seed) => ({
      data: { kind: 'sine', rows: 800, seed },
      inputs: 'standardize',
      targets: 'numbers',
      targetScaling: 'standardize',
      layers: [...dense('tanh', 32, 32), linear(1)],
      loss: 'mse',
      optimizer: adam(5e-3),
      epochs: 120,
      batchSize: 64,
      seed,
    }),
  },
  shapes: {
    net: 'cnn',
    kind: 'several',
    classes: 3,
    make: (seed) => ({
      data: { kind: 'shapes3', rows: 500, size: 12, seed },
      inputs: 'divideBy255',
      targets: 'classes',
      layers: [conv(8), 'relu', pool, conv(16), 'relu', pool, 'flatten', linear(32), 'relu', linear(3)],
      loss: 'crossEntropy',
      optimizer: adam(3e-3),
      epochs: 10,
      batchSize: 32,
      seed,
    }),
  },
  patterns: {
    net: 'cnn',
    kind: 'several',
    classes: 6,
    make: (seed) => ({
      data: { kind: 'patterns', rows: 500, size: 12, classes: 6, separation: 0.7, seed },
      inputs: 'divideBy255',
      targets: 'classes',
      layers: [conv(8), 'batchNorm', 'relu', pool, conv(16), 'batchNorm', 'relu', 'globalAvgPool', linear(6)],
      loss: 'crossEntropy',
      optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9 },
      epochs: 12,
      batchSize: 32,
      seed,
    }),
  },
  textures: {
    net: 'cnn',
    kind: 'one',
    make: (seed) => ({
      data: { kind: 'two_kinds64', rows: 400, size: 12, seed },
      inputs: 'divideBy255',
      targets: 'numbers',
      layers: [conv(8), 'relu', pool, conv(16), 'relu', 'globalAvgPool', { dropout: 0.2 }, linear(1)],
      loss: 'binaryCrossEntropy',
      optimizer: adam(5e-3),
      epochs: 15,
      batchSize: 32,
      seed,
    }),
  },
  pictures: {
    net: 'mlp',
    kind: 'several',
    classes: 6,
    make: (seed) => ({
      data: { kind: 'patterns', rows: 600, size: 12, classes: 6, separation: 0.5, seed },
      inputs: 'divideBy255',
      targets: 'classes',
      layers: ['flatten', ...dense('relu', 32), { dropout: 0.3 }, linear(6)],
      loss: 'crossEntropy',
      optimizer: adam(3e-3),
      epochs: 12,
      batchSize: 32,
      seed,
    }),
  },
  waves: {
    net: 'rnn',
    kind: 'several',
    classes: 3,
    make: (seed) => ({
      data: { kind: 'waves', rows: 800, length: 16, classes: 3, seed },
      targets: 'classes',
      layers: [{ gru: 24 }, linear(3)],
      loss: 'crossEntropy',
      optimizer: adam(1e-2),
      epochs: 12,
      batchSize: 32,
      seed,
    }),
  },
  series: {
    net: 'rnn',
    kind: 'numbers',
    make: (seed) => ({
      data: { kind: 'series_next', rows: 800, length: 12, seed },
      targets: 'numbers',
      layers: [{ lstm: 16 }, linear(1)],
      loss: 'mse',
      optimizer: adam(1e-2),
      epochs: 15,
      batchSize: 32,
      seed,
    }),
  },
  firsts: {
    net: 'rnn',
    kind: 'one',
    make: (seed) => ({
      data: { kind: 'copy30', rows: 800, length: 6, seed },
      targets: 'numbers',
      layers: [{ rnn: 16 }, linear(1)],
      loss: 'binaryCrossEntropy',
      optimizer: adam(5e-3),
      epochs: 12,
      batchSize: 32,
      seed,
    }),
  },
};
