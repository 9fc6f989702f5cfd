// First weights suit the activation that follows, also where norms, pooling and containers stand between: std √(1/fan) before tanh, √(2/fan) before ReLU.
import test from 'ava';
import {
  AlphaDropout,
  AvgPool2d,
  BatchNorm1d,
  Conv2d,
  Dropout,
  Flatten,
  FractionalMaxPool2d,
  GaussianNoise,
  GlobalMaxPool2d,
  GroupNorm,
  He,
  Identity,
  InstanceNorm2d,
  type Layer,
  LayerNorm,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  NamedStack,
  Pad2d,
  ReLU,
  RMSNorm,
  Sequential,
  Sigmoid,
  setSeed,
  Tanh,
  Upsample2d,
  AdaptiveAvgPool2d,
  AdaptiveMaxPool2d,
} from '../../lib/index.js';
import { moments } from '../helpers/seeded.js';

// 160,000 numbers: the standard deviation is known to 0.2 %.
const dense = (): Linear => new Linear(400, 400);
const [xavier, he] = [Math.sqrt(1 / 400), Math.sqrt(2 / 400)];
const kernel = (): Conv2d => new Conv2d(40, 40, 10);
const [xavierKernel, heKernel] = [Math.sqrt(1 / 4000), Math.sqrt(2 / 4000)];

function std(weights: Linear | Conv2d, model: Layer): number {
  setSeed(1);
  model.prepare();
  return moments(weights.weight.data).deviation;
}

const isNear = (value: number, wanted: number): boolean => Math.abs(value / wanted - 1) < 0.01;

test('norms, pooling, dropout and shapes pass on which activation follows (fault F34)', (t) => {
  const between: Record<string, () => Layer> = {
    BatchNorm1d: () => new BatchNorm1d(400),
    LayerNorm: () => new LayerNorm(400),
    GroupNorm: () => new GroupNorm(4, 400),
    RMSNorm: () => new RMSNorm(400),
    Dropout: () => new Dropout(0.5),
    AlphaDropout: () => new AlphaDropout(0.5),
    GaussianNoise: () => new GaussianNoise(0.1),
    Identity: () => new Identity(),
    Flatten: () => new Flatten() as unknown as Layer,
  };
  for (const [name, make] of Object.entries(between)) {
    for (const [act, wanted] of [
      [new Tanh(), xavier],
      [new Sigmoid(), xavier],
      [new ReLU(), he],
    ] as const) {
      const linear = dense();
      const found = std(linear, new Sequential([linear, make(), act]));
      t.true(isNear(found, wanted), `${name} before ${act.constructor.name}: ${found}, expected ${wanted}`);
    }
  }
  const images: Record<string, () => Layer> = {
    InstanceNorm2d: () => new InstanceNorm2d(40),
    GroupNorm: () => new GroupNorm(4, 40),
    LocalResponseNorm: () => new LocalResponseNorm(5),
    MaxPool2d: () => new MaxPool2d(2),
    AvgPool2d: () => new AvgPool2d(2),
    AdaptiveAvgPool2d: () => new AdaptiveAvgPool2d(2),
    AdaptiveMaxPool2d: () => new AdaptiveMaxPool2d(2),
    FractionalMaxPool2d: () => new FractionalMaxPool2d(2),
    GlobalMaxPool2d: () => new GlobalMaxPool2d(),
    Pad2d: () => new Pad2d(1),
    Upsample2d: () => new Upsample2d({ scaleFactor: 2 }),
  };
  for (const [name, make] of Object.entries(images)) {
    for (const [act, wanted] of [
      [new Tanh(), xavierKernel],
      [new ReLU(), heKernel],
    ] as const) {
      const conv = kernel();
      const found = std(conv, new Sequential([conv, make(), act]));
      t.true(isNear(found, wanted), `${name} before ${act.constructor.name}: ${found}, expected ${wanted}`);
    }
  }
});

test('stacks within stacks pass it on, outwards and inwards (fault F34)', (t) => {
  const nets: Record<string, (linear: Linear) => Layer> = {
    'the last of a stack within': (linear) => new Sequential([new Sequential([linear]), new Tanh()]),
    'the first of a stack within': (linear) => new Sequential([linear, new Sequential([new LayerNorm(400), new Tanh()])]),
    'two stacks beside each other': (linear) =>
      new Sequential([new Sequential([linear, new BatchNorm1d(400)]), new Sequential([new Dropout(0.1), new Sequential([new Tanh()])])]),
    'a stack by names': (linear) => new NamedStack({ linear, norm: new LayerNorm(400), tanh: new Tanh() }),
    'a stack by names within': (linear) => new Sequential([new NamedStack({ linear }), new Tanh()]),
    'an empty stack between': (linear) => new Sequential([linear, new Sequential([]), new Tanh()]),
  };
  for (const [name, make] of Object.entries(nets)) {
    const linear = dense();
    const found = std(linear, make(linear));
    t.true(isNear(found, xavier), `${name}: ${found}, expected ${xavier}`);
  }
});

test('what stands behind another layer with weights does not count, and a chosen initializer stays (fault F34)', (t) => {
  const first = dense();
  t.true(isNear(std(first, new Sequential([first, new LayerNorm(400), dense(), new Tanh()])), he));
  const chosen = new Linear(400, 400, { init: new He() });
  t.true(isNear(std(chosen, new Sequential([chosen, new LayerNorm(400), new Tanh()])), he));
});
