// Proves lib/models/keras-graph.ts: a file of Keras is a model that gives Keras's numbers, is trained, saved and exported as any other, and what it cannot be is refused.

import test from 'ava';
import { gunzipSync } from 'node:zlib';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import {
  type AnyTensor,
  ArgumentError,
  BatchNorm2d,
  FileFormatError,
  type KerasModel,
  MSELoss,
  NodegradError,
  SGD,
  Tensor,
  TensorDataset,
  decodeOnnx,
  encodeOnnx,
  fromBytes,
  load,
  loadKeras,
  noGrad,
  sigmoid,
  softmax,
  tensor,
} from '../../lib/index.js';
import { kerasModel } from '../../lib/models/keras-graph.js';
import { type KerasConfig, type KerasFile, parseConfig, readKeras } from '../../lib/models/keras-file.js';
import { generated } from '../helpers/golden.js';
import { inFolder } from '../helpers/reports.js';
import { Seeded } from '../helpers/seeded.js';

interface Graph {
  readonly file: string;
  readonly inputs: never[];
  readonly outputs: never[];
}
interface Stack {
  readonly files: Readonly<Record<string, string>>;
  readonly inputs: never;
  readonly outputs: never;
}
const { cases: graphs } = generated<{ generatorSha256: string; cases: Record<string, Graph> }>('keras-graphs');
const { cases: stacks } = generated<{ generatorSha256: string; cases: Record<string, Stack> }>('keras-models');
const unpacked = (file: string): Buffer => gunzipSync(Buffer.from(file, 'base64'));

/** Words are whole numbers, all else is real. */
const given = (name: string, numbers: never): AnyTensor =>
  tensor(numbers, { dtype: name === 'sequences' || name === 'recurrent' ? 'int32' : 'float32' });

/** Inputs and outputs of each file, of which there are several formats. */
const files: readonly [name: string, file: Buffer, inputs: AnyTensor[], outputs: Tensor[]][] = [
  ...Object.entries(graphs).map(([name, { file, inputs, outputs }]) => [name, unpacked(file), inputs.map((one) => given(name, one)), outputs.map((one) => tensor(one))] as const), // biome-ignore format: one line
  ...Object.entries(stacks).flatMap(
    ([name, { files: all, inputs, outputs }]) =>
    ['.keras', '.h5'].flatMap((ending) => (name + ending === 'functional.h5' ? [] : [[name + ending, unpacked(all[ending]), [given(name, inputs)], [tensor(outputs)]] as const])), // biome-ignore format: one line
  ),
].map(([...one]) => one as never);

type Any = KerasModel<unknown, unknown>;

/** How far outputs are from those that were wanted, in shares of the largest one. */
function distance(model: Any, inputs: AnyTensor[], wanted: readonly Tensor[]): number {
  const made = noGrad(() => model.eval().forward(inputs.length === 1 ? inputs[0] : inputs));
  const outputs = made instanceof Tensor ? [made as Tensor] : Object.values(made as Record<string, Tensor>);
  const shares = wanted.map(({ data, shape }, i) => {
    if (String(outputs[i]?.shape) !== String(shape)) return Number.POSITIVE_INFINITY;
    return Math.max(...data.map((value, at) => Math.abs(value - outputs[i].data[at]))) / Math.max(...data.map(Math.abs));
  });
  return Math.max(...shares);
}

for (const [name, file, inputs, outputs] of files)
  test(`${name} gives the numbers of Keras, also when it was saved here, or written for ONNX`, async (t) => {
    const model = (await loadKeras(file)) as unknown as Any;
    t.true(distance(model, inputs, outputs) < 1e-5, 'as it came');
    t.true(distance(fromBytes(model.toBytes()) as Any, inputs, outputs) < 1e-5, 'saved');
    t.true(distance(model.clone() as Any, inputs, outputs) < 1e-5, 'a copy');
    t.regex(model.summary(), /KerasModel/);
    if (inputs.length > 1) return;
    const onnx = await decodeOnnx(await encodeOnnx(model as never, { inputShape: inputs[0].shape.slice(1) }));
    t.true(distance(onnx as never, inputs, outputs) < 1e-5, 'ONNX');
  });

