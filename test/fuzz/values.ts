// What the fuzzer passes: plausible arguments by kind, and hostile ones of every sort. Each is made afresh for each call.
import type * as Library from '../../lib/index.js';

export type Lib = typeof Library;

/** Thrown by hostile getters and traps: an error that a library may let through, because it is the caller's own. */
export class HostileError extends Error {}

/** A source of choices that replays: numbers from the fuzzer's generator. */
export interface Choices {
  /** An integer from 0 to below n. */
  below(n: number): number;
}

const hostileTrap = (): never => {
  throw new HostileError('a trap');
};

/** Values of the wrong kind or with a will of their own. Those marked `shifty` change between reads or change other things. */
export const hostile: Record<string, (lib: Lib) => unknown> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  NaN: () => NaN,
  Infinity: () => Infinity,
  '-Infinity': () => -Infinity,
  '-1': () => -1,
  '-0': () => -0,
  '0.5': () => 0.5,
  '2^31': () => 2 ** 31,
  '2^32': () => 2 ** 32,
  '2^53': () => 2 ** 53,
  '2^53-1': () => 2 ** 53 - 1,
  '-2^31-1': () => -(2 ** 31) - 1,
  '1e9': () => 1e9,
  '1e308': () => 1e308,
  MIN_VALUE: () => Number.MIN_VALUE,
  '8608480567731124087': () => 8608480567731124087,
  BigInt: () => 3n,
  'large BigInt': () => 2n ** 70n,
  symbol: () => Symbol('s'),
  'Symbol.iterator': () => Symbol.iterator,
  'empty string': () => '',
  string: () => 'x',
  'number in a string': () => '3',
  'string with NUL': () => 'a\0b',
  'lone surrogate': () => '\ud800',
  __proto__: () => '__proto__',
  constructor: () => 'constructor',
  'long string': () => 'y'.repeat(100_000),
  'name of a dtype': () => 'int32',
  '{}': () => ({}),
  '[]': () => [],
  '[[]]': () => [[]],
  '[[[[[[[[[[1]]]]]]]]]]': () => [[[[[[[[[[1]]]]]]]]]],
  holes: () => new Array(5),
  'sparse array of 2^32 - 1': () => new Array(2 ** 32 - 1),
  'array of 1e5': () => new Array(1e5).fill(1),
  'ragged array': () => [[1, 2], [3]],
  'array of strings': () => ['1', '2'],
  'array of BigInt': () => [1n, 2n],
  'array of NaN': () => [NaN, 1],
  'array of -1': () => [-1, -1],
  'array of 2^53': () => [2 ** 53, 2],
  'array of 2^32': () => [2 ** 32, 2 ** 32],
  'array of 2^20': () => [2 ** 20, 2 ** 20],
  'array of 2^53 - 1 and 0': () => [2 ** 53 - 1, 0],
  'array of 0 and 2^32': () => [0, 2 ** 32],
  'cyclic array': () => {
    const a: unknown[] = [1];
    a.push(a);
    return a;
  },
  'array that is its own first element': () => {
    const a: unknown[] = [];
    a.push(a);
    return a;
  },
  'cyclic object': () => {
    const o: Record<string, unknown> = {};
    o['self'] = o;
    return o;
  },
  'null prototype': () => Object.create(null),
  'frozen object': () => Object.freeze({}),
  function: () => () => 1,
  'throwing function': () => hostileTrap,
  'async function': () => async () => 1,
  'function that returns a promise that fails': () => () => Promise.reject(new HostileError('later')),
  class: () => class {},
  date: () => new Date(NaN),
  'regular expression': () => /x/g,
  map: () => new Map([['a', 1]]),
  set: () => new Set([1]),
  promise: () => Promise.resolve(1),
  error: () => new Error('as a value'),
  'object with throwing getters': () => ({
    get length(): number {
      throw new HostileError('length');
    },
    get shape(): number {
      throw new HostileError('shape');
    },
    get lr(): number {
      throw new HostileError('lr');
    },
  }),
  'proxy whose traps all throw': () =>
    new Proxy(
      {},
      { get: hostileTrap, has: hostileTrap, ownKeys: hostileTrap, getPrototypeOf: hostileTrap, getOwnPropertyDescriptor: hostileTrap },
    ),
  'proxy of an array whose reads throw': () => new Proxy([1, 2, 3], { get: hostileTrap }),
  'proxy of a function': () => new Proxy(() => 1, { apply: hostileTrap, get: hostileTrap }),
  'proxy of a tensor': ({ tensor }) => new Proxy(tensor([1, 2]), {}),
  'proxy of a typed array': () => new Proxy(new Float32Array(4), {}),
  'revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  'revoked proxy of an array': () => {
    const { proxy, revoke } = Proxy.revocable([1], {});
    revoke();
    return proxy;
  },
  'object with a throwing toPrimitive': () => ({ [Symbol.toPrimitive]: hostileTrap, valueOf: hostileTrap, toString: hostileTrap }),
  'object that pretends to be a tensor': () => ({ shape: [2], dtype: 'float32', size: 2, data: new Float32Array(2), requiresGrad: true }),
  'object made on the prototype of Tensor': ({ Tensor }) => Object.create(Tensor.prototype),
  'object made on the prototype of Float32Array': () => Object.create(Float32Array.prototype),
  'array-like object': () => ({ length: 2, 0: 1, 1: 2 }),
  'endless iterable': () => ({
    length: 3,
    *[Symbol.iterator]() {
      for (let i = 0; i < 1e4; i++) yield i;
      throw new HostileError('the iterable is endless');
    },
  }),
  ArrayBuffer: () => new ArrayBuffer(8),
  SharedArrayBuffer: () => new SharedArrayBuffer(8),
  DataView: () => new DataView(new ArrayBuffer(8)),
  Buffer: () => Buffer.from([1, 2, 3, 4]),
  Uint16Array: () => new Uint16Array(4),
  'Float32Array of 0': () => new Float32Array(0),
  'Float32Array of 6': () => new Float32Array(6),
  'Float64Array of 6': () => new Float64Array(6),
  'Int32Array of -1': () => new Int32Array(3).fill(-1),
  'Int32Array of large': () => new Int32Array(3).fill(2 ** 31 - 1),
  BigInt64Array: () => new BigInt64Array(2),
  Uint8ClampedArray: () => new Uint8ClampedArray(2),
  'detached Float32Array': () => {
    const array = new Float32Array(6);
    structuredClone(array.buffer, { transfer: [array.buffer] });
    return array;
  },
  'detached Int32Array': () => {
    const array = new Int32Array(6);
    structuredClone(array.buffer, { transfer: [array.buffer] });
    return array;
  },
  'detached Uint8Array': () => {
    const array = new Uint8Array(64);
    structuredClone(array.buffer, { transfer: [array.buffer] });
    return array;
  },
  'array on a resizable buffer': () =>
    new Float32Array(new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(16, { maxByteLength: 64 })),
  'array beyond a shrunken buffer': () => {
    const buffer = new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer & { resize(n: number): void })(32, {
      maxByteLength: 64,
    });
    const array = new Float32Array(buffer, 16, 4);
    buffer.resize(8);
    return array;
  },
  'array on a growable shared buffer': () =>
    new Float32Array(new (SharedArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(16, { maxByteLength: 64 })),
  'subclass of Float32Array that lies about its length': () => {
    class Liar extends Float32Array {
      override get length(): number {
        return 1e6;
      }
    }
    return new Liar(6);
  },
  'subclass of Float32Array that throws': () => {
    class Thrower extends Float32Array {
      override get length(): number {
        throw new HostileError('length');
      }
      override get buffer(): ArrayBuffer {
        throw new HostileError('buffer');
      }
    }
    return new Thrower(6);
  },
  'tensor without its memory': ({ Tensor }) => {
    const data = new Float32Array(6);
    const x = Tensor.from(data, [2, 3]);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    return x;
  },
  'labels without their memory': ({ Tensor }) => {
    const data = new Int32Array(2);
    const x = Tensor.from(data);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    return x;
  },
  'tensor with a changed shape': ({ tensor }) => {
    const x = tensor([1, 2, 3]);
    (x as { shape: readonly number[] }).shape = [1000];
    return x;
  },
  'tensor with a negative shape': ({ tensor }) => {
    const x = tensor([[1, 2, 3]]);
    (x as { shape: readonly number[] }).shape = [-1, 3];
    return x;
  },
  'tensor with a shape of strings': ({ tensor }) => {
    const x = tensor([[1, 2, 3]]);
    (x as unknown as { shape: readonly unknown[] }).shape = [1, 'three'];
    return x;
  },
  'empty tensor': ({ zeros }) => zeros([0]),
  'empty tensor [0, 3]': ({ zeros }) => zeros([0, 3]),
  'empty tensor [3, 0]': ({ zeros }) => zeros([3, 0]),
  'empty tensor with a long axis': ({ zeros }) => zeros([2 ** 30, 0]),
  'rank-8 tensor': ({ zeros }) => zeros([1, 1, 1, 1, 1, 1, 1, 2]),
  'int32 tensor': ({ Tensor }) => Tensor.from(Int32Array.of(1, 2, 3)),
  'int32 tensor out of range': ({ Tensor }) => Tensor.from(Int32Array.of(-1, 2 ** 30)),
  'uint8 tensor': ({ Tensor }) => Tensor.from(Uint8Array.of(1, 0, 1)),
  'float64 tensor': ({ Tensor }) => Tensor.from(Float64Array.of(1, 2, 3)),
  'tensor of NaN': ({ full }) => full([2, 3], NaN),
  'used tape': ({ tensor }) => {
    const x = tensor([1, 2]);
    x.requiresGrad = true;
    const y = x.mul(2).sum();
    y.backward();
    return y;
  },
};

