// State and modes: layers and parameters that stand in a model twice, and what is frozen.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  type AnyTensor,
  BatchNorm1d,
  BatchNorm2d,
  type Buffer,
  cifarResnet,
  compileStep,
  Conv2d,
  encodeSafetensors,
  fromBytes,
  GlobalAvgPool2d,
  Layer,
  Model,
  fit,
  Linear,
  load,
  loadPyTorch,
  MaxPool2d,
  MSELoss,
  mseLoss,
  NamedStack,
  noGrad,
  ones,
  type Parameter,
  ReLU,
  readSafetensors,
  registerLayer,
  savePyTorch,
  Sequential,
  SGD,
  setSeed,
  type Tensor,
  TensorDataset,
  Xavier,
  tensor,
} from '../../lib/index.js';

const quiet = { progress: false, log: false } as const;
const bits = (value: AnyTensor): string => [...value.data].join();
const folder = (): string => mkdtempSync(join(tmpdir(), 'nodegrad-state-'));
const x = tensor([
  [1, -2, 3, 4],
  [0, 5, -1, 2],
]);

// ---- layers that stand twice ----

/** The matrix of a Linear and the way back through its transpose, as autoencoders with tied weights have it. */
class Tied extends Model {
  readonly there: Linear;
  readonly back: Linear;
  constructor() {
    super();
    this.there = new Linear(4, 4);
    this.back = new Linear(4, 4);
    (this.back as { weight: Parameter }).weight = this.there.weight;
  }
  forward(input: Tensor): Tensor {
    return this.back.forward(this.there.forward(input));
  }
  override config(): unknown {
    return {};
  }
  static fromConfig(): Tied {
    return new Tied();
  }
}
registerLayer(Tied, 'Tied');

function tie(a: Linear, b: Linear): void {
  (b as { weight: Parameter }).weight = a.weight;
}

const shared: Record<string, () => Model> = {
  'an activation': () => {
    const act = new ReLU();
    return new Sequential([new Linear(4, 4), act, new Linear(4, 4), act]);
  },
  'a Linear': () => {
    const linear = new Linear(4, 4);
    return new Sequential([linear, new ReLU(), linear]);
  },
  'a normalization': () => {
    const norm = new BatchNorm1d(4);
    return new Sequential([norm, new Linear(4, 4), norm]);
  },
  'a container': () => {
    const block = new Sequential([new Linear(4, 4), new ReLU()]);
    return new Sequential([block, new BatchNorm1d(4), block]);
  },
  'layers in stacks of different depth': () => {
    const [linear, act] = [new Linear(4, 4), new ReLU()];
    const named = new NamedStack({ first: linear, act, again: new Sequential([act, linear]) });
    return new Sequential([named, act, new Sequential([named, linear])]);
  },
  'a parameter of two layers': () => {
    const [a, b, c] = [new Linear(4, 4), new Linear(4, 4), new Linear(4, 4)];
    tie(a, b);
    tie(a, c);
    return new Sequential([a, new ReLU(), b, new Sequential([c])]);
  },
  'a parameter that the class itself ties': () => new Tied(),
  'a buffer of two layers': () => {
    const [a, b] = [new BatchNorm1d(4), new BatchNorm1d(4)];
    (b as { runningMean: Buffer | null }).runningMean = a.runningMean;
    return new Sequential([a, b]);
  },
};

/** Where layers, parameters and buffers of a model stand, by number: two places with one number hold one thing. */
function structure(model: Layer): string {
  const numbers = new Map<object, number>();
  const number = (item: object): number => numbers.get(item) ?? (numbers.set(item, numbers.size), numbers.size - 1);
  const show = (layer: Layer): string => {
    const items = [...layer.ownParameters(), ...layer.ownBuffers()].map(([name, item]) => `${name}=${number(item)}`);
    const inner = [...layer.children()].map(([name, child]) => `${name}=${show(child)}`);
    return `${layer.constructor.name}${number(layer)}(${[...items, ...inner].join(' ')})`;
  };
  return show(model);
}

