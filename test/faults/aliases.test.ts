// What users may still hold and change: shapes, options and lists are nobody's but their owner's; and what a call is answered with names it.
import test from 'ava';
import * as nodegrad from '../../lib/index.js';
import {
  Adam,
  type AnyTensor,
  ArgumentError,
  AvgPool2d,
  Buffer,
  Callback,
  Conv2d,
  IMAGENET_COLOURS,
  LayerNorm,
  Linear,
  MSELoss,
  MaxPool2d,
  MNIST_MIRRORS,
  MultiStepDecay,
  NodegradError,
  Parameter,
  SGD,
  Sequential,
  ShapeError,
  Tensor,
  TensorDataset,
  compileStep,
  concat,
  crossEntropy,
  full,
  ones,
  relu,
  softmax,
  stack,
  subset,
  tensor,
  where,
  Zeros,
  zeros,
  fit,
} from '../../lib/index.js';

// ---- shapes ----

test('nobody can write into a shape: results share it with their inputs (fault F17)', (t) => {
  const x = tensor([[1, 2, 3], [4, 5, 6]]); // biome-ignore format: a matrix
  const y = relu(x);
  t.throws(() => (y.shape as number[]).reverse(), { instanceOf: TypeError });
  t.throws(() => (x.shape as number[]).push(1), { instanceOf: TypeError });
  t.deepEqual(x.sum(0).toArray(), [5, 7, 9]);
});

test('every tensor has a frozen shape, wherever it comes from (fault F17)', (t) => {
  const x = ones([2, 3]);
  const condition = x.less(2);
  const leaf = ones([2, 3]);
  leaf.requiresGrad = true;
  leaf.mul(x).sum().backward();
  const step = compileStep((a: Tensor) => [a.mul(2), a.sum(0), a.reshape([3, 2])]);
  const made: Record<string, AnyTensor> = {
    'Tensor.from': Tensor.from(new Float32Array(6), [2, 3]),
    'Tensor.from without a shape': Tensor.from(new Float32Array(6)),
    tensor: tensor([1, 2]),
    'a number': tensor(1),
    full: full([2], 1),
    Parameter: new Parameter([2], { init: new Zeros() }),
    Buffer: new Buffer([2]),
    grad: leaf.grad as Tensor,
    broadcast: x.add(ones([3])),
    'with a number': x.add(1),
    sum: x.sum(0),
    keepDims: x.sum(0, { keepDims: true }),
    max: x.max(1),
    argmax: x.argmax(1),
    reshape: x.reshape([3, -1]),
    transpose: x.transpose(),
    slice: x.slice(0, 1),
    'a slice that is a copy': x.slice([0, 1], [2, 3]),
    pad: x.pad([[0, 1], [1, 0]]), // biome-ignore format: pairs
    gather: x.gather([1]),
    matmul: x.matmul(ones([3, 4])),
    concat: concat([x, x]),
    stack: stack([x, x]),
    softmax: softmax(x),
    where: where(condition, x, x),
    detach: x.detach(),
    clone: x.clone(),
    to: x.to('int32'),
    crossEntropy: crossEntropy(x, zeros([2], { dtype: 'int32' })),
    'a compiled result': (step.sync(x) as Tensor[])[1],
    'a compiled view': (step.sync(x) as Tensor[])[2],
    'a batch': new TensorDataset(x, x).batch(Int32Array.of(0)).inputs,
  };
  step.dispose();
  for (const [name, { shape }] of Object.entries(made)) t.true(Object.isFrozen(shape), name);
  for (const part of x.split(2)) t.true(Object.isFrozen(part.shape));
});

// ---- what was given may be changed afterwards ----

const gradientAfter = (run: (x: Tensor) => Tensor, change: () => void): number[] => {
  const x = tensor([[1, 2, 3], [4, 5, 6]]); // biome-ignore format: a matrix
  x.requiresGrad = true;
  const y = run(x);
  change();
  y.mul(y).sum().backward();
  return [...(x.grad?.data ?? [])];
};

