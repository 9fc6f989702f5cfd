// Dropouts: the contract, masks that depend on seed and path only, and what each of them drops together.
import test from 'ava';
import {
  AlphaDropout,
  ArgumentError,
  compileStep,
  DropConnect,
  Dropout,
  Dropout1d,
  Dropout2d,
  Flatten,
  GaussianNoise,
  type Layer,
  Linear,
  mseLoss,
  Sequential,
  SGD,
  setSeed,
  ShapeError,
  type Tensor,
} from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { moments, Seeded } from '../helpers/seeded.js';

test('Dropout keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new Dropout(0.5),
    inputShape: [4, 6],
    outputShape: [4, 6],
    parameters: {},
    random: 'each training forward draws a new mask',
  }));

const mask = (seed: number, place: number): number[] => {
  setSeed(seed);
  const stack = new Sequential(Array.from({ length: place + 1 }, (_, index) => (index === place ? new Dropout(0.5) : new Flatten())));
  return [...stack.forward(f32(new Float32Array(256).fill(1), [2, 128])).data];
};

test('masks come from the seed and the path of the layer', (t) => {
  t.deepEqual(mask(1, 0), mask(1, 0));
  t.notDeepEqual(mask(1, 0), mask(2, 0));
  t.notDeepEqual(mask(1, 0), mask(1, 1));
});

test('a probability outside 0 to 1 is refused; 0 drops nothing and 1 everything', (t) => {
  for (const bad of [-0.1, 1.1, NaN, '0.5', null]) t.throws(() => new Dropout(bad as number), { instanceOf: ArgumentError, message: /`p`/ });
  const x = f32([1, 2, 3]);
  t.deepEqual([...new Dropout(0).forward(x).data], [1, 2, 3]);
  t.deepEqual([...new Dropout(1).forward(x).data].map(Math.abs), [0, 0, 0]);
});

const random = 'each training forward draws anew';
const layers: Record<string, { create: () => Layer; inputShape: number[]; outputShape?: number[]; parameters?: Record<string, number[]> }> = {
  Dropout1d: { create: () => new Dropout1d(0.5), inputShape: [4, 3, 6] },
  Dropout2d: { create: () => new Dropout2d(0.5), inputShape: [4, 2, 3, 6] },
  AlphaDropout: { create: () => new AlphaDropout(0.5), inputShape: [4, 6] },
  GaussianNoise: { create: () => new GaussianNoise(0.5), inputShape: [4, 6] },
  DropConnect: {
    create: () => new DropConnect(6, 3, { p: 0.25 }),
    inputShape: [4, 6],
    outputShape: [4, 3],
    parameters: { weight: [6, 3], bias: [3] },
  },
};

for (const [name, { create, inputShape, outputShape = inputShape, parameters = {} }] of Object.entries(layers)) {
  test(`${name} keeps the layer contract`, (t) => layerContract(t, { create, inputShape, outputShape, parameters, random }));

  test(`${name} draws the same in a compiled step as in an eager one, and anew in each`, async (t) => {
    const train = async (compiled: boolean): Promise<number[][]> => {
      setSeed(8);
      const model = new Sequential([new Linear(inputShape[inputShape.length - 1], inputShape[inputShape.length - 1]), create()]);
      const optimizer = new SGD(model, { lr: 0.1 });
      const body = (x: Tensor) => {
        const y = model.forward(x);
        optimizer.zeroGrad();
        mseLoss(y, y.detach().mul(0)).backward();
        optimizer.step();
        return y.detach();
      };
      const step = compileStep(body);
      const x = f32(new Seeded(2).uniform(inputShape.reduce((a, b) => a * b)), inputShape);
      const outputs: number[][] = [];
      for (let i = 0; i < 3; i++) outputs.push([...(compiled ? await step(x) : body(x)).data]);
      return [...outputs, ...model.parameters().map((parameter) => [...parameter.data])];
    };
    const eager = await train(false);
    t.deepEqual(await train(true), eager);
    t.notDeepEqual(eager[0], eager[1]);
  });
}

test('Dropout1d and Dropout2d drop a channel of an example in all its places, and scale the others', (t) => {
  setSeed(3);
  for (const [layer, shape] of [
    [new Dropout1d(0.25), [16, 9, 32]],
    [new Dropout2d(0.25), [16, 3, 3, 32]],
  ] as const) {
    const { data } = layer.forward(f32(new Float32Array(16 * 9 * 32).fill(1), shape));
    let dropped = 0;
    const masks = new Set<string>();
    for (let example = 0; example < 16; example++)
      for (let channel = 0; channel < 32; channel++) {
        const places = Array.from({ length: 9 }, (_, place) => data[(example * 9 + place) * 32 + channel]);
        t.is(new Set(places).size, 1);
        t.true(places[0] === 0 || places[0] === Math.fround(1 / 0.75));
        dropped += Number(places[0] === 0);
        if (channel === 0) masks.add(String(Array.from({ length: 32 }, (_, c) => Number(data[example * 9 * 32 + c] === 0))));
      }
    t.is(masks.size, 16, 'each example has its own');
    // 512 channels with 0.25: a deviation of 0.019.
    close(t, [dropped / 512], [0.25], { absolute: 0.08 });
    t.throws(() => layer.forward(f32([1, 2], [1, 2])), { instanceOf: ShapeError, message: new RegExp(layer.constructor.name) });
  }
});

test('AlphaDropout keeps mean 0 and variance 1, and puts the floor of SELU in the place of what it drops', (t) => {
  setSeed(4);
  const normal = f32(Float32Array.from({ length: 40_000 }, (_, i) => Math.sqrt(3) * (2 * new Seeded(i).uniform(1, 0, 1)[0] - 1)));
  const { mean, deviation } = moments(new AlphaDropout(0.3).forward(normal).data);
  close(t, [mean, deviation], [0, 1], { absolute: 0.02 });
  const p = 0.3;
  const floor = -1.7580993408473766;
  const a = 1 / Math.sqrt(1 - p + floor * floor * (1 - p) * p);
  const values = [...new Set(new AlphaDropout(p).forward(f32(new Float32Array(100).fill(2))).data)].sort((x, y) => x - y);
  close(t, values, [a * floor - a * p * floor, 2 * a - a * p * floor], { relative: 1e-6 });
  t.throws(() => new AlphaDropout(1), { instanceOf: ArgumentError, message: /below 1/ });
});

test('DropConnect drops weights, one mask for a batch, and takes what a Linear takes', (t) => {
  setSeed(5);
  const layer = new DropConnect(8, 4, { p: 0.5, bias: false });
  const identity = f32(
    Array.from({ length: 64 }, (_, i) => Number(i % 9 === 0)),
    [8, 8],
  );
  const weights = layer.forward(identity).data;
  for (const [i, value] of weights.entries()) t.true(value === 0 || value === Math.fround(layer.weight.data[i] * 2));
  t.deepEqual([...layer.eval().forward(identity).data], [...layer.weight.data]);
  t.deepEqual(layer.config(), { inFeatures: 8, outFeatures: 4, bias: false, p: 0.5 });
  t.throws(() => new DropConnect(8, 4, { p: 2 }), { instanceOf: ArgumentError, message: /options\.p/ });
  t.throws(() => new DropConnect(8, 4, { drop: 2 } as never), { instanceOf: ArgumentError, message: /drop/ });
});

test('GaussianNoise has the deviation that was asked for, and no mean', (t) => {
  setSeed(6);
  const { mean, deviation } = moments(new GaussianNoise(0.25).forward(f32(new Float32Array(40_000))).data);
  close(t, [mean, deviation], [0, 0.25], { absolute: 0.006 });
});
