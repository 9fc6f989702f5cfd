// Several copies of lib in one process over one compiled part: test runners load lib anew for each file, and packages bring their own.

import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ava from 'ava';
import * as original from '../../lib/index.js';
import { binaryPath } from '../../lib/native.js';
import { beside, ending } from '../native/child.js';

const test = ava.serial; // the copies are loaded under an environment variable

type Lib = typeof original;

/** Loads lib a second time, as a package of its own over the addon that is in use. */
async function copyOf(t: { teardown(after: () => void): void }): Promise<Lib> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-copy-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(new URL('../../lib/', import.meta.url), join(folder, 'lib'), { recursive: true });
  symlinkSync(new URL('../../../node_modules', import.meta.url).pathname, join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'nodegrad', version: '0.0.0', type: 'module' }));
  const before = process.env['NODEGRAD_BINARY'];
  process.env['NODEGRAD_BINARY'] = binaryPath;
  try {
    return (await import(pathToFileURL(join(folder, 'lib/index.js')).href)) as Lib;
  } finally {
    if (before === undefined) delete process.env['NODEGRAD_BINARY'];
    else process.env['NODEGRAD_BINARY'] = before;
  }
}

function build({ Linear, Adam, setSeed, Sequential, ReLU, Dropout }: Lib) {
  setSeed(8);
  const model = new Sequential([new Linear(6, 24), new ReLU(), new Dropout(0.2), new Linear(24, 3)]);
  const optimizer = new Adam(model, { lr: 0.01 });
  return { model, optimizer, weights: () => model.parameters().flatMap(({ data }) => [...data]) };
}

function data({ Tensor, TensorDataset }: Lib) {
  const inputs = Float32Array.from({ length: 6 * 96 }, (_, i) => Math.sin(i * i));
  const labels = Int32Array.from({ length: 96 }, (_, i) => i % 3);
  return new TensorDataset(Tensor.from(inputs, [96, 6]), Tensor.from(labels));
}

async function train(lib: Lib): Promise<unknown[]> {
  const { model, optimizer, weights } = build(lib);
  const { inputs, targets } = data(lib);
  const step = lib.compileStep((x: original.Tensor, y: original.Tensor<'int32'>) => {
    const loss = lib.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  });
  const losses: number[] = [];
  for (let i = 0; i < 40; i++) losses.push((await step(inputs, targets)).item());
  const history = await model.fit(data(lib), {
    loss: new lib.CrossEntropyLoss(),
    optimizer,
    epochs: 4,
    batchSize: 8,
    seed: 5,
    log: false,
    progress: false,
    validation: data(lib),
  });
  const predicted = [...(await model.predict(inputs, { batchSize: 8 })).data];
  return [losses, history.epochs.map(({ loss, validation }) => [loss, validation?.loss]), weights(), predicted];
}

test('each copy of lib trains, one after the other and both at once, with the same bits (fault R03)', async (t) => {
  const alone = await train(original);
  const copy = await copyOf(t);
  t.not(copy.Tensor, original.Tensor);
  t.deepEqual(await train(copy), alone);
  t.deepEqual(await Promise.all([train(copy), train(original), train(copy)]), [alone, alone, alone]);
});

test('a step of one copy is refused or runs without waiting for the other copy (fault R03)', async (t) => {
  const copy = await copyOf(t);
  const steps = [original, copy].map((lib) => {
    const { model } = build(lib);
    return { lib, step: lib.compileStep((x: original.Tensor, y: original.Tensor<'int32'>) => lib.crossEntropy(model.forward(x), y)) };
  });
  const outcomes = await Promise.all(
    steps.flatMap(({ lib, step }, i) =>
      Array.from({ length: 20 }, async (_, k) => {
        const { inputs } = data(lib);
        const labels = lib.Tensor.from(new Int32Array(96).fill(k % 2 === i ? 9 : 1));
        const [result] = await Promise.allSettled([step(inputs, labels)]);
        return result.status === 'rejected' ? (result.reason as { name: string }).name : Number.isFinite(result.value.item());
      }),
    ),
  );
  t.deepEqual(
    outcomes,
    [0, 1].flatMap((i) => Array.from({ length: 20 }, (_, k) => (k % 2 === i ? 'IndexError' : true))),
  );
});

test('the thread of a copy goes when the copy is collected, and is there while its steps are under way (fault R03)', async (t) => {
  const { code, signal, stdout, stderr } = await ending(beside(import.meta.url, 'copies.child.js'), { flags: ['--expose-gc'], limit: 60_000 });
  t.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
  const { started, settled, left } = JSON.parse(stdout) as Record<string, number>;
  t.is(settled, 12);
  t.is(started, 12);
  t.is(left, 0);
});
