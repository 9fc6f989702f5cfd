// Calls the public API with hostile arguments: arguments are the number of calls, a seed, and the file for the report. Where the process is,
// it writes into a file, so that a crash or a hang can be named by whoever watches.
import { openSync, writeFileSync, writeSync } from 'node:fs';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { targetsOf } from './targets.js';
import { type Choices, HostileError, hostile, type Lib, optionNames, plausible, shifty } from './values.js';

const [count, seed, report, only] = process.argv.slice(2);

// ---- a machine with little memory: what is larger than this fails as if the system had no more ----

const allocationLimit = 128 * 1024 * 1024;
const refuse = (): never => {
  throw new RangeError('Array buffer allocation failed');
};
const allocUnsafeSlow = Buffer.allocUnsafeSlow.bind(Buffer);
Buffer.allocUnsafeSlow = (size) => (size > allocationLimit ? refuse() : allocUnsafeSlow(size));
for (const name of ['Float32Array', 'Float64Array', 'Int32Array', 'Uint8Array', 'Uint32Array', 'ArrayBuffer', 'SharedArrayBuffer'] as const) {
  const original = globalThis[name] as unknown as { new (...args: unknown[]): object; BYTES_PER_ELEMENT?: number };
  const limited = new Proxy(original, {
    construct: (type, args, target: new (...a: unknown[]) => object) => {
      const first = args[0] as { length?: unknown } | number | undefined;
      const size = typeof first === 'number' ? first : Array.isArray(first) ? first.length : 0;
      return size * (type.BYTES_PER_ELEMENT ?? 1) > allocationLimit
        ? refuse()
        : Reflect.construct(type, args, target === limited ? type : target);
    },
  }) as unknown as new (
    ...a: unknown[]
  ) => object;
  (globalThis as unknown as Record<string, unknown>)[name] = limited;
}
globalThis.fetch = () => Promise.reject(new TypeError('fetch failed: there is no network here'));
process.env['NODEGRAD_RUNS'] = 'off';
process.on('unhandledRejection', () => {}); // rejections are looked at where the calls are made
process.on('warning', () => {});

// With it every call of datasets.mnist would read the real set, 200 MB a time.
delete process.env['NODEGRAD_DATA'];
const lib: Lib = await import('../../lib/index.js');
const { NodegradError, Tensor } = lib;
type FloatTensor = import('../../lib/index.js').Tensor<'float32'>;

// ---- recipes: arguments as data, so that a call can be written down and made again ----

type Recipe =
  | { kind: 'plausible'; name: string; choice: number }
  | { kind: 'hostile'; name: string }
  | { kind: 'shifty'; name: string }
  | { kind: 'list'; items: Recipe[] }
  | { kind: 'options'; entries: [string, Recipe][] };

interface Call {
  target: number;
  choice: number;
  fits: number[];
  args: Recipe[];
  follow: number;
}

const targets = targetsOf(lib).filter(({ name }) => only === undefined || name.includes(only));
const plausibleNames = Object.keys(plausible);
const leaf: fc.Arbitrary<Recipe> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('plausible' as const), name: fc.constantFrom(...plausibleNames), choice: fc.nat(1000) }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('hostile' as const), name: fc.constantFrom(...Object.keys(hostile)) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('shifty' as const), name: fc.constantFrom(...Object.keys(shifty)) }) },
);
const options = fc.record({
  kind: fc.constant('options' as const),
  entries: fc.array(fc.tuple(fc.constantFrom(...optionNames), leaf), { maxLength: 4 }),
});
const recipe: fc.Arbitrary<Recipe> = fc.oneof(
  { weight: 6, arbitrary: leaf },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('list' as const), items: fc.array(leaf, { maxLength: 3 }) }) },
  { weight: 3, arbitrary: options },
);
const calls: fc.Arbitrary<Call> = fc.record({
  target: fc.nat(targets.length - 1),
  choice: fc.nat(1 << 20),
  // Which arguments take the kind that fits: 0 does not, others do.
  fits: fc.array(fc.nat(2), { minLength: 4, maxLength: 4 }),
  args: fc.array(recipe, { maxLength: 4 }),
  follow: fc.nat(9),
});

