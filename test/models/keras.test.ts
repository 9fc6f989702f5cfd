// Proves lib/models/keras.ts: files of Keras in each of its formats give Keras's numbers, and what does not fit is refused by both names.

import test, { type ExecutionContext } from 'ava';
import { gunzipSync } from 'node:zlib';
import {
  type AnyLayer,
  type AnyTensor,
  ArgumentError,
  BatchNorm1d,
  BatchNorm2d,
  Conv2d,
  ConvTranspose2d,
  Dropout,
  Embedding,
  FileFormatError,
  Flatten,
  GRU,
  GroupNorm,
  LSTM,
  Layer,
  LayerNorm,
  Linear,
  MultiHeadAttention,
  NodegradError,
  PReLU,
  RMSNorm,
  RNN,
  ReLU,
  Sequential,
  ShapeError,
  Tanh,
  type Tensor,
  loadKeras,
  saveKeras,
  noGrad,
  setSeed,
  writeNpy,
  tensor,
} from '../../lib/index.js';
import { generated } from '../helpers/golden.js';
import { inFolder } from '../helpers/reports.js';
import { join } from 'node:path';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { checkHeaps, withHdf5 } from '../../lib/io/hdf5.js';
import { wave } from '../helpers/onnx-cases.js';
import { testWithPython } from '../helpers/python.js';

// Keras asks which library computes when it is imported.
process.env.KERAS_BACKEND ??= 'torch';

interface Case {
  readonly files: Readonly<Record<string, string>>;
  readonly inputs: never;
  readonly outputs: number[][];
}
const { cases } = generated<{ generatorSha256: string; cases: Record<string, Case> }>('keras-models');
const fileOf = (name: string, ending: string): Buffer => gunzipSync(Buffer.from(cases[name].files[ending], 'base64'));

const eps = 1e-3;
const convolutional = (): Sequential =>
  new Sequential([
    new Conv2d(3, 4, 3, { padding: 1, bias: false }),
    new BatchNorm2d(4, { eps }),
    new ReLU(),
    new Conv2d(4, 8, 3, { groups: 4 }),
    new Conv2d(8, 8, 3, { groups: 8, padding: 1, bias: false }),
    new Conv2d(8, 5, 1),
    new Conv2d(5, 6, 3),
    new ReLU(),
    new GroupNorm(3, 6, { eps }),
    new ConvTranspose2d(6, 4, 2, { stride: 2 }),
    new Flatten(),
    new Linear(8 * 8 * 4, 6),
    new ReLU(),
    new Linear(6, 3),
  ]);
const plain = (outputs = 2): Sequential =>
  new Sequential([new Linear(5, 7), new Tanh(), new BatchNorm1d(7), new Linear(7, 4), new Linear(4, outputs, { bias: false })]);

/** Layers that give sequences, as Keras has them with return_sequences. */
class Recurrent extends Layer<Tensor<'int32'>, Tensor> {
  readonly embedding = new Embedding(10, 4);
  readonly both = new GRU(4, 5, { bidirectional: true });
  readonly plain = new RNN(10, 4);
  readonly lstm = new LSTM(4, 3);
  readonly norm = new LayerNorm(3, { eps });
  readonly head = new Linear(3, 2);
  forward(x: Tensor<'int32'>): Tensor {
    const sequences = [this.both, this.plain, this.lstm].reduce(
      (value, layer) => layer.forward(value) as Tensor,
      this.embedding.forward(x) as Tensor,
    );
    return this.head.forward(this.norm.forward(sequences));
  }
}
const functional = (): Sequential =>
  new Sequential([new MultiHeadAttention(8, 2), new LayerNorm(8), new Linear(8, 3), new Linear(3, 4), new Linear(4, 2), new Linear(2, 5)]);
const models: Record<string, () => AnyLayer> = { convolutional, plain, recurrent: () => new Recurrent(), functional };

function agrees(t: ExecutionContext, model: AnyLayer, name: string, what: string): void {
  const { inputs, outputs } = cases[name];
  const given = tensor(inputs, { dtype: name === 'recurrent' ? 'int32' : 'float32' });
  const ours = noGrad(() => (model.eval() as Layer<AnyTensor, Tensor>).forward(given));
  const wanted = tensor(outputs);
  t.deepEqual(ours.shape, wanted.shape, what);
  const largest = Math.max(...wanted.data.map(Math.abs));
  const worst = Math.max(...ours.data.map((value, i) => Math.abs(value - wanted.data[i])));
  t.true(worst < 1e-5 * largest, `${what}: ${worst} of ${largest}`);
}

