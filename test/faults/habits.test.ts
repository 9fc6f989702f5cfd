// Habits of users of other libraries: what they write on the first day works, or is refused in words that say where, what and the way out.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { compileExamples } from '../helpers/examples.js';
import { root } from '../helpers/sources.js';
import { says, saysNot } from '../helpers/words.js';

const silent = { progress: false, log: false } as const;
const { tensor, zeros, ones } = lib;
const indices = (...values: number[]): lib.Tensor<'int32'> => lib.Tensor.from(Int32Array.from(values));
const bytes = (values: number[], shape: number[]): lib.Tensor<'uint8'> => lib.Tensor.from(Uint8Array.from(values), shape);

// ---- JSON and copies ----

test('a tensor in JSON is its numbers, on the tape or off, as a result, a parameter or a buffer', async (t) => {
  const model = new lib.Linear(2, 1, { init: new lib.Constant(0.5) });
  const onTape = model.forward(tensor([[1, 2]]));
  t.is(JSON.stringify({ prediction: onTape }), '{"prediction":[[1.5]]}');
  t.is(JSON.stringify(await lib.predict(model, tensor([[1, 2]]))), '[[1.5]]');
  t.is(JSON.stringify([tensor(3), indices(1, 2), model.weight, new lib.Buffer([2])]), '[3,[1,2],[[0.5],[0.5]],[0,0]]');
});

test('the tape is no enumerable property: spreading, for…in and cloning see shape, dtype and size of a result', (t) => {
  const model = new lib.Linear(2, 1);
  const onTape = model.forward(tensor([[1, 2]]));
  t.deepEqual(Object.keys(onTape), ['shape', 'dtype', 'size']);
  t.notThrows(() => structuredClone(onTape));
  t.notThrows(() => onTape.sum().backward());
});

// ---- one example ----

test('a tensor of one axis goes through predict in one pass, as it goes through forward, whatever its length', async (t) => {
  for (const width of [200, 256, 300, 512, 2048]) {
    const model = new lib.Linear(width, 2);
    const x = lib.full([width], 0.25);
    const y = await lib.predict(model, x);
    t.deepEqual([...y.shape], [2], `width ${width}`);
    t.deepEqual(y.toArray(), model.forward(x).toArray(), `width ${width}`);
  }
  // Class indices [N] are N examples: of those the model makes what it makes of all at once.
  class Table extends lib.Layer<lib.Tensor<'int32'>> {
    readonly rows = new lib.Parameter([3, 2], { init: new lib.He() });
    forward(x: lib.Tensor<'int32'>): lib.Tensor {
      return this.rows.gather(x);
    }
  }
  const table = new Table();
  const many = lib.Tensor.from(Int32Array.from({ length: 700 }, (_, i) => i % 3));
  t.deepEqual((await lib.predict(table, many)).toArray(), table.forward(many).toArray());
});

// ---- arguments in another order ----

test('fit, evaluate and predict name what is no data set, and say what arrays and tensors go through', async (t) => {
  const model = new lib.Linear(4, 2);
  const optimizer = new lib.Adam(model);
  const loss = new lib.CrossEntropyLoss();
  const [x, y] = [ones([6, 4]), indices(0, 1, 0, 1, 0, 1)];
  const data = new lib.TensorDataset(x, y);
  const options = { loss, optimizer, ...silent };
  const way = 'new TensorDataset(tensor(x), tensor(y))';
  const fit = (...given: unknown[]): unknown => (lib.fit as (...all: unknown[]) => unknown)(model, ...given);
  await says(t, () => fit(x, y, options), '`data`', 'received a Tensor', way);
  await says(t, () => fit([[1, 2, 3, 4]], [0], options), '`data`', 'received an array', way);
  await says(t, () => fit({ data, loss, optimizer }), '`data`', 'received an object');
  await says(t, () => fit(data, { ...options, validation: [x, y] }), '`options.validation`', way);
  await says(t, () => fit(data, { ...options, validation: x }), '`options.validation`', 'received a Tensor', way);
  await says(t, () => lib.evaluate(model, x as never, { loss }), '`data`', 'received a Tensor', way);
  await says(t, () => lib.predict(model, [[1, 2, 3, 4]] as never), '`inputs`', 'received an array', 'tensor()');
  await says(t, () => new lib.DataLoader(x as never), '`dataset`', 'received a Tensor', way);
  await says(t, () => lib.split([x, y] as never, [0.5, 0.5]), '`dataset`', way);
});

