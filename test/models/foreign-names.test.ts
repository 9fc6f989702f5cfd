// Proves lib/models/foreign-names.ts: weights under the names of transformers and timm give their logits, and wrappers are taken off.

import test from 'ava';
import {
  type AnyTensor,
  ArgumentError,
  BatchNorm2d,
  Linear,
  Model,
  MultiHeadAttention,
  ResNet,
  Sequential,
  ShapeError,
  type Tensor,
  TransformerBlock,
  Vgg,
  concat,
  loadPyTorch,
  noGrad,
  resnet18,
  resnet50,
  tensor,
} from '../../lib/index.js';
import { type ModelCase, agreesWith, imagesOf, weightsOf } from '../helpers/formula-weights.js';
import { generated } from '../helpers/golden.js';

interface File {
  readonly generatorSha256: string;
  readonly cases: Readonly<Record<string, ModelCase>>;
  readonly same: Readonly<Record<string, readonly [name: string, shape: readonly number[]][]>>;
}
const { cases, same } = generated<File>('foreign-names');
const models = {
  'transformers, basic': () => new ResNet({ block: 'basic', blocks: [2, 1, 1], width: 16, classes: 5 }),
  'transformers, bottleneck': () => new ResNet({ block: 'bottleneck', blocks: [1, 2, 1, 1], width: 16, classes: 5 }),
  'timm, vgg11': () => new Vgg({ depth: 11, width: 2, hidden: [64, 4096], classes: 5, imageSize: 64 }),
};

test('ResNet of transformers and VGG of timm are known by their names, and give their logits', async (t) => {
  t.deepEqual(Object.keys(models), Object.keys(cases));
  for (const [name, make] of Object.entries(models)) {
    const model = make();
    const report = await loadPyTorch(model, weightsOf(cases[name]));
    t.deepEqual([report.missing, report.unexpected, report.skipped], [[], [], []], name);
    const logits = noGrad(() => model.eval().forward(imagesOf(cases[name])));
    agreesWith(t, name, logits, cases[name].logits);
  }
});

test("the residual networks of timm have torchvision's names and shapes", async (t) => {
  for (const [name, make] of Object.entries({ resnet18, resnet50 })) {
    const model = make();
    const weights = new Map(same[name].map(([key, shape]): [string, AnyTensor] => [key, tensor(new Float32Array(sizeOf(shape)), shape)]));
    for (const [key] of weights) if (key.endsWith('num_batches_tracked')) weights.set(key, tensor(new Int32Array(1), []));
    t.is((await loadPyTorch(model, weights)).matched.length, model.namedState().size, name);
  }
});
const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dimension) => product * dimension, 1);

test('what wraps a model is taken off its names, in any order; names that only look so stay', async (t) => {
  const weights = (prefix: string): Map<string, AnyTensor> =>
    new Map<string, AnyTensor>([
      [`${prefix}0.weight`, tensor([[1, 2]])],
      [`${prefix}0.bias`, tensor([3])],
    ]);
  for (const prefix of ['', 'module.', '_orig_mod.', 'model.', 'timm_model.', 'module._orig_mod.', 'model.module.'])
    t.deepEqual((await loadPyTorch(new Sequential([new Linear(2, 1)]), weights(prefix))).missing, [], prefix);
  await t.throwsAsync(loadPyTorch(new Sequential([new Linear(2, 1)]), weights('encoder.')), {
    instanceOf: ArgumentError,
    message: /has encoder\.0\.weight/,
  });
  const half = new Map([...weights('module.')].slice(0, 1)).set('0.bias', tensor([3]));
  await t.throwsAsync(loadPyTorch(new Sequential([new Linear(2, 1)]), half), { message: /unexpected module\.0\.weight/ });
});