/** Hostile values that read differently each time or work on other objects: V8's own TypeErrors are no fault with these. */
export const shifty: Record<string, (lib: Lib) => unknown> = {
  'options that change between reads': () => {
    let reads = 0;
    const next = (): unknown => [1, undefined, 'x', null, [1, 2], NaN][reads++ % 6];
    return new Proxy({} as Record<string, unknown>, {
      get: (_target, key) => (typeof key === 'symbol' ? undefined : next()),
      has: () => reads++ % 2 === 0,
      ownKeys: () => (reads++ % 2 === 0 ? [] : ['lr', 'axis']),
      getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true, value: next() }),
    });
  },
  'shape that grows while it is read': () => {
    const shape = [2, 3];
    return new Proxy(shape, {
      get: (target, key) => {
        if (key === 'length' && target.length < 12) target.push(1);
        return Reflect.get(target, key);
      },
    });
  },
  'shape whose numbers change': () => {
    let reads = 0;
    return new Proxy([2, 3], { get: (target, key) => (key === '0' ? [2, 2e9, -1, NaN][reads++ % 4] : Reflect.get(target, key)) });
  },
  'array that empties itself': () => {
    const list: unknown[] = [1, 2, 3];
    Object.defineProperty(list, 0, {
      get: () => {
        list.length = 0;
        return 1;
      },
      configurable: false,
      enumerable: true,
    });
    return list;
  },
};