test('an object of a class is no options object unless it has options: it is named, not its first field', async (t) => {
  const model = new lib.Linear(4, 2);
  const optimizer = new lib.Adam(model);
  const loss = new lib.CrossEntropyLoss();
  const data = new lib.TensorDataset(ones([2, 4]), indices(0, 1));
  await says(t, () => (lib.fit as (...all: unknown[]) => unknown)(model, data, loss, optimizer), 'received a CrossEntropyLoss', 'options');
  await says(t, () => lib.fit(model, data, optimizer as never), 'received an Adam', 'options');
  await says(t, () => new lib.Adam(model, new lib.Linear(2, 2) as never), 'received a Linear', 'options');
  await says(t, () => new lib.Adam(model, new lib.Sequential([]) as never), 'received a Sequential');
  await says(t, () => new lib.SGD(model, new Map([['lr', 0.1]]) as never), 'received a Map');
  await says(t, () => new lib.Linear(2, 2, new lib.He() as never), 'received a He');
  await says(t, () => new lib.Linear(2, 2, new Date() as never), 'received a Date');
  // Options of a class of the user's own, with fields or accessors, and objects without a prototype or of another realm are options.
  class Settings {
    bias = false;
  }
  class Computed {
    get bias(): boolean {
      return false;
    }
  }
  const bare = Object.assign(Object.create(null), { bias: false });
  for (const own of [new Settings(), new Computed(), bare, Object.create({ bias: false })]) t.is(new lib.Linear(2, 2, own).bias, null);
  t.notThrows(() => new lib.Linear(2, 2, Object.create(null)));
});

test('an optimizer for two models says how their parameters go into one', async (t) => {
  const [a, b] = [new lib.Linear(1, 1), new lib.Sequential([new lib.Linear(1, 1)])];
  await says(t, () => new lib.Adam([a, b] as never), 'target[0]', 'received a Linear', '[...a.parameters(), ...b.parameters()]');
});

// ---- words of a first step ----

function plain(size: number, factor: number): lib.TensorDataset<'float32', 'float32'> {
  const x = Float32Array.from({ length: size * 3 }, (_, i) => factor * (((i * 7) % 11) - 5));
  return new lib.TensorDataset(lib.Tensor.from(x, [size, 3]), zeros([size, 1]));
}

test('what is not finite before anything was learned is not laid to the learning rate', async (t) => {
  for (const eager of [false, true]) {
    const options = (model: lib.AnyLayer, loss: lib.Loss): lib.FitOptions => ({
      loss,
      optimizer: new lib.SGD(model, { lr: 0.1 }),
      epochs: 2,
      batchSize: 8,
      eager,
      ...silent,
    });
    const huge = new lib.Linear(3, 1);
    await says(t, () => lib.fit(huge, plain(16, 1e20), options(huge, new lib.MSELoss())), 'step 1', 'inputs reach 5.00e+20', 'scale them');
    await saysNot(t, () => lib.fit(huge, plain(16, 1e20), options(huge, new lib.MSELoss())), 'learning rate is probably');
    // √0 has no finite slope: the loss is 0, its gradient NaN, and so are the weights after the first update.
    class Root extends lib.Loss {
      forward(p: lib.Tensor, y: lib.Tensor): lib.Tensor {
        return lib.sqrt(p.sub(y).pow(2).sum());
      }
    }
    const perfect = new lib.Linear(3, 1, { init: new lib.Constant(0) });
    await says(t, () => lib.fit(perfect, plain(16, 1), options(perfect, new Root())), 'gradient', 'root');
    const again = new lib.Linear(3, 1, { init: new lib.Constant(0) });
    await saysNot(t, () => lib.fit(again, plain(16, 1), options(again, new Root())), 'learning rate is probably');
    class Log extends lib.Loss {
      forward(p: lib.Tensor): lib.Tensor {
        return lib.log(p.mul(0)).mean();
      }
    }
    const logged = new lib.Linear(3, 1);
    await says(t, () => lib.fit(logged, plain(16, 1), options(logged, new Log())), 'step 1', 'logarithm');
    // A rate that is too high still is.
    const fast = new lib.Linear(3, 1);
    const steep = { ...options(fast, new lib.MSELoss()), optimizer: new lib.SGD(fast, { lr: 1e15 }), epochs: 20 };
    await says(t, () => lib.fit(fast, plain(16, 1), steep), 'learning rate is probably too high');
  }
});

