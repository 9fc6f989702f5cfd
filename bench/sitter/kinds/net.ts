// The net: too small, too deep, dead or frozen layers, first weights, and modes.

import { isActivation } from '../layers.js';
import { type Kind, hidden, by, withHidden, repeated, net, named, any } from './kind.js';

/** Layers that are too small, too many, dead or frozen. */
export const layers: readonly Kind[] = [
  {
    name: 'one hidden unit',
    group: 'layers',
    count: 2,
    accepts: ['underfitting', 'dead-units'],
    suits: named('kinds', 'clusters', 'flows', 'linear', 'sine', 'pictures'),
    into: (program) => withHidden(program, repeated(1, 1, 'relu')),
  },
  {
    name: 'thirty layers of ReLU',
    group: 'layers',
    count: 2,
    accepts: ['dead-units', 'vanishing-gradients', 'exploding-gradients', 'weights-too-small', 'symmetric-start'],
    suits: named('tabular', 'kinds', 'clusters', 'flows', 'pictures'),
    into: (program) => ({ ...withHidden(program, repeated(30, 12, 'relu')), init: 'glorot' }),
  },
  {
    name: 'dropout of 0.95',
    group: 'layers',
    count: 2,
    accepts: ['dropout-too-high', 'underfitting'],
    suits: net('mlp', 'cnn'),
    into: (program) => hidden(program, (layer) => (isActivation(layer) ? [layer, { dropout: 0.95 }] : [layer])),
  },
  {
    name: 'dead layers',
    group: 'layers',
    count: 2,
    accepts: ['dead-units'],
    suits: named('tabular', 'kinds', 'flows', 'census', 'words', 'cars', 'shapes', 'pictures'),
    into: (program) => ({ ...program, bias: -20 }),
  },
  {
    name: 'everything frozen but the output',
    group: 'layers',
    count: 2,
    accepts: ['parameter-never-changes', 'underfitting'],
    suits: any,
    into: (program) => ({ ...program, frozen: program.layers.slice(0, -1).map((_, i) => i) }),
  },
];

/** First weights of zero, too wide and too small. */
export const starts: readonly Kind[] = [
  {
    name: 'weights of zero',
    group: 'initialization',
    count: 2,
    accepts: ['symmetric-start', 'parameter-never-changes', 'dead-units'],
    suits: net('mlp', 'cnn'),
    into: (program) => ({ ...program, init: 'zeros' }),
  },
  {
    name: 'weights N(0, 3²)',
    group: 'initialization',
    count: 2,
    accepts: ['weights-too-large', 'initial-loss', 'saturated-units', 'exploding-gradients'],
    suits: named('kinds', 'clusters', 'flows', 'shapes', 'pictures', 'sine', 'linear'),
    into: (program) => ({ ...program, init: { normal: 3 } }),
  },
  {
    name: 'weights N(0, 1e-5²)',
    group: 'initialization',
    count: 2,
    accepts: ['weights-too-small', 'symmetric-start', 'plateau-then-drop', 'vanishing-gradients'],
    suits: named('tabular', 'kinds', 'shapes', 'sine', 'linear'),
    into: (program) => by({ ...program, init: { normal: 1e-5 } }, { name: 'sgd', lr: 0.05, momentum: 0.9 }),
  },
];

/** Dropout in evaluation, and parameters that no optimizer holds. */
export const modes: readonly Kind[] = [
  {
    name: 'dropout in evaluation',
    group: 'modes',
    count: 3,
    accepts: ['dropout-in-evaluation'],
    suits: net('mlp', 'cnn'),
    into: (program) => ({ ...program, layers: [...program.layers.slice(0, -1), { dropout: 0.7, always: true }, ...program.layers.slice(-1)] }),
  },
  {
    name: 'an optimizer of the output layer alone',
    group: 'modes',
    count: 2,
    accepts: ['parameters-not-held', 'parameter-never-changes'],
    suits: any,
    into: (program) => ({ ...program, held: [program.layers.length - 1] }),
  },
];