test('arrays that an operation was given may change before the way back (fault F17)', (t) => {
  const doubled = [2, 4, 6, 8, 10, 12];
  const shape = [3, 2];
  t.deepEqual(gradientAfter((x) => x.reshape(shape), () => shape.reverse()), doubled); // biome-ignore format: one line
  const order = [1, 0];
  t.deepEqual(gradientAfter((x) => x.transpose(order), () => order.reverse()), doubled); // biome-ignore format: one line
  const pairs: [number, number][] = [[1, 0], [0, 2]]; // biome-ignore format: pairs
  t.deepEqual(gradientAfter((x) => x.pad(pairs), () => pairs[0].reverse()), doubled); // biome-ignore format: one line
  const begin = [0, 1];
  t.deepEqual(gradientAfter((x) => x.slice(begin, [2, 3]), () => begin.reverse()), [0, 4, 6, 0, 10, 12]); // biome-ignore format: one line
  const rows = [1];
  t.deepEqual(gradientAfter((x) => x.gather(rows), () => rows.fill(0)), [0, 0, 0, 8, 10, 12]); // biome-ignore format: one line
  const axes = [0];
  t.deepEqual(gradientAfter((x) => x.sum(axes), () => axes.fill(1)), [10, 14, 18, 10, 14, 18]); // biome-ignore format: one line
  const list = [ones([1, 3])];
  t.deepEqual(gradientAfter((x) => concat([x, ...list]), () => list.pop()), doubled); // biome-ignore format: one line
});

test('shapes, sizes and lists that a thing was made with may change afterwards (fault F17)', (t) => {
  const [shape, size, pairs, classes, milestones] = [
    [2, 3],
    [3, 3],
    [
      [1, 1],
      [2, 2],
    ],
    ['a', 'b'],
    [1, 2],
    [0.5],
  ];
  const layers = [new Linear(2, 2)];
  const indices = [1, 0];
  const data = new TensorDataset(ones([2, 2]), zeros([2], { dtype: 'int32' }), { classes });
  const made = {
    tensor: Tensor.from(new Float32Array(6), shape),
    zeros: zeros(shape),
    parameter: new Parameter(shape, { init: new Zeros() }),
    buffer: new Buffer(shape),
    norm: new LayerNorm(shape),
    sequential: new Sequential(layers, { inputShape: shape }),
    conv: new Conv2d(1, 1, size as [number, number], { stride: size as [number, number], padding: pairs as never }),
    pool: new MaxPool2d(size as [number, number]),
    schedule: new MultiStepDecay(0.1, { milestones }),
    data,
    part: subset(data, indices),
  };
  const before = JSON.stringify(made, (key, value) => (key === 'data' ? undefined : value));
  const batch = made.part.batch(Int32Array.of(0)).targets.toArray();
  for (const list of [shape, size, pairs, pairs[0], classes, milestones, layers, indices] as unknown[][]) list.length = 0;
  t.is(
    JSON.stringify(made, (key, value) => (key === 'data' ? undefined : value)),
    before,
  );
  t.deepEqual(made.part.batch(Int32Array.of(0)).targets.toArray(), batch);
  t.is(made.sequential.layers.length, 1);
});

test('an optimizer keeps its own options, whatever becomes of the arrays they came in, or of the state it gave out (fault F17)', (t) => {
  const run = (bend: (optimizer: Adam, betas: number[]) => void): number[] => {
    const weights = tensor([1, 2]);
    weights.requiresGrad = true;
    const betas = [0.9, 0.99];
    const optimizer = new Adam([{ parameters: [weights], betas: betas as never }] as never, {});
    for (let i = 0; i < 3; i++) {
      weights.mul(weights).sum().backward();
      optimizer.step();
      optimizer.zeroGrad();
      bend(optimizer, betas);
    }
    return [...weights.data];
  };
  const right = run(() => {});
  t.deepEqual(run((_, betas) => betas.fill(0)), right); // biome-ignore format: one line
  const bendState = (optimizer: Adam): void => {
    const [group] = optimizer.stateDict().groups as { betas: number[]; lr: number }[];
    group.lr = 9;
    t.throws(() => group.betas.fill(0), { instanceOf: TypeError });
  };
  t.deepEqual(run(bendState), right);
  t.deepEqual(
    run((optimizer) => {
      const state = optimizer.stateDict();
      const betas = [0.9, 0.99];
      optimizer.loadStateDict({ ...state, groups: [{ ...state.groups[0], betas }] });
      betas.fill(0);
    }),
    right,
  );
});

