// Eighteen programs that work, most of them the healed forms of faulty ones: each has something about it that a careless rule takes for a fault.

import type { Case } from '../cases.js';
import type { LayerSpec } from '../layers.js';
import { adam, conv, dense, healthy, linear, pool, rmsprop, sgd } from './parts.js';

/** Healthy programs, in the order of their numbers. */
export const realHealthy: readonly Case[] = [
  // A plateau of hundreds of epochs; squared errors of classes; no validation.
  healthy('H03', {
    data: { kind: 'xor4', seed: 3 },
    targets: 'numbers',
    layers: dense('sigmoid', 4, 1),
    loss: 'mse',
    optimizer: adam(),
    epochs: 10_000,
    batchSize: 4,
  }),
  // Inputs up to 50, and half of the units off.
  healthy('H06', {
    data: { kind: 'multilabel', features: 20, classes: 3, rows: 6000, seed: 6 },
    targets: 'numbers',
    layers: [linear(20), 'relu', { dropout: 0.5 }, linear(20), 'relu', { dropout: 0.5 }, linear(3), 'sigmoid'],
    loss: 'kerasBinaryCrossEntropy',
    optimizer: sgd(0.01),
    epochs: 20,
    batchSize: 20,
  }),
  // Two convolutions without an activation.
  healthy('H15', {
    data: { kind: 'mnist', rows: 3000, seed: 15 },
    inputs: 'divideBy255',
    targets: 'classes',
    layers: [conv(32), pool, conv(16), pool, 'flatten', linear(128), 'relu', linear(10), 'softmax'],
    loss: 'kerasCrossEntropy',
    optimizer: adam(),
    epochs: 2,
    batchSize: 32,
  }),
  // Everything right in validation from the third epoch on.
  healthy('H21', {
    data: { kind: 'shapes3', rows: 700, seed: 21 },
    inputs: 'divideBy255',
    targets: 'classes',
    layers: [
      conv(16),
      'relu',
      pool,
      conv(16),
      'relu',
      pool,
      conv(32),
      'relu',
      'flatten',
      linear(64),
      'relu',
      { dropout: 0.5 },
      linear(3),
      'softmax',
    ],
    loss: 'kerasCrossEntropy',
    optimizer: rmsprop(),
    epochs: 8,
    batchSize: 16,
  }),
  healthy('H30', {
    data: { kind: 'multilabel', features: 4, classes: 1, rows: 1000, seed: 31 },
    targets: 'numbers',
    layers: [...dense('relu', 10, 20, 30, 40, 50), linear(1), 'sigmoid'],
    loss: 'kerasBinaryCrossEntropy',
    optimizer: adam(),
    epochs: 50,
    batchSize: 10,
  }),
  // Spreads from 0.003 to 1,000, which batch normalization takes away.
  healthy('H54', {
    data: { kind: 'cancer30', seed: 54 },
    targets: 'numbers',
    layers: [linear(30), 'relu', 'batchNorm', linear(60), 'relu', 'batchNorm', linear(1), 'sigmoid'],
    loss: 'kerasBinaryCrossEntropy',
    optimizer: adam(),
    epochs: 10,
    batchSize: 32,
  }),
  healthy('H57', {
    data: { kind: 'linear', features: 5, rows: 1000, seed: 57 },
    targets: 'numbers',
    targetScaling: 'standardize',
    layers: [linear(16), 'tanh', linear(1)],
    loss: 'mse',
    optimizer: sgd(0.1),
    epochs: 100,
    batchSize: 32,
  }),
  // Four rows, all of them in a batch, at a rate of 0.02.
  healthy('H60', {
    data: { kind: 'xnor4', seed: 60 },
    targets: 'numbers',
    layers: [linear(8), 'tanh', linear(1), 'sigmoid'],
    loss: 'kerasBinaryCrossEntropy',
    optimizer: adam(0.02),
    epochs: 1000,
    batchSize: 4,
  }),
  // A plateau in the first epochs; rows that are sorted by their input.
  healthy('H66', {
    data: { kind: 'sine3000', seed: 66 },
    inputs: 'standardize',
    targets: 'numbers',
    targetScaling: 'standardize',
    layers: [...dense('tanh', 64, 64), linear(1)],
    loss: 'mse',
    optimizer: adam(5e-3),
    epochs: 150,
    batchSize: 64,
  }),
  // Tens of epochs at ln 2, then a sudden drop.
  healthy('H69', {
    data: { kind: 'parity8', rows: 200, seed: 69 },
    targets: 'numbers',
    layers: [{ gru: 24, all: true }, linear(1), 'sigmoid'],
    loss: 'kerasBinaryCrossEntropy',
    optimizer: adam(0.01),
    epochs: 120,
    batchSize: 32,
  }),
  // Flat in the first epochs.
  healthy('H72', {
    data: { kind: 'cluster_seq', features: 10, rows: 1000, separation: 1.5, seed: 72 },
    targets: 'numbers',
    layers: [{ lstm: 80 }, linear(1), 'sigmoid'],
    loss: 'kerasBinaryCrossEntropy',
    optimizer: rmsprop(3e-3),
    epochs: 25,
    batchSize: 32,
  }),
  healthy('H75', {
    data: { kind: 'mean3', seed: 75 },
    targets: 'classes',
    layers: [{ lstm: 16 }, linear(3), 'softmax'],
    loss: 'kerasCrossEntropy',
    optimizer: adam(0.01),
    epochs: 25,
    batchSize: 8,
  }),
  healthy('H78', {
    data: { kind: 'mnist', rows: 4000, seed: 78 },
    inputs: 'divideBy255',
    targets: 'classes',
    layers: ['flatten', ...dense('relu', 64, 64, 64), linear(10), 'softmax'],
    loss: 'kerasCrossEntropy',
    optimizer: adam(),
    epochs: 5,
    batchSize: 32,
  }),
  // It underfits for long, and trains worse than it validates, because of its dropouts.
  healthy('H93', {
    data: { kind: 'patterns', rows: 600, seed: 93 },
    inputs: 'divideBy255',
    targets: 'classes',
    layers: [
      ...[conv(16), 'relu', conv(16), 'relu', pool, { dropout: 0.25 }],
      ...[conv(32), 'relu', conv(32), 'relu', pool, { dropout: 0.25 }],
      ...['flatten', linear(128), 'relu', { dropout: 0.5 }, linear(10), 'softmax'],
    ] as LayerSpec[],
    loss: 'kerasCrossEntropy',
    optimizer: { ...rmsprop(5e-4), decay: 1e-6 },
    epochs: 25,
    batchSize: 32,
  }),
  // A slow middle part; padding makes the accuracy look good early.
  healthy('H96', {
    data: { kind: 'sums', rows: 4000, seed: 96 },
    targets: 'classes',
    layers: [{ lstm: 64 }, { repeat: 3 }, { lstm: 64, all: true }, linear(12), 'softmax'],
    loss: 'kerasCrossEntropy',
    optimizer: adam(3e-3),
    epochs: 55,
    batchSize: 128,
  }),
  // Classes of very uneven sizes, constant columns, a rate of 1.
  healthy('H99', {
    data: { kind: 'bag', features: 2000, classes: 46, rows: 1000, seed: 99 },
    targets: 'classes',
    layers: [linear(128), 'relu', 'batchNorm', { dropout: 0.5 }, linear(46), 'softmax'],
    init: { normal: 0.05 },
    loss: 'kerasCrossEntropy',
    optimizer: { name: 'adadelta', lr: 1 },
    epochs: 5,
    batchSize: 16,
  }),
  // Pixels at the border that never change; a dead unit or two.
  healthy('H102', {
    data: { kind: 'mnist', rows: 4000, seed: 102 },
    inputs: 'divideBy255',
    targets: 'classes',
    layers: ['flatten', linear(1024), 'relu', linear(10), 'softmax'],
    init: 'he',
    loss: 'kerasCrossEntropy',
    optimizer: adam(),
    epochs: 5,
    batchSize: 64,
  }),
  // A rate of 15, squared errors of classes, a first loss of 0.3 to 0.5.
  healthy('H105', {
    data: { kind: 'mnist', rows: 4000, seed: 105 },
    inputs: 'divideBy255',
    targets: 'oneHot',
    layers: ['flatten', ...dense('sigmoid', 30, 10)],
    init: { normal: 1 },
    loss: 'mse',
    optimizer: sgd(15),
    epochs: 10,
    batchSize: 10,
  }),
];