test('layers have the names of Keras, inputs and outputs too, and what was frozen is frozen', async (t) => {
  const several = (await loadKeras(unpacked(graphs.several.file))) as unknown as Any;
  t.deepEqual([several.inputNames, several.outputNames, several.inputShape], [['left', 'right'], ['one', 'other'], null]);
  t.deepEqual([...several.layers.keys()], ['shared', 'one']);
  const [left, right] = graphs.several.inputs.map((one) => tensor(one));
  const made = several.forward({ right, left }) as Record<string, Tensor>;
  t.deepEqual(Object.keys(made), ['one', 'other']);
  t.throws(() => several.forward({ left }), { instanceOf: ArgumentError, message: /inputs left, right/ });
  const windows = await loadKeras(unpacked(graphs.windows.file));
  t.deepEqual(windows.inputShape, [9, 8, 2]);
  const norm = [...windows.layers.values()].find((layer) => layer instanceof BatchNorm2d);
  t.true(norm?.frozen);
  t.throws(() => windows.forward(tensor([[1, 2]])), { message: /in layer 'conv2d(_\d+)?'/ });
});

test('a softmax or sigmoid at the end is left out on request, as losses take scores', async (t) => {
  for (const name of ['windows', 'sequences']) {
    const [wanted] = graphs[name].outputs.map((one) => tensor(one) as Tensor);
    const x = given(name, graphs[name].inputs[0]);
    const scores = (await loadKeras<AnyTensor>(unpacked(graphs[name].file), { scores: true })).eval().forward(x);
    const made = name === 'windows' ? softmax(scores, -1) : sigmoid(scores);
    t.true(made.sub(wanted).abs().max().item() < 1e-6, name);
    t.false(scores.sub(wanted).abs().max().item() < 1e-2, name);
  }
  await t.throwsAsync(loadKeras(unpacked(graphs.table.file), { scores: 1 as never }), {
    instanceOf: ArgumentError,
    message: /options\.scores/,
  });
});

test('it is trained further, from a path, and comes back as it was', async (t) => {
  await inFolder(async (folder) => {
    writeFileSync(join(folder, 'table.keras'), unpacked(graphs.table.file));
    const model = await loadKeras(join(folder, 'table.keras'));
    const x = Tensor.from(Float32Array.from(new Seeded(2).uniform(96, -3, 3)), [32, 3]);
    const data = new TensorDataset(
      x,
      Tensor.from(
        Float32Array.from({ length: 96 }, (_, i) => (i % 3 === 1 ? 0.8 : 0.1)),
        [32, 3],
      ),
    );
    const scale = [...model.layers.values()][0].namedState();
    const before = [...(scale.get('runningMean') as AnyTensor).data];
    const optimizer = new SGD(model, { lr: 0.5 });
    const { epochs } = await model.fit(data, { loss: new MSELoss(), optimizer, epochs: 30, log: false, progress: false, sitter: false });
    t.true((epochs.at(-1)?.loss ?? 1) < 0.3 * epochs[0].loss);
    t.deepEqual([...(scale.get('runningMean') as AnyTensor).data], before, 'what scales inputs stays');
    await model.save(join(folder, 'here.safetensors'));
    const back = (await load(join(folder, 'here.safetensors'))) as KerasModel;
    t.deepEqual(back.forward(x).toArray(), model.eval().forward(x).toArray());
  });
});

const read = new Map<string, KerasFile>();

/** A file with a change to its configuration. */
async function changed(name: string, change: (config: KerasConfig) => unknown): Promise<KerasFile> {
  const file = read.get(name) ?? (await readKeras(unpacked(graphs[name].file)));
  read.set(name, file);
  const config = JSON.parse(JSON.stringify(file.config)) as KerasConfig;
  change(config);
  return { ...file, config: parseConfig(JSON.stringify(config), 'a.keras') };
}

