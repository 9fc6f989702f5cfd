// Proves lib/training/class-names.ts: names of classes go with a model into its files, and data that mean other classes by the same indices are refused.

import test from 'ava';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AnyModel,
  type CallbackLike,
  ArgumentError,
  BinaryCrossEntropyLoss,
  CrossEntropyLoss,
  type Dataset,
  Embedding,
  Ensemble,
  FileFormatError,
  Flatten,
  Layer,
  Linear,
  SGD,
  Sequential,
  StandardScaler,
  Tensor,
  TensorDataset,
  TreeDataset,
  decodeOnnx,
  encodeOnnx,
  encodeSafetensors,
  fromBytes,
  load,
  mlp,
  registerLayer,
  setSeed,
  split,
  decodeSafetensors,
} from '../../lib/index.js';

const animals = ['cat', 'dog', 'bird'];
const rows = 12;

/** Rows of two numbers, a class each. */
function data(classes: readonly string[] | number | undefined, labels = 3): TensorDataset {
  const numbers = Float32Array.from({ length: 2 * rows }, (_, i) => Math.sin(i));
  const targets = Int32Array.from({ length: rows }, (_, i) => i % labels);
  return new TensorDataset(Tensor.from(numbers, [rows, 2]), Tensor.from(targets), { classes, name: 'pets' });
}

const net = (outputs = 3): Sequential => new Sequential([new Linear(2, 4), new Linear(4, outputs)]);

const fitted = async (model: AnyModel, train: Dataset, validation?: Dataset): Promise<AnyModel> => {
  await model.fit(train, { loss: new CrossEntropyLoss(), optimizer: new SGD(model, { lr: 0.01 }), validation, log: false, progress: false });
  return model;
};

test('fit takes the names of the classes of its data where there is a score for each, and no others', async (t) => {
  t.is(net().classNames, null);
  t.deepEqual((await fitted(net(), data(animals))).classNames, animals);
  t.deepEqual((await fitted(net(), split(data(animals), [0.5, 0.5])[0])).classNames, animals, 'of a part');
  t.is((await fitted(net(), data(undefined))).classNames, null);
  t.is((await fitted(net(5), data(animals))).classNames, null, 'five scores');
  const scaled = net();
  scaled.preprocessing = new StandardScaler();
  t.deepEqual((await fitted(scaled, data(animals))).classNames, animals, 'behind preprocessing');
  const own = net();
  own.classNames = ['a', 'b', 'c'];
  t.deepEqual((await fitted(own, data(undefined))).classNames, ['a', 'b', 'c'], 'its own stay');
  own.classNames = ['0', '1', '2'];
  t.deepEqual((await fitted(own, data(animals))).classNames, animals, 'numbers are no names');
  const words = new Sequential([new Embedding(9, 4), new Flatten(), new Linear(8, 3)]);
  const indices = Tensor.from(
    Int32Array.from({ length: 2 * rows }, (_, i) => i % 9),
    [rows, 2],
  );
  const texts = new TensorDataset(indices, data(3).targets, { classes: animals });
  t.deepEqual((await fitted(words, texts as unknown as Dataset)).classNames, animals, 'indices that are looked up');
});

test('one score of yes or no takes two names, and data with trees of inputs leave the names alone', async (t) => {
  const model = net(1);
  const { inputs } = data(2, 2);
  const yes = Tensor.from(
    Float32Array.from({ length: rows }, (_, i) => i % 2),
    [rows, 1],
  );
  const answers: Dataset<'float32', 'float32'> = Object.assign(new TensorDataset(inputs, yes), { classes: ['no', 'yes'] });
  await model.fit(answers, { loss: new BinaryCrossEntropyLoss(), optimizer: new SGD(model, { lr: 0.01 }), log: false, progress: false });
  t.deepEqual(model.classNames, ['no', 'yes']);
  t.deepEqual(fromBytes(model.toBytes()).classNames, ['no', 'yes']);
  const tree = Object.assign(new TreeDataset({ inputs: { x: inputs }, targets: data(3).targets }), { classes: animals });
  class OfTree extends Sequential {
    override forward(input: Tensor): Tensor {
      return super.forward((input as unknown as { x: Tensor }).x);
    }
  }
  t.is((await fitted(new OfTree([new Linear(2, 3)]), tree as unknown as Dataset)).classNames, null);
});

test('data whose indices mean other classes are refused by evaluate, fit and validation, with both lists', async (t) => {
  const model = await fitted(net(), data(animals));
  const loss = new CrossEntropyLoss();
  const refused = {
    instanceOf: ArgumentError,
    message: /data set 'pets' has the classes 'bird', 'cat', 'dog', the model 'cat', 'dog', 'bird'/,
  };
  const other = data(['bird', 'cat', 'dog']);
  await t.throwsAsync(model.evaluate(other, { loss }), refused);
  await t.throwsAsync(fitted(model, other), refused);
  await t.throwsAsync(fitted(model, data(animals), other), refused);
  await t.throwsAsync(fitted(net(), data(animals), other), refused, 'validation beside the data that named them');
  await t.throwsAsync(model.evaluate(data([...animals, 'fish']), { loss }), { instanceOf: ArgumentError, message: /'fish'/ });
  for (const fine of [animals, animals.slice(0, 2), 3, undefined])
    await t.notThrowsAsync(model.evaluate(data(fine, Array.isArray(fine) ? fine.length : 3), { loss }), JSON.stringify(fine));
  await t.notThrowsAsync(model.predict(other), 'targets do not count there');
  model.classNames = null;
  t.deepEqual((await fitted(model, other)).classNames, ['bird', 'cat', 'dog'], 'a last layer that begins anew');
});