function sameModel(t: ExecutionContext, twin: Layer, model: Layer, message: string): void {
  t.not(twin, model);
  t.is(structure(twin), structure(model), `${message}: what is one stays one`);
  t.deepEqual([...twin.stateDict().keys()], [...model.stateDict().keys()], message);
  t.is(bits(twin.eval().forward(x)), bits(model.eval().forward(x)), message);
}

for (const [what, make] of Object.entries(shared)) {
  test(`${what} in two places is one after save, load and clone (fault F04)`, async (t) => {
    setSeed(1);
    const model = make();
    noGrad(() => model.forward(x));
    sameModel(t, model.clone(), model, 'clone');
    sameModel(t, model.clone().clone(), model, 'clone of a clone');
    sameModel(t, fromBytes(model.toBytes()), model, 'bytes');
    const path = join(folder(), 'model.safetensors');
    await model.save(path);
    sameModel(t, await load(path), model, 'file');
    const other = make();
    await other.load(path);
    sameModel(t, other, model, 'load into another');
    // Training moves what is one together.
    const twin = fromBytes(model.toBytes()).train();
    model.train();
    for (const one of [twin, model] as Layer[]) {
      const optimizer = new SGD(one, { lr: 0.1 });
      one.forward(x).sum().backward();
      optimizer.step();
    }
    sameModel(t, twin, model, 'after a step');
    t.true(model.summary().includes(`${model.parameterCount()} parameters`.replace(/\B(?=(\d{3})+ )/g, ',')));
  });
}

test('values may come under any path of what stands in several places, or under all when they agree (fault F04)', (t) => {
  const make = (): Sequential => {
    const [a, b] = [new Linear(4, 4, { bias: false }), new Linear(4, 4, { bias: false })];
    tie(a, b);
    const block = new Sequential([new Linear(4, 2)]);
    return new Sequential([a, b, block, new Linear(2, 4), block]);
  };
  setSeed(1);
  const model = make();
  const state = model.stateDict();
  t.deepEqual([...state.keys()], ['0.weight', '2.0.weight', '2.0.bias', '3.weight', '3.bias']);
  const rename = (changes: Record<string, string[]>): Map<string, AnyTensor> =>
    new Map([...state].flatMap(([path, value]) => (changes[path] ?? [path]).map((name) => [name, value] as const)));
  for (const changes of [
    { '0.weight': ['0.weight', '1.weight'], '2.0.bias': ['2.0.bias', '4.0.bias'] },
    { '0.weight': ['1.weight'], '2.0.weight': ['4.0.weight'] },
  ] as Record<string, string[]>[]) {
    const other = make();
    const report = other.loadStateDict(rename(changes));
    t.deepEqual(report.unexpected, []);
    t.is(bits(other.forward(x)), bits(model.forward(x)));
  }
  const differs = new Map(rename({ '0.weight': ['0.weight', '1.weight'] })).set('1.weight', ones([4, 4]));
  t.throws(() => make().loadStateDict(differs), { code: 'ERR_ARGUMENT', message: /'1\.weight' and '0\.weight' are one/ });
  t.throws(() => make().loadStateDict(rename({ '0.weight': ['5.weight'] })), { message: /unexpected 5\.weight/ });
});

test('PyTorch gets a tied weight under all of its names, as its state_dict has it, and gives it under any (fault F04)', async (t) => {
  const make = (): Sequential => {
    const linear = new Linear(4, 4);
    const norm = new BatchNorm1d(4);
    return new Sequential([linear, norm, linear, norm]);
  };
  setSeed(1);
  const model = make();
  const path = join(folder(), 'tied.safetensors');
  await savePyTorch(model, path);
  const { tensors } = await readSafetensors(path);
  t.true(['0.weight', '2.weight', '1.running_mean', '3.running_mean', '3.num_batches_tracked'].every((name) => tensors.has(name)));
  t.is(bits(tensors.get('2.weight') as Tensor), bits(tensors.get('0.weight') as Tensor));
  const withoutFirst = new Map([...tensors].filter(([name]) => !name.startsWith('0.') && !name.startsWith('1.')));
  for (const source of [tensors, withoutFirst]) {
    const other = make();
    await loadPyTorch(other, source);
    t.is(bits(other.eval().forward(x)), bits(model.eval().forward(x)));
  }
});

