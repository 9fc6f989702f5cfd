// The table of defaults: its calls can be read, rows that are alike are left out, and our column is what the code does.
import test from 'ava';
import * as nodegrad from '../lib/index.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './helpers/sources.js';

const { Linear, Sequential, Tanh, Tensor, TensorDataset, augmented, evaluate, fit, folds, gradCheck, tensor, withSeed } = nodegrad;

interface Cell {
  readonly path?: string;
  readonly option?: string;
  readonly value?: unknown;
  readonly shown: string;
}

interface SiteData {
  readonly frameworks: Record<string, string>;
  cellOf(text: string): Cell;
  defaultsTable(text: string, headings: Map<string, string>): string;
}

type Row = { readonly default: string; readonly here: string } & Readonly<Record<string, string>>;

const { cellOf, defaultsTable, frameworks } = (await import(pathToFileURL(join(root, 'scripts/site-data.mjs')).href)) as SiteData;
const rows = JSON.parse(readFileSync(join(root, 'docs/defaults.json'), 'utf8')) as Row[];

test('a cell is a call with its default, a call without one, a call with words, or words alone', (t) => {
  t.like(cellOf('optax.adam(eps=1e-8)'), { path: 'optax.adam', option: 'eps', value: 1e-8, shown: '1e-8' });
  t.like(cellOf('keras.layers.Dropout(rate)'), { path: 'keras.layers.Dropout', option: 'rate', value: undefined, shown: 'required' });
  t.like(cellOf('torch.optim.LBFGS(line_search_fn=None) none'), { option: 'line_search_fn', value: null, shown: 'none' });
  t.deepEqual(cellOf('keras.layers.A(size=(2, 2)) 2').value, [2, 2]);
  t.deepEqual(cellOf('as Keras'), { shown: 'as Keras' });
});

test('the table has the rows in which one differs, under headings, with columns of those that have the option at all', (t) => {
  const headings = new Map([
    ['Adam', 'Optimizers'],
    ['Dropout', 'Layers'],
  ]);
  const text = JSON.stringify([
    { default: 'Adam eps', pytorch: 'torch.optim.Adam(eps=0.00000001)', jax: 'optax.adam(eps=1e-8)', here: '1e-8' },
    { default: 'Adam beta', pytorch: 'torch.optim.Adam(beta=0.9)', jax: 'optax.adam(b1=0.8)', here: '0.9' },
    { default: 'Dropout p', keras: 'keras.layers.Dropout(rate)', here: '0.5' },
  ]);
  t.is(
    defaultsTable(text, headings),
    [
      '| Optimizers | nodegrad | PyTorch | JAX, optax |',
      '|---|---|---|---|',
      '| `Adam beta` | **0.9** | 0.9 | 0.8 (`b1`) |',
      '',
      '| Layers | nodegrad | Keras |',
      '|---|---|---|',
      '| `Dropout p` | **0.5** | required |',
    ].join('\n'),
  );
});

type Make = new (...values: unknown[]) => object;

/** What a class is made with, where it takes more than options. */
const needs: Record<string, readonly unknown[]> = {
  BatchNorm2d: [2],
  LayerNorm: [2],
  GroupNorm: [1, 2],
  RMSNorm: [2],
  LocalResponseNorm: [5],
  RNN: [2, 2],
  LSTM: [2, 2],
  GRU: [2, 2],
  TransformerBlock: [4, 2],
  MultiHeadAttention: [4, 2],
  WeightAverage: [new Linear(1, 1)],
  StepDecay: [0.1, { every: 2 }],
  MultiStepDecay: [0.1, { milestones: [2] }],
  PolynomialDecay: [0.1, { length: 2 }],
  CosineDecay: [0.1, { length: 2 }],
  CosineRestarts: [0.1, { length: 2 }],
  LinearWarmup: [0.1, { length: 2 }],
  OneCycle: [0.1, { length: 10 }],
  TriangularCycle: [0.1, { high: 1 }],
  ReduceOnPlateau: [0.1],
};