test('lists of callbacks and metrics are those that a run began with (fault F17)', async (t) => {
  const model = new Linear(2, 1);
  let calls = 0;
  const callbacks: Callback[] = [];
  class Growing extends Callback {
    override onEpochBegin(): void {
      calls++;
      if (callbacks.length < 50) callbacks.push(new Growing());
    }
  }
  callbacks.push(new Growing());
  const options = { loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.1 }), epochs: 3, log: false, progress: false } as const;
  await fit(model, new TensorDataset(ones([2, 2]), ones([2, 1])), { ...options, callbacks });
  t.is(calls, 3);
});

test('what a thing hands out does not lead back into it (fault F17)', (t) => {
  const conv = new Conv2d(1, 2, 3, { padding: 1 });
  t.throws(() => (conv.stride as unknown as number[]).fill(2), { instanceOf: TypeError });
  t.throws(() => (conv.padding as unknown as number[][])[0].fill(2), { instanceOf: TypeError });
  const pool = new MaxPool2d(2, { stride: 1 });
  Object.assign(pool.config() as object, { ceilMode: true, stride: [5, 5] });
  t.deepEqual(pool.forward(ones([1, 4, 4, 1])).shape, [1, 3, 3, 1]);
  const data = new TensorDataset(ones([2, 3]), zeros([2], { dtype: 'int32' }), { classes: 2 });
  for (const list of [data.inputShape, data.targetShape, data.classes, IMAGENET_COLOURS.values, IMAGENET_COLOURS.vectors[0], MNIST_MIRRORS]) {
    t.throws(() => (list as unknown[]).push(1), { instanceOf: TypeError });
  }
  const model = new Sequential([new Linear(2, 2)]);
  model.stateDict().clear();
  model.namedParameters().clear();
  t.is(model.parameters().length, 2);
  const x = tensor([[1, 2]]);
  (x.toArray() as number[][])[0][0] = 9;
  t.is(x.data[0], 1);
  t.is(new AvgPool2d(2).forward(ones([1, 2, 2, 1])).item(), 1);
});

// ---- creation ----

test('every function that makes a tensor takes { dtype } as its last argument (fault F17)', (t) => {
  for (const [dtype, ArrayType] of Object.entries({ float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array })) {
    const options = { dtype: dtype as 'int32' };
    const made: Record<string, AnyTensor> = {
      'tensor(values)': tensor([0, 1], options),
      'tensor(values, shape)': tensor([0, 1], [2], options),
      'tensor(nested)': tensor([[0, 1]], options),
      'tensor(number)': tensor(1, options),
      'tensor(typed array)': tensor(Float64Array.of(0, 1), options),
      'tensor(another typed array)': tensor(Int16Array.of(0, 1), options),
      'tensor(undefined shape)': tensor([0, 1], undefined, options),
      full: full([2], 1, options),
      zeros: zeros([2], options),
      ones: ones([2], options),
      Buffer: new Buffer([2], options),
    };
    for (const [name, x] of Object.entries(made)) {
      t.is(x.dtype, dtype, name);
      t.true(x.data instanceof ArrayType, name);
    }
    t.is(tensor([0, 1], { dtype: undefined }).dtype, 'float32');
  }
  // The types say so, too.
  const labels: Tensor<'int32'> = tensor([0, 1], { dtype: 'int32' });
  const doubles: Tensor<'float64'> = tensor(Float64Array.of(1));
  const shaped: Tensor<'uint8'> = tensor([0, 1], [2, 1], { dtype: 'uint8' });
  t.deepEqual([labels.shape, doubles.dtype, shaped.shape], [[2], 'float64', [2, 1]]);
});

