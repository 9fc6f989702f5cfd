// fit in bfloat16: it learns, parameters and checkpoints stay float32, nobody who watches changes a bit, and a run goes on as what it was.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  Adam,
  type AnyLayer,
  type AnyModel,
  ArgumentError,
  BatchNorm1d,
  compileStep,
  crossEntropy,
  Dropout,
  DTypeError,
  EarlyStopping,
  fit,
  fromBytes,
  GELU,
  gelu,
  Linear,
  observed,
  ones,
  Sequential,
  setSeed,
  Sigmoid,
  type StepPrecision,
  Tanh,
  Tensor,
  TensorDataset,
} from '../../lib/index.js';
import { inFolder, makeTrial, outcomeOf, runTrial, stopAfter } from '../helpers/checkpoints.js';
import { convNet } from '../helpers/conv-net.js';
import { Seeded } from '../helpers/seeded.js';
import { loss, makeModel, points, quiet } from '../helpers/training.js';

const weightsOf = (model: AnyLayer): Float32Array => Float32Array.from(model.parameters().flatMap((parameter) => [...parameter.data]));

// One after the other: runs share the generator of the process.
test.serial('a net learns in bfloat16, parameters and gradients are float32, and the log says how it was trained', async (t) => {
  await inFolder(async (runDir) => {
    const train = async (precision: StepPrecision) => {
      const model = makeModel();
      const history = await model.fit(points(512), {
        ...quiet,
        loss,
        optimizer: new Adam(model, { lr: 0.02 }),
        epochs: 4,
        precision,
        log: join(runDir, precision),
      });
      return { model, history };
    };
    const [narrow, wide] = [await train('bfloat16'), await train('float32')];
    t.true(narrow.history.epochs[3].loss < 0.7 * narrow.history.epochs[0].loss);
    t.true(Math.abs((narrow.history.last?.loss ?? 0) - (wide.history.last?.loss ?? 0)) < 0.02);
    t.notDeepEqual(weightsOf(narrow.model), weightsOf(wide.model));
    for (const parameter of narrow.model.parameters()) t.is(parameter.dtype, 'float32');
    // Weights between steps have more digits than bfloat16 holds.
    t.true(weightsOf(narrow.model).some((weight) => (new Uint32Array(Float32Array.of(weight).buffer)[0] & 0xffff) !== 0));
    for (const precision of ['float32', 'bfloat16']) {
      const lines = readFileSync(join(runDir, precision), 'utf8').trim().split('\n');
      const [header] = lines;
      t.is(JSON.parse(header).precision, precision);
      t.regex(JSON.parse(lines.at(-1) ?? '').bfloat16, /^(fma|avx512_bf16|amx|neon_bf16)$/, 'by which instructions');
    }
  });
});

test.serial('observed steps have the bits of plain ones in bfloat16 too', async (t) => {
  const random = new Seeded(3);
  const images = Tensor.from(Float32Array.from(random.uniform(48 * 16 * 16 * 3, -1, 1)), [48, 16, 16, 3]);
  const labels = Tensor.from(Int32Array.from({ length: 48 }, () => random.integer(10)));
  const data = new TensorDataset(images, labels as Tensor<'int32'>, { name: 'noise', classes: 10 });
  const train = async (observeEvery: number): Promise<AnyLayer> => {
    setSeed(4);
    const model = convNet();
    const callbacks = [{ onObserve: () => {} }];
    await fit(model, data, {
      ...quiet,
      loss,
      optimizer: new Adam(model),
      epochs: 2,
      batchSize: 12,
      precision: 'bfloat16',
      callbacks,
      observeEvery,
      sitter: false,
    });
    return model;
  };
  const [plain, watched] = [await train(0), await train(1)];
  t.deepEqual(weightsOf(watched), weightsOf(plain));
});

