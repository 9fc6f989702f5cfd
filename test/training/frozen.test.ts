// Proves lib/training/frozen.ts: what is frozen is in the file of a model, and frozen again when it is loaded.

import test from 'ava';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BatchNorm1d,
  FileFormatError,
  Linear,
  SGD,
  CrossEntropyLoss,
  Sequential,
  Tensor,
  TensorDataset,
  decodeSafetensors,
  encodeSafetensors,
  fromBytes,
  load,
} from '../../lib/index.js';

function partlyFrozen(): Sequential {
  const model = new Sequential([new Linear(2, 4), new BatchNorm1d(4), new Linear(4, 2)]);
  model.layers[0].freeze();
  model.layers[1].freeze();
  model.parameters().at(-1)!.requiresGrad = false;
  return model;
}

const frozenPaths = (model: Sequential): string[] =>
  [...model.namedParameters()].filter(([, { isTrained }]) => !isTrained).map(([path]) => path);

test('a loaded model is frozen where it was, parameters and layers, and trains on without moving them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-frozen-'));
  try {
    const path = join(folder, 'model.safetensors');
    await partlyFrozen().save(path);
    const twin = (await load(path)) as Sequential;
    t.deepEqual(frozenPaths(twin), ['0.weight', '0.bias', '1.weight', '1.bias', '2.bias']);
    t.deepEqual(
      twin.layers.map(({ frozen }) => frozen),
      [true, true, false],
    );
    t.false(twin.frozen);
    t.is(twin.summary(), partlyFrozen().summary());
    const before = new Map([...twin.stateDict()].map(([name, { data }]) => [name, [...(data as Float32Array)]]));
    const inputs = Tensor.from(
      Float32Array.from({ length: 16 }, (_, i) => Math.cos(i)),
      [8, 2],
    );
    const data = new TensorDataset(inputs, Tensor.from(Int32Array.from({ length: 8 }, (_, i) => i % 2)));
    await twin.fit(data, { loss: new CrossEntropyLoss(), optimizer: new SGD(twin, { lr: 0.1 }), log: false, progress: false, sitter: false });
    const moved = [...twin.stateDict()].filter(([name, { data: now }]) => String(before.get(name)) !== String([...(now as Float32Array)]));
    t.deepEqual(
      moved.map(([name]) => name),
      ['2.weight'],
      'running statistics stay, too',
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a model that is not frozen has nothing of it in its file, and one in bfloat16 knows what was', (t) => {
  const plain = new Sequential([new Linear(2, 2)]);
  t.false(decodeSafetensors(plain.toBytes()).metadata.has('frozen'));
  const stored = plain.clone().to('bfloat16');
  t.false(decodeSafetensors(stored.toBytes()).metadata.has('frozen'), 'not in training, and not frozen');
  const twin = fromBytes(partlyFrozen().to('bfloat16').toBytes()).to('float32') as Sequential;
  t.deepEqual(frozenPaths(twin), frozenPaths(partlyFrozen()));
});

test('weights that fill a model leave it frozen as it is', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-frozen-'));
  try {
    const path = join(folder, 'model.safetensors');
    await partlyFrozen().save(path);
    const filled = new Sequential([new Linear(2, 4), new BatchNorm1d(4), new Linear(4, 2)]);
    filled.layers[2].freeze();
    await filled.load(path);
    t.deepEqual(frozenPaths(filled), ['2.weight', '2.bias']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the summary says what is frozen, and says nothing where nothing is', (t) => {
  t.regex(
    partlyFrozen().summary(),
    /0 +Linear +12 +frozen\n1 +BatchNorm1d +8 +frozen\n2 +Linear +10 +partly frozen\n.*30 parameters, 8 trained/,
  );
  t.notRegex(new Sequential([new Linear(2, 2)]).summary(), /frozen/);
});

test('what is frozen in a file that was edited is two lists of paths, or an error', (t) => {
  const { tensors, metadata } = decodeSafetensors(partlyFrozen().toBytes());
  for (const text of ['[]', '{"frozen":["0.weight"]}', '{"frozen":[1],"frozenLayers":[]}', 'null', '{']) {
    const bytes = encodeSafetensors(tensors, new Map([...metadata, ['frozen', text]]));
    t.throws(() => fromBytes(bytes), { instanceOf: FileFormatError, message: /frozen/ }, text);
  }
});