/** All that an object says of its options: those of an optimizer, the config of a layer, the JSON of a schedule, fields. */
function optionsOf(name: string): Record<string, unknown> {
  const make = (nodegrad as unknown as Record<string, Make>)[name];
  const isOptimizer = make.prototype instanceof nodegrad.Optimizer;
  const object = new make(...(needs[name] ?? (isOptimizer ? [new Linear(1, 1), name === 'SGD' ? { lr: 1 } : {}] : []))) as {
    groups?: readonly { readonly options: object }[];
    config?(): object;
    toJSON?(): object;
  };
  const said = isOptimizer ? object.groups?.[0].options : (object.config?.() ?? object.toJSON?.());
  return { ...object, ...said };
}

/** Options that must be given: what is refused without them. */
const refused: Record<string, () => unknown> = {
  'SGD lr': () => new nodegrad.SGD(new Linear(1, 1), {} as never),
  'GroupNorm groups': () => new nodegrad.GroupNorm(undefined as never, 4),
  'LocalResponseNorm size': () => new nodegrad.LocalResponseNorm(undefined as never),
  'MaxPool2d kernelSize': () => new nodegrad.MaxPool2d(undefined as never),
  'AvgPool2d kernelSize': () => new nodegrad.AvgPool2d(undefined as never),
  'Upsample2d scaleFactor': () => new nodegrad.Upsample2d({} as never),
  'L1Regularizer lambda': () => new nodegrad.L1Regularizer(new Linear(1, 1), undefined as never),
  'L2Regularizer lambda': () => new nodegrad.L2Regularizer(new Linear(1, 1), undefined as never),
  'ElasticNetRegularizer l1': () => new nodegrad.ElasticNetRegularizer(new Linear(1, 1), { l2: 1 } as never),
  'ElasticNetRegularizer l2': () => new nodegrad.ElasticNetRegularizer(new Linear(1, 1), { l1: 1 } as never),
  'MaxNormConstraint limit': () => new nodegrad.MaxNormConstraint(new Linear(1, 1), undefined as never),
  'PolynomialDecay length': () => new nodegrad.PolynomialDecay(0.1, {} as never),
  'LinearWarmup length': () => new nodegrad.LinearWarmup(0.1, {} as never),
};

const all = Int32Array.from({ length: 64 }, (_, i) => i);
const pixels = Tensor.from(Uint8Array.from({ length: 64 * 36 }, (_, i) => (i * 37) % 251)).reshape([64, 6, 6, 1]);
const labels = Tensor.from(all.map((i) => i % 2));
const photographs = new TensorDataset(pixels, labels);
const images = new TensorDataset(pixels.to('float32'), labels);
const seen = (data: nodegrad.Dataset<'float32', 'float32' | 'int32'>): unknown => data.batch(all, { seed: 1, epoch: 0 }).inputs.toArray();
const changed = (augmentation: nodegrad.Augmentation): unknown => seen(augmented(photographs, [augmentation]));

const curved = new Sequential([new Linear(2, 1), new Tanh()]);
const numbers = new TensorDataset(
  Tensor.from(Float32Array.from({ length: 600 }, (_, i) => (i % 17) / 17)).reshape([300, 2]),
  Tensor.from(Float32Array.from({ length: 300 }, (_, i) => i / 300)).reshape([300, 1]),
);
const trained = async (options: object): Promise<unknown> =>
  withSeed(1, async () => {
    const model = new Linear(2, 1);
    const optimizer = new nodegrad.SGD(model, { lr: 0.1 });
    await fit(model, numbers, { loss: new nodegrad.MSELoss(), optimizer, log: false, progress: false, sitter: false, ...options });
    return model.weight.toArray();
  });

