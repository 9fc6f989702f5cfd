// Values of other realms and other copies of nodegrad: the first are taken for what they are, the second are named as what they are.
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import test from 'ava';
import ts from 'typescript';
import * as nodegrad from '../../lib/index.js';
import {
  ArgumentError,
  Adam,
  Linear,
  MSELoss,
  SGD,
  Sequential,
  Tensor,
  TensorDataset,
  compileStep,
  decodeCifar,
  decodeSafetensors,
  encodeSafetensors,
  fromBytes,
  noGrad,
  ones,
  readIdx,
  subset,
  tensor,
  writeIdx,
  fit,
} from '../../lib/index.js';
import { readTree, root, walk } from '../helpers/sources.js';

const realm = createContext({});
/** A value made by the classes of another realm. */
const foreign = <T>(source: string, given: Record<string, unknown> = {}): T => {
  Object.assign(realm, given);
  return runInContext(source, realm) as T;
};

test('typed arrays of another realm are the memory of tensors (fault F22)', (t) => {
  for (const [name, dtype] of Object.entries({ Float32Array: 'float32', Float64Array: 'float64', Int32Array: 'int32', Uint8Array: 'uint8' })) {
    const data = foreign<Float32Array>(`new ${name}([1, 2, 3, 4])`);
    t.false(data instanceof (globalThis as unknown as Record<string, new () => object>)[name]);
    const x = Tensor.from(data, foreign<number[]>('[2, 2]'));
    t.is(x.dtype as string, dtype);
    t.is(x.data, data, 'no copy');
    t.deepEqual(x.to('float64').add(1).toArray(), [[2, 3], [4, 5]]); // biome-ignore format: a matrix
    t.is(tensor(data).dtype as string, dtype);
  }
  const shared = foreign<Float32Array>('new Float32Array(new SharedArrayBuffer(8))');
  t.deepEqual(Tensor.from(shared).add(1).toArray(), [1, 1]);
  t.deepEqual(tensor(foreign<number[][]>('[[1, 2], [3, 4]]')).shape, [2, 2]);
  t.deepEqual(Tensor.from(Buffer.from([1, 2])).toArray(), [1, 2]);
  for (const wrong of ['new Int16Array(2)', 'new DataView(new ArrayBuffer(8))', 'new BigInt64Array(1)']) {
    t.throws(() => Tensor.from(foreign(wrong)), { instanceOf: ArgumentError, message: /^expected a Float32Array, .* for `data`, received a/ });
  }
});

test('readers and writers of files take bytes and maps of another realm (fault F22)', (t) => {
  const bytes = foreign<Uint8Array>('new Uint8Array(source)', { source: [...writeIdx(Int32Array.of(1, 2, 3))] });
  t.deepEqual([...readIdx(bytes).data], [1, 2, 3]);
  t.deepEqual([...readIdx(writeIdx(foreign<Float32Array>('new Float32Array([0.5, 2])'))).data], [0.5, 2]);
  t.deepEqual([...readIdx(writeIdx(foreign<Float64Array>('new Float64Array([0.1])'))).data], [0.1]);
  t.throws(() => decodeCifar(foreign<Uint8Array>('new Uint8Array(5)')), { message: /multiple|records|bytes/ });
  const file = encodeSafetensors(foreign('new Map([["x", x]])', { x: tensor([1, 2]) }), foreign('new Map([["a", "b"]])'));
  t.deepEqual([...decodeSafetensors(foreign<Uint8Array>('new Uint8Array(source)', { source: [...file] })).tensors.keys()], ['x']);
  const model = new Linear(1, 1);
  model.loadStateDict(foreign('new Map([["weight", w], ["bias", b]])', { w: tensor([[3]]), b: tensor([4]) }));
  t.is(model.forward(tensor([[1]])).item(), 7);
  const saved = new Sequential([model]).toBytes();
  const loaded = fromBytes(foreign<Uint8Array>('new Uint8Array(source)', { source: [...saved] })) as Sequential;
  t.is(loaded.forward(tensor([[1]])).item(), 7);
  const optimizer = new Adam(model);
  const state = optimizer.stateDict();
  optimizer.loadStateDict({ ...state, tensors: foreign('new Map(entries)', { entries: [...state.tensors] }) });
  const data = new TensorDataset(ones([3, 1]), ones([3, 1]));
  t.is(subset(data, foreign<Int32Array>('new Int32Array([2, 0])')).length, 2);
});