function gradientTensor(lib: Lib, shape: number[]): Library.Tensor {
  const x = lib.Tensor.from(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7) % 5) - 2),
    shape,
  );
  x.requiresGrad = true;
  return x;
}

const shapes = [[], [1], [3], [2, 3], [3, 2], [3, 3], [1, 3], [2, 1], [2, 3, 4], [4, 2, 2, 1], [2, 6], [6]];

function model(lib: Lib): Library.Sequential {
  return new lib.Sequential([new lib.Flatten(), new lib.Linear(6, 4), new lib.ReLU(), new lib.Dropout(0.1), new lib.Linear(4, 3)]);
}

function trained<O>(lib: Lib, make: (m: Library.Sequential) => O): O {
  const m = model(lib);
  const optimizer = make(m);
  lib.crossEntropy(m.forward(lib.ones([2, 6])), lib.Tensor.from(Int32Array.of(0, 2))).backward();
  return optimizer;
}

function dataset(lib: Lib): Library.TensorDataset {
  return new lib.TensorDataset(lib.ones([10, 6]), lib.Tensor.from(Int32Array.from({ length: 10 }, (_, i) => i % 3)), { classes: 3 });
}

/** Arguments that fit, by kind. */
export const plausible: Record<string, (lib: Lib, choices: Choices) => unknown> = {
  tensor: (lib, c) => {
    const shape = shapes[c.below(shapes.length)];
    const size = shape.reduce((a, b) => a * b, 1);
    const numbers = Array.from({ length: size }, (_, i) => ((i * 5) % 7) / 2 - 1);
    return c.below(6) === 0 ? lib.Tensor.from(Float64Array.from(numbers), shape) : lib.Tensor.from(Float32Array.from(numbers), shape);
  },
  matrix: (lib) =>
    lib.Tensor.from(
      Float32Array.from({ length: 6 }, (_, i) => i - 2),
      [2, 3],
    ),
  square: (lib) => lib.ones([3, 3]),
  'tensor with gradient': (lib, c) => gradientTensor(lib, shapes[c.below(shapes.length)]),
  result: (lib, c) => gradientTensor(lib, shapes[c.below(shapes.length)]).mul(2),
  labels: (lib) => lib.Tensor.from(Int32Array.of(0, 2)),
  mask: (lib) => lib.Tensor.from(Uint8Array.of(1, 0, 1)),
  'int32 or uint8 tensor': (lib, c) =>
    c.below(2) ? lib.Tensor.from(Int32Array.of(5, -3, 2), [3]) : lib.Tensor.from(Uint8Array.of(5, 3, 2, 1), [2, 2]),
  number: (_lib, c) => [0, 1, 2, 3, -1, 0.5, 0.1, 10, 100][c.below(9)],
  small: (_lib, c) => c.below(5),
  rate: (_lib, c) => [0.1, 0.01, 1, 0, 0.9][c.below(5)],
  boolean: (_lib, c) => c.below(2) === 1,
  axis: (_lib, c) => c.below(5) - 2,
  axes: (_lib, c) => [0, 1, [0], [0, 1], [-1], [1, 0], undefined][c.below(7)],
  shape: (_lib, c) => shapes[c.below(shapes.length)].slice(),
  'shape with -1': () => [-1, 3],
  padding: () => [
    [1, 0],
    [0, 2],
  ],
  indices: (_lib, c) => [[0, 1], [1, 1, 0], Int32Array.of(0, 1), []][c.below(4)],
  tensors: (lib) => [lib.ones([2, 3]), lib.zeros([2, 3])],
  'many tensors': (lib) => Array.from({ length: 200 }, () => lib.ones([1, 3])),
  nested: () => [
    [1, 2],
    [3, 4],
  ],
  typed: (_lib, c) => [new Float32Array(6), new Float64Array(6), new Int32Array(6), new Uint8Array(6)][c.below(4)],
  shared: () => new Float32Array(new SharedArrayBuffer(24)),
  offset: () => new Float32Array(new ArrayBuffer(64), 4, 6),
  dtype: (_lib, c) => ['float32', 'float64', 'int32', 'uint8'][c.below(4)],
  model: (lib) => model(lib),
  layer: (lib, c) =>
    [new lib.Linear(3, 2), new lib.ReLU(), new lib.Dropout(), new lib.Flatten(), new lib.Tanh(), new lib.Sigmoid()][c.below(6)],
  images: (lib, c) =>
    lib.ones(
      [
        [2, 6, 6, 4],
        [1, 5, 7, 4],
        [0, 6, 6, 4],
        [2, 1, 1, 4],
      ][c.below(4)],
    ),
  kernel: (lib, c) =>
    lib.ones(
      [
        [3, 3, 4, 4],
        [1, 1, 4, 2],
        [5, 5, 2, 4],
        [2, 3, 4, 1],
      ][c.below(4)],
    ),
  convolution: (lib) => new lib.Conv2d(4, 2, 3),
  'batch norm': (lib) => new lib.BatchNorm2d(4),
  'max pooling': (lib) => new lib.MaxPool2d(2),
  'residual block': (lib) => new lib.BasicBlock({ inChannels: 4, channels: 4, outChannels: 4 }),
  'fire module': (lib) => new lib.Fire({ inChannels: 4, squeeze: 2, expand: 3 }),
  layers: (lib) => [new lib.Linear(6, 2), new lib.ReLU()],
  parameter: (lib) => new lib.Parameter([2, 3], { init: new lib.Zeros() }),
  parameters: (lib) => [new lib.Parameter([2, 3], { init: new lib.He() }), new lib.Parameter([4], { init: new lib.Zeros() })],
  groups: (lib) => [{ parameters: [new lib.Parameter([2], { init: new lib.Zeros() })], lr: 0.5 }],
  state: (lib) => model(lib).stateDict(),
  initializer: (lib, c) =>
    [new lib.He(), new lib.Xavier({ distribution: 'uniform' }), new lib.Normal(), new lib.Uniform(), new lib.Zeros(), new lib.Constant(2)][
      c.below(6)
    ],
  optimizer: (lib, c) =>
    trained<unknown>(
      lib,
      [
        (m: Library.Sequential) => new lib.SGD(m, { lr: 0.1, momentum: 0.9 }),
        (m: Library.Sequential) => new lib.Adam(m),
        (m: Library.Sequential) => new lib.AdamW(m, { lr: 0.1 }),
      ][c.below(3)],
    ),
  optimizerState: (lib) => trained(lib, (m) => new lib.Adam(m)).stateDict(),
  schedule: (lib) => new lib.StepDecay(0.1, { every: 2 }),
  scheduleState: () => ({ value: 0.1, best: null, waited: 0, cooling: 0 }),
  loss: (lib, c) => (c.below(2) ? new lib.CrossEntropyLoss() : new lib.MSELoss()),
  metric: (lib) => new lib.Accuracy(),
  random: (lib) => new lib.Random(3, 'fuzz'),
  randomState: () => ({ seed: 1, stream: 'a', offset: 9 }),
  dataset: (lib) => dataset(lib),
  pictures: (lib) => new lib.TensorDataset(lib.zeros([10, 4, 5, 3], { dtype: 'uint8' }), lib.zeros([10], { dtype: 'int32' })),
  augmentations: (lib, c) => [lib.randomCrop({ padding: c.below(3) }), lib.randomAffine({ rotation: 20 }), lib.colourJitter({ contrast: 1 })],
  cifarBytes: () => new Uint8Array(2 * 3073),
  loader: (lib) => new lib.DataLoader(dataset(lib), { batchSize: 4 }),
  loaderState: () => ({ seed: 1, epoch: 2, batch: 1 }),
  parts: (_lib, c) => [[0.5, 0.5], [8, 2], [10]][c.below(3)],
  batches: (lib) => [lib.ones([2, 6]), lib.ones([3, 6])],
  tensorMap: (lib) => new Map([['a', lib.ones([2])], ['b', lib.zeros([2, 2])]]), // biome-ignore format: one line
  stringMap: () => new Map([['format', 'pt']]),
  layerClass: (lib) => lib.Linear,
  callback: () => ({ onEpochEnd: () => undefined }),
  callbacks: () => [{ onEpochEnd: () => undefined }],
  signal: () => AbortSignal.abort(),
  body: (lib) => () => lib.ones([2]),
  path: (_lib, c) =>
    ['good.idx', 'good.safetensors', 'model.safetensors', 'run.jsonl', 'written', 'none/such', '.', 'torn.safetensors'][c.below(8)],
  idxBytes: (lib) => lib.writeIdx(new Uint8Array(6), [2, 3]),
  safetensorsBytes: (lib) => lib.encodeSafetensors(new Map([['a', lib.ones([2, 2])]])),
  modelBytes: (lib) => model(lib).toBytes(),
  options: () => ({}),
  epoch: (_lib, c) => c.below(4),
  losses: () => [2.3, 2.1, NaN],
  code: () => 'ERR_ARGUMENT',
  text: () => 'some text',
};

