// Whose numbers are drawn: a layer's own, whoever calls it and however its network is written, under the seed that it was made with.
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import {
  compileStep,
  cifarResnet,
  Dropout,
  FractionalMaxPool2d,
  fractalnet,
  Layer,
  Linear,
  MSELoss,
  mlp,
  mseLoss,
  noGrad,
  ones,
  Parameter,
  Random,
  ReLU,
  Sequential,
  SGD,
  setSeed,
  type Tensor,
  TensorDataset,
  Xavier,
} from '../../lib/index.js';
import { root } from '../helpers/sources.js';

const x = ones([1000]);
const bits = (tensor: Tensor): string => [...tensor.data].join();
const first = (model: Sequential): number => (model.layers[0] as Linear).weight.data[0];
const linear = (): Sequential => new Sequential([new Linear(4, 4)]);

/** Asserts that no two of the masks are the same. */
function allDiffer(t: { is(a: number, b: number, message?: string): void }, masks: readonly string[], message: string): void {
  t.is(new Set(masks).size, masks.length, message);
}

test('layers that stand alone draw masks of their own: two of them keep a quarter in common (fault F15)', (t) => {
  setSeed(1);
  const [a, b] = [new Dropout(0.5), new Dropout(0.5)];
  const common = a.forward(x).mul(b.forward(x)).greater(0).to('float32').mean().item();
  // 250 of 1000 with a standard deviation of 14.
  t.true(Math.abs(common - 0.25) < 0.07, `${common}`);
  const images = ones([1, 9, 9, 1])
    .mul(0)
    .add(noGrad(() => ramp(81).reshape([1, 9, 9, 1])));
  const pools = [0, 1, 2].map(() => new FractionalMaxPool2d(6, { sequence: 'random' }));
  allDiffer(
    t,
    pools.map((pool) => bits(pool.forward(images))),
    'fractional pooling',
  );
});

const ramp = (size: number): Tensor => {
  const values = ones([size]);
  for (let i = 0; i < size; i++) values.data[i] = i;
  return values;
};

class Arrows extends Layer {
  readonly one = new Dropout(0.5);
  readonly two = new Dropout(0.5);
  forward = (input: Tensor): Tensor => this.two.forward(this.one.forward(input));
}

test('it does not matter who calls a layer: its model, a loop over its layers, an arrow function (fault F15)', (t) => {
  const make = (): Sequential => new Sequential([new Dropout(0.5), new Dropout(0.5), new Dropout(0.5)]);
  const masks = (model: Sequential, input: Tensor): string[] => model.layers.map((layer) => bits(layer.forward(input)));
  setSeed(1);
  const looped = make();
  const alone = masks(looped, x);
  allDiffer(t, alone, 'a loop over the layers');
  t.deepEqual(
    looped.layers.map(({ path }) => path),
    ['0', '1', '2'],
    'each keeps its place',
  );
  // The same model, called as a whole: its result is what the product of those masks gives.
  setSeed(1);
  const whole = bits(make().forward(x));
  setSeed(1);
  const model = make();
  t.is(bits(model.layers.reduce((value, layer) => layer.forward(value), x)), whole);
  // Taken apart before anything was called.
  setSeed(1);
  const { layers } = make();
  t.deepEqual(
    layers.map((layer) => bits(layer.forward(x))),
    alone,
  );
  setSeed(1);
  const arrows = new Arrows();
  allDiffer(t, [bits(arrows.one.forward(x)), bits(arrows.two.forward(x))], 'layers of an arrow function');
  setSeed(1);
  const called = new Arrows();
  called.forward(x);
  t.deepEqual([called.one.path, called.two.path], ['one', 'two']);
});

test('the masks of a layer that outlives its model do not depend on the garbage collector (fault F15)', async (t) => {
  const make = (): readonly Layer[] => new Sequential([new Dropout(0.5), new Dropout(0.5)]).layers;
  setSeed(1);
  const now = make().map((layer) => bits(layer.forward(x)));
  setSeed(1);
  const kept = make();
  await new Promise((resolve) => setTimeout(resolve, 1));
  // Enough garbage for a collection; the model is gone, or is not: nobody can tell.
  for (let i = 0; i < 200; i++) new Array(1e5).fill(i);
  await new Promise((resolve) => setTimeout(resolve, 1));
  t.deepEqual(
    kept.map((layer) => bits(layer.forward(x))),
    now,
  );
});

