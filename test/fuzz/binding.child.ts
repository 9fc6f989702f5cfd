// Calls the program functions of the raw binding with hostile arguments and with code that was tampered with: arguments are a count and a seed.
// Prints how often each thing came out; a call may do its work or throw ERR_NATIVE, and nothing else. Run by binding.test.ts.

import { Adam, crossEntropy, Dropout, Linear, ReLU, Sequential, type Tensor } from '../../lib/index.js';
import { dtypeOf } from '../../lib/dtype.js';
import { allocateShared, binding } from '../../lib/native.js';
import { encode, type ProgramCode } from '../../lib/program/encode.js';
import { fuse } from '../../lib/program/fuse.js';
import { planMemory } from '../../lib/program/plan.js';
import { record } from '../../lib/program/record.js';
import { Seeded } from '../helpers/seeded.js';

const [count, seed] = process.argv.slice(2).map(Number);
const random = new Seeded(seed);
const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)];
const outcomes: Record<string, number> = {};
const came = (name: string): void => {
  outcomes[name] = (outcomes[name] ?? 0) + 1;
};

/** The code of a step of training, with the bytes that it wants as a block. */
function makeCode(): ProgramCode & { blockBytes: number } {
  const model = new Sequential([new Linear(6, 9), new ReLU(), new Dropout(0.3), new Linear(9, 4)]);
  const optimizer = new Adam(model);
  const specifications = [
    { shape: [5, 6], dtype: 'float32' as const },
    { shape: [5], dtype: 'int32' as const },
  ];
  const { recording, result, recorder } = record(specifications, (x, y) => {
    const loss = crossEntropy(model.forward(x as Tensor), y as Tensor<'int32'>);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss;
  });
  const slots = [recorder.slot(result)];
  const fused = fuse(recording, slots);
  const plan = planMemory(
    fused,
    slots.map(({ buffer }) => buffer),
  );
  const live = recording.live.reduce((sum, { buffer }) => {
    const { size, dtype } = recording.buffers[buffer];
    return sum + Math.ceil((size * (dtype === 'float64' ? 8 : 4)) / 8) * 8;
  }, 0);
  return { ...encode(fused, plan, slots), blockBytes: live + 8 };
}

const { code, externals, blockBytes } = makeCode();
for (const [i, data] of externals.entries()) {
  if (data.buffer instanceof SharedArrayBuffer) continue;
  externals[i] = allocateShared(data.length, dtypeOf(data));
  externals[i].set(data as never);
}
const block = allocateShared(blockBytes, 'uint8');
const inputs = [new Float32Array(30).fill(0.5), Int32Array.of(0, 1, 2, 3, 0)];
const sources = [allocateShared(60, 'float32'), allocateShared(10, 'int32')];
const rows = allocateShared(40, 'int32');
const [manyLive, manyResults] = [allocateShared(blockBytes * 8, 'uint8'), allocateShared(64, 'uint8')];

let inFlight = 0;
let settledAll = (): void => {};
// biome-ignore lint/suspicious/noExplicitAny: hostile arguments are the point.
const raw = binding as any;

function attempt(name: string, call: () => unknown): unknown {
  try {
    const result = call();
    came(`${name}: done`);
    return result;
  } catch (error) {
    const { code: kind, message } = error as { code?: string; message?: string };
    came(kind === 'ERR_NATIVE' || message === 'on purpose' ? `${name}: refused` : `${name}: ${String(error)}`);
    return undefined;
  }
}
function queued(name: string, call: () => unknown): void {
  if (attempt(name, () => (call(), true)) === true) inFlight += 1;
}
const settle = (): Promise<void> =>
  inFlight === 0
    ? Promise.resolve()
    : new Promise((resolve) => {
        settledAll = resolve;
      });

const numbers = [Number.NaN, -1, 0, 1, 2, 7, 0.5, 255, 1e9, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53, 1e300, Infinity, -Infinity, -(2 ** 31)];
const detached = new Float32Array(30);
structuredClone(detached.buffer, { transfer: [detached.buffer] });
const junk: readonly unknown[] = [
  undefined,
  null,
  true,
  'code',
  Symbol('x'),
  10n,
  {},
  [],
  [1, 2],
  [null, null],
  () => 1,
  new Proxy([], {}),
  new Float32Array(3),
  new Float64Array(0),
  new BigInt64Array(4),
  new DataView(new ArrayBuffer(8)),
  new ArrayBuffer(8),
  new SharedArrayBuffer(8),
  detached,
  [detached, detached],
  inputs,
  sources,
  [...sources].reverse(),
  allocateShared(1, 'float32'),
  rows,
  block,
  new Array(300).fill(sources[0]),
  ...numbers,
];
/** Mostly the right argument, sometimes anything. */
const or = (right: unknown): unknown => (random.integer(6) === 0 ? pick(junk) : right);