/** What a format cannot say: the places of convolutions among each other, and layers of a model inside the model. */
const unsaid: Record<string, RegExp> = {
  'convolutional.weights.h5': /SeparableConv2D is a convolution among others here, .*save the model as \.keras/,
  'functional.h5': /is a model inside the model.*save it as \.keras/,
};

test('files of Keras 3 in each of its formats give the numbers of Keras', async (t) => {
  for (const [name, make] of Object.entries(models)) {
    for (const ending of Object.keys(cases[name].files)) {
      const what = name + ending;
      const model = make();
      if (what in unsaid)
        await t.throwsAsync(loadKeras(model, fileOf(name, ending)), { instanceOf: FileFormatError, message: unsaid[what] }, what);
      else if (what === 'functional.weights.h5') {
        // Layers of a model inside the model come behind those of their kind here.
        const layers = { '2': 'time_distributed/layer', '3': 'sequential/layers/dense', '4': 'sequential/layers/dense_1', '5': 'dense' };
        await loadKeras(model, fileOf(name, ending), { layers });
        agrees(t, model, name, what);
      } else {
        const report = await loadKeras(model, fileOf(name, ending));
        t.deepEqual([report.missing, report.unexpected, report.skipped], [[], [], []], what);
        agrees(t, model, name, what);
      }
    }
  }
});

test('a path is read as bytes are', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'model.keras');
    writeFileSync(path, fileOf('plain', '.keras'));
    const model = plain();
    await loadKeras(model, path);
    agrees(t, model, 'plain', 'a path');
    await t.throwsAsync(loadKeras(model, join(folder, 'none.keras')), { instanceOf: ArgumentError, message: /ENOENT/ });
  });
});

