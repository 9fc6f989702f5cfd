// Advice applied to a program as it was given, with what it forces: a loss of classes takes class indices and as many outputs.

import type { Change } from '../../lib/sitter/finding.js';
import { type Activation, type InitSpec, type LayerSpec, isActivation } from './layers.js';
import { type LossName, losses } from './losses.js';
import type { OptimizerSpec, Program } from './program.js';

/** Thrown for advice that says nothing to this program, or names what no program can be given. */
export class CannotApply extends Error {}

const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

function named<T>(table: Readonly<Record<string, T>>, name: string): T {
  const found = table[plain(name)];
  if (found === undefined) throw new CannotApply(`no program can be given '${name}'`);
  return found;
}

const lossNames: Readonly<Record<string, LossName>> = {
  crossentropy: 'crossEntropy',
  crossentropyloss: 'crossEntropy',
  binarycrossentropy: 'binaryCrossEntropy',
  binarycrossentropyloss: 'binaryCrossEntropy',
  mse: 'mse',
  mseloss: 'mse',
  mae: 'mae',
  l1loss: 'mae',
  huberloss: 'huber',
  huber: 'huber',
};

const activationNames: Readonly<Record<string, Activation | null>> = {
  none: null,
  linear: null,
  identity: null,
  logits: null,
  relu: 'relu',
  sigmoid: 'sigmoid',
  tanh: 'tanh',
  leakyrelu: 'leakyRelu',
  elu: 'elu',
  selu: 'selu',
  softmax: 'softmax',
};

const initNames: Readonly<Record<string, InitSpec>> = {
  default: 'default',
  he: 'he',
  xavier: 'glorot',
  glorot: 'glorot',
  lecun: 'lecun',
};

const optimizerNames: Readonly<Record<string, OptimizerSpec['name']>> = {
  sgd: 'sgd',
  adam: 'adam',
  adamw: 'adam',
  rmsprop: 'rmsprop',
  adagrad: 'adagrad',
  adadelta: 'adadelta',
};

const isHidden = (layer: LayerSpec): layer is Extract<LayerSpec, { linear: number } | { conv: number }> =>
  typeof layer === 'object' && ('linear' in layer || 'conv' in layer);

/** Where the last layer with outputs of its own stands. */
const outputAt = (layers: readonly LayerSpec[]): number => layers.findLastIndex(isHidden);

function withOutputs(layers: readonly LayerSpec[], units: number): LayerSpec[] {
  const at = outputAt(layers);
  return layers.map((layer, i) => (i === at && typeof layer === 'object' && 'linear' in layer ? { ...layer, linear: units } : layer));
}

/** Behind the last layer: nothing, or one activation. */
function withOutputActivation(layers: readonly LayerSpec[], name: Activation | null): LayerSpec[] {
  const body = layers.slice(0, outputAt(layers) + 1);
  return name === null ? body : [...body, name];
}

function withHiddenActivation(layers: readonly LayerSpec[], name: Activation): LayerSpec[] {
  const end = outputAt(layers);
  const hasSome = layers.slice(0, end).some(isActivation);
  return layers.flatMap((layer, i): LayerSpec[] => {
    if (typeof layer === 'object' && 'gated' in layer)
      return name === 'tanh' ? [{ gru: layer.gated, ...(layer.all && { all: true }) }] : [layer];
    if (i >= end) return [layer];
    if (isActivation(layer)) return [name];
    return isHidden(layer) && !hasSome ? [layer, name] : [layer];
  });
}

function withDropout(layers: readonly LayerSpec[], p: number): LayerSpec[] {
  const without = layers.filter((layer) => typeof layer !== 'object' || !('dropout' in layer));
  if (p === 0) return without;
  if (without.length < layers.length) return layers.map((layer) => (typeof layer === 'object' && 'dropout' in layer ? { dropout: p } : layer));
  const at = outputAt(layers);
  return [...layers.slice(0, at), { dropout: p }, ...layers.slice(at)];
}

function widened(layers: readonly LayerSpec[], factor: number): LayerSpec[] {
  const at = outputAt(layers);
  const wider = (size: number): number => Math.max(1, Math.round(size * factor));
  return layers.map((layer, i) => {
    if (typeof layer !== 'object' || i >= at) return layer;
    for (const kind of ['linear', 'conv', 'rnn', 'lstm', 'gru', 'gated'] as const)
      if (kind in layer) return { ...layer, [kind]: wider((layer as Record<typeof kind, number>)[kind]) } as LayerSpec;
    return layer;
  });
}