test.serial('a step in bfloat16 that measures every layer has the bits of one that measures none, though less of it is fused', (t) => {
  const train = (isObserved: boolean): { weights: Float32Array; instructions: number } => {
    setSeed(8);
    const model = new Sequential([
      new Linear(12, 40),
      new Tanh(),
      new Dropout(0.2),
      new Linear(40, 32),
      new BatchNorm1d(32),
      new Sigmoid(),
      new Linear(32, 20),
      new GELU(),
      new Linear(20, 5),
    ]);
    const optimizer = new Adam(model, { lr: 0.01 });
    const gradients = (x: Tensor, y: Tensor<'int32'>): Tensor => {
      optimizer.zeroGrad();
      const result = crossEntropy(model.forward(x) as Tensor, y);
      result.backward();
      return result;
    };
    const plain = (x: Tensor, y: Tensor<'int32'>): unknown => {
      gradients(x, y);
      return optimizer.step();
    };
    const watched = (x: Tensor, y: Tensor<'int32'>): unknown => observed(model, optimizer, () => gradients(x, y), () => optimizer.step()); // biome-ignore format: one line
    const step = compileStep(isObserved ? watched : plain, { precision: 'bfloat16' });
    const random = new Seeded(6);
    const batch = (): [Tensor, Tensor<'int32'>] => [
      Tensor.from(Float32Array.from(random.uniform(16 * 12, -1, 1)), [16, 12]) as Tensor,
      Tensor.from(Int32Array.from({ length: 16 }, () => random.integer(5))) as unknown as Tensor<'int32'>,
    ];
    for (let i = 0; i < 8; i++) step.sync(...batch());
    const products = step
      .describe(...batch())
      .split('\n')
      .filter((line) => /matmul \+ bias \+ \w+/.test(line));
    return { weights: weightsOf(model), instructions: products.length };
  };
  const [plain, watched] = [train(false), train(true)];
  t.true(watched.instructions < plain.instructions);
  t.deepEqual(watched.weights, plain.weights);
});

test.serial('a run in bfloat16 is resumed with the bits that it would have had, and not as one in float32', async (t) => {
  const more = { precision: 'bfloat16' } as const;
  const whole = makeTrial();
  const expected = outcomeOf(whole, await runTrial(whole, undefined, more));
  await inFolder(async (dir) => {
    await t.throwsAsync(runTrial(makeTrial(), { dir, every: 1 }, { ...stopAfter(5), ...more }));
    await t.throwsAsync(runTrial(makeTrial(), { dir }, { resume: true }), { message: /precision was bfloat16, is float32/ });
    const trial = makeTrial();
    t.is(outcomeOf(trial, await runTrial(trial, { dir }, { resume: true, ...more })), expected);
  });
});

test.serial('an unknown precision is refused, and so is bfloat16 for a run without compiled steps', async (t) => {
  const model = makeModel();
  const options = { ...quiet, loss, optimizer: new Adam(model) };
  await t.throwsAsync(model.fit(points(8), { ...options, precision: 'float16' as never }), {
    instanceOf: ArgumentError,
    message: /options\.precision/,
  });
  await t.throwsAsync(model.fit(points(8), { ...options, precision: 'bfloat16', eager: true }), {
    instanceOf: ArgumentError,
    message: /options\.eager/,
  });
  const wide = makeModel().to('float64') as unknown as AnyModel;
  await t.throwsAsync(fit(wide, points(8) as never, { ...quiet, loss, optimizer: new Adam(wide), precision: 'bfloat16' }), {
    instanceOf: ArgumentError,
    message: /the model is float64/,
  });
  t.throws(() => compileStep((x: Tensor) => x, { precision: 'half' as never }), { instanceOf: ArgumentError, message: /options\.precision/ });
});

