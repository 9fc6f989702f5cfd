// Proves lib/cli/export.ts as a user meets it: saved models become files of ONNX that give the same numbers.

import test, { type ExecutionContext } from 'ava';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Conv2d,
  GlobalAvgPool2d,
  LSTM,
  Linear,
  Sequential,
  StandardScaler,
  Tensor,
  decodeOnnx,
  encodeOnnx,
  full,
  lenet5,
  loadOnnx,
  mlp,
  registerLayer,
  tableFromRows,
  tablePreprocessing,
  tensor,
} from '../../lib/index.js';
import { runCommand } from '../helpers/command.js';
import { Seeded } from '../helpers/seeded.js';

function temporary(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-export-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('export writes a saved model as a file of ONNX that gives the same numbers, and says what it needs', async (t) => {
  const folder = temporary(t);
  const file = join(folder, 'model.safetensors');
  const model = lenet5();
  model.eval();
  await model.save(file);
  const { code, out, error } = await runCommand(folder, ['export', file, 'lenet.onnx', '--softmax']);
  t.is(code, 0, error);
  t.is(
    out,
    `lenet.onnx: Sequential, ${model.parameterCount().toLocaleString('en-US')} parameters\n` +
      '  input   [examples, 28, 28, 1], numbers as the model was trained on them\n  output  probabilities\n',
  );
  const x = full([2, 28, 28, 1], 0.5);
  const back = await loadOnnx(join(folder, 'lenet.onnx'));
  t.deepEqual(back.forward(x).argmax(-1).toArray(), model.forward(x).argmax(-1).toArray());
  t.true(Math.abs(back.forward(x).sum().item() - 2) < 1e-5);
  await new Sequential([new Linear(3, 2)]).save(file);
  const unknown = await runCommand(folder, ['export', file, 'linear.onnx']);
  t.is(unknown.code, 1);
  t.regex(unknown.error, /^nodegrad: .*does not say the shape of one example: --input-shape 28,28,1 does/);
  t.is((await runCommand(folder, ['export', file, 'linear.onnx', '--input-shape', '3,x'])).code, 2);
  t.is((await runCommand(folder, ['export', file, 'linear.onnx', '--input-shape', '3', '--json'])).code, 0);
  t.deepEqual((await loadOnnx(join(folder, 'linear.onnx'))).inputShape, [3]);
});

test('export leaves lengths of sequences and sizes of images free where it is told to', async (t) => {
  const folder = temporary(t);
  const save = async (model: Sequential): Promise<string> => {
    await model.eval().save(join(folder, 'model.safetensors'));
    return 'model.safetensors';
  };
  const numbers = (...shape: number[]): Tensor => {
    const count = shape.reduce((size, one) => size * one);
    return Tensor.from(Float32Array.from(new Seeded(3).uniform(count)), shape);
  };
  const sequences = new Sequential([new LSTM(8, 6, { returns: 'last' }), new Linear(6, 4)]);
  const images = new Sequential([new Conv2d(3, 4, 3), new GlobalAvgPool2d(), new Linear(4, 2)]);
  for (const [model, shape, axes, x] of [
    [sequences, '20,8', 'time', numbers(2, 31, 8)],
    [images, '12,12,3', 'height,width', numbers(2, 17, 9, 3)],
  ] as const) {
    const words = ['export', await save(model), 'free.onnx', '--input-shape', shape, '--dynamic-axes', axes];
    const { code, error } = await runCommand(folder, words);
    t.is(code, 0, error);
    const found = (await loadOnnx(join(folder, 'free.onnx'), { layout: 'NHWC' })).forward(x);
    t.true(found.sub(model.forward(x)).abs().max().item() < 1e-5, axes);
  }
  const fixed = ['export', await save(sequences), 'free.onnx', '--input-shape', '20,8', '--dynamic-axes'];
  t.regex((await runCommand(folder, [...fixed, 'height'])).error, /for --dynamic-axes height, received \[20, 8\]/);
  const unknown = await runCommand(folder, [...fixed, 'time,depth']);
  t.is(unknown.code, 2);
  t.regex(unknown.error, /expected time, height, width, with commas between/);
});

test('a saved graph out of a file of ONNX is a model as others are, and a class that is not of nodegrad is said to need a script', async (t) => {
  const folder = temporary(t);
  const graph = await decodeOnnx(await encodeOnnx(new Sequential([new Linear(3, 2)]), { inputShape: [3] }));
  await graph.save(join(folder, 'graph.safetensors'));
  const { code, out, error } = await runCommand(folder, ['export', 'graph.safetensors', 'again.onnx']);
  t.is(code, 0, error);
  t.is(
    out,
    'again.onnx: OnnxModel, 8 parameters\n  input   [examples, 3], numbers as the model was trained on them\n  output  what the model gives, before any softmax\n',
  );

  const scaled = new Sequential([new Linear(3, 2)]);
  scaled.preprocessing = new StandardScaler().fit(
    tensor([
      [1, 2, 3],
      [3, 5, 9],
    ]),
  );
  scaled.classNames = ['no', 'yes'];
  await scaled.save(join(folder, 'scaled.safetensors'));
  const words = (await runCommand(folder, ['export', 'scaled.safetensors', 'scaled.onnx'])).out;
  t.regex(words, /numbers as they are before any scaling: the StandardScaler of the model is in the file\n.*before any softmax, of no, yes\n/);

  class Net extends Sequential {
    static override fromConfig(): Net {
      return new Net([]);
    }
  }
  registerLayer(Net, 'Net');
  await new Net([]).save(join(folder, 'own.safetensors'));
  const own = await runCommand(folder, ['export', 'own.safetensors', 'own.onnx']);
  t.is(own.code, 1);
  t.regex(own.error, /own\.safetensors holds the class Net, which is no class of nodegrad.*in a script: one that imports Net/);
  t.notRegex(own.error, /call registerLayer/);
});

test('export of a model of a table prints its columns: they, and not what the net gets of them, go into the file', async (t) => {
  const folder = temporary(t);
  const rows = [0, 1, 2, 3].map((i) => ({ size: 10 + i, side: i % 2 === 0 ? 'north' : 'south', price: i }));
  const data = tableFromRows(rows).dataset({ target: 'price' });
  const model = mlp({ inputShape: [3], hidden: [4], classes: 1 });
  model.preprocessing = tablePreprocessing(data.features).fit(data);
  await model.save(join(folder, 'model.safetensors'));
  const { code, out, error } = await runCommand(folder, ['export', 'model.safetensors', 'table.onnx']);
  t.is(code, 0, error);
  t.regex(out, /^ {2}input {3}\[examples, 2\], .*\n {2}columns size, side \(0 north, 1 south\); NaN is a missing value\n/m);
  t.regex((await runCommand(folder, ['export', 'model.safetensors', 'net.onnx', '--no-preprocessing'])).out, /^ {2}input {3}\[examples, 3\]/m);
});
