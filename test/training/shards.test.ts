// fit({ shards }): a batch in parts trains as the whole does, and sums are those of one tree, whoever computes which part.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  type HasTrainingOutputs,
  type ScoredOutput,
  type Dataset,
  relu,
  type AnyLayer,
  type AnyTensor,
  ArgumentError,
  CrossEntropyLoss,
  type FitOptions,
  type History,
  L2Regularizer,
  Linear,
  type Loss,
  LSTM,
  Layer,
  MulticlassHingeLoss,
  SGD,
  Tensor,
  BatchNorm1d,
  BatchNorm2d,
  Conv2d,
  Flatten,
  Sequential,
  TensorDataset,
  fit,
  ReLU,
  cifarResnet,
  fractalnet,
  setSeed,
} from '../../lib/index.js';
import { rowsOfShard } from '../../lib/ops/group.js';
import { fuse } from '../../lib/program/fuse.js';
import { record } from '../../lib/program/record.js';
import { addInTree } from '../../lib/training/shards.js';
import { makeTrainSteps } from '../../lib/training/train-step.js';
import { inFolder, makeTrial, outcomeOf, runTrial, stopAfter } from '../helpers/checkpoints.js';
import { close, identical } from '../helpers/close.js';
import { convNet } from '../helpers/conv-net.js';
import { Seeded } from '../helpers/seeded.js';
import { loss, makeModel, points, quiet } from '../helpers/training.js';

const numbers = (model: AnyLayer): Float64Array =>
  Float64Array.from([...model.stateDict().values()].flatMap((tensor: AnyTensor) => [...tensor.data].map(Number)));

const images = (count: number, side: number, channels = 3): TensorDataset => {
  const seeded = new Seeded(7);
  const pixels = Float32Array.from(seeded.uniform(count * side * side * channels));
  const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
  return new TensorDataset(Tensor.from(pixels, [count, side, side, channels]), Tensor.from(labels), { name: 'noise', classes: 10 });
};

class LastState extends Layer {
  readonly lstm = new LSTM(3, 8);
  readonly head = new Linear(8, 4);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.lstm.forward(x).slice([0, 4], [x.shape[0], 5]).reshape([-1, 8]));
  }
}

const sequences = (count: number): TensorDataset => {
  const values = Float32Array.from(new Seeded(3).uniform(count * 5 * 3));
  return new TensorDataset(Tensor.from(values, [count, 5, 3]), Tensor.from(Int32Array.from({ length: count }, (_, i) => i % 4)), {
    classes: 4,
  });
};

class TwoHeads extends Layer implements HasTrainingOutputs {
  readonly body = new Linear(2, 8);
  readonly first = new Linear(8, 4);
  readonly second = new Linear(8, 4);
  forward(x: Tensor): Tensor {
    return this.first.forward(relu(this.body.forward(x)));
  }
  trainingOutputs(x: Tensor): ScoredOutput[] {
    const inner = relu(this.body.forward(x));
    return [
      [this.first.forward(inner), 1],
      [this.second.forward(inner), 0.3],
    ];
  }
}

const smallImages = (): Sequential =>
  new Sequential([
    new Conv2d(3, 40, 3, { stride: 2, padding: 1 }),
    new ReLU(),
    new Conv2d(40, 40, 3, { padding: 1 }),
    new ReLU(),
    new Conv2d(40, 64, 3, { stride: 2, padding: 1 }),
    new ReLU(),
    new Conv2d(64, 64, 3, { padding: 1 }),
    new Flatten(),
    new Linear(256, 10),
  ]);

const weighted = (data: TensorDataset): Dataset => ({
  name: 'weighted',
  length: data.length,
  inputShape: data.inputShape,
  targetShape: data.targetShape,
  batch: (indices) => ({ ...data.batch(indices), weights: Tensor.from(Float32Array.from(indices, (i) => (i % 5) / 2)) }),
});

interface Case {
  readonly make: () => AnyLayer;
  readonly data: () => Dataset;
  readonly loss?: Loss;
  readonly options?: (model: AnyLayer) => Partial<FitOptions>;
  /** Whether a part computes as the whole would: no batch statistics, nothing drawn. */
  readonly isSame?: boolean;
}