test('a step in bfloat16 takes about half the memory for what lies between its products', (t) => {
  setSeed(1);
  const layers = Array.from({ length: 8 }, () => new Linear(256, 256));
  const bytes = (precision: StepPrecision): number => {
    const step = compileStep(
      (x: Tensor) => {
        const y = layers.reduce((value: Tensor, layer) => gelu(layer.forward(value)), x);
        y.mean().backward();
        return y.mean();
      },
      { precision },
    );
    const [, size, unit] = /arena ([\d.]+) (\w+)/.exec(step.describe(ones([2048, 256]))) as RegExpExecArray;
    return Number(size) * (unit === 'MiB' ? 1024 : 1);
  };
  const share = bytes('bfloat16') / bytes('float32');
  t.true(share > 0.45 && share < 0.65, String(share));
});

test.serial('a model in bfloat16 predicts what one with rounded weights does, eagerly and compiled, and takes half the memory', async (t) => {
  setSeed(2);
  const model = convNet() as AnyModel;
  const images = Tensor.from(Float32Array.from(new Seeded(9).uniform(24 * 16 * 16 * 3, -1, 1)), [24, 16, 16, 3]) as Tensor;
  const rounded = model.clone();
  for (const parameter of rounded.parameters()) parameter.data.set(parameter.detach().to('bfloat16').to('float32').data as Float32Array);
  model.to('bfloat16');
  for (const parameter of model.parameters()) {
    t.is(parameter.dtype as string, 'bfloat16');
    t.is(parameter.data.byteLength, 2 * parameter.size);
    t.false(parameter.requiresGrad);
  }
  for (const [, buffer] of model.namedBuffers()) t.not(buffer.dtype as string, 'bfloat16');
  const expected = rounded.eval().forward(images) as Tensor;
  t.deepEqual((model.eval().forward(images) as Tensor).data, expected.data);
  t.deepEqual(
    ((await model.predict(images, { batchSize: 2 })) as Tensor).data,
    ((await rounded.predict(images, { batchSize: 2 })) as Tensor).data,
  );
  // Through a file and a copy.
  for (const again of [fromBytes(model.toBytes()), model.clone()]) {
    t.is(again.parameters()[0].dtype as string, 'bfloat16');
    t.deepEqual((again.eval().forward(images) as Tensor).data, expected.data);
  }
  t.throws(() => new Adam(model), { message: /is stored as bfloat16.*model\.to\('float32'\)/ });
  const wide = model.to('float32');
  t.deepEqual((wide.forward(images) as Tensor).data, expected.data);
  t.true(wide.parameters().every(({ requiresGrad }) => requiresGrad));
  t.notThrows(() => new Adam(wide));
});

for (const precision of ['float32', 'bfloat16'] as const) {
  test.serial(`a head of float32 is trained on a body that is stored as bfloat16, which stays as it is, in ${precision}`, async (t) => {
    await inFolder(async (dir) => {
      const model = makeModel();
      const [body, head] = [model.layers[0] as Linear, model.layers.at(-1) as Linear];
      body.to('bfloat16');
      const before = [body, head].map((layer) => layer.weight.data.slice());
      const optimizer = new Adam(precision === 'float32' ? head : model, { lr: 0.05 });
      const callbacks = [new EarlyStopping({ patience: 9 })];
      const more = { sitter: 'fix', observeEvery: 1, maxGradNorm: 1, checkpoint: { dir }, validation: points(32, 2), callbacks } as const;
      const history = await model.fit(points(64), { ...quiet, loss, optimizer, epochs: 4, precision, ...more });
      t.true((history.epochs.at(-1)?.loss ?? Infinity) < (history.epochs[0].loss ?? 0));
      t.deepEqual(body.weight.data, before[0]);
      t.notDeepEqual(head.weight.data, before[1]);
      t.is(body.weight.dtype as string, 'bfloat16');
    });
  });
}

test.serial('an optimizer that was made before its model was stored as bfloat16 is refused with the way out', async (t) => {
  const model = makeModel();
  const optimizer = new Adam(model);
  model.to('bfloat16');
  const run = (): Promise<unknown> => model.fit(points(8), { ...quiet, loss, optimizer });
  await t.throwsAsync(run, { instanceOf: DTypeError, message: /is stored as bfloat16.*model\.to\('float32'\)/ });
});