/** Options of functions: what comes out with the option given, or, where it is undefined, by the default; and another value. */
const behaviours: Record<string, readonly [run: (value: unknown) => unknown, another: unknown]> = {
  'leakyRelu negativeSlope': [(v) => nodegrad.leakyRelu(tensor([-1]), { negativeSlope: v as number }).item(), 0.2],
  'gelu approximate': [(v) => nodegrad.gelu(tensor([1]), { approximate: v as 'none' }).item(), 'tanh'],
  'randomFlip direction': [(v) => changed(nodegrad.randomFlip({ direction: v as 'vertical' })), 'vertical'],
  'randomFlip p': [(v) => changed(nodegrad.randomFlip({ p: v as number })), 0.7],
  'randomCrop fill': [(v) => changed(nodegrad.randomCrop({ padding: 2, fill: v as 'mean' })), 'reflect'],
  'randomAffine fill': [(v) => changed(nodegrad.randomAffine({ rotation: 40, fill: v as 'mean' })), 'reflect'],
  'cutout p': [(v) => changed(nodegrad.cutout({ size: 2, p: v as number })), 0.5],
  'mixup alpha': [(v) => seen(nodegrad.mixup(images, { alpha: v as number, classes: 2 })), 1],
  'cutmix alpha': [(v) => seen(nodegrad.cutmix(images, { alpha: v as number, classes: 2 })), 0.2],
  'DataLoader batchSize': [(v) => new nodegrad.DataLoader(images, { batchSize: v as number }).length, 16],
  'DataLoader shuffle': [(v) => [...new nodegrad.DataLoader(images, { shuffle: v as boolean, seed: 1 })].map(([x]) => x.toArray()), true],
  'folds folds': [(v) => folds(images, { folds: v as number }).length, 4],
  'folds shuffle': [
    (v) => folds(images, { shuffle: v as boolean, seed: 1 }).map(({ validation }) => validation.batch(all.slice(0, 8)).inputs.toArray()),
    false,
  ],
  'fit batchSize': [(v) => trained({ batchSize: v }), 64],
  'fit shuffle': [(v) => trained({ shuffle: v }), false],
  'evaluate batchSize': [
    async (v) => {
      const sizes: number[] = [];
      const asked = {
        name: 'asked',
        length: 300,
        inputShape: [2],
        targetShape: [1],
        batch: (indices: Int32Array) => {
          sizes.push(indices.length);
          return numbers.batch(indices);
        },
      };
      await evaluate(new Linear(2, 1), asked, { loss: new nodegrad.MSELoss(), batchSize: v as number, progress: false });
      return sizes;
    },
    32,
  ],
  'gradCheck step': [(v) => gradCheck(curved, tensor([[0.5, -1]]), { step: v as number }).error, 1e-3],
};

test('our column of the table of defaults is what the code does', async (t) => {
  t.true(rows.length > 100);
  for (const { default: name, here } of rows) {
    const [type, option] = name.split(' ');
    const says = here.split(', ')[0];
    const value: unknown =
      says === 'true' || says === 'false' ? says === 'true' : says === 'none' ? null : Number.isNaN(Number(says)) ? says : Number(says);
    if (says === 'required') t.throws(refused[name], { code: 'ERR_ARGUMENT' }, name);
    else if (name === 'LSTM bias of the forget gate') {
      const bias = [...new nodegrad.LSTM(2, 3).parameters()].find(({ shape }) => shape.length === 1);
      t.deepEqual([...(bias?.data ?? [])].slice(3, 6), [1, 1, 1], 'input, forget, cell, output');
    } else if (name === 'TransformerBlock hidden') t.is(optionsOf(type)[option], 4 * 4, says);
    else if (behaviours[name] !== undefined) {
      const [run, another] = behaviours[name];
      const byDefault = await run(undefined);
      t.deepEqual(await run(value ?? 'none'), byDefault, name);
      t.notDeepEqual(await run(another), byDefault, `${name}: another value must be told from the default`);
    } else t.is(optionsOf(type)[option], value, name);
  }
});

test('no row is without another framework, and none stands twice', (t) => {
  const names = rows.map((row) => row.default);
  t.deepEqual(names, [...new Set(names)]);
  for (const row of rows)
    t.true(
      Object.keys(frameworks).some((key) => row[key] !== undefined),
      row.default,
    );
});