const cases: Readonly<Record<string, Case>> = {
  'an MLP': { make: makeModel, data: () => points(44), isSame: true },
  'a penalty and clipping': {
    make: makeModel,
    data: () => points(44),
    options: (model) => ({ regularizers: [new L2Regularizer(model, 0.01)], maxGradNorm: 0.3 }),
    isSame: true,
  },
  'ignored labels': { make: makeModel, data: () => points(44), loss: new CrossEntropyLoss({ ignoreIndex: 2 }), isSame: true },
  'weights of classes': { make: makeModel, data: () => points(44), loss: new CrossEntropyLoss({ classWeights: [1, 3, 0, 0.5] }), isSame: true },
  'a sum over the batch': { make: makeModel, data: () => points(44), loss: new MulticlassHingeLoss({ reduction: 'sum' }), isSame: true },
  'weights of examples': { make: makeModel, data: () => weighted(points(44)), isSame: true },
  'an LSTM': { make: () => new LastState(), data: () => sequences(44), isSame: true },
  'an output that only training needs': { make: () => new TwoHeads(), data: () => points(44), isSame: true },
  'batch norm, dropout and blocks that are left out': { make: () => convNet(8), data: () => images(44, 16) },
  // Weights larger than what a part makes their gradients of: 4×4 images through Winograd, 2×2 tap by tap.
  'convolutions of small images': { make: smallImages, data: () => images(44, 8), isSame: true },
  'paths that are drawn': { make: () => fractalnet({ columns: 2, widths: [4, 4] }), data: () => images(20, 32) },
};

async function train(one: Case, more: Partial<FitOptions>): Promise<{ weights: Float64Array; history: History; model: AnyLayer }> {
  setSeed(11);
  const model = one.make();
  model.prepare();
  const optimizer = new SGD(model, { lr: 0.05, momentum: 0.9 });
  const history = await fit(model, one.data(), {
    ...quiet,
    loss: one.loss ?? loss,
    optimizer,
    epochs: 2,
    batchSize: 16,
    seed: 2,
    ...one.options?.(model),
    ...more,
  });
  return { weights: numbers(model), history, model };
}

for (const [name, one] of Object.entries(cases)) {
  // One after the other: runs share the generator of the process.
  test.serial(`with ${name}, a compiled step in parts has the bits of an eager one, for any number of parts`, async (t) => {
    for (const shards of [2, 3, 16]) {
      const [compiled, eager] = [await train(one, { shards }), await train(one, { shards, eager: true })];
      identical(t, compiled.weights, eager.weights, `${shards} parts`);
      t.deepEqual(
        compiled.history.epochs.map(({ loss: value, metrics }) => ({ value, metrics })),
        eager.history.epochs.map(({ loss: value, metrics }) => ({ value, metrics })),
      );
    }
  });

  if (one.isSame !== true) continue;
  test.serial(`with ${name}, parts train as the whole does`, async (t) => {
    const whole = await train(one, {});
    for (const shards of [2, 5, 16]) {
      const parts = await train(one, { shards });
      close(t, parts.weights, whole.weights, { absolute: 2e-6 }, `${shards} parts`);
      close(t, [parts.history.epochs[1].loss], [whole.history.epochs[1].loss], { relative: 1e-6 }, 'loss');
      t.deepEqual(parts.history.epochs[1].metrics, whole.history.epochs[1].metrics);
    }
  });
}

test('convolutions of small images have one weight gradient of all parts', (t) => {
  const model = smallImages();
  model.prepare();
  const optimizer = new SGD(model, { lr: 0.05 });
  const parts = { model, loss, optimizer, metrics: [], clipping: { maxGradNorm: undefined }, regularizers: [], keepPrediction: false };
  const [step] = makeTrainSteps({ ...parts, shards: 8, channel: null, isTogether: false });
  const given = [
    { shape: [16, 8, 8, 3], dtype: 'float32' },
    { shape: [16], dtype: 'int32' },
  ] as const;
  const { recording, result, recorder } = record(given, (x, y) => step(x, y).loss);
  const names = fuse(recording, [recorder.slot(result)]).instructions.map(({ op }) => op.name);
  const count = (wanted: string): number => names.filter((name) => name === wanted).length;
  t.is(count('conv2d_weight_gradient_shards'), 3);
  t.is(count('conv2d_weight_gradient'), 8, 'those of the first layer');
});

test.serial('a callback sees the prediction of the whole batch, in its order, and metrics that look at it measure the same', async (t) => {
  const seen: (readonly number[])[] = [];
  await train(cases['an MLP'], { shards: 3, callbacks: [{ onBatchEnd: ({ prediction }) => void seen.push((prediction as Tensor).shape) }] });
  t.deepEqual(seen.slice(0, 3), [
    [16, 4],
    [16, 4],
    [12, 4],
  ]);
});

