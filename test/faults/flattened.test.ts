// Weights of PyTorch that meet flattened images and sequences, in models of one's own.
import { join } from 'node:path';
import test from 'ava';
import {
  type AnyTensor,
  ArgumentError,
  BatchNorm1d,
  Conv2d,
  Embedding,
  Flatten,
  Layer as Base,
  Linear,
  Sequential,
  ShapeError,
  type Tensor,
  concat,
  loadPyTorch,
  readSafetensors,
  savePyTorch,
  zeros,
} from '../../lib/index.js';
import { f32 } from '../helpers/build.js';
import { inFolder } from '../helpers/reports.js';

/** An image classifier by hand, without a convolution, that flattens as its second argument says. */
class Flat extends Base {
  readonly fc = new Linear(12, 2);
  constructor(readonly flat: (x: Tensor) => Tensor = (x) => x.reshape([x.shape[0], -1])) {
    super();
  }
  forward(x: Tensor): Tensor {
    return this.fc.forward(this.flat(x));
  }
}
const rows = new Map<string, AnyTensor>([
  [
    'fc.weight',
    f32(
      Float32Array.from({ length: 24 }, (_, i) => i),
      [2, 12],
    ) as never,
  ],
  ['fc.bias', f32([0, 0], [2]) as never],
]);
const firstRow = (model: Flat): number[] => [...(model.fc.weight.transpose() as Tensor).data].slice(0, 12);

test('a model that reshapes in a forward of its own is asked for its shape, and one of vectors or sequences is not', async (t) => {
  await t.throwsAsync(loadPyTorch(new Flat(), rows), {
    instanceOf: ArgumentError,
    message: /Flatten or reshape.*options\.inputShape.*options\.example/,
  });
  const turned = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11];
  for (const options of [{ inputShape: [2, 2, 3] }, { example: zeros([5, 2, 2, 3]) }]) {
    const model = new Flat();
    await loadPyTorch(model, rows, options);
    t.deepEqual(firstRow(model), turned);
  }
  for (const [flat, options] of [
    [(x: Tensor) => x, {}],
    [undefined, { inputShape: [4, 3] }],
    [undefined, { inputShape: [2, 2, 3], flattened: 'HWC' }],
    [undefined, { flattened: 'HWC' }],
    [undefined, { inputShape: [2, 2, 3], flattened: { 'fc.weight': 'HWC' } }],
  ] as const) {
    const model = new Flat(flat);
    await loadPyTorch(model, rows, options);
    t.deepEqual(firstRow(model), [...Array(12).keys()]);
  }
  await t.throwsAsync(loadPyTorch(new Flat(), rows, { flattened: 'WHC' as never }), {
    instanceOf: ArgumentError,
    message: /options\.flattened/,
  });
});

test('a model of two inputs is followed by an example of both, and rows whose order is not known are taken as they are on request', async (t) => {
  class Two extends Base<{ image: Tensor; extra: Tensor }, Tensor> {
    readonly conv = new Conv2d(3, 3, 1);
    readonly fc = new Linear(12, 2);
    readonly both = new Linear(15, 2);
    forward({ image, extra }: { image: Tensor; extra: Tensor }): Tensor {
      const flat = this.conv.forward(image).reshape([image.shape[0], -1]);
      return this.fc.forward(flat).add(this.both.forward(concat([flat, extra], 1)));
    }
  }
  const example = { image: zeros([4, 2, 2, 3]), extra: zeros([4, 3]) };
  await inFolder(async (folder) => {
    const path = join(folder, 'two.safetensors');
    const model = new Two() as never;
    await t.throwsAsync(savePyTorch(model, path, { example }), {
      instanceOf: ArgumentError,
      message: /{ flattened: { 'both\.weight': 'HWC' } }/,
    });
    await savePyTorch(model, path, { example, flattened: { 'both.weight': 'HWC' } });
    const two = new Two();
    await loadPyTorch(two as never, path, { example, flattened: { 'both.weight': 'HWC' } });
    for (const [name, value] of two.stateDict())
      t.deepEqual([...value.data], [...((model as Two).stateDict().get(name) as AnyTensor).data], name);
    const { tensors } = await readSafetensors(path);
    t.notDeepEqual([...(tensors.get('fc.weight') as AnyTensor).data], [...(two.fc.weight.transpose() as Tensor).data]);
    t.deepEqual([...(tensors.get('both.weight') as AnyTensor).data], [...(two.both.weight.transpose() as Tensor).data]);
  });
});

test('words and sequences that are flattened have one order here and there', async (t) => {
  const weight = f32(
    Float32Array.from({ length: 24 }, (_, i) => i),
    [2, 12],
  );
  const source = new Map<string, AnyTensor>([
    ['0.weight', zeros([9, 4]) as never],
    ['2.weight', weight as never],
    ['2.bias', zeros([2]) as never],
  ]);
  const model = new Sequential([new Embedding(9, 4), new Flatten(), new Linear(12, 2)]);
  await loadPyTorch(model, source, { inputShape: [3] });
  t.deepEqual([...((model.layers[2] as Linear).weight.transpose() as Tensor).data], [...weight.data]);
});

test('a value whose axes are in another order is said to be that, and a file that has nothing of the model is an error, strict or not', async (t) => {
  await t.throwsAsync(
    loadPyTorch(
      new Linear(3, 2),
      new Map([
        ['weight', zeros([3, 2])],
        ['bias', zeros([2])],
      ]) as never,
    ),
    {
      instanceOf: ShapeError,
      message: /transpose\(\) 'weight' in the Map/,
    },
  );
  const model = new Sequential([new Linear(3, 3), new BatchNorm1d(3)]);
  await t.throwsAsync(loadPyTorch(model, new Map([['other', zeros([3])]]) as never, { strict: false }), {
    instanceOf: ArgumentError,
    message: /of the 6 values of the model, 0 are among the 1 of the source: it lacks 0\.weight, .*and has other\./,
  });
});