test('parameters in arrays and objects of another realm are found (fault F22)', (t) => {
  class Holder extends Linear {
    readonly inner = foreign<{ a: Linear; list: Linear[] }>('({ a, list: [b] })', { a: new Linear(1, 1), b: new Linear(1, 1) });
    readonly bare = Object.assign(Object.create(null), { c: new Linear(1, 1) }) as { c: Linear };
  }
  t.deepEqual([...new Holder(1, 1).children().keys()], ['inner.a', 'inner.list.0', 'bare.c']);
});

test('a compiled step gives back what a body of another realm returns (fault F22)', (t) => {
  const body = foreign<(x: Tensor) => { sum: Tensor; list: Tensor[] }>('(x) => ({ sum: x.sum(), list: [x.mul(2)] })');
  const step = compileStep(body);
  const { sum, list } = step.sync(tensor([1, 2]));
  t.is(sum.item(), 3);
  t.deepEqual(list[0].toArray(), [2, 4]);
  step.dispose();
  const late = compileStep(foreign<(x: Tensor) => Promise<Tensor>>('async (x) => x.sum()'));
  t.throws(() => late.sync(tensor([1])), { instanceOf: ArgumentError, message: /synchronous/ });
  t.throws(() => noGrad(foreign<() => Promise<number>>('async () => 1')), { instanceOf: ArgumentError, message: /synchronous/ });
});

test('callbacks and signals of another realm work as ours (fault F22)', async (t) => {
  const seen: string[] = [];
  const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
  const callback = foreign<object>('({ async onEpochEnd() { await later(); seen.push("callback"); } })', { later, seen });
  const model = new Linear(1, 1);
  const data = new TensorDataset(ones([4, 1]), ones([4, 1]));
  const signal = { aborted: false, addEventListener() {}, removeEventListener() {} };
  const options = { loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.1 }), log: false, progress: false } as const;
  await fit(model, data, { ...options, callbacks: [callback], signal: signal as never });
  seen.push('fit');
  t.deepEqual(seen, ['callback', 'fit'], 'fit waits for promises of any realm');
  await t.throwsAsync(fit(model, data, { ...options, signal: { aborted: 'no' } as never }), { message: /expected an AbortSignal/ });
});

/** Globals that test runners with a browser's globals lack, replace or fake; Node's modules have them. */
const unreliable = [
  'TextEncoder',
  'TextDecoder',
  'performance',
  'setImmediate',
  'clearImmediate',
  'structuredClone',
  'queueMicrotask',
  'MessageChannel',
];

test('what a browser-like test environment lacks comes from modules of Node, not from globals (fault F23)', (t) => {
  const uses = (path: string, text: string): string[] => {
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const imported = new Set<string>();
    const used = new Set<string>();
    walk(file, (node) => {
      if (ts.isImportSpecifier(node)) imported.add(node.name.text);
      if (ts.isIdentifier(node) && unreliable.includes(node.text) && !ts.isPropertyAccessExpression(node.parent)) used.add(node.text);
      if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && unreliable.includes(node.expression.text))
        used.add(node.expression.text);
    });
    return [...used].filter((name) => !imported.has(name)).map((name) => `${path} uses the global ${name}`);
  };
  const files = [...readTree()].filter(([path]) => /^lib\/(?!cli\/).*\.ts$/.test(path));
  t.deepEqual(
    files.flatMap(([path, text]) => uses(path, text)),
    [],
  );
  t.deepEqual(uses('a.ts', 'new TextEncoder().encode(x); performance.now();'), [
    'a.ts uses the global TextEncoder',
    'a.ts uses the global performance',
  ]);
});

