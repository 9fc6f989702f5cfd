// Wrong pairings: last and hidden activations, losses and targets.

import { isActivation } from '../layers.js';
import { type Kind, withOutputs, tooHigh, endsWith, hidden, by, withHidden, repeated, kind, named } from './kind.js';

/** Last and hidden activations that do not go with the loss or the depth. */
export const activations: readonly Kind[] = [
  {
    name: 'softmax twice',
    group: 'activation',
    count: 3,
    accepts: ['softmax-before-cross-entropy-on-logits'],
    suits: kind('several'),
    into: (program) => endsWith(program, 'softmax'),
    shows: 'loss',
  },
  {
    name: 'sigmoid before cross-entropy of logits',
    group: 'activation',
    count: 2,
    accepts: ['sigmoid-before-loss-on-logits', 'sigmoid-for-exclusive-classes'],
    suits: kind('several'),
    into: (program) => endsWith(program, 'sigmoid'),
    shows: 'loss',
  },
  {
    name: 'sigmoid before binary cross-entropy of logits',
    group: 'activation',
    count: 3,
    accepts: ['sigmoid-before-loss-on-logits'],
    suits: kind('one', 'labels'),
    into: (program) => endsWith(program, 'sigmoid'),
    shows: 'loss',
  },
  {
    name: 'softmax over one unit',
    group: 'activation',
    count: 4,
    accepts: ['softmax-over-one-unit'],
    suits: kind('one'),
    into: (program) => endsWith(program, 'softmax', program.seed % 2 === 0 ? 'kerasBinaryCrossEntropy' : 'binaryCrossEntropyOfProbabilities'),
  },
  {
    name: 'ReLU before cross-entropy',
    group: 'activation',
    count: 2,
    accepts: ['relu-output', 'dead-units'],
    suits: kind('several'),
    into: (program) => endsWith(program, 'relu'),
    shows: 'loss',
  },
  {
    name: 'ReLU before binary cross-entropy of logits',
    group: 'activation',
    count: 2,
    accepts: ['relu-output', 'dead-units'],
    suits: kind('one', 'labels'),
    into: (program) => endsWith(program, 'relu'),
    shows: 'loss',
  },
  {
    name: 'ReLU before targets below zero',
    group: 'activation',
    count: 2,
    accepts: ['relu-output', 'targets-out-of-reach'],
    suits: kind('numbers'),
    into: (program) => endsWith(program, 'relu'),
  },
  {
    name: 'sigmoid before targets outside of 0 … 1',
    group: 'activation',
    count: 2,
    accepts: ['targets-out-of-reach'],
    suits: kind('numbers'),
    into: (program) => endsWith(program, 'sigmoid'),
  },
  {
    name: 'scores into a loss of probabilities',
    group: 'activation',
    count: 3,
    accepts: ['scores-into-loss-on-probabilities', 'non-finite'],
    suits: kind('one', 'labels'),
    into: (program) => ({ ...program, loss: program.seed % 2 === 0 ? 'kerasBinaryCrossEntropy' : 'binaryCrossEntropyOfProbabilities' }),
  },
  {
    name: 'softmax for several labels',
    group: 'activation',
    count: 2,
    accepts: ['softmax-for-several-labels', 'targets-out-of-reach'],
    suits: kind('labels'),
    into: (program) => endsWith(program, 'softmax', 'kerasBinaryCrossEntropy'),
  },
  {
    name: 'no hidden activation',
    group: 'activation',
    count: 2,
    accepts: ['no-nonlinearity', 'underfitting'],
    suits: named('tabular', 'kinds', 'sine'),
    into: (program) => {
      const straight = hidden(program, (layer) => (isActivation(layer) ? [] : [layer]));
      const last = straight.layers.length - 1;
      // Layers that are known by their places have others now.
      const places = { ...(program.frozen && { frozen: [...Array(last).keys()] }), ...(program.held && { held: [last] }) };
      return { ...straight, ...places };
    },
  },
  {
    name: 'eight layers of sigmoid',
    group: 'activation',
    count: 3,
    accepts: ['vanishing-gradients', 'saturated-units'],
    suits: named('tabular', 'kinds', 'clusters', 'flows', 'linear', 'sine', 'pictures'),
    into: (program) => withHidden(program, repeated(8, 24, 'sigmoid')),
  },
];

/** Losses that do not go with the targets. */
export const lossFaults: readonly Kind[] = [
  {
    name: 'one output for several classes, squared error',
    group: 'loss',
    count: 4,
    accepts: ['one-output-for-several-classes', 'mse-for-classes', 'targets-against-loss'],
    suits: kind('several'),
    into: (program) => ({ ...withOutputs(program, 1), targets: 'numbers', loss: 'mse' }),
  },
  {
    name: 'one sigmoid for several classes',
    group: 'loss',
    count: 4,
    accepts: ['one-output-for-several-classes', 'targets-out-of-reach', 'targets-against-loss', 'labels-out-of-range'],
    suits: kind('several'),
    into: (program) => endsWith({ ...withOutputs(program, 1), targets: 'numbers' }, 'sigmoid', 'kerasBinaryCrossEntropy'),
  },
  {
    name: 'cross-entropy of numbers',
    group: 'loss',
    count: 4,
    accepts: ['targets-against-loss', 'targets-out-of-reach'],
    suits: kind('numbers'),
    into: (program) => endsWith(program, 'sigmoid', 'kerasBinaryCrossEntropy'),
  },
  {
    name: 'sum of squares at the rate of a mean',
    group: 'loss',
    count: 4,
    accepts: [...tooHigh, 'targets-against-loss'],
    suits: named('linear', 'cars', 'sine'),
    into: (program) => by({ ...program, loss: 'sumOfSquares' }, { name: 'sgd', lr: 0.1 }),
  },
];