// ---- arguments that are not taken ----

test('gather, slice and tensor refuse an argument that they do not take: an axis, a size, an element type by itself', async (t) => {
  await says(t, () => (tensor as (...given: unknown[]) => unknown)([0, 1, 2], [3], 'int32'), '`options`', 'received "int32"');
  const x = ones([3, 3]) as unknown as Record<'gather' | 'slice', (...given: unknown[]) => unknown>;
  await says(t, () => x.gather([0, 1], 1), 'gather', 'first axis', '1 argument');
  await says(t, () => x.slice(0, 1, 1), 'slice', '2 arguments', 'end');
  t.notThrows(() => x.gather([0, 1], undefined), 'an argument left open is none');
});

// ---- parameters in Maps, Sets and private fields ----

test('layers and parameters in Maps and Sets are found', (t) => {
  class Heads extends lib.Layer {
    readonly byName = new Map<string, unknown>([
      ['left', new lib.Linear(2, 1)],
      ['right', { inner: new lib.Linear(2, 1) }],
    ]);
    readonly all = new Set<unknown>([new lib.Linear(2, 1), 7, new lib.Parameter([2], { init: new lib.Zeros() })]);
    forward(x: lib.Tensor): lib.Tensor {
      return x;
    }
  }
  const model = new Heads();
  t.deepEqual(
    [...model.namedParameters().keys()],
    ['all.2', 'byName.left.weight', 'byName.left.bias', 'byName.right.inner.weight', 'byName.right.inner.bias', 'all.0.weight', 'all.0.bias'],
  );
  t.is(model.stateDict().size, 7);
});

class Tied extends lib.Layer {
  readonly first = new lib.Linear(2, 2, { bias: false });
  readonly byName = new Map([['again', new lib.Parameter([2, 2], { init: new lib.He() })]]);
  readonly all = new Set([new lib.Parameter([2], { init: new lib.He() }), new lib.Parameter([2, 2], { init: new lib.He() })]);
  forward(x: lib.Tensor): lib.Tensor {
    return [...this.byName.values(), ...this.all].reduce((y, weight) => y.add(weight), this.first.forward(x));
  }
  static fromConfig(): Tied {
    return new Tied();
  }
}
lib.registerLayer(Tied, 'Tied');

test('a parameter that stands in a field, a Map and a Set stays one when the model is cloned', (t) => {
  const model = new Tied();
  const [bias] = model.all;
  model.byName.set('again', model.first.weight);
  model.all.clear();
  model.all.add(bias).add(model.first.weight);
  const twin = model.clone();
  t.is(twin.byName.get('again'), twin.first.weight);
  t.is([...twin.all][1], twin.first.weight);
  t.deepEqual(twin.forward(ones([1, 2])).toArray(), model.forward(ones([1, 2])).toArray());
});

const orphan = `
import { Layer, Linear, Parameter, SGD, Sequential, Zeros, ones, tensor } from ${JSON.stringify(join(root, 'dist/lib/index.js'))};
class Net extends Layer {
  #hidden = new Linear(2, 2);
  out = new Linear(2, 1);
  forward(x) { return this.out.forward(this.#hidden.forward(x)); }
}
class Frozen extends Layer {
  #features = new Linear(2, 2).freeze();
  out = new Linear(2, 1);
  forward(x) { return this.out.forward(this.#features.forward(x)); }
}
class Late extends Layer {
  out = new Linear(2, 1);
  forward(x) { return this.head ? this.head.forward(this.out.forward(x)) : this.out.forward(x); }
}
process.on('warning', (warning) => console.log(warning.code, warning.message));
const make = { Net, Frozen, Late }[process.argv[2]];
const model = new make();
const optimizer = new SGD(model, { lr: 0.1 });
for (let i = 0; i < 3; i++) {
  model.forward(ones([4, 2])).sum().backward();
  optimizer.step();
  if (i === 1 && model instanceof Late) model.head = new Linear(1, 1);
}
`;