/** A list whose elements run JavaScript when they are looked at. */
function trapped(list: readonly unknown[], trap: () => void): unknown[] {
  const result = [...list];
  const at = random.integer(list.length);
  Object.defineProperty(result, at, {
    get: () => {
      trap();
      return list[at];
    },
  });
  return result;
}

function tampered(): Float64Array {
  let copy = Float64Array.from(code);
  const changes = random.integer(4);
  for (let i = 0; i < changes; i++) copy[random.integer(copy.length)] = random.integer(2) === 0 ? pick(numbers) : random.integer(200);
  if (random.integer(8) === 0) copy = copy.slice(0, random.integer(copy.length));
  if (random.integer(16) === 0) copy = Float64Array.from([...copy, pick(numbers)]);
  return copy;
}

attempt('startDriver', () => raw.startDriver());
attempt('startDriver', () => raw.startDriver(pick(junk.filter((value) => typeof value !== 'function'))));
attempt('queueProgram', () => raw.queueProgram({}, {}, inputs));
// Each copy of lib has a driver of its own; two must not run one program at the same time.
const settled = (): void => {
  inFlight -= 1;
  if (inFlight === 0) settledAll();
};
const drivers: readonly unknown[] = [raw.startDriver(settled), raw.startDriver(settled)];
const driver = (): unknown => (random.integer(12) === 0 ? pick(junk) : drivers[random.integer(8) === 0 ? 1 : 0]);

let previous: unknown;
for (let i = 0; i < count; i++) {
  const whole = random.integer(3) === 0;
  // A sibling shares its memory: those of both must not run at the same time, whoever asks for it.
  const sibling = pick([undefined, previous]);
  const handle = attempt('createProgram', () =>
    whole ? raw.createProgram(code, externals, block, sibling) : raw.createProgram(or(tampered()), or(externals), or(block), or(sibling)),
  );
  for (let k = 0; k < inputs[1].length; k++) inputs[1][k] = random.integer(12) === 0 ? pick([-1, 4, 2 ** 30]) : random.integer(4);
  for (let k = 0; k < rows.length; k++) rows[k] = random.integer(12) === 0 ? pick([-1, 11, 2 ** 30]) : random.integer(10);
  const other = or(handle);
  const arrays = random.integer(8) === 0 ? [inputs[0].subarray(1), inputs[1]] : inputs;
  const owned = inputs.map((input) => input.slice());
  const trap = pick([
    () => raw.disposeProgram(handle),
    () => raw.queueProgram(driver(), handle, inputs) ?? (inFlight += 1),
    () => owned[0].length > 0 && structuredClone(owned, { transfer: owned.map(({ buffer }) => buffer) }),
    () => {
      throw new Error('on purpose');
    },
  ]);
  const guarded = (list: readonly unknown[]): unknown =>
    random.integer(10) === 0 && handle !== undefined ? trapped(list, () => void attempt('trap', trap)) : list;
  const thrower = random.integer(20) === 0 ? trapped(owned, () => { throw new Error('on purpose'); }) : undefined; // biome-ignore format: one line
  if (random.integer(5) === 0) attempt('holdDriver', () => raw.holdDriver(or(driver())));
  attempt('runProgram', () => raw.runProgram(other, or(thrower ?? guarded(owned))));
  queued('queueProgram', () =>
    raw.queueProgram(driver(), other, or(thrower ?? guarded(owned.every(({ length }) => length > 0) ? owned : arrays))),
  );
  queued('queueProgram', () => raw.queueProgram(driver(), handle, inputs));
  attempt('runProgram', () => raw.runProgram(handle, inputs)); // with steps in flight
  const steps = or(1 + random.integer(8));
  queued('queueRun', () => raw.queueRun(driver(), other, steps, or(i), or(guarded(sources)), or(rows), or(5), or(manyLive), or(manyResults)));
  if (random.integer(3) === 0) attempt('disposeProgram', () => raw.disposeProgram(or(handle)));
  attempt('releaseDriver', () => raw.releaseDriver(pick(junk)));
  for (const one of drivers) raw.releaseDriver(one);
  attempt('trimDriver', () => raw.trimDriver(or(driver())));
  attempt('reportMemory', () => raw.reportMemory(pick(numbers.filter((number) => !(number > 1e6)))));
  await settle();
  previous = handle;
}
console.log(JSON.stringify(outcomes));