function choicesFrom(start: number): Choices {
  let state = start;
  return {
    below(n) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    },
  };
}

// The options that make a call of some functions complete.
const required: Record<string, (lib: Lib, c: Choices, receiver: unknown) => Record<string, unknown>> = {
  fit: (l, _c, receiver) => ({
    loss: new l.CrossEntropyLoss(),
    optimizer: new l.SGD(receiver instanceof l.Layer && receiver.parameterCount() > 0 ? receiver : l.mlp(), { lr: 0.1 }),
    epochs: 2,
    batchSize: 4,
    progress: false,
    log: false,
    signal: AbortSignal.timeout(300),
  }),
  evaluate: (l) => ({ loss: new l.CrossEntropyLoss(), signal: AbortSignal.timeout(300) }),
  SGD: () => ({ lr: 0.1 }),
  StepDecay: () => ({ every: 3 }),
  MultiStepDecay: () => ({ milestones: [1, 3] }),
  PolynomialDecay: () => ({ length: 3 }),
  CosineDecay: () => ({ length: 3 }),
  CosineRestarts: () => ({ length: 3 }),
  LinearWarmup: () => ({ length: 3 }),
  OneCycle: () => ({ length: 3 }),
  TriangularCycle: () => ({ high: 1 }),
  InverseTimeDecay: () => ({ k: 1 }),
  SequentialSchedule: () => ({ milestones: [1] }),
  ExponentialDecay: () => ({ k: 0.1 }),
  Parameter: (l) => ({ init: new l.He() }),
  BasicBlock: () => ({ inChannels: 4, channels: 4, outChannels: 4 }),
  Bottleneck: () => ({ inChannels: 4, channels: 2, outChannels: 8 }),
  PreActBlock: () => ({ inChannels: 4, channels: 4, outChannels: 4 }),
  Fire: () => ({ inChannels: 4, squeeze: 2, expand: 3 }),
  DenseLayer: () => ({ inChannels: 4, growthRate: 2 }),
  ConvolutionUnit: () => ({ inChannels: 4, outChannels: 2, kernelSize: 3 }),
  Inception: () => ({ inChannels: 4, filters: [1, 2, 3, 1, 2, 3] }),
  AuxiliaryHead: () => ({ inChannels: 4, classes: 2, width: 1 }),
  digits: () => ({ train: 8, test: 4 }),
  mnist: () => ({ dir: '.', download: false }),
};

class Builder {
  shifty = false;
  constructor(
    readonly choices: Choices,
    readonly target: string,
    readonly receiver: unknown,
  ) {}

  build(item: Recipe): unknown {
    switch (item.kind) {
      case 'plausible':
        return plausible[item.name](lib, choicesFrom(item.choice));
      case 'hostile':
        return hostile[item.name](lib);
      case 'shifty':
        this.shifty = true;
        return shifty[item.name](lib);
      case 'list':
        return item.items.map((one) => this.build(one));
      case 'options': {
        const made: Record<string, unknown> = {};
        const base = required[this.target];
        if (base !== undefined) Object.assign(made, base(lib, this.choices, this.receiver));
        for (const [name, value] of item.entries)
          Object.defineProperty(made, name, { value: this.build(value), enumerable: true, configurable: true, writable: true });
        return made;
      }
    }
  }
}

function describe(item: Recipe): string {
  switch (item.kind) {
    case 'plausible':
      return `<${item.name} ${item.choice}>`;
    case 'list':
      return `[${item.items.map(describe).join(', ')}]`;
    case 'options':
      return `{ ${item.entries.map(([name, value]) => `${name}: ${describe(value)}`).join(', ')} }`;
    default:
      return item.name;
  }
}

// ---- operands stay as they were ----

