// Proves lib/training/save.ts: a model comes back from a file as it was, weights alone go where they fit, and hostile files are typed errors.

import test from 'ava';
import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  type AnyTensor,
  ArgumentError,
  Dropout,
  FileFormatError,
  Flatten,
  Layer,
  Linear,
  NodegradError,
  ReLU,
  Sequential,
  ShapeError,
  Sigmoid,
  Tanh,
  Tensor,
  encodeSafetensors,
  fromBytes,
  info,
  load,
  readSafetensors,
  registerLayer,
  resnet18,
  setSeed,
  tensor,
  writeSafetensors,
} from '../../lib/index.js';
import { identical } from '../helpers/close.js';

function makeModel(): Sequential {
  setSeed(3);
  const inner = new Sequential([new Linear(6, 4, { bias: false }), new Sigmoid(), new Dropout(0.25)]);
  return new Sequential([new Flatten(), new Linear(4, 6), new ReLU(), inner, new Tanh(), new Linear(4, 2)]);
}

const input = tensor([0.1, -0.2, 0.3, 0.4, 1, 2, 3, 4], [2, 2, 2]);

async function inFolder(use: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-save-'));
  try {
    await use(join(folder, 'model.safetensors'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('a saved model is built again with its architecture and every bit of its weights', async (t) => {
  await inFolder(async (path) => {
    const model = makeModel().eval();
    await model.save(path);
    for (const twin of [await load(path), fromBytes(model.toBytes())]) {
      t.is(twin.summary(), model.summary());
      identical(t, (twin.eval().forward(input) as Tensor).data, model.forward(input).data, 'output');
      t.true(twin.parameters().every((parameter) => parameter.requiresGrad));
      twin.parameters()[0].data.fill(0);
    }
    t.not(model.parameters()[0].data[0], 0, 'the twin has memory of its own');
    const { tensors, metadata } = await readSafetensors(path);
    t.deepEqual([...tensors.keys()].sort(), ['1.bias', '1.weight', '3.0.weight', '5.bias', '5.weight']);
    t.is(metadata.get('format'), 'nodegrad');
    t.is(metadata.get('nodegrad'), info().version);
    t.is(JSON.parse(metadata.get('architecture')!).type, 'Sequential');
  });
});

test('a float64 model stays one, and nothing is rounded', (t) => {
  const model = makeModel().to('float64');
  model.parameters()[0].data[0] = Math.PI;
  const twin = fromBytes(model.toBytes());
  t.is(twin.parameters()[0].dtype as string, 'float64');
  t.is(twin.parameters()[0].data[0], Math.PI);
});

test('what is written is the moment of the call: training on changes nothing in it', async (t) => {
  await inFolder(async (path) => {
    const layer = new Linear(300, 300);
    layer.weight.data.fill(1);
    const saving = new Sequential([layer]).save(path);
    layer.weight.data.fill(2);
    await saving;
    t.is((await load(path)).parameters()[0].data[0], 1);
  });
});

test('load fills a model by path: all of it, or with a prefix, or what matches, and says what did', async (t) => {
  await inFolder(async (path) => {
    const model = makeModel();
    await model.save(path);
    const same = makeModel();
    for (const parameter of same.parameters()) parameter.data.fill(0);
    const report = await same.load(path);
    t.deepEqual(report.missing.concat(report.unexpected), []);
    t.is(report.matched.length, 5);
    identical(t, same.parameters()[0].data, model.parameters()[0].data, 'weights');
    const part = new Sequential([new Linear(6, 4, { bias: false })]);
    t.deepEqual((await part.load(path, { prefix: '3.' })).matched, ['0.weight']);
    const other = new Sequential([new Flatten(), new Linear(4, 6), new Linear(6, 1)]);
    await t.throwsAsync(other.load(path), { instanceOf: ArgumentError, message: /missing 2\.weight/ });
    const loose = await other.load(path, { strict: false });
    t.deepEqual(loose.matched, ['1.weight', '1.bias']);
    t.deepEqual(loose.missing, ['2.weight', '2.bias']);
    const wrong = new Sequential([new Flatten(), new Linear(4, 7)]);
    wrong.prepare();
    const before = [...wrong.parameters()[0].data];
    await t.throwsAsync(wrong.load(path, { strict: false }), { instanceOf: ShapeError, message: /'1\.weight' expects shape \[4, 7\]/ });
    t.deepEqual([...wrong.parameters()[0].data], before);
  });
});

test("classes of one's own are saved when they are registered, and the error says how where they are not", async (t) => {
  class Scale extends Layer {
    constructor(readonly factor: number) {
      super();
    }
    forward(x: Tensor): Tensor {
      return x.mul(this.factor);
    }
    override config(): unknown {
      return { factor: this.factor };
    }
    static fromConfig({ factor }: { factor: number }): Scale {
      return new Scale(factor);
    }
  }
  const model = new Sequential([new Linear(2, 2), new Scale(3)]);
  t.throws(() => model.toBytes(), { instanceOf: ArgumentError, message: /registerLayer\(Scale, 'Scale'\)/ });
  await t.throwsAsync(model.save('x'), { instanceOf: ArgumentError });
  registerLayer(Scale, 'Scale');
  const twin = fromBytes(model.toBytes()) as Sequential;
  t.is((twin.layers[1] as Scale).factor, 3);
});

test('weights go to a worker thread as bytes, and give the same numbers there', async (t) => {
  const model = makeModel().eval();
  const url = new URL('../../lib/index.js', import.meta.url).href;
  const script = `const { parentPort, workerData } = require('node:worker_threads');
    import(${JSON.stringify(url)}).then(({ fromBytes, tensor }) => {
      const model = fromBytes(workerData.bytes).eval();
      parentPort.postMessage([...model.forward(tensor(workerData.input, [2, 2, 2])).data]);
    });`;
  const worker = new Worker(script, { eval: true, workerData: { bytes: model.toBytes(), input: [...input.data] } });
  const output = await new Promise<number[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await worker.terminate();
  t.deepEqual(output, [...model.forward(input).data]);
});

const withArchitecture = (architecture: unknown, tensors: Map<string, AnyTensor> = new Map()): Uint8Array =>
  encodeSafetensors(tensors, new Map([['architecture', typeof architecture === 'string' ? architecture : JSON.stringify(architecture)]]));

test('files that do not hold together are refused with typed errors, before memory is taken for what they claim', (t) => {
  const stack = (config: object): object => ({ type: 'Sequential', config: { layers: [{ type: 'Linear', config }] } });
  const line = stack({ inFeatures: 2, outFeatures: 1, bias: false });
  const weight = (value: AnyTensor): Map<string, AnyTensor> => new Map([['0.weight', value]]);
  for (const [bytes, message] of [
    [encodeSafetensors(new Map([['w', tensor([1])]])), /weights without an architecture/],
    [withArchitecture('{'), /architecture is not JSON/],
    [withArchitecture('{"type":"Linear","__proto__":{}}'), /__proto__ is not allowed/],
    [withArchitecture('7'), /cannot be built/],
    [withArchitecture({ type: 'Linear' }), /cannot be built/],
    [withArchitecture({ type: 'Linear', config: null }), /cannot be built/],
    [withArchitecture({ type: 'Linear', config: { inFeatures: -1, outFeatures: 1 } }), /cannot be built.*inFeatures/],
    [withArchitecture({ type: 'Sequential', config: { layers: 'x' } }), /cannot be built/],
    [withArchitecture({ type: 'Sequential', config: { layers: { length: 1e9 } } }), /cannot be built/],
    [withArchitecture('{"type":"Sequential","config":{"layers":['.repeat(20_000)), /not JSON/],
    [withArchitecture(line), /has no tensor "0.weight"/],
    [withArchitecture(line, weight(tensor([1, 2]))), /"0.weight" is float32 \[2\], its architecture asks for floats of shape \[2, 1\]/],
    [withArchitecture(line, weight(Tensor.from(Int32Array.of(1, 2), [2, 1]))), /is int32/],
    [withArchitecture(line, new Map([...weight(tensor([[1], [2]])), ['x', tensor(1)]])), /"x" has no place/],
    [withArchitecture(stack({ inFeatures: 2 ** 31 - 1, outFeatures: 2 ** 31 - 1, bias: true })), /(cannot be built|has no tensor)/],
    [withArchitecture(stack({ inFeatures: 40_000, outFeatures: 40_000 }), weight(Tensor.from(Float64Array.of(1)))), /asks for floats/],
  ] as const) {
    t.throws(() => fromBytes(bytes), { instanceOf: FileFormatError, message }, String(message));
  }
  const deep = `${'{"type":"Sequential","config":{"layers":['.repeat(20_000)}${']}}'.repeat(20_000)}`;
  t.throws(() => fromBytes(withArchitecture(deep)), { instanceOf: FileFormatError });
  t.throws(() => fromBytes(withArchitecture({ type: 'Elsewhere', config: {} })), { instanceOf: ArgumentError, message: /registerLayer/ });
  t.throws(() => fromBytes('x' as never), { instanceOf: ArgumentError });
});

test('any JSON as an architecture gives a model or a typed error', (t) => {
  const json = fc.jsonValue({ maxDepth: 3 });
  const layer = fc.record({ type: fc.constantFrom('Linear', 'Sequential', 'Dropout', 'ReLU', 'constructor'), config: json });
  fc.assert(
    fc.property(
      fc.oneof(json, layer, fc.record({ type: fc.constant('Sequential'), config: fc.record({ layers: fc.array(layer) }) })),
      (architecture) => {
        try {
          fromBytes(withArchitecture(architecture));
        } catch (error) {
          if (!(error instanceof NodegradError)) throw error;
        }
      },
    ),
    { numRuns: 500 },
  );
  t.pass();
});

test('paths that are none and files that are not there are typed errors', async (t) => {
  const layer = new Linear(2, 1);
  const model = new Sequential([layer]);
  for (const path of ['', 7, null]) {
    await t.throwsAsync(model.save(path as never), { instanceOf: ArgumentError });
    await t.throwsAsync(model.load(path as never), { instanceOf: ArgumentError });
    await t.throwsAsync(load(path as never), { instanceOf: ArgumentError });
  }
  await inFolder(async (path) => {
    await t.throwsAsync(load(path), { instanceOf: ArgumentError, message: /ENOENT/ });
    await writeSafetensors(
      path,
      new Map([
        ['0.weight', tensor([[1], [2]])],
        ['0.bias', tensor([3])],
      ]),
    );
    await t.throwsAsync(load(path), { instanceOf: FileFormatError, message: /model\.load\(path\)/ });
    t.is((await model.load(path)).matched.length, 2);
    t.deepEqual([...layer.weight.data], [1, 2]);
  });
});

test.serial('a file that does not say what wrote it, and has square matrices alone, is loaded with a warning', async (t) => {
  const square = (...more: Layer[]): Sequential => new Sequential([new Linear(3, 3), new Tanh(), new Linear(3, 3), ...more]);
  const heard: string[] = [];
  const listen = (warning: Error & { code?: string }): void => {
    if (warning.code === 'NODEGRAD_UNCLEAR_LAYOUT') heard.push(warning.message);
  };
  process.on('warning', listen);
  t.teardown(() => process.off('warning', listen));
  const warningsOf = async (model: Sequential, path: string): Promise<number> => {
    heard.length = 0;
    const { matched } = await model.load(path);
    t.is(matched.length, model.namedParameters().size);
    await new Promise((resolve) => setImmediate(resolve));
    return heard.length;
  };
  await inFolder(async (path) => {
    await writeSafetensors(path, square().stateDict());
    t.is(await warningsOf(square(), path), 1);
    t.regex(heard[0], /all square.*loadPyTorch\(model, path\)/);
    await writeSafetensors(path, square().stateDict(), new Map([['format', 'nodegrad']]));
    t.is(await warningsOf(square(), path), 0, 'a file that says so');
    await square().save(path);
    t.is(await warningsOf(square(), path), 0, 'a saved model');
    await writeSafetensors(path, square(new Linear(3, 2)).stateDict());
    t.is(await warningsOf(square(new Linear(3, 2)), path), 0, 'a matrix that would not fit turned round');
    await writeSafetensors(path, new Sequential([new Linear(1, 1)]).stateDict());
    t.is(await warningsOf(new Sequential([new Linear(1, 1)]), path), 0, 'nothing to turn');
  });
});

test('a ready network whose last layer was replaced by one for other classes is saved with these classes', async (t) => {
  await inFolder(async (path) => {
    const model = resnet18({ width: 4, imageSize: 32, classes: 10 });
    (model as { fc: Linear }).fc = new Linear(32, 4);
    await model.save(path);
    const twin = await load(path);
    const image = tensor(new Array(32 * 32 * 3).fill(0.5), [1, 32, 32, 3]);
    identical(t, (twin.eval().forward(image) as Tensor).data, model.eval().forward(image).data, 'scores');
    t.is((twin.config() as { classes: number }).classes, 4);
    t.deepEqual(model.clone().fc.outFeatures, 4);
  });
});

test('a model with a layer in place of its own that config() does not describe is not saved, and the message says what to do', async (t) => {
  const head = resnet18({ width: 4, imageSize: 32, classes: 10 });
  (head as { fc: unknown }).fc = new Sequential([new Dropout(0.5), new Linear(32, 4)]);
  const stage = resnet18({ width: 4, imageSize: 32, classes: 10 });
  (stage as { layer4: unknown }).layer4 = new Sequential([]);
  await inFolder(async (path) => {
    for (const [model, at] of [
      [head, "nothing at 'fc.1.weight', where it has [32, 4]"],
      [stage, "[3, 3, 16, 32] at 'layer4.0.conv1.weight', where it has nothing"],
    ] as const) {
      const error = await t.throwsAsync(model.save(path), { instanceOf: ArgumentError });
      t.true(error.message.includes(at), error.message);
      t.regex(error.message, /build the model with it, as resnet18\(\{ classes: 4 \}\).*writeSafetensors\(path, model\.stateDict\(\)\)/);
    }
    // A file that was written so before is refused with the way out, and fills a model that is built so.
    const tensors = resnet18({ width: 4, imageSize: 32, classes: 4 }).stateDict();
    const wrong = JSON.stringify({ type: 'ResNet', config: resnet18({ width: 4, imageSize: 32, classes: 10 }).config() });
    await writeSafetensors(
      path,
      tensors,
      new Map([
        ['format', 'nodegrad'],
        ['architecture', wrong],
      ]),
    );
    await t.throwsAsync(load(path), {
      message: /asks for floats of shape \[32, 10\]\. Weights of a model with another layer there: build it so.*model\.load\(path\)/,
    });
    t.is((await resnet18({ width: 4, imageSize: 32, classes: 4 }).load(path)).missing.length, 0);
  });
});

test('saving in the middle of a run draws no number of it', (t) => {
  setSeed(5);
  const plain = [makeModel(), makeModel()].map((model) => model.stateDict());
  setSeed(5);
  const first = makeModel();
  first.toBytes();
  const saved = [first, makeModel()].map((model) => model.stateDict());
  for (const [i, state] of plain.entries())
    for (const [path, value] of state) identical(t, saved[i].get(path)?.data as Float32Array, value.data as Float32Array, path);
});