test.serial(
  'running statistics follow the mean of what the parts make of a batch, once in a step, whatever the sizes of the parts',
  async (t) => {
    const make = (): Sequential => new Sequential([new BatchNorm1d(2), new Linear(2, 4)]);
    const { model } = await train({ make, data: () => points(5) }, { shards: 2, epochs: 1, shuffle: false });
    const { inputs } = points(5);
    const parts = [inputs.data.slice(0, 4), inputs.data.slice(4)];
    const column = (part: Float32Array, k: number): number[] => [...part.filter((_, i) => i % 2 === k)];
    const mean = (list: readonly number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;
    const variance = (list: readonly number[]): number => list.reduce((sum, x) => sum + (x - mean(list)) ** 2, 0) / (list.length - 1);
    const state = model.stateDict();
    for (const [path, of, first] of [
      ['0.runningMean', mean, 0],
      ['0.runningVar', variance, 1],
    ] as const) {
      const wanted = [0, 1].map((k) => {
        const [small, large] = parts.map((part) => of(column(part, k)));
        return 0.9 * first + 0.1 * ((2 * small + 3 * large) / 5);
      });
      close(t, state.get(path)?.data as Float32Array, wanted, { relative: 1e-5 }, path);
    }
    t.is(state.get('0.numBatchesTracked')?.data[0], 1);
  },
);

/** The same examples in float64, so far from zero. */
const in64 = (data: TensorDataset, shift = 0): Dataset => {
  const { inputs, targets } = data.batch(Int32Array.from({ length: data.length }, (_, i) => i));
  return new TensorDataset(inputs.to('float64').add(shift) as never, targets, { classes: 10 }) as never;
};

/** Nets with batch normalization, in float64: what a step does over all of a batch, parts do together. */
const synchronized: Readonly<Record<string, Case>> = {
  'a ConvNet': {
    make: () =>
      new Sequential([
        new Conv2d(3, 8, 3),
        new BatchNorm2d(8),
        new ReLU(),
        new Conv2d(8, 8, 3),
        new BatchNorm2d(8),
        new Flatten(),
        new Linear(32, 10),
      ]).to('float64'),
    data: () => in64(images(44, 6)),
  },
  'numbers far from zero': {
    make: () => new Sequential([new BatchNorm1d(2), new Linear(2, 4)]).to('float64'),
    data: () => in64(points(44), 1e5),
  },
  // Each block runs again for its gradient, and some are left out in some steps.
  'a ResNet': { make: () => cifarResnet({ depth: 8, dropPath: 0.5, recompute: true }).to('float64'), data: () => in64(images(22, 8)) },
  'ignored labels, no factor and no shift': {
    make: () =>
      new Sequential([new BatchNorm1d(2, { affine: false }), new Linear(2, 8), new BatchNorm1d(8), new ReLU(), new Linear(8, 4)]).to('float64'),
    data: () => in64(points(44)),
    loss: new CrossEntropyLoss({ ignoreIndex: 2 }),
  },
};

for (const [name, one] of Object.entries(synchronized))
  test.serial(`with ${name}, parts whose batch normalization is synchronized train as the whole does`, async (t) => {
    const whole = await train(one, {});
    for (const shards of [2, 5, 16]) {
      const parts = await train(one, { shards, batchNorm: 'synchronized' });
      close(t, parts.weights, whole.weights, { absolute: 1e-10 }, `${shards} parts`);
      close(t, [parts.history.epochs[1].loss], [whole.history.epochs[1].loss], { relative: 1e-10 }, 'loss');
    }
    const apart = await train(one, { shards: 2 });
    t.true(Math.max(...apart.weights.map((weight, i) => Math.abs(weight - whole.weights[i]))) > 1e-4, 'without it they do not');
  });

test('synchronized batch normalization says what it cannot do', async (t) => {
  /** Normalizes the smaller parts alone. */
  class Sometimes extends Layer {
    readonly norm = new BatchNorm1d(2);
    readonly head = new Linear(2, 4);
    forward(x: Tensor): Tensor {
      return this.head.forward(x.shape[0] === 2 ? this.norm.forward(x) : x);
    }
  }
  const options = { shards: 6, batchNorm: 'synchronized' } as const;
  const refused = async (make: () => AnyLayer, more: Partial<FitOptions>, message: RegExp): Promise<void> => {
    const error = await t.throwsAsync(train({ make, data: () => points(16) }, { ...options, ...more }), { instanceOf: ArgumentError });
    t.regex(error?.message ?? '', message);
  };
  await refused(() => new Sometimes(), {}, /went through different layers of batch normalization/);
  await refused(makeModel, { eager: true }, /leave `options.eager` out/);
  await refused(makeModel, { batchNorm: 'whole' as never }, /'perShard', 'synchronized' for `options\.batchNorm`/);
});

test('a branch of the tree has one sum, whoever computes it', (t) => {
  const terms = Float32Array.from(new Seeded(5).uniform(16), (x) => x * 1e3);
  const add = (a: number, b: number): number => Math.fround(a + b);
  const whole = addInTree(0, 16, (i) => terms[i], add);
  const quarter = (k: number): number | null => addInTree(4 * k, 4 * k + 4, (i) => terms[i], add);
  t.is(addInTree(0, 4, quarter, add), whole);
  // From one end to the other it is another sum: the test would see a wrong tree.
  t.not(terms.reduce(add), whole as number);
  t.is(
    addInTree(0, 7, (i) => (i === 5 ? 42 : null), add),
    42,
  );
  t.is(
    addInTree(0, 7, () => null, add),
    null,
  );
  const order: string[] = [];
  addInTree(0, 6, String, (a, b) => (order.push(`${a}+${b}`), `(${a}${b})`));
  t.deepEqual(order, ['0+1', '2+3', '(01)+(23)', '4+5', '((01)(23))+(45)']);
});

test('the rows of the parts are all rows, in their order', (t) => {
  for (const [rows, count] of [
    [16, 16],
    [12, 16],
    [17, 5],
    [3, 2],
  ]) {
    const cuts = Array.from({ length: count }, (_, i) => rowsOfShard(rows, count, i));
    t.is(cuts[0][0], 0);
    t.is(cuts[count - 1][1], rows);
    for (let i = 1; i < count; i++) t.is(cuts[i][0], cuts[i - 1][1]);
    const sizes = cuts.map(([begin, end]) => end - begin);
    t.true(Math.max(...sizes) - Math.min(...sizes) <= 1);
  }
});

test.serial('a run in parts that was interrupted goes on with its bits, and one of other parts is refused', async (t) => {
  await inFolder(async (dir) => {
    const whole = makeTrial();
    const wanted = outcomeOf(whole, await runTrial(whole, undefined, { shards: 4 }));
    const stopped = makeTrial();
    await t.throwsAsync(runTrial(stopped, { dir, every: 1 }, { shards: 4, ...stopAfter(6) }));
    await t.throwsAsync(runTrial(makeTrial(), { dir }, { shards: 2, resume: true }), { message: /shards/ });
    await t.throwsAsync(runTrial(makeTrial(), { dir }, { resume: true }), { message: /shards/ });
    const again = makeTrial();
    t.is(outcomeOf(again, await runTrial(again, { dir }, { shards: 4, resume: true })), wanted);
  });
});

test.serial('a step takes the memory of one part', async (t) => {
  await inFolder(async (folder) => {
    const arena = async (shards: number): Promise<number> => {
      const log = join(folder, `${shards}.jsonl`);
      await train({ make: () => convNet(8), data: () => images(64, 16) }, { shards, batchSize: 64, epochs: 1, log });
      const entries = readFileSync(log, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      return Math.max(...entries.filter(({ type }) => type === 'memory').map(({ arenaBytes }) => arenaBytes));
    };
    t.true((await arena(8)) < 0.25 * (await arena(1)));
  });
});

test.serial('bfloat16, and a run that is observed, train in parts', async (t) => {
  const one = { make: () => convNet(8), data: () => images(44, 16) };
  const observations: number[] = [];
  const plain = await train(one, { shards: 4, precision: 'bfloat16' });
  const seen = await train(one, {
    shards: 4,
    precision: 'bfloat16',
    observeEvery: 1,
    callbacks: [{ onObserve: ({ layers }) => void observations.push(layers.length) }],
  });
  identical(t, plain.weights, seen.weights);
  const whole: number[] = [];
  await train(one, { observeEvery: 1, callbacks: [{ onObserve: ({ layers }) => void whole.push(layers.length) }] });
  t.is(observations[0], whole[0]); // the first part alone
});

test.serial('shards are a whole number from 1 to the size of a batch', async (t) => {
  for (const shards of [0, 1.5, 17, '4'])
    await t.throwsAsync(train(cases['an MLP'], { shards: shards as number }), { instanceOf: ArgumentError, message: /shards/ });
});