test('to look for names, and to save them in mid-run, changes nothing of a run whose forward pass draws, in evaluation too', async (t) => {
  /** Draws a number itself, always. */
  class Restless extends Layer {
    readonly masks = this.stream('masks');
    forward(x: Tensor): Tensor {
      return x.mul(0.5 + this.masks.uniform());
    }
    override config(): unknown {
      return {};
    }
    static fromConfig(): Restless {
      return new Restless();
    }
  }
  registerLayer(Restless, 'Restless');
  const weightsAfter = async (classes: string[] | undefined, callbacks: CallbackLike[]): Promise<number[]> => {
    setSeed(4);
    const model = new Sequential([new Linear(2, 4), new Restless(), new Linear(4, 3)]);
    const optimizer = new SGD(model, { lr: 0.1 });
    await model.fit(data(classes), {
      loss: new CrossEntropyLoss(),
      optimizer,
      epochs: 3,
      batchSize: 4,
      eager: true,
      callbacks,
      log: false,
      progress: false,
    });
    return model.parameters().flatMap(({ data: numbers }) => [...numbers]);
  };
  const plain = await weightsAfter(undefined, []);
  t.deepEqual(await weightsAfter(animals, []), plain);
  let saved = 0;
  const saving: CallbackLike = {
    onEpochEnd(_record, run) {
      saved = (run.model as Sequential).toBytes().length;
    },
  };
  t.deepEqual(await weightsAfter(animals, [saving]), plain);
  t.true(saved > 0);
});

test('a last layer for other classes takes the new names', async (t) => {
  const body = new Linear(2, 4);
  const model = await fitted(new Sequential([body, new Linear(4, 3)]), data(animals));
  const tuned = new Sequential([body, new Linear(4, 2)]);
  tuned.classNames = model.classNames;
  const built = mlp({ inputShape: [2], hidden: [4], classes: 2 });
  built.classNames = animals;
  t.throws(() => built.toBytes(), {
    instanceOf: ArgumentError,
    message: /`classNames` has 3 names \('cat', 'dog', 'bird'\), and the model gives 2 scores/,
  });
  t.deepEqual((await fitted(tuned, data(['wolf', 'fox'], 2))).classNames, ['wolf', 'fox']);
  tuned.classNames = animals;
  t.throws(() => tuned.toBytes(), { instanceOf: ArgumentError, message: /gives 2 scores/ }, 'fit has seen the shape of the examples');
});

test('names are in the file of a model, in a copy, in an ensemble and in ONNX, and come back from there', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-names-'));
  try {
    const model = await fitted(net(), data(animals));
    const path = join(folder, 'model.safetensors');
    await model.save(path);
    t.deepEqual((await load(path)).classNames, animals);
    const filled = net();
    await filled.load(path);
    t.deepEqual(filled.classNames, animals);
    const part = new Sequential([new Linear(2, 4), new Linear(4, 2)]);
    await part.load(path, { strict: false, otherShapes: 'skip' });
    t.is(part.classNames, null, 'its last layer is another');
    t.deepEqual(model.clone().classNames, animals);
    t.deepEqual(new Ensemble([model, model.clone()]).classNames, animals);
    const other = net();
    other.classNames = ['x', 'y', 'z'];
    t.throws(() => new Ensemble([model, other]), { instanceOf: ArgumentError, message: /different class names/ });
    const onnx = await decodeOnnx(await encodeOnnx(model, { inputShape: [2] }));
    t.deepEqual(onnx.classNames, animals);
    t.deepEqual(fromBytes(onnx.toBytes()).classNames, animals);
    const named = await decodeOnnx(await encodeOnnx(model, { inputShape: [2], classNames: ['1', '2', '3'] }));
    t.deepEqual(named.classNames, ['1', '2', '3']);
    await t.throwsAsync(encodeOnnx(model, { inputShape: [2], classNames: ['1', '2'] }), { message: /`options.classNames` has 2 names/ });
    model.classNames = ['only'];
    await t.throwsAsync(encodeOnnx(model, { inputShape: [2] }), {
      message: /`model.classNames` has 1 name \('only'\), and the model gives 3 scores/,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('what is no list of texts is refused, by the model and in its file', async (t) => {
  const model = net();
  for (const wrong of [[], 'cat', [1, 2], undefined, {}] as never[])
    t.throws(() => (model.classNames = wrong), { instanceOf: ArgumentError, message: /`classNames`/ });
  t.is(model.classNames, null);
  const { tensors, metadata } = decodeSafetensors(model.toBytes());
  for (const text of ['[1]', '{', '"cat"']) {
    const bytes = encodeSafetensors(tensors, new Map([...metadata, ['classNames', text]]));
    t.throws(() => fromBytes(bytes), { instanceOf: FileFormatError, message: /list of class names/ }, text);
  }
});
