// How it is trained: learning rates, epochs, optimizers, batches.

import type { LayerSpec } from '../layers.js';
import { type Kind, tooHigh, atRate, by, named, any, tooLow } from './kind.js';

/** Learning rates off by 10, 10² and 10⁴. */
export const rates: readonly Kind[] = (
  [
    [10, 3],
    [100, 4],
    [1e4, 3],
    [1 / 10, 2],
    [1 / 100, 3],
    [1e-4, 2],
  ] as const
).map(([factor, count]) => ({
  name: factor > 1 ? `learning rate ${factor} times too high` : `learning rate ${Math.round(1 / factor)} times too low`,
  group: 'learning rate',
  count,
  accepts: factor > 1 ? [...tooHigh, 'dead-units', 'saturated-units'] : tooLow,
  suits: any,
  into: (program) => atRate(program, factor),
}));

/** Too few epochs, and too many for few rows. */
export const epochs: readonly Kind[] = [
  {
    name: 'one epoch',
    group: 'epochs',
    count: 9,
    accepts: tooLow,
    suits: any,
    into: (program) => ({ ...program, epochs: 1 }),
  },
  {
    name: 'few rows, many epochs',
    group: 'epochs',
    count: 9,
    accepts: ['overfitting'],
    suits: named('tabular', 'kinds', 'census', 'words'),
    before: (program) => ({ ...program, data: { ...program.data, rows: 240 }, epochs: program.epochs * 2 }),
    into: (program) => ({
      ...program,
      layers: program.layers.flatMap((layer, i): LayerSpec[] => {
        if (typeof layer === 'object' && 'dropout' in layer) return [];
        const isHidden = typeof layer === 'object' && 'linear' in layer && i < program.layers.length - 1;
        return [isHidden ? { ...layer, linear: layer.linear * 4 } : layer];
      }),
      optimizer: { ...program.optimizer, weightDecay: 0 },
      epochs: program.epochs * 15,
    }),
    shows: 'loss',
  },
];

/** Optimizers at the rates of others. */
export const optimizers: readonly Kind[] = [
  {
    name: 'SGD at 0.001',
    group: 'optimizer',
    count: 4,
    accepts: tooLow,
    suits: any,
    into: (program) => by(program, { name: 'sgd', lr: 1e-3 }),
  },
  {
    name: 'Adadelta at 0.001',
    group: 'optimizer',
    count: 3,
    accepts: tooLow,
    suits: any,
    into: (program) => by(program, { name: 'adadelta', lr: 1e-3 }),
  },
  {
    name: 'Adam at a rate of SGD',
    group: 'optimizer',
    count: 2,
    accepts: [...tooHigh, 'dead-units', 'saturated-units'],
    suits: any,
    into: (program) => by(program, { name: 'adam', lr: 0.5 }),
  },
  {
    name: 'momentum of 0.999',
    group: 'optimizer',
    count: 2,
    accepts: [...tooHigh, 'dead-units', 'saturated-units'],
    suits: any,
    into: (program) => by(program, { name: 'sgd', lr: 0.1, momentum: 0.999 }),
  },
];

/** Batches of one row, and of all. */
export const batches: readonly Kind[] = [
  {
    name: 'batches of one',
    group: 'batch size',
    count: 2,
    accepts: ['batch-too-small', 'oscillation', 'learning-rate-too-high', 'normalization-mode'],
    suits: named('clusters', 'patterns', 'waves', 'series', 'sine'),
    into: (program) => ({
      ...program,
      batchSize: 1,
      epochs: Math.ceil(program.epochs / 4),
      layers: program.layers.filter((layer) => layer !== 'batchNorm'),
    }),
  },
  {
    name: 'all rows in a batch',
    group: 'batch size',
    count: 3,
    accepts: ['batch-too-large', ...tooLow],
    suits: any,
    into: (program) => ({ ...program, batchSize: program.data.rows ?? 1000 }),
  },
];
