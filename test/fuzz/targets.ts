// What the fuzzer calls: everything that lib/index.ts exports, found by looking, so that a new export is fuzzed without being listed.
import type { Choices, Lib } from './values.js';
import { plausible } from './values.js';

export interface Target {
  readonly name: string;
  /** Kinds of arguments that fit, where they are known. */
  readonly kinds: readonly string[];
  /** Parts without a promise about errors: internal methods, errors as classes. They may throw anything, but not crash or hang. */
  readonly lenient: boolean;
  /** Makes the object that is called on; undefined for functions. */
  readonly receiver?: (lib: Lib, choices: Choices) => unknown;
  call(receiver: unknown, args: unknown[]): unknown;
}

// Marked @internal in the sources: reachable, but no part of the promise. The tape and the training loop use them.
const internal = new Set([
  'check', 'attachNode', 'moveTo', 'materialize', 'gradientTarget', 'node', 'settle', 'convert', 'place', 'init', 'isSettled',
  'dropStaleGradient', 'enter', 'prepare', 'chooseInitializers', 'ownParameters', 'initializerHint', 'followedBy', 'config', 'fromConfig',
  'random', 'values', 'onTrainBegin', 'onBatchEnd', 'onEpochBegin', 'onEpochEnd', 'onTrainEnd', 'children',
  'namedLayers', 'serial', 'fallbackPath', 'shape', 'standardDeviation', 'path', 'stage', 'accepts', 'residual', 'drop',
]); // biome-ignore format: a list

// Protected or @internal without any check, by their contract: only the library calls them, with what it has checked.
const unreachable = new Set(['update', 'stateNames', 'now', 'wrap']);