test('a file whose architecture refers to what is not there is refused (fault F04)', (t) => {
  const bytes = (architecture: unknown): Uint8Array => encodeSafetensors(new Map(), new Map([['architecture', JSON.stringify(architecture)]]));
  const stack = (...layers: unknown[]): unknown => ({ type: 'Sequential', config: { layers } });
  for (const [architecture, message] of [
    [stack({ same: 0 }), /refers to layer 0/],
    [{ same: 0 }, /refers to layer 0/],
    [{ id: 0, type: 'Sequential', config: { layers: [{ same: 0 }] } }, /refers to layer 0/],
    [{ ...(stack() as object), tied: { '0.weight': '1.weight' } }, /ties '0\.weight' to '1\.weight'/],
  ] as const)
    t.throws(() => fromBytes(bytes(architecture)), { code: 'ERR_FILE_FORMAT', message });
  const old = stack({ type: 'ReLU', config: {} }, { type: 'MaxPool2d', config: { kernelSize: 2 } });
  t.is((fromBytes(bytes(old)) as Sequential).layers.length, 2, 'files from before load as they did');
});

test('a shared pooling layer is found in a convolutional net (fault F04)', (t) => {
  const [pool, act] = [new MaxPool2d(2), new ReLU()];
  const model = new Sequential([new Conv2d(1, 2, 3), act, pool, new Conv2d(2, 2, 3), act, pool, new GlobalAvgPool2d()], {
    inputShape: [14, 14, 1],
  });
  const twin = model.clone();
  t.is(twin.layers[1], twin.layers[4]);
  t.is(twin.layers[2], twin.layers[5]);
  t.is(twin.summary(), model.summary());
});

// ---- what is frozen ----

const rows = tensor([
  [1, 2],
  [3, 4],
  [5, 6],
  [7, 9],
]);
const data = new TensorDataset(rows, ones([4, 1]));
const stateOf = (layer: Layer): string[] => [...layer.stateDict()].map(([path, value]) => `${path} ${bits(value)}`);

for (const eager of [false, true]) {
  test(`a frozen normalization keeps its statistics and normalizes with them, also in training mode, ${eager ? 'eager' : 'compiled'} (fault F16)`, async (t) => {
    const train = (model: Layer): Promise<unknown> =>
      fit(model, data, { loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.01 }), epochs: 3, batchSize: 2, eager, ...quiet });
    for (const affine of [true, false]) {
      setSeed(1);
      const norm = new BatchNorm1d(2, { affine });
      const model = new Sequential([norm, new Linear(2, 1)]);
      noGrad(() => model.forward(rows.mul(10)));
      norm.freeze();
      const before = stateOf(norm);
      const head = bits((model.layers[1] as Linear).weight);
      await train(model);
      t.deepEqual(stateOf(norm), before, 'statistics and factors stay');
      t.not(bits((model.layers[1] as Linear).weight), head, 'the rest learns');
      t.true(norm.training);
      const inTraining = bits(model.forward(rows));
      t.is(bits(model.eval().forward(rows)), inTraining, 'it normalizes as in evaluation');
      norm.unfreeze();
      await train(model.train());
      t.notDeepEqual(stateOf(norm), before, 'and moves again');
    }
  });
}

test('a whole net is frozen but for its head: nothing but the head moves (fault F16)', async (t) => {
  setSeed(1);
  const model = cifarResnet({ depth: 8, width: 4 });
  noGrad(() => model.forward(ones([4, 32, 32, 3])));
  model.freeze();
  model.fc.unfreeze();
  const pictures = new TensorDataset(ones([4, 32, 32, 3]), ones([4, 10]));
  const before = stateOf(model);
  await model.fit(pictures, { loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.1 }), batchSize: 2, epochs: 2, ...quiet });
  const moved = stateOf(model).flatMap((line, i) => (line === before[i] ? [] : [line.split(' ')[0]]));
  t.deepEqual(moved, ['fc.weight', 'fc.bias']);
});