test('fine-tuning: a head for other classes stays as it is and is named, and frozen normalization keeps its statistics', async (t) => {
  const name = 'transformers, basic';
  const model = new ResNet({ block: 'basic', blocks: [2, 1, 1], width: 16, classes: 3 });
  const head = [...model.fc.weight.data];
  await t.throwsAsync(loadPyTorch(model, weightsOf(cases[name])), {
    instanceOf: ShapeError,
    message: /'fc\.weight' expects PyTorch's shape \[3, 64\]/,
  });
  const report = await loadPyTorch(model, weightsOf(cases[name]), { otherShapes: 'skip' });
  t.deepEqual(report.skipped, ['fc.weight', 'fc.bias']);
  t.deepEqual([report.missing, report.unexpected], [[], []]);
  t.deepEqual([...model.fc.weight.data], head);
  await t.throwsAsync(loadPyTorch(model, weightsOf(cases[name]), { otherShapes: 'leave' as never }), { instanceOf: ArgumentError });

  model.freeze();
  model.fc.unfreeze();
  const before = [...model.bn1.runningMean!.data];
  model.train().forward(imagesOf(cases[name])).sum().backward();
  t.deepEqual([...model.bn1.runningMean!.data], before);
  t.deepEqual(
    [...model.namedParameters()].filter(([, { grad }]) => grad !== null).map(([path]) => path),
    ['fc.weight', 'fc.bias'],
  );
  model.unfreeze();
  for (const layer of model.namedLayers().values()) if (layer instanceof BatchNorm2d) layer.freeze();
  model.forward(imagesOf(cases[name]));
  t.deepEqual([...model.bn1.runningMean!.data], before, 'the norms alone');
  model.unfreeze().forward(imagesOf(cases[name]));
  t.notDeepEqual([...model.bn1.runningMean!.data], before);
});

test('attention and blocks of torch.nn are known by their names, with one matrix of queries, keys and values or three', async (t) => {
  class Reader extends Model {
    readonly blocks = new Sequential([new TransformerBlock(4, 2, { normFirst: true }), new TransformerBlock(4, 2, { normFirst: true })]);
    readonly look = new MultiHeadAttention(4, 2);
    forward(x: Tensor): Tensor {
      return this.look.forward(this.blocks.forward(x) as Tensor) as Tensor;
    }
  }
  const [source, target, apart] = [new Reader(), new Reader(), new Reader()];
  for (const parameter of source.parameters()) parameter.data.set(parameter.data.map((_: number, i: number) => Math.sin(i + parameter.size)));
  const weight = (path: string): Tensor => {
    const value = source.stateDict().get(path) as Tensor;
    return value.rank === 2 ? value.transpose() : value;
  };
  const theirs = new Map<string, AnyTensor>();
  const attention = (from: string, to: string): void => {
    for (const item of ['weight', 'bias']) {
      const parts = ['query', 'key', 'value'].map((part) => weight(`${from}.${part}.${item}`));
      theirs.set(`${to}.in_proj_${item}`, concat(parts));
      theirs.set(`${to}.out_proj.${item}`, weight(`${from}.output.${item}`));
    }
  };
  attention('look', 'look');
  for (const i of [0, 1]) {
    attention(`blocks.${i}.attention`, `blocks.layers.${i}.self_attn`);
    for (const [to, from] of Object.entries({ linear1: 'mlp.hidden', linear2: 'mlp.output', norm1: 'attentionNorm', norm2: 'mlpNorm' }))
      for (const item of ['weight', 'bias']) theirs.set(`blocks.layers.${i}.${to}.${item}`, weight(`blocks.${i}.${from}.${item}`));
  }
  await loadPyTorch(target, theirs);
  for (const [path, value] of source.stateDict()) t.deepEqual(target.stateDict().get(path)?.toArray(), value.toArray(), path);
  const joined = theirs.get('look.in_proj_weight') as Tensor;
  theirs.delete('look.in_proj_weight');
  for (const [i, part] of ['q', 'k', 'v'].entries()) theirs.set(`look.${part}_proj_weight`, joined.slice(4 * i, 4 * i + 4));
  await loadPyTorch(apart, theirs);
  for (const [path, value] of source.stateDict()) t.deepEqual(apart.stateDict().get(path)?.toArray(), value.toArray(), path);
});