// Kinds of arguments by function or method name.
const kinds: Record<string, string[]> = {
  tensor: ['nested', 'shape'],
  zeros: ['shape', 'options'],
  ones: ['shape', 'options'],
  full: ['shape', 'number', 'options'],
  noGrad: ['body'],
  concat: ['tensors', 'axis'],
  stack: ['tensors', 'axis'],
  where: ['mask', 'tensor', 'tensor'],
  addRelu: ['tensor', 'tensor'],
  histogram: ['tensor', 'options'],
  crossEntropy: ['matrix', 'labels', 'options'],
  mseLoss: ['matrix', 'matrix', 'options'],
  softmax: ['tensor', 'axis'],
  logSoftmax: ['tensor', 'axis'],
  dropout: ['tensor', 'rate', 'options'],
  setNumThreads: ['small'],
  setSeed: ['small'],
  registerLayer: ['layerClass', 'text'],
  split: ['dataset', 'parts', 'options'],
  subset: ['dataset', 'indices'],
  readIdx: ['idxBytes', 'options'],
  writeIdx: ['typed', 'shape'],
  decodeSafetensors: ['safetensorsBytes', 'options'],
  encodeSafetensors: ['tensorMap', 'stringMap', 'options'],
  readSafetensors: ['path', 'options'],
  writeSafetensors: ['path', 'tensorMap', 'stringMap', 'options'],
  readColumns: ['path', 'options'],
  readNpy: ['path', 'options'],
  writeNpy: ['path', 'tensor'],
  readNpz: ['path', 'options'],
  writeNpz: ['path', 'tensorMap', 'options'],
  fromBytes: ['modelBytes'],
  load: ['path', 'options'],
  readRunLog: ['path'],
  deadUnits: ['model', 'batches'],
  explodedAt: ['losses'],
  judgeInitialLoss: ['number', 'number'],
  judgeUpdateRatio: ['rate'],
  updateRatio: ['tensor', 'tensor'],
  linearModel: ['options'],
  mlp: ['options'],
  Tensor: ['typed', 'shape', 'dtype'],
  Parameter: ['shape', 'options'],
  Sequential: ['layers'],
  Linear: ['small', 'small', 'options'],
  Dropout: ['rate'],
  Constant: ['number'],
  SGD: ['model', 'options'],
  Adam: ['model', 'options'],
  AdamW: ['parameters', 'options'],
  clipGradNorm: ['model', 'rate', 'options'],
  clipGradValue: ['model', 'rate'],
  observed: ['model', 'optimizer', 'body', 'body'],
  StepDecay: ['rate', 'options'],
  MultiStepDecay: ['rate', 'options'],
  PolynomialDecay: ['rate', 'options'],
  ExponentialDecay: ['rate', 'options'],
  DataLoader: ['dataset', 'options'],
  TensorDataset: ['matrix', 'labels', 'options'],
  Random: ['small', 'text'],
  'Tensor.from': ['typed', 'shape'],
  'Tensor.slice': ['indices', 'indices'],
  'Tensor.split': ['small', 'axis'],
  'Tensor.pad': ['padding', 'number'],
  'Tensor.gather': ['indices'],
  'Tensor.reshape': ['shape with -1'],
  'Tensor.transpose': ['axes'],
  'Tensor.matmul': ['square', 'options'],
  'Tensor.clip': ['number', 'number'],
  'Tensor.to': ['dtype'],
  'Tensor.backward': ['tensor'],
  'Tensor.argmax': ['axis', 'options'],
  'Tensor.argmin': ['axis', 'options'],
  'Tensor.grad=': ['tensor'],
  'Tensor.requiresGrad=': ['boolean'],
  forward: ['matrix', 'labels'],
  loadStateDict: ['state', 'options'],
  'Optimizer.loadStateDict': ['optimizerState'],
  'Schedule.loadStateDict': ['scheduleState'],
  fit: ['model', 'dataset', 'options'],
  evaluate: ['model', 'dataset', 'options'],
  predict: ['model', 'matrix', 'options'],
  'Model.fit': ['dataset', 'options'],
  'Model.evaluate': ['dataset', 'options'],
  'Model.predict': ['matrix', 'options'],
  save: ['path'],
  summary: ['options'],
  step: ['body'],
  'Random.state=': ['randomState'],
  'DataLoader.state=': ['loaderState'],
  epoch: ['epoch'],
  setEpoch: ['epoch'],
  batch: ['indices'],
  integer: ['small'],
  permutation: ['small'],
  shuffle: ['indices'],
  reserve: ['small'],
  'Accuracy.update': ['matrix', 'labels'],
  owns: ['parameter'],
  digits: ['options'],
  mnist: ['options'],
  cifar10: ['options'],
  cifar100: ['options'],
  imageFolder: ['path', 'options'],
  augmented: ['pictures', 'augmentations', 'options'],
  colourComponents: ['pictures', 'options'],
  decodeCifar: ['cifarBytes', 'options'],
  randomCrop: ['options'],
  randomFlip: ['options'],
  chance: ['small'],
  multiplyAccumulates: ['model', 'options'],
  weightLayers: ['model', 'options'],
  loadPyTorch: ['model', 'path', 'options'],
  loadKeras: ['model', 'path', 'options'],
  savePyTorch: ['model', 'path', 'options'],
  saveKeras: ['model', 'path'],
  conv2d: ['images', 'kernel', 'options'],
  convTranspose2d: ['images', 'kernel', 'options'],
  maxPool2d: ['images', 'small', 'options'],
  avgPool2d: ['images', 'small', 'options'],
  adaptiveAvgPool2d: ['images', 'small'],
  globalAvgPool2d: ['images'],
  globalMaxPool2d: ['images'],
  adaptiveMaxPool2d: ['images', 'small'],
  fractionalMaxPool2d: ['images', 'small', 'options'],
  pad2d: ['images', 'small', 'options'],
  upsample2d: ['images', 'options'],
  localResponseNorm: ['images', 'small', 'options'],
  Conv2d: ['small', 'small', 'small', 'options'],
  ConvTranspose2d: ['small', 'small', 'small', 'options'],
  BatchNorm2d: ['small', 'options'],
  GroupNorm: ['small', 'small', 'options'],
  MaxPool2d: ['small', 'options'],
  AdaptiveMaxPool2d: ['small'],
  FractionalMaxPool2d: ['small', 'options'],
  Pad2d: ['small', 'options'],
  Upsample2d: ['options'],
  LocalResponseNorm: ['small', 'options'],
  AvgPool2d: ['small', 'options'],
  NamedStack: ['options'],
  ZeroPadShortcut: ['small', 'small'],
  FractalUnit: ['small', 'small'],
  FractalBlock: ['small', 'small', 'small'],
};
for (const name of ['BasicBlock', 'Bottleneck', 'PreActBlock', 'Fire', 'DenseLayer', 'ConvolutionUnit', 'Inception', 'AuxiliaryHead'])
  kinds[name] = ['options'];
for (const name of ['AlexNet', 'Vgg', 'GoogLeNet', 'ResNet', 'PreActResNet', 'DenseNet', 'FractalNet', 'SqueezeNet']) kinds[name] = ['options'];
for (const name of ['lenet5', 'smallConvNet', 'cifarVgg', 'vgg16', 'resnet18', 'resnet50', 'wideResnet50', 'cifarResnet', 'cifarResnext'])
  kinds[name] = ['options'];
for (const name of ['preactResnet', 'cifarWideResnet', 'densenet121', 'cifarDensenet', 'fractalnet', 'squeezenet', 'networkInNetwork'])
  kinds[name] = ['options'];
for (const name of ['sum', 'mean', 'var', 'std', 'max', 'min']) kinds[`Tensor.${name}`] = ['axes', 'options'];
for (const name of ['add', 'sub', 'mul', 'div', 'pow', 'minimum', 'maximum']) kinds[`Tensor.${name}`] = ['tensor'];
for (const name of ['Conv2d', 'BatchNorm2d', 'MaxPool2d', 'BasicBlock', 'Fire']) kinds[`${name}.forward`] = ['images'];
for (const name of ['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual']) kinds[`Tensor.${name}`] = ['tensor'];
for (const name of ['relu', 'sigmoid', 'tanh', 'exp', 'log', 'sqrt']) kinds[name] = ['tensor'];