test('a layer in training that the model around it does not know is named once, in a loop of the user’s own too', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'habits-'));
  const file = join(folder, 'orphan.mjs');
  writeFileSync(file, orphan);
  const outputOf = (name: string): string[] => {
    const { stdout, status, stderr } = spawnSync(process.execPath, [file, name], { encoding: 'utf8' });
    t.is(status, 0, stderr);
    return stdout.split('\n').filter((line) => line !== '');
  };
  const lines = outputOf('Net');
  t.is(lines.length, 1, lines.join('\n'));
  t.regex(lines[0], /NODEGRAD_UNKNOWN_LAYER .*Linear.*Net.*#private/);
  t.deepEqual(outputOf('Frozen'), [], 'nobody wants to train it');
  t.deepEqual(outputOf('Late'), [], 'it stands in a public field');
  rmSync(folder, { recursive: true });
});

test('fit tells a plain tensor that is to be trained from a parameter that nobody finds', async (t) => {
  class Shift extends lib.Layer {
    readonly inner = new lib.Linear(2, 1);
    readonly shift = tensor([0]);
    constructor() {
      super();
      this.shift.requiresGrad = true;
    }
    forward(x: lib.Tensor): lib.Tensor {
      return this.inner.forward(x).add(this.shift);
    }
  }
  class Hidden extends lib.Layer {
    readonly inner = new lib.Linear(2, 1);
    readonly #shift = new lib.Parameter([1], { init: new lib.Zeros() });
    forward(x: lib.Tensor): lib.Tensor {
      return this.inner.forward(x).add(this.#shift);
    }
  }
  const data = new lib.TensorDataset(ones([4, 2]), zeros([4, 1]));
  const run = (model: lib.AnyLayer): unknown =>
    lib.fit(model, data, { loss: new lib.MSELoss(), optimizer: new lib.SGD(model, { lr: 0.1 }), ...silent });
  await says(t, () => run(new Shift()), '[1]', 'new Parameter(');
  await saysNot(t, () => run(new Shift()), '#private');
  await says(t, () => run(new Hidden()), '[1]', '#private');
});

// ---- constructors and states ----

test('new Tensor is refused with the functions that make tensors', async (t) => {
  const make = lib.Tensor as unknown as new (...given: unknown[]) => unknown;
  await says(t, () => new make([1, 2], [2]), 'tensor([…])', 'Tensor.from(');
  await says(t, () => new make(new Float32Array(2)), 'Tensor.from(');
  await says(t, () => new make([1, 2], [2], 'float32'), 'tensor([…])');
  await says(t, () => new make(), 'tensor([…])');
});

test('the state of an optimizer that went through JSON is refused for its lost tensors', async (t) => {
  const model = new lib.Linear(2, 2);
  const optimizer = new lib.Adam(model);
  const state = JSON.parse(JSON.stringify(optimizer.stateDict()));
  await says(t, () => optimizer.loadStateDict(state), '`state.tensors`', 'Map', 'JSON', 'encodeSafetensors');
  await says(t, () => optimizer.loadStateDict({ ...optimizer.stateDict(), groups: [] }), '`state.groups`', '1 group', 'received 0');
});

// ---- numbers beside tensors ----

test('where takes numbers, in the dtype of the other side, eagerly and in a compiled step', async (t) => {
  const x = tensor([-1, 2, -3]);
  const mask = x.greater(0);
  t.deepEqual(lib.where(mask, x, 0).toArray(), [0, 2, 0]);
  t.deepEqual(lib.where(mask, 1, x).toArray(), [-1, 1, -3]);
  t.deepEqual(lib.where(mask, 1, -1).toArray(), [-1, 1, -1]);
  t.is(lib.where(mask, 1, -1).dtype, 'float32');
  t.is(lib.where(mask, x.to('float64'), 0.1).data[0], 0.1);
  t.is(lib.where(mask, indices(1, 2, 3), 0).dtype, 'int32');
  await says(t, () => lib.where(mask, indices(1, 2, 3), 0.5), '`b`', 'received 0.5');
  await says(t, () => lib.where(mask, bytes([1, 2, 3], [3]), -1), '`b`', 'received -1');
  await says(t, () => lib.where(mask, x, '0' as never), '`b`');
  x.requiresGrad = true;
  lib.where(mask, x, 0).sum().backward();
  t.deepEqual(x.grad?.toArray(), [0, 1, 0]);
  const step = lib.compileStep((v: lib.Tensor) => lib.where(v.greater(0), v, -2));
  for (let i = 0; i < 3; i++) t.deepEqual(step.sync(tensor([i, -1])).toArray(), [i > 0 ? i : -2, -2]);
});

test('tensor takes typed arrays inside arrays', async (t) => {
  const rows = [Float32Array.of(1, 2), Float32Array.of(3, 4)];
  t.deepEqual(tensor(rows).toArray(), [
    [1, 2],
    [3, 4],
  ]);
  t.deepEqual(tensor([rows, rows]).shape, [2, 2, 2]);
  t.deepEqual(tensor([Int32Array.of(1, 2), [3, 4], Float64Array.of(5, 6)]).toArray(), [
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  t.is(tensor([Float64Array.of(1, 2)]).dtype, 'float32');
  await says(t, () => tensor([Float32Array.of(1, 2), Float32Array.of(3)]), 'equal lengths (2 at depth 1)', 'Float32Array');
  await says(t, () => tensor([Float32Array.of(1, 2), [[1], [2]]] as never), 'expected numbers');
  await says(t, () => tensor([[1, 2], 3] as never), 'equal lengths');
  await says(t, () => tensor([BigInt64Array.of(1n)] as never), 'expected numbers');
  await says(t, () => tensor([new DataView(new ArrayBuffer(4))] as never), 'expected numbers');
});

// ---- types ----

const compiles = `
import { type AnyDataset, type Dataset, type FloatDType, MSELoss, SGD, Linear, Sequential, Tensor, TensorDataset, softmax, split, tensor } from 'nodegrad';
const x = tensor([[1, 2], [3, 4]]);
const rows: number[][] = softmax(x).toArray();
const one: number = x.toArray()[0][1];
const names: string[] = x.argmax(-1).toArray().map((index: number) => ['a', 'b'][index] ?? '');
const twice = <D extends FloatDType>(value: Tensor<D>): Tensor<D> => value.mul(2).sum(0);
const data = new TensorDataset(x, x);
const [train, test] = split(data, [0.5, 0.5]);
const both: Dataset<'float32', 'float32'>[] = [train, test];
const many: Dataset<'float32', 'float32'>[] = split(data, both.map(() => 1));
const model = new Sequential([new Linear(2, 2)]);
const run = (some: AnyDataset) => model.fit(some, { loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.1 }) });
run(train);
run(new TensorDataset(x, Tensor.from(Int32Array.of(0, 1))));
`;

const refuses: Record<string, string> = {
  'arithmetic of integers': `import { Tensor } from 'nodegrad'; Tensor.from(Int32Array.of(1)).add(1);`,
  'text for numbers': `import { tensor } from 'nodegrad'; tensor(['1']);`,
  'an axis of gather': `import { tensor } from 'nodegrad'; tensor([1]).gather([0], 1);`,
  'a third part of two': `import { TensorDataset, split, tensor } from 'nodegrad'; split(new TensorDataset(tensor([1]), tensor([1])), [0.5, 0.5])[2].name;`,
};

test('types take indices into arrays, parts of a split by name, any data set, and functions of any float dtype', (t) => {
  const strictest = { noUncheckedIndexedAccess: true };
  t.deepEqual(compileExamples([{ path: 'compiles', line: 1, code: compiles }], strictest), []);
  for (const [path, code] of Object.entries(refuses)) t.true(compileExamples([{ path, line: 1, code }], strictest).length > 0, path);
});