test('two models draw masks of their own, in an ensemble, in a clone and with what else draws in training (fault F15)', (t) => {
  setSeed(1);
  const stack = (): Sequential => new Sequential([new Dropout(0.5)]);
  const [a, b] = [stack(), stack()];
  allDiffer(
    t,
    [a, b, a.clone(), a.clone()].map((model) => bits(model.forward(x))),
    'dropout',
  );
  const images = ones([1, 32, 32, 3]);
  const skipping = (): string => {
    const model = cifarResnet({ depth: 8, width: 4, dropPath: 0.5 });
    return Array.from({ length: 8 }, () => noGrad(() => model.forward(images)).data[0].toFixed(6)).join();
  };
  setSeed(1);
  const one = skipping();
  t.not(skipping(), one, 'stochastic depth');
  setSeed(1);
  t.is(skipping(), one, 'and the same program gives the same bits');
  const paths = (): RandomStates =>
    [...fractalnet({ columns: 2, widths: [4] }).namedLayers()].flatMap(([, l]) =>
      [...l.ownRandoms().values()].map(({ state }) => state.stream),
    );
  setSeed(1);
  const streams = [...paths(), ...paths()];
  allDiffer(t, streams.map(String), 'drop-path');
});

type RandomStates = (string | number)[];

test('a layer that is called twice goes on in its stream, and gives eager and compiled steps the same masks (faults F15, F18)', async (t) => {
  class Twice extends Layer {
    readonly inner = new Linear(4, 4);
    readonly drop = new Dropout(0.5);
    forward(input: Tensor): Tensor {
      return this.drop.forward(this.inner.forward(this.drop.forward(input)));
    }
  }
  const batch = ones([16, 4]);
  const run = async (compiled: boolean): Promise<string[]> => {
    setSeed(3);
    new Linear(2, 2); // so that the model is not the first
    const model = new Twice();
    const optimizer = new SGD(model, { lr: 0.1 });
    const step = (input: Tensor) => {
      const loss = mseLoss(model.forward(input), input);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return { loss };
    };
    const program = compileStep(step);
    const losses: string[] = [];
    for (let i = 0; i < 3; i++) losses.push(bits((compiled ? await program(batch) : step(batch)).loss));
    program.dispose();
    return [...losses, bits(model.inner.weight)];
  };
  t.deepEqual(await run(true), await run(false));
  setSeed(3);
  const drop = new Dropout(0.5);
  allDiffer(t, [bits(drop.forward(x)), bits(drop.forward(x))], 'call by call');
});

test('first values belong to the seed in force when the layer was made, whatever comes afterwards (fault F18)', (t) => {
  setSeed(1);
  const expected = first(linear());
  setSeed(1);
  const a = linear();
  setSeed(2);
  const b = linear();
  t.is(first(a), expected);
  setSeed(2);
  t.is(first(linear()), first(b));
  // A model of layers of two seeds.
  setSeed(1);
  const early = new Linear(4, 4);
  setSeed(2);
  const late = new Linear(4, 4);
  const both = new Sequential([early, late]);
  setSeed(3);
  t.is(first(both), expected);
  // A parameter without a layer, and a mask.
  const drawn = (seed: number): [string, string] => {
    setSeed(1);
    const parameter = new Parameter([4], { init: new Xavier() });
    const drop = new Dropout(0.5);
    setSeed(seed);
    return [[...parameter.data].join(), bits(drop.forward(x))];
  };
  t.deepEqual(drawn(5), drawn(1));
});

test('the order of first use does not count (fault F18)', (t) => {
  const values = (order: readonly number[]): number[] => {
    setSeed(1);
    const models = [linear(), linear(), linear()];
    const found: number[] = [];
    for (const i of order) found[i] = first(models[i]);
    return found;
  };
  const expected = values([0, 1, 2]);
  t.is(new Set(expected).size, 3);
  for (const order of [
    [2, 1, 0],
    [1, 0, 2],
    [1, 2, 0],
  ])
    t.deepEqual(values(order), expected);
  setSeed(1);
  t.is(first(linear()), expected[0], 'the first model draws as if it were alone');
});

test('two models that hold one layer share it, and nothing else (faults F15, F18)', (t) => {
  const build = (): Sequential[] => {
    setSeed(1);
    const encoder = new Linear(4, 4);
    return [0, 1].map(() => new Sequential([encoder, new Linear(4, 4), new Dropout(0.5)]));
  };
  const values = (order: readonly number[]): string[] => {
    const models = build();
    const found: string[] = [];
    for (const i of order) found[i] = bits(models[i].forward(ones([50, 4]))) + bits((models[i].layers[1] as Linear).weight);
    return found;
  };
  t.deepEqual(values([1, 0]), values([0, 1]));
  const [a, b] = build();
  t.notDeepEqual([...(a.layers[1] as Linear).weight.data], [...(b.layers[1] as Linear).weight.data]);
  t.not(bits(a.layers[2].forward(x)), bits(b.layers[2].forward(x)));
});