test('what has no counterpart here is refused by the name of its layer', async (t) => {
  const layerOf = ({ config }: KerasConfig, kind: string) =>
    (config.layers ?? []).find((one) => one.class_name === kind) as { class_name: string; config: Record<string, unknown> };
  for (const [name, kind, settings, message] of [
    [
      'windows',
      'Conv2D',
      { data_format: 'channels_first' },
      /a\.keras: layer "conv2d(_\d+)?" \(Conv2D\) has no counterpart here: data_format="channels_first"\. Build the model/,
    ],
    ['windows', 'Conv2D', { activation: 'glu' }, /the activation 'glu'/],
    ['windows', 'Conv2D', { activation: { class_name: 'function', config: 'my_own' } }, /the activation 'my_own'/],
    ['windows', 'Dropout', { noise_shape: [null, 3] }, /noise_shape=\[null,3\]/],
    ['windows', 'BatchNormalization', { axis: 1 }, /axis=1/],
    ['sequences', 'Embedding', { mask_zero: true }, /mask_zero=true/],
    ['sequences', 'LSTM', { return_state: true }, /return_state=true/],
    ['sequences', 'Bidirectional', { merge_mode: 'sum' }, /merge_mode="sum"/],
    ['operations', 'MultiHeadAttention', { key_dim: 3 }, /key_dim=3/],
  ] as const) {
    const file = await changed(name, (config) => Object.assign(layerOf(config, kind).config, settings));
    t.throws(() => kerasModel(file, 'a.keras'), { instanceOf: ArgumentError, message });
  }
  const lambda = await changed('table', (config) => Object.assign(layerOf(config, 'LeakyReLU'), { class_name: 'Lambda' }));
  t.throws(() => kerasModel(lambda, 'a.keras'), {
    instanceOf: ArgumentError,
    message: /\(Lambda\) has no counterpart here: the class is not known/,
  });
  await t.throwsAsync(loadKeras(unpacked(stacks.plain.files['.weights.h5'])), {
    instanceOf: ArgumentError,
    message: /holds weights without an architecture/,
  });
  const loop = await changed('several', (config) => Object.assign(config.config, { output_layers: [['nobody', 0, 0]] }));
  t.throws(() => kerasModel(loop, 'a.keras'), { instanceOf: FileFormatError, message: /nothing makes "nobody"/ });
});

test('a configuration that was changed at random gives a model or a typed error', async (t) => {
  const random = new Seeded(11);
  const strange = [null, -1, 0, 1e9, 0.5, 'x', '', true, [], [null], {}, [[['a', 0, 0]]], { class_name: 'Dense', config: {} }];
  let refused = 0;
  for (let round = 0; round < 400; round++) {
    const names = Object.keys(graphs);
    const name = names[random.integer(names.length)];
    const change = (config: KerasConfig): void => {
      const places: [Record<string, unknown>, string][] = [];
      const walk = (value: unknown): void => {
        if (typeof value !== 'object' || value === null) return;
        for (const key of Object.keys(value)) {
          places.push([value as Record<string, unknown>, key]);
          walk((value as Record<string, unknown>)[key]);
        }
      };
      walk(config.config);
      const [place, key] = places[random.integer(places.length)];
      place[key] = strange[random.integer(strange.length)];
    };
    try {
      const model = kerasModel(await changed(name, change), 'a.keras') as unknown as Any;
      const inputs = graphs[name].inputs.map((one) => given(name, one));
      noGrad(() => model.eval().forward(inputs.length === 1 ? inputs[0] : inputs));
    } catch (error) {
      t.true(error instanceof NodegradError, `${name}, round ${round}: ${(error as Error).stack}`);
      refused += 1;
    }
  }
  t.true(refused > 40, `${refused} were refused`);
});