/** Names of options somewhere in the library, for option objects. */
export const optionNames = [
  'keepDims', 'correction', 'dtype', 'lr', 'momentum', 'dampening', 'weightDecay', 'nesterov', 'betas', 'eps', 'bins', 'range', 'reduction',
  'labelSmoothing', 'transposeA', 'transposeB', 'random', 'bias', 'init', 'biasInit', 'mean', 'std', 'low', 'high', 'distribution', 'mode',
  'gain', 'every', 'factor', 'milestones', 'per', 'k', 'strict', 'prefix', 'inputShape', 'batchSize', 'shuffle', 'seed', 'dropLast', 'prefetch', 'name', 'classes',
  'stratify', 'epochs', 'loss', 'optimizer', 'validation', 'metrics', 'callbacks', 'signal', 'progress', 'log', 'runDir', 'hidden',
  'train', 'test', 'size', 'raw', 'dir', 'download', 'mirrors', 'onProgress', 'examples', 'stop', 'verify', 'maxBytes', 'nonsense', '__proto__',
  'parameters', 'step', 'kind', 'groups', 'tensors', 'epoch', 'stream', 'offset', 'batch', 'type', 'config', 'length',
  'training', 'inChannels', 'outChannels', 'channels', 'stride', 'padding', 'dilation', 'conv', 'depth', 'width', 'widths', 'growthRate', 'blocks',
  'block', 'squeeze', 'expand', 'filters', 'kernelSize', 'dropPath', 'dropout', 'shortcut', 'batchNorm', 'imageSize', 'form',
  'columns', 'bottleneck', 'compress', 'compression', 'affine', 'ceilMode', 'outputPadding', 'stem', 'version', 'auxiliary', 'widthFactor',
  'alpha', 'beta', 'sequence', 'overlapping', 'scale', 'alignCorners', 'value',
]; // biome-ignore format: a list