// Instances by class; a class without one is only constructed.
const instances: Record<string, readonly string[]> = {
  Tensor: ['tensor', 'tensor with gradient', 'result', 'int32 or uint8 tensor'],
  Parameter: ['parameter'],
  Sequential: ['model'],
  Linear: ['layer'],
  ReLU: ['layer'],
  Sigmoid: ['layer'],
  Tanh: ['layer'],
  Conv2d: ['convolution'],
  BatchNorm2d: ['batch norm'],
  MaxPool2d: ['max pooling'],
  BasicBlock: ['residual block'],
  Fire: ['fire module'],
  Dropout: ['layer'],
  Flatten: ['layer'],
  SGD: ['optimizer'],
  Adam: ['optimizer'],
  AdamW: ['optimizer'],
  StepDecay: ['schedule'],
  Random: ['random'],
  DataLoader: ['loader'],
  TensorDataset: ['dataset'],
  Accuracy: ['metric'],
  CrossEntropyLoss: ['loss'],
  MSELoss: ['loss'],
  He: ['initializer'],
  Xavier: ['initializer'],
  Normal: ['initializer'],
  Uniform: ['initializer'],
  Constant: ['initializer'],
  Zeros: ['initializer'],
};

const isClass = (value: unknown): value is new (...args: unknown[]) => unknown =>
  typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));

function kindsOf(names: readonly string[], method: string): string[] {
  for (const name of names) if (kinds[`${name}.${method}`] !== undefined) return kinds[`${name}.${method}`];
  return kinds[method] ?? [];
}

/** All targets, in a fixed order. */
export function targetsOf(lib: Lib): Target[] {
  const targets: Target[] = [];
  for (const [name, value] of Object.entries(lib as unknown as Record<string, unknown>).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (isClass(value)) addClass(targets, name, value);
    else if (typeof value === 'function') {
      const f = value as (...args: unknown[]) => unknown;
      targets.push({ name, kinds: kinds[name] ?? [], lenient: false, call: (_receiver, args) => f(...args) });
    } else if (typeof value === 'object' && value !== null) {
      for (const [inner, f] of Object.entries(value)) {
        if (typeof f === 'function')
          targets.push({ name: `${name}.${inner}`, kinds: kinds[inner] ?? [], lenient: false, call: (_r, args) => f(...args) });
      }
    }
  }
  return targets;
}

function addClass(targets: Target[], name: string, type: new (...args: unknown[]) => unknown): void {
  const chain: (new (...args: unknown[]) => unknown)[] = [];
  for (let at: unknown = type; isClass(at); at = Object.getPrototypeOf(at)) chain.push(at);
  const names = chain.map((one) => one.name);
  const isError = type.prototype instanceof Error;
  targets.push({
    name: `new ${name}`,
    kinds: kinds[name] ?? [],
    lenient:
      isError ||
      ['Tensor', 'Optimizer', 'RuleOptimizer', 'ClosureOptimizer', 'ClassLoss', 'ReducedLoss', 'Recurrent', 'RecurrentCell'].includes(name),
    call: (_r, args) => new type(...args),
  });
  if (isError) return;
  for (const key of Object.getOwnPropertyNames(type)) {
    const member = (type as unknown as Record<string, unknown>)[key];
    if (typeof member !== 'function' || key === 'prototype' || unreachable.has(key)) continue;
    targets.push({
      name: `${name}.${key}`,
      kinds: kindsOf(names, key),
      lenient: internal.has(key),
      call: (_r, args) => (member as (...a: unknown[]) => unknown).apply(type, args),
    });
  }
  const makers = instances[name];
  if (makers === undefined) return;
  const receiver = (lib: Lib, choices: Choices): unknown => {
    return plausible[makers[choices.below(makers.length)]](lib, choices);
  };
  const seen = new Set<PropertyKey>(['constructor']);
  for (
    let at: object | null = type.prototype as object;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    for (const key of Reflect.ownKeys(at)) {
      if (seen.has(key) || (unreachable.has(String(key)) && names.includes('Optimizer'))) continue;
      seen.add(key);
      const text = typeof key === 'symbol' ? `[${key.description}]` : key;
      const descriptor = Object.getOwnPropertyDescriptor(at, key) as PropertyDescriptor;
      const lenient = internal.has(text);
      if (typeof descriptor.value === 'function') {
        targets.push({
          name: `${name}#${text}`,
          kinds: kindsOf(names, text),
          lenient,
          receiver,
          call: (self, args) => (self as Record<PropertyKey, (...a: unknown[]) => unknown>)[key](...args),
        });
      }
      if (descriptor.get)
        targets.push({ name: `${name}#${text} read`, kinds: [], lenient, receiver, call: (self) => Reflect.get(self as object, key) });
      if (descriptor.set) {
        targets.push({
          name: `${name}#${text}=`,
          kinds: kindsOf(names, `${text}=`),
          lenient,
          receiver,
          call: (self, [value]) => {
            (self as Record<PropertyKey, unknown>)[key] = value;
          },
        });
      }
    }
  }
}