test('what does not fit is refused by the names of both layers, and the model stays as it was', async (t) => {
  const file = fileOf('plain', '.keras');
  const refused = async (
    model: AnyLayer,
    message: RegExp,
    options = {},
    instanceOf: typeof ArgumentError | typeof ShapeError = ArgumentError,
    source: Uint8Array = file,
  ) => {
    const before = [...model.stateDict().values()].map(({ data }) => [...data]);
    await t.throwsAsync(loadKeras(model, source, options), { instanceOf, message });
    t.deepEqual(
      [...model.stateDict().values()].map(({ data }) => [...data]),
      before,
    );
  };
  await refused(plain(3), /'4\.weight' expects shape \[4, 3\], Keras's layer "dense[_\d]*" \(dense\) has \[4, 2\]/, {}, ShapeError);
  await refused(
    new Sequential([new Linear(5, 7), new BatchNorm1d(7, { eps }), new Linear(7, 4), new Linear(4, 2, { bias: false })]),
    /"batch_normalization[_\d]*" .* adds 0\.00001 to the variance, and '1' 0\.001: make it with \{ eps: 0\.00001 \}/,
  );
  await refused(new Sequential([new Linear(5, 7), new Linear(7, 4)]), /left over batch_normalization[_\d]*, dense/);
  await refused(
    new Sequential([new Linear(5, 7), new BatchNorm1d(7), new Linear(7, 4), new Linear(4, 2), new LayerNorm(2)]),
    /without weights 4/,
  );
  await refused(
    new Sequential([new Linear(5, 7, { bias: false }), new BatchNorm1d(7), new Linear(7, 4), new Linear(4, 2, { bias: false })]),
    /'0' has 1 \(weight\), and Keras's layer .* has 2 weights/,
    {},
    ShapeError,
  );
  await refused(plain(), /no layer with weights of Keras at "1"/, { layers: { '1': 'dense' } });
  await refused(plain(), /the file has no layer "nothing"; it has dense/, { layers: { '0': 'nothing' } });
  await refused(plain(), /options\.strict/, { strict: 1 });
  await refused(plain(), /unknown option/, { prefix: '' });
  await refused(new Recurrent(), /left over/, {}, ArgumentError, fileOf('functional', '.keras'));
});

test('files that are damaged, or no file of Keras, are refused with a typed error, and nothing is printed', async (t) => {
  const { write } = process.stderr;
  let printed = '';
  process.stderr.write = ((text: string | Uint8Array, ...rest: never[]) => {
    if (!String(text).includes('HDF5-DIAG')) return write.call(process.stderr, text, ...rest);
    printed += text;
    return true;
  }) as typeof write;
  t.teardown(() => (process.stderr.write = write));
  let reasons = 0;
  const refused = async (bytes: Uint8Array, message?: RegExp) =>
    t.throwsAsync(loadKeras(plain(), bytes), { instanceOf: NodegradError, ...(message && { message }) });
  await refused(new Uint8Array(0), /not an HDF5 file/);
  await refused(Buffer.from('hello, hello'), /not an HDF5 file/);
  for (const ending of ['.keras', '.h5', '.weights.h5']) {
    const file = fileOf('plain', ending);
    await refused(file.subarray(0, file.length >> 1));
    for (let at = 0; at < file.length; at += Math.ceil(file.length / 40)) {
      const damaged = Buffer.from(file);
      damaged.fill(0xff, at, at + 24);
      // A damaged weight is a weight: HDF5 has no checksums by default. Nothing but our errors may come out.
      await loadKeras(plain(), damaged).catch((error: unknown) => {
        t.true(error instanceof NodegradError, `${ending} ${at}: ${error}`);
        if (/ \(HDF5: [^()\n]+/.test((error as Error).message)) reasons++;
      });
    }
  }
  t.true(reasons > 2, `${reasons} errors say what HDF5 found`);
  agrees(t, await filled(), 'plain', 'the library is as good as new');
  await new Promise((resolve) => setImmediate(resolve));
  t.is(printed, '');
});

test('places for texts whose sizes lead out of them, or nowhere, are refused: the library would read them without end', (t) => {
  const file = Buffer.from(fileOf('plain', '.h5'));
  const at = file.indexOf('GCOL');
  t.true(at > 0);
  // The place alone, which is no file of HDF5.
  const whole = file.subarray(at, at + Number(file.readBigUInt64LE(at + 8)));
  t.notThrows(() => checkHeaps(whole, 'a place'));
  const refused = (change: (place: Buffer) => void): void => {
    const place = Buffer.from(whole);
    change(place);
    t.throws(() => checkHeaps(place, 'a place'), { instanceOf: FileFormatError, message: /other sizes than their place/ });
  };
  let object = 16;
  while (whole.readUInt16LE(object) !== 0) {
    const last = object + 15;
    refused((place) => (place[last] = 0x48));
    object += 16 + 8 * Math.ceil(Number(whole.readBigUInt64LE(object + 8)) / 8);
  }
  t.true(object < whole.length);
  for (const size of [0n, 1n << 62n]) refused((place) => place.writeBigUInt64LE(size, object + 8)); // of what is free
});

async function filled(): Promise<AnyLayer> {
  const model = plain();
  await loadKeras(model, fileOf('plain', '.h5'));
  return model;
}

// ---- writing ----

/** Every array of a file of weights by its path, but for what Keras keeps beside layers. */
async function arraysIn(bytes: Uint8Array): Promise<Map<string, AnyTensor>> {
  const found = new Map<string, AnyTensor>();
  await withHdf5(bytes, 'bytes', (file) => {
    const walk = (path: string): void => {
      const array = file.array(path);
      if (array !== null) found.set(path, array);
      else for (const name of file.names(path) ?? []) walk(path === '' ? name : `${path}/${name}`);
    };
    walk('layers');
  });
  return found;
}

const written = (model: AnyLayer): Promise<Uint8Array> =>
  inFolder(async (folder) => {
    const path = join(folder, 'model.weights.h5');
    await saveKeras(model, path);
    return readFileSync(path);
  });

test('what is written is what Keras writes: the same paths, shapes and numbers', async (t) => {
  for (const name of ['plain', 'recurrent']) {
    const model = models[name]();
    await loadKeras(model, fileOf(name, '.keras'));
    const [ours, theirs] = [await arraysIn(await written(model)), await arraysIn(fileOf(name, '.weights.h5'))];
    t.deepEqual([...ours.keys()].sort(), [...theirs.keys()].sort(), name);
    for (const [path, { shape, data }] of theirs) {
      const { shape: own, data: values } = ours.get(path) as AnyTensor;
      t.deepEqual(own, shape, path);
      // The two biases of a GRU's gates are one here: their sum counts, and the candidate's stay apart.
      const isGruBias = /_layer\/cell\/vars\/2$/.test(path);
      const sums = (list: ArrayLike<number>): number[] =>
        Array.from({ length: shape[1] }, (_, i) => (i < (2 * shape[1]) / 3 ? Math.fround(list[i] + list[shape[1] + i]) : list[i]));
      t.deepEqual(isGruBias ? sums(values) : [...values], isGruBias ? sums(data) : [...data], path);
    }
  }
});

/** Layers of every kind that Keras has, of several layers and in both directions. */
const everyKind: Record<string, { model: () => Sequential; input: AnyTensor; keras: string }> = {
  images: {
    model: () =>
      new Sequential([
        new Conv2d(3, 4, 3, { padding: 1, bias: false }),
        new BatchNorm2d(4),
        new ReLU(),
        new Conv2d(4, 8, 3, { groups: 4 }),
        new Conv2d(8, 6, 3, { groups: 2 }),
        new GroupNorm(3, 6),
        new ConvTranspose2d(6, 4, 2, { stride: 2 }),
        new Flatten(),
        new Linear(256, 6),
        new Dropout(0.5),
        new Linear(6, 3),
      ]),
    input: wave(2, 8, 8, 3),
    keras:
      'keras.Input((8, 8, 3)), L.Conv2D(4, 3, padding="same", use_bias=False), L.BatchNormalization(epsilon=e), L.ReLU(), L.DepthwiseConv2D(3, depth_multiplier=2), ' +
      'L.Conv2D(6, 3, groups=2), L.GroupNormalization(3, epsilon=e), L.Conv2DTranspose(4, 2, strides=2), L.Flatten(), L.Dense(6), L.Dropout(0.5), L.Dense(3)',
  },
  sequences: {
    model: () =>
      new Sequential([
        new LSTM(5, 4, { bidirectional: true, layers: 2 }),
        new GRU(8, 6, { layers: 2 }),
        new LayerNorm(6),
        new RNN(6, 3, { returns: 'last' }),
        new Linear(3, 2),
      ]),
    input: wave(2, 7, 5),
    keras:
      'keras.Input((7, 5)), *[L.Bidirectional(L.LSTM(4, return_sequences=True)) for _ in range(2)], *[L.GRU(6, return_sequences=True) for _ in range(2)], ' +
      'L.LayerNormalization(epsilon=e), L.SimpleRNN(3), L.Dense(2)',
  },
};

/** Norms that multiply by other numbers than 1, and biases other than 0. */
function stirred(model: Sequential): Sequential {
  setSeed(3);
  model.prepare();
  for (const [path, { data, rank }] of model.stateDict())
    if (rank === 1 && !path.endsWith('numBatchesTracked')) for (let i = 0; i < data.length; i++) data[i] = (path.endsWith('weight') || path.endsWith('Var') ? 1 : 0) + 0.3 * Math.cos(3 * i); // biome-ignore format: one line
  return model.eval() as Sequential;
}

test('what is written comes back, layers of several layers and both directions, too', async (t) => {
  for (const [name, { model, input }] of Object.entries(everyKind)) {
    const one = stirred(model());
    const other = model().eval();
    await loadKeras(other, await written(one));
    t.deepEqual([...(other.forward(input as never) as Tensor).data], [...(one.forward(input as never) as Tensor).data], name);
  }
  const attention = stirred(new Sequential([new MultiHeadAttention(8, 2), new RMSNorm(8), new Embedding(9, 8)]));
  const back = new Sequential([new MultiHeadAttention(8, 2), new RMSNorm(8), new Embedding(9, 8)]);
  await loadKeras(back, await written(attention));
  for (const [path, { data }] of attention.stateDict()) t.deepEqual([...(back.stateDict().get(path) as AnyTensor).data], [...data], path);
});

testWithPython('keras, torch', 'Keras reads what is written, and gives the same numbers', async (t, python) => {
  await inFolder(async (folder) => {
    for (const [name, { model, input, keras }] of Object.entries(everyKind)) {
      const one = stirred(model());
      await saveKeras(one, join(folder, `${name}.weights.h5`));
      await writeNpy(join(folder, `${name}.npy`), input);
      const printed = python(
        `import keras, json, numpy as np
from keras import layers as L
e = 1e-5
model = keras.Sequential([${keras}])
model.load_weights(r"${join(folder, `${name}.weights.h5`)}")
print(json.dumps(model(np.load(r"${join(folder, `${name}.npy`)}"), training=False).detach().cpu().numpy().ravel().tolist()))`,
      );
      const theirs = JSON.parse(printed.trim().split('\n').pop() as string) as number[];
      const ours = (one.forward(input as never) as Tensor).data;
      const largest = Math.max(...ours.map(Math.abs));
      t.is(theirs.length, ours.length);
      for (const [i, value] of theirs.entries()) t.true(Math.abs(value - ours[i]) < 1e-5 * largest, `${name}: ${value} and ${ours[i]}`);
    }
  });
});

test('weights that Keras has no place for are named, and so is another end of the path', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'model.weights.h5');
    const refused = (model: AnyLayer, message: RegExp, where = path) =>
      t.throwsAsync(saveKeras(model, where), { instanceOf: ArgumentError, message });
    await refused(new Sequential([new Linear(2, 2), new PReLU()]), /no counterpart of 1\./);
    await refused(new Sequential([new LSTM(2, 3, { projection: 2 })]), /no LSTM with a projection/);
    await refused(new Linear(2, 2), /ends with '\.weights\.h5'/, join(folder, 'model.keras'));
    await refused({} as never, /./);
    t.deepEqual(readdirSync(folder), []);
  });
});