test('classes of another realm are told from ours by what they are: lib asks no built-in class (fault F22)', (t) => {
  const builtIn =
    /instanceof (?:Float32Array|Float64Array|Int32Array|Uint8Array|ArrayBuffer|SharedArrayBuffer|DataView|Map|Set|Promise|URL|AbortSignal|TypeError|RangeError|Error|Date|RegExp)\b|=== Object\.prototype|\.constructor === /;
  const found = [...readTree()]
    .filter(([path]) => /^lib\/(?!cli\/).*\.ts$/.test(path))
    .flatMap(([path, text]) =>
      text
        .split('\n')
        .filter((line) => builtIn.test(line) && !/^\s*(\*|\/\/)/.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
  // The walk up a class's prototypes: where lib's own classes end, whatever realm the object is of.
  t.deepEqual(
    found.filter((line) => !line.startsWith('lib/layers/forward.ts')),
    [],
  );
});

// A second copy on the disk: the compiled library in another folder, on the same binary.
const folder = mkdtempSync(join(tmpdir(), 'nodegrad-copy-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test('a thing of another copy of nodegrad is named as such, with version and place (fault F28)', async (t) => {
  mkdirSync(join(folder, 'dist'));
  cpSync(join(root, 'dist/lib'), join(folder, 'dist/lib'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'nodegrad', version: '9.8.7', type: 'module' }));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  symlinkSync(join(root, 'build'), join(folder, 'build'));
  const other = (await import(pathToFileURL(join(folder, 'dist/lib/index.js')).href)) as typeof nodegrad;
  const place = `of another copy of nodegrad \\(version 9\\.8\\.7 at ${folder}\\)`;
  const named = (kind: string) => ({
    instanceOf: ArgumentError,
    message: new RegExp(`received an? ${kind} ${place}\\. Two copies are loaded`),
  });
  const x = ones([2, 3]);
  const model = new Linear(3, 2);
  const sgd = new SGD(model, { lr: 0.1 });
  const data = new TensorDataset(ones([4, 3]), ones([4, 2]));
  const base = { loss: new MSELoss(), optimizer: sgd, log: false, progress: false } as const;
  t.throws(() => x.add(other.ones([2, 3]) as never), named('Tensor'));
  t.throws(() => model.forward(other.ones([2, 3]) as never), { message: new RegExp(place) });
  t.throws(() => nodegrad.relu(new other.Linear(3, 2).weight as never), named('Parameter'));
  t.throws(() => new Sequential([new other.Linear(3, 2) as never]), named('Linear'));
  t.throws(() => new SGD(new other.Linear(3, 2) as never, { lr: 0.1 }), named('Linear'));
  t.throws(() => new SGD([other.ones([1])] as never, { lr: 0.1 }), named('Tensor'));
  t.throws(() => new SGD(model, { lr: new other.StepDecay(0.1, { every: 1 }) as never }), named('StepDecay'));
  t.throws(() => new Linear(3, 2, { init: new other.He() as never }), named('He'));
  t.throws(() => nodegrad.dropout(x, 0.5, { random: new other.Random(1) as never } as never), named('Random'));
  t.throws(() => nodegrad.augmented(data as never, [other.randomFlip() as never] as never), named('Augmentation'));
  await t.throwsAsync(fit(model, data, { ...base, optimizer: new other.SGD(new other.Linear(1, 1), { lr: 0.1 }) as never }), named('SGD'));
  await t.throwsAsync(fit(model, data, { ...base, loss: new other.MSELoss() as never }), named('MSELoss'));
  await t.throwsAsync(fit(model, data, { ...base, metrics: [new other.Accuracy() as never] }), named('Accuracy'));
  class Holder extends Linear {
    readonly inner = new other.Linear(1, 1);
  }
  t.throws(() => new Holder(1, 1).parameters(), named('Linear'), 'its parameters would not be trained');
  t.notThrows(() => other.ones([2]).add(other.ones([2])));
});