function memoryOf(value: unknown, found: Set<ArrayBufferView>, depth = 0): void {
  if (depth > 3 || typeof value !== 'object' || value === null) return;
  try {
    if (value instanceof Tensor) {
      if (value instanceof lib.Parameter && !value.isSettled) return;
      found.add(value.data as ArrayBufferView);
    } else if (value instanceof lib.Layer) for (const parameter of value.parameters()) memoryOf(parameter, found, depth + 1);
    else if (value instanceof lib.Optimizer)
      for (const group of value.groups) for (const one of group.parameters) memoryOf(one, found, depth + 1);
    else if (ArrayBuffer.isView(value)) found.add(value);
    else if (value instanceof Map) for (const one of value.values()) memoryOf(one, found, depth + 1);
    else if (Array.isArray(value) && value.length <= 300) for (const one of value) memoryOf(one, found, depth + 1);
  } catch {
    // A proxy or an object with a will of its own: nothing to compare.
  }
}

function bytes(view: ArrayBufferView): string {
  try {
    return Buffer.from(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength).toString('latin1');
  } catch {
    return '';
  }
}

// ---- the calls ----

const where = openSync(`${report}.at`, 'w');
const faults = new Map<string, { count: number; call: string; error: string }>();
let done = 0;
const outcomes: Record<string, number> = {};

function fault(key: string, call: string, error: unknown): void {
  const before = faults.get(key);
  if (before !== undefined) before.count++;
  else faults.set(key, { count: 1, call, error: error instanceof Error ? String(error.stack ?? error) : inspect(error) });
}

// Errors of V8 that are no fault: said where they may come from.
function tolerated(error: Error, built: Builder, lenient: boolean): boolean {
  if (error instanceof NodegradError || error instanceof HostileError) return true;
  if (lenient || built.shifty) return error instanceof Error;
  // Revoked proxies cannot be looked at by anybody: V8 throws at the first touch, Array.isArray included.
  if (/revoked/.test(error.message)) return true;
  // A proxy of a typed array throws whatever is read of it; a class passed for a function throws when it is called.
  if (/incompatible receiver|cannot be invoked without 'new'/.test(error.message)) return true;
  // An abort that the caller asked for.
  return error.name === 'TimeoutError' || error.name === 'AbortError';
}