test('a typed array keeps its type, one that no tensor has needs a dtype, and what is no number is refused (fault F17)', (t) => {
  t.is(tensor(Int32Array.of(1)).dtype, 'int32');
  t.is(tensor(Uint8Array.of(1)).dtype, 'uint8');
  t.throws(() => tensor(Int16Array.of(1) as never), { instanceOf: ArgumentError, message: /`values`.*dtype: 'float32'/ });
  t.is(tensor(Int16Array.of(7), { dtype: 'float32' }).item(), 7);
  for (const wrong of [true, [true], ['1'], 1n, [1n], BigInt64Array.of(1n), new DataView(new ArrayBuffer(8)), null, {}, new ArrayBuffer(8)]) {
    t.throws(() => tensor(wrong as never, { dtype: 'float32' }), { instanceOf: ArgumentError, message: /`values`/ }, String(wrong));
  }
  t.throws(() => tensor([1], { dtype: 'float16' } as never), { instanceOf: ArgumentError, message: /options\.dtype/ });
  t.throws(() => tensor([1], { type: 'int32' } as never), { instanceOf: ArgumentError, message: /unknown option `type`/ });
  t.throws(() => tensor([1], { dtype: 'int32' } as never, { dtype: 'int32' }), { instanceOf: ArgumentError, message: /`shape`/ });
  t.throws(() => tensor([1, 2], [3], { dtype: 'int32' }), { instanceOf: ShapeError });
  const x = Float32Array.of(1, 2);
  tensor(x).data[0] = 9;
  t.is(x[0], 1, 'a copy');
});

// ---- the function that was called ----

/** What stands behind the first argument of a function, where it needs something sensible to get as far as its inputs. */
const behind: Record<string, readonly unknown[]> = {
  conv2d: [ones([3, 3, 1, 1])],
  convTranspose2d: [ones([3, 3, 1, 1])],
  maxPool2d: [2],
  avgPool2d: [2],
  adaptiveAvgPool2d: [2],
  adaptiveMaxPool2d: [2],
  fractionalMaxPool2d: [2],
  pad2d: [1],
  upsample2d: [{ scaleFactor: 2 }],
  localResponseNorm: [5],
};

test('an error names the function that was called, not one that it is made of (fault F17)', (t) => {
  const x = ones([2, 2]);
  const wrong: readonly unknown[] = [
    ...[tensor([[1, 2], [3, 4]], { dtype: 'int32' }), ones([2, 2], { dtype: 'float64' }), tensor(1), ones([3, 5]), ones([2, 2, 2])], // biome-ignore format: one list
    ...[
      ones([1, 4, 4, 2]),
      ones([1, 0, 4, 2]),
      zeros([0, 2]),
      x,
      [x, ones([3, 5])],
      [x, ones([2, 2, 2])],
      [x, ones([2, 2], { dtype: 'float64' })],
    ],
  ];
  const named = new Set<string>();
  const attempt = (called: string, call: () => unknown): void => {
    try {
      // What is refused later names nothing here.
      Promise.resolve(call()).catch(() => undefined);
    } catch (error) {
      t.true(error instanceof NodegradError, `${called}: ${error}`);
      const [, name] = /^\[(\w+)\]/.exec((error as Error).message) ?? [];
      if (name === undefined) return;
      t.is(name, called, (error as Error).message);
      named.add(name);
    }
  };
  for (const [name, f] of Object.entries(nodegrad) as [string, (...given: unknown[]) => unknown][]) {
    if (
      typeof f !== 'function' ||
      !/^[a-z]/.test(name) ||
      /^(set|load|save|read|write|info|compileStep|fit|evaluate|predict|fromBytes|noGrad)/.test(name)
    )
      continue;
    if (!/Tensor|ops/.test(f.toString()) && behind[name] === undefined && f.length === 0) continue;
    const others: readonly (readonly unknown[])[] = [[], [x], ...wrong.map((one) => [one]), behind[name] ?? [2], [2]];
    for (const first of wrong) for (const rest of others) attempt(name, () => f(first, ...rest));
  }
  for (const name of Object.getOwnPropertyNames(Tensor.prototype)) {
    const method = Object.getOwnPropertyDescriptor(Tensor.prototype, name)?.value as ((...given: unknown[]) => unknown) | undefined;
    if (typeof method !== 'function' || /^(constructor|materialize|moveTo|attachNode|gradientTarget)$/.test(name)) continue;
    for (const self of wrong.slice(0, 9))
      for (const rest of [[], [0], [1, 2], ...wrong.map((one) => [one])]) attempt(name, () => method.apply(self, rest));
  }
  for (const name of [
    'mean',
    'var',
    'std',
    'argmax',
    'greater',
    'greaterEqual',
    'lessEqual',
    'notEqual',
    'stack',
    'addRelu',
    'mseLoss',
    'histogram',
    'conv2d',
    'avgPool2d',
  ])
    t.true(named.has(name), `${name} was seen to fail under its name`);
  t.log(`${named.size} functions named: ${[...named].sort().join(' ')}`);
});