test('adding a layer changes no other layer of the model (fault F18)', (t) => {
  const weights = (extra: boolean): number[][] => {
    setSeed(1);
    const model = new Sequential([new Linear(4, 4), new ReLU(), new Linear(4, 4), ...(extra ? [new Dropout(0.5), new Linear(4, 4)] : [])]);
    return [0, 2].map((i) => [...(model.layers[i] as Linear).weight.data]);
  };
  t.deepEqual(weights(true), weights(false));
});

test('a layer that comes in late, in a constructor that already calls its layers or in place of another, has its place and numbers of its own (fault F15)', (t) => {
  class Sized extends Layer {
    readonly body = new Linear(4, 6);
    readonly drop = new Dropout(0.5);
    head: Linear;
    constructor() {
      super();
      const width = noGrad(() => this.body.forward(ones([1, 4]))).size; // as users of other frameworks find out a size
      this.head = new Linear(width, 6);
    }
    forward(input: Tensor): Tensor {
      return this.drop.forward(this.head.forward(this.body.forward(input)));
    }
  }
  setSeed(1);
  const [a, b] = [new Sized(), new Sized()];
  for (const model of [a, b]) model.forward(ones([2, 4]));
  t.deepEqual([a.body.path, a.head.path, a.drop.path, a.head.weight.path], ['body', 'head', 'drop', 'head.weight']);
  a.head = new Linear(6, 6);
  a.forward(ones([2, 4]));
  t.deepEqual([a.head.path, a.head.weight.path], ['head', 'head.weight']);
  const heads = [a.head, b.head, new Sized().head].map(({ weight }) => bits(weight));
  allDiffer(t, heads, 'heads');
});

test('no two streams of a layer have one name, and a stream that is set goes on where it was (fault F15)', (t) => {
  class Noisy extends Layer {
    readonly masks = this.stream('masks');
    readonly others = this.stream('others');
    forward(input: Tensor): Tensor {
      return input.mul(this.masks.uniform());
    }
    again(): Random {
      return this.stream('masks');
    }
  }
  const layer = new Noisy();
  t.throws(() => layer.again(), { code: 'ERR_ARGUMENT', message: /name/ });
  t.not(layer.masks.uniform(), layer.others.uniform());
  t.deepEqual([...layer.ownRandoms().keys()], ['masks', 'others']);
  const state = { seed: 9, stream: 'mine', offset: 6 };
  layer.masks.state = state;
  const expected = new Random(0);
  expected.state = state;
  t.is(layer.masks.uniform(), expected.uniform());
});

const resumable = `
const { mlp, Linear, Dropout, Sequential, MSELoss, SGD, TensorDataset, ones, setSeed } = await import(process.argv[1]);
const [dir, epochs] = [process.argv[2], Number(process.argv[3])];
setSeed(4);
mlp({ hidden: [3] });
const model = new Sequential([new Linear(4, 8), new Dropout(0.5), new Linear(8, 1), new Dropout(0.25)]);
const data = new TensorDataset(ones([32, 4]), ones([32, 1]));
const options = { loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.002 }), batchSize: 8, progress: false, log: false };
await model.fit(data, { ...options, epochs, checkpoint: { dir }, resume: true });
console.log([...model.stateDict().values()].map((tensor) => tensor.data.join()).join());
`;

test('a run of a second model that another process takes up has the bits of one that was never interrupted (faults F15, F18)', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-streams-'));
  const library = pathToFileURL(join(root, 'dist/lib/index.js')).href;
  const run = (dir: string, epochs: number): string =>
    execFileSync(process.execPath, ['--input-type=module', '-e', resumable, library, join(folder, dir), String(epochs)], { encoding: 'utf8' });
  run('interrupted', 1);
  t.is(run('interrupted', 3), run('whole', 3));
});

test('an epoch of fit gives the bits of the eager one for the second model of a process, too (fault F15)', async (t) => {
  const data = new TensorDataset(ones([32, 4]), ones([32, 1]));
  const run = async (eager: boolean): Promise<string> => {
    setSeed(6);
    mlp({ hidden: [3] });
    const model = new Sequential([new Dropout(0.5), new Linear(4, 1)]);
    await model.fit(data, { loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.05 }), eager, progress: false, log: false });
    return bits((model.layers[1] as Linear).weight);
  };
  const [a, b] = [await run(true), await run(false)];
  t.is(a, b);
});
