// Data: what was not scaled or scaled wrongly, labels, leaks, missing values.

import { type Kind, withData, kind, named, any, isClasses, raw } from './kind.js';

/** Inputs and targets that were not scaled, or only some of them. */
export const preprocessing: readonly Kind[] = [
  {
    name: 'raw columns',
    group: 'missing preprocessing',
    count: 4,
    accepts: ['unscaled-inputs', 'initial-loss'],
    suits: raw,
    into: (program) => ({ ...program, inputs: 'none' }),
  },
  {
    name: 'grey values 0 to 255',
    group: 'missing preprocessing',
    count: 2,
    accepts: ['unscaled-inputs', 'initial-loss'],
    suits: named('shapes', 'textures', 'pictures'),
    into: (program) => ({ ...program, inputs: 'none' }),
  },
  {
    name: 'inputs times 1000',
    group: 'missing preprocessing',
    count: 3,
    accepts: ['unscaled-inputs', 'initial-loss'],
    suits: named('tabular', 'kinds', 'clusters', 'flows', 'linear', 'sine', 'series', 'waves'),
    into: (program) => ({ ...program, inputs: 'times1000' }),
  },
  {
    name: 'raw targets',
    group: 'missing preprocessing',
    count: 3,
    accepts: ['unscaled-targets'],
    suits: named('cars'),
    into: (program) => ({ ...program, targetScaling: 'none' }),
  },
  {
    name: 'only training data scaled',
    group: 'wrong preprocessing',
    count: 3,
    accepts: ['validation-differs'],
    suits: (base, name) => raw(base) || name === 'pictures',
    into: (program) => ({ ...program, scaled: 'train' }),
  },
];

/** Labels, leaks, missing values and order. */
export const data: readonly Kind[] = [
  {
    name: 'labels shuffled',
    group: 'data',
    count: 3,
    accepts: ['nothing-to-learn', 'overfitting'],
    suits: isClasses,
    into: (program) => withData(program, 'shuffledLabels'),
  },
  {
    name: 'the target among the inputs',
    group: 'data',
    count: 3,
    accepts: ['target-leak'],
    suits: named('tabular', 'kinds', 'flows', 'census', 'county', 'cars', 'linear'),
    into: (program) => withData(program, 'leak'),
    shows: 'report',
  },
  {
    name: 'validation rows among those of training',
    group: 'data',
    count: 3,
    accepts: ['overlap-of-splits'],
    suits: named('tabular', 'kinds', 'census', 'county'),
    into: (program) => ({ ...withData({ ...program, data: { ...program.data, rows: 100 } }, 'overlap'), epochs: program.epochs * 12 }),
    shows: 'report',
  },
  {
    name: 'a missing value',
    group: 'data',
    count: 2,
    accepts: ['non-finite-data', 'non-finite'],
    suits: any,
    into: (program) => withData(program, 'missingValue'),
  },
  {
    name: 'one class',
    group: 'data',
    count: 2,
    accepts: ['one-class', 'missing-class', 'validation-differs'],
    suits: isClasses,
    into: (program) => withData(program, 'oneClass'),
  },
  {
    name: 'a class that is never seen',
    group: 'data',
    count: 2,
    accepts: ['missing-class', 'validation-differs'],
    suits: kind('several'),
    into: (program) => withData(program, 'missingClass'),
  },
  {
    name: 'labels that count from one',
    group: 'data',
    count: 2,
    accepts: ['labels-out-of-range', 'targets-against-loss', 'targets-out-of-reach', 'missing-class'],
    suits: isClasses,
    into: (program) => withData(program, 'labelsFromOne'),
  },
  {
    name: 'rows by class, not shuffled',
    group: 'data',
    count: 2,
    accepts: ['not-shuffled'],
    suits: kind('several'),
    into: (program) => ({ ...withData(program, 'sortedByClass'), shuffle: false }),
  },
];