function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function make(call: Call): Promise<void> {
  const target = targets[call.target];
  const choices = choicesFrom(call.choice);
  const name = target.name.replace(/^.*[#.]|^new /, '');
  const parts: string[] = [];
  const recipes: Recipe[] = [];
  const length = Math.max(call.args.length, call.fits[3] === 0 ? 0 : target.kinds.length);
  for (let i = 0; i < length; i++) {
    const kind = target.kinds[i];
    const fitting = kind !== undefined && (call.fits[i] !== 0 || call.args[i] === undefined);
    const own = call.args[i];
    if (fitting && kind === 'options') recipes.push(own?.kind === 'options' ? own : { kind: 'options', entries: [] });
    else if (fitting) recipes.push({ kind: 'plausible', name: kind, choice: choices.below(1000) });
    else recipes.push(own ?? { kind: 'hostile', name: 'undefined' });
  }
  for (const one of recipes) parts.push(describe(one));
  const text = `${target.name}(${parts.join(', ')}) follow ${call.follow} choice ${call.choice}`;
  writeSync(where, `${done} ${text}`.slice(0, 4000).padEnd(4000), 0);

  const receiver = target.receiver?.(lib, choices);
  const built = new Builder(choices, name, receiver);
  const args = recipes.map((one) => built.build(one));
  // Training for a billion epochs is a legal wish: the clock ends it.
  const last = args[1] as { signal?: unknown } | undefined;
  if (['fit', 'evaluate'].includes(name) && typeof last === 'object' && last !== null && isPlain(last)) {
    if (!isSignal(last.signal) && Object.isExtensible(last))
      Object.defineProperty(last, 'signal', { value: AbortSignal.timeout(300), enumerable: true });
  }
  const memory = new Set<ArrayBufferView>();
  if (!built.shifty && !target.lenient) for (const one of [receiver, ...args]) memoryOf(one, memory);
  const before = [...memory].map(bytes);
  const began = cpu();
  let outcome = 'returned';
  try {
    let result = target.call(receiver, args);
    if (result instanceof Promise) {
      result = await Promise.race([
        result,
        new Promise((_, reject) => setTimeout(() => reject(new Error('a promise has not settled after 20 s')), 20_000).unref()),
      ]);
    }
    follow(call.follow, result, receiver, args);
  } catch (error) {
    outcome = error instanceof Error ? error.constructor.name : typeof error;
    if (!(error instanceof Error) || !tolerated(error, built, target.lenient)) {
      fault(`${target.name}: ${error instanceof Error ? `${error.name} ${error.message.slice(0, 80)}` : inspect(error)}`, text, error);
    }
    const changed = [...memory].findIndex((view, i) => bytes(view) !== before[i]);
    if (changed >= 0 && call.follow === 0) fault(`${target.name}: an operand changed although the call failed`, text, error);
  }
  const spent = cpu() - began;
  // The largest defaults, an experiment of ten layers, take two seconds on a slow machine.
  if (spent > 10) fault(`${target.name}: ${spent.toFixed(1)} s of computing`, text, outcome);
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  if (lib.getNumThreads() !== 2) lib.setNumThreads(2);
  lib.setReproducible(false);
  lib.setSeed(0);
  done++;
}

// A proxy may throw at these questions, too.
function isSignal(value: unknown): boolean {
  try {
    return value instanceof AbortSignal;
  } catch {
    return false;
  }
}

function isPlain(value: object): boolean {
  try {
    return Object.getPrototypeOf(value) === Object.prototype;
  } catch {
    return false;
  }
}

// What a program would do next with a result; half of the calls end here.
function follow(choice: number, result: unknown, receiver: unknown, args: unknown[]): void {
  if (!(result instanceof Tensor) || choice === 0) return;
  inspect(result);
  if (choice < 3) return void result.size;
  if (choice < 5) return void result.toArray();
  if (result.dtype !== 'float32' && result.dtype !== 'float64') return;
  const floats = result as never as FloatTensor;
  if (choice < 7) return void floats.mul(2).sum();
  if (!floats.requiresGrad) return;
  if (choice === 9) {
    // A buffer is transferred away between forward and backward.
    for (const one of [receiver, ...args]) {
      if (!(one instanceof Tensor)) continue;
      try {
        const { buffer } = one.data;
        if (!(buffer instanceof ArrayBuffer) || buffer.byteLength === 0) continue;
        structuredClone(buffer, { transfer: [buffer] });
      } catch {
        // Not every buffer can be transferred, and what was made on the prototype has none.
        continue;
      }
      break;
    }
  }
  floats.sum().backward();
}

// Files for those who read.
writeFileSync('good.idx', lib.writeIdx(new Uint8Array(6), [2, 3]));
await lib.writeSafetensors('good.safetensors', new Map([['a', lib.ones([2, 2])]]) as never);
await lib.mlp({ inputShape: [6], hidden: [4], classes: 3 }).save('model.safetensors');
writeFileSync('torn.safetensors', Buffer.from(lib.encodeSafetensors(new Map([['a', lib.ones([2, 2])]]) as never)).subarray(0, 30));
writeFileSync('run.jsonl', '{"event":"start"}\n{"torn');
lib.setNumThreads(2);

await fc.assert(fc.asyncProperty(calls, make), { numRuns: Number(count), seed: Number(seed), endOnFailure: true });
writeFileSync(
  report,
  JSON.stringify({ done, targets: targets.length, outcomes, faults: [...faults].map(([key, value]) => ({ key, ...value })) }),
);
process.exit(0); // streams and timers of abandoned calls do not matter