test('a compiled step follows freeze() and unfreeze(), with the bits of the eager one (fault F16)', async (t) => {
  const run = async (compiled: boolean): Promise<string[]> => {
    setSeed(1);
    const norm = new BatchNorm1d(2);
    const model = new Sequential([new Linear(2, 2), norm, new Linear(2, 1)]);
    const optimizer = new SGD(model, { lr: 0.05 });
    const step = (input: Tensor) => {
      optimizer.zeroGrad();
      const loss = mseLoss(model.forward(input), ones([4, 1]));
      loss.backward();
      optimizer.step();
      return { loss };
    };
    const program = compileStep(step);
    const found: string[] = [];
    for (const change of [() => {}, () => norm.freeze(), () => {}, () => norm.unfreeze(), () => model.layers[0].freeze(), () => norm.eval()]) {
      change();
      found.push(bits((compiled ? await program(rows) : step(rows)).loss), ...stateOf(norm));
    }
    program.dispose();
    return found;
  };
  t.deepEqual(await run(true), await run(false));
});

test('a clone is frozen as its original is, and a resumed run as the run was (fault F16)', async (t) => {
  const make = (): Sequential => {
    setSeed(1);
    return new Sequential([new BatchNorm1d(2), new Linear(2, 1)]);
  };
  const model = make();
  model.layers[0].freeze();
  const twin = model.clone();
  t.deepEqual(
    twin.layers.map(({ frozen }) => frozen),
    [true, false],
  );
  // The first epochs are frozen, by a callback that sees each epoch begin.
  const fit = async (dir: string, epochs: number): Promise<string[]> => {
    const one = make();
    const callbacks = [
      {
        onEpochBegin: (run: { epoch: number }) => {
          if (run.epoch === 1) one.layers[0].freeze();
          if (run.epoch === 5) one.layers[0].unfreeze();
        },
      },
    ];
    const options = { loss: new MSELoss(), optimizer: new SGD(one, { lr: 0.002 }), batchSize: 2, callbacks, ...quiet };
    await one.fit(data, { ...options, epochs, checkpoint: { dir }, resume: true });
    return stateOf(one);
  };
  const [first, whole] = [folder(), folder()];
  await fit(first, 3);
  t.deepEqual(await fit(first, 6), await fit(whole, 6));
});

test('fit puts the model into training mode before onEpochBegin, which may put a layer into another one (fault F16)', async (t) => {
  setSeed(1);
  const norm = new BatchNorm2d(2);
  const model = new Sequential([norm, new GlobalAvgPool2d(), new Linear(2, 1)]);
  const pictures = new TensorDataset(ones([4, 3, 3, 2]), ones([4, 1]));
  const options = { loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.01 }), ...quiet };
  norm.eval();
  await model.fit(pictures, options);
  t.is(norm.numBatchesTracked?.item(), 1, 'eval() before fit() is undone, as by train()');
  await model.fit(pictures, { ...options, epochs: 2, callbacks: [{ onEpochBegin: () => norm.eval() }] });
  t.is(norm.numBatchesTracked?.item(), 1);
});

test('a forward that is a field of the layer is one for compiled steps, too: they know its mode and its path (fault F15)', async (t) => {
  class Field extends Layer {
    readonly inner = new Linear(2, 2, { init: new Xavier() });
    forward = (input: Tensor): Tensor => {
      const y = this.inner.forward(input);
      return this.training ? y : y.mul(0);
    };
  }
  const model = new Sequential([new Field()]);
  const step = compileStep((input: Tensor) => noGrad(() => model.forward(input)));
  const trained = bits(await step(rows));
  model.eval();
  t.not(bits(await step(rows)), trained);
  step.dispose();
  const { forward } = model.layers[0] as Field;
  t.is(bits(forward(rows)), bits(model.forward(rows)), 'an arrow function may be called without its layer');
  const error = t.throws(() => model.forward(ones([2, 3])));
  t.regex(error?.message ?? '', /in layer '0\.inner'/);
});