/** `count` hidden fully connected layers: the last ones go, or the last one is repeated with what follows it. */
function deepened(layers: readonly LayerSpec[], count: number): LayerSpec[] {
  const end = outputAt(layers);
  const starts = layers.flatMap((layer, i) => (i < end && typeof layer === 'object' && 'linear' in layer ? [i] : []));
  if (starts.length === 0 || count < 1) throw new CannotApply('the program has no hidden layer to repeat');
  const blocks = starts.map((at, k) => layers.slice(at, starts[k + 1] ?? end));
  const wanted = Array.from({ length: count }, (_, k) => blocks[Math.min(k, blocks.length - 1)]);
  return [...layers.slice(0, starts[0]), ...wanted.flat(), ...layers.slice(end)];
}

function normalized(layers: readonly LayerSpec[], name: 'batchNorm' | 'layerNorm'): LayerSpec[] {
  const end = outputAt(layers);
  const without = layers.map((layer) => (layer === 'batchNorm' || layer === 'layerNorm' ? name : layer));
  if (layers.includes('batchNorm') || layers.includes('layerNorm')) return without;
  return layers.flatMap((layer, i): LayerSpec[] => (i < end && isHidden(layer) ? [layer, name] : [layer]));
}

/** A loss, with targets in the form that it takes, as many outputs as they have, and from logits no activation before it. */
function withLoss(program: Program, loss: LossName, classes: number): Program {
  const { takes, classes: takesClasses } = losses[loss];
  const hasClasses = program.targets !== 'numbers' || classes > 0;
  if (takesClasses && !hasClasses) throw new CannotApply('a loss of classes for targets that are no classes');
  const layers = takes === 'logits' ? withOutputActivation(program.layers, null) : program.layers;
  if (takesClasses) return { ...program, loss, targets: 'classes', layers: withOutputs(layers, classes) };
  return { ...program, loss, layers, targets: program.targets === 'classes' ? 'oneHot' : program.targets };
}

/**
 * The program after one change.
 *
 * @param classes - Classes of its targets; 0 where they are none.
 * @throws {CannotApply} where the advice says nothing to this program.
 */
export function apply(program: Program, change: Change, classes: number): Program {
  const { layers, optimizer, loss } = program;
  switch (change.kind) {
    case 'learningRate':
      return { ...program, optimizer: { ...optimizer, lr: change.value } };
    case 'epochs':
      return { ...program, epochs: change.value };
    case 'earlyStopping':
      return { ...program, epochs: Math.max(1, change.epoch) };
    case 'batchSize':
      return { ...program, batchSize: change.value };
    case 'optimizer':
      return { ...program, optimizer: { name: named(optimizerNames, change.name), lr: change.lr } };
    case 'loss': {
      const ending =
        change.outputActivation === undefined ? layers : withOutputActivation(layers, named(activationNames, change.outputActivation));
      return withLoss({ ...program, layers: ending }, named(lossNames, change.name), classes);
    }
    case 'outputActivation': {
      const activation = named(activationNames, change.name);
      const sized = change.units === undefined ? layers : withOutputs(layers, change.units);
      const scaling = change.standardizeTargets && { targetScaling: 'standardize' as const };
      const next: Program = { ...program, ...scaling, layers: withOutputActivation(sized, activation) };
      // Several units for exclusive classes, and scores into a loss that wants probabilities, need the loss that goes with them.
      if (change.units !== undefined && change.units > 1 && classes === change.units && !losses[loss].classes && loss !== 'mse')
        return withLoss(next, 'crossEntropy', classes);
      if (activation !== null || losses[loss].takes !== 'probabilities') return next;
      return { ...next, loss: losses[loss].classes ? 'crossEntropy' : 'binaryCrossEntropy' };
    }
    case 'hiddenActivation': {
      const activation = named(activationNames, change.name);
      if (activation === null) throw new CannotApply('hidden layers without activation');
      return { ...program, layers: withHiddenActivation(layers, activation) };
    }
    case 'initializer': {
      const { bias: _, ...rest } = program;
      return { ...rest, init: named(initNames, change.name) };
    }
    case 'standardizeInputs':
      return { ...program, inputs: 'standardize', scaled: 'all' };
    case 'standardizeTargets':
      return { ...program, targetScaling: 'standardize' };
    case 'maxGradNorm':
      return { ...program, maxGradNorm: change.value };
    case 'weightDecay':
      return { ...program, optimizer: { ...optimizer, weightDecay: change.value } };
    case 'dropout':
      return { ...program, layers: withDropout(layers, change.value) };
    case 'widen':
      return { ...program, layers: widened(layers, change.factor) };
    case 'depth':
      return { ...program, layers: deepened(layers, change.layers) };
    case 'normalization':
      return { ...program, layers: normalized(layers, named({ batchnorm: 'batchNorm', layernorm: 'layerNorm' } as const, change.name)) };
    case 'shuffle':
      return { ...program, shuffle: true };
    case 'fixData':
      return { ...program, dataFaults: [], scaled: 'all' };
  }
}
