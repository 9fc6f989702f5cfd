// compileStep: records a step once per shape, then replays it natively, off the main thread or on it.

import { arrayTypes, type DType, type TypedArray } from '../dtype.js';
import { ArgumentError, BusyError, checkNumber, expected, NativeError } from '../errors.js';
import { binding } from '../native.js';
import { isRecording } from '../ops/emit.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { describeProgram } from './describe.js';
import { encode } from './encode.js';
import { fuse } from './fuse.js';
import { type MemoryPlan, planMemory } from './plan.js';
import { type Recording, record, type Slot } from './record.js';

/** An argument of a step: a tensor, or a number for a rank-0 one. */
export type StepArgument = AnyTensor | number;

/** A recorded step. */
export interface CompiledStep<A extends StepArgument[], R> {
  /** Queues a step on the driver thread; the event loop stays free. Steps run in the order of the calls. */
  (...inputs: A): Promise<R>;
  /** Runs a step on the calling thread: for scripts with tiny nets. */
  sync(...inputs: A): R;
  /** What was recorded for these arguments: instructions, shapes, memory. */
  describe(...inputs: A): string;
  /** Frees the native memory; a later call records anew. */
  dispose(): void;
  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void;
}

interface Result {
  slot: Slot;
  shape: readonly number[];
  dtype: DType;
}

/** A recording, planned and handed to native code. */
interface CachedProgram {
  key: string;
  recording: Recording;
  plan: MemoryPlan;
  handle: object;
  /** Kept alive for native code. */
  externals: TypedArray[];
  results: Result[];
  /** The step's return value with numbers in place of results. */
  rebuild: (results: AnyTensor[]) => unknown;
}

const maxPrograms = 8;
const maxQueued = 64;

/** Programs with steps in flight: their memory must not be collected. */
const inFlight = new Map<CachedProgram, number>();

/**
 * Turns a training step into a program: `fn` is called once per combination of shapes, dtypes, layer modes and trainable parameters,
 * with tensors that have no values yet; every operation, `backward()`, and optimizer update is written down, its memory planned, and
 * each later call replays the list natively. The numbers are those of the eager step, bit for bit.
 *
 * Learning rates and other optimizer options, step counts and dropout masks go on changing; other captured values (numbers, plain
 * tensors) are frozen when the step is recorded. A step's results are copied out of its memory.
 *
 * @param fn - The step: `forward`, loss, `backward()`, `optimizer.step()`, `optimizer.zeroGrad()`; returns a tensor or a structure of them.
 * @throws {@link ArgumentError} when `fn` reads a tensor's values while it is recorded, or when a call's arguments are no tensors.
 * @example
 * ```ts
 * import { Adam, Linear, Tensor, compileStep, crossEntropy, ones, zeros } from 'nodegrad';
 * const model = new Linear(4, 2);
 * const optimizer = new Adam(model, { lr: 1e-3 });
 * const step = compileStep((x: Tensor, y: Tensor<'int32'>) => {
 *   const loss = crossEntropy(model.forward(x), y);
 *   loss.backward();
 *   optimizer.step();
 *   optimizer.zeroGrad();
 *   return { loss };
 * });
 * const { loss } = await step(ones([8, 4]), zeros([8], { dtype: 'int32' }));
 * loss.item();
 * ```
 */
export function compileStep<A extends StepArgument[], R>(fn: (...inputs: A) => R): CompiledStep<A, R> {
  if (typeof fn !== 'function') throw new ArgumentError(expected('a function', 'fn', fn));
  const programs: CachedProgram[] = [];
  let queued = 0;

  const release = (program: CachedProgram): void => binding.disposeProgram(program.handle);

  const find = (inputs: readonly AnyTensor[]): CachedProgram => {
    const key = inputs.map(({ dtype, shape }) => `${String(dtype)}[${shape.join()}]`).join();
    const at = programs.findIndex((program) => program.key === key && program.recording.conditions.every((holds) => holds()));
    if (at >= 0) {
      if (at > 0) programs.unshift(...programs.splice(at, 1));
      return programs[0];
    }
    programs.unshift(build(key, inputs, fn as unknown as (...inputs: AnyTensor[]) => unknown));
    for (const old of programs.splice(maxPrograms)) release(old);
    return programs[0];
  };

  const prepare = (given: readonly StepArgument[]) => {
    if (isRecording()) throw new ArgumentError('a compiled step cannot be called while another one is being recorded');
    const inputs = given.map(toTensor);
    const program = find(inputs);
    for (const hook of program.recording.hooks) hook();
    for (const { refresh } of program.recording.live) refresh();
    const data = [...inputs.map((input) => input.data as TypedArray), ...program.recording.live.map((live) => live.data)];
    const outputs = program.results.map(({ slot, dtype }) => new arrayTypes[dtype](slot.size) as TypedArray);
    const finish = (): R => {
      const tensors = program.results.map(
        ({ shape, dtype }, i) => Tensor.wrap(outputs[i] as Float32Array, shape, dtype as 'float32') as AnyTensor,
      );
      return program.rebuild(tensors) as R;
    };
    return { program, data, outputs, finish };
  };

  const step = (...given: A): Promise<R> =>
    new Promise((resolve, reject) => {
      if (queued >= maxQueued) throw new BusyError(`${maxQueued} steps are already waiting: await them`);
      const { program, data, outputs, finish } = prepare(given);
      binding.queueProgram(program.handle, data, outputs, (problem) => {
        queued -= 1;
        count(program, -1);
        if (problem === null) resolve(finish());
        else reject(new NativeError(problem));
      });
      queued += 1;
      count(program, 1);
    });

  return Object.assign(step, {
    sync: (...given: A): R => {
      if (queued > 0) throw new BusyError('steps are in flight: await them before step.sync()');
      const { program, data, outputs, finish } = prepare(given);
      try {
        binding.runProgram(program.handle, data, outputs);
      } catch (error) {
        throw new NativeError((error as Error).message, { cause: error });
      }
      return finish();
    },
    describe: (...given: A): string => {
      const { recording, plan } = find(given.map(toTensor));
      return describeProgram(recording, plan);
    },
    dispose: (): void => {
      for (const program of programs.splice(0)) release(program);
    },
    [Symbol.dispose]: (): void => {
      for (const program of programs.splice(0)) release(program);
    },
  }) as CompiledStep<A, R>;
}

function count(program: CachedProgram, change: number): void {
  const now = (inFlight.get(program) ?? 0) + change;
  if (now > 0) inFlight.set(program, now);
  else inFlight.delete(program);
}

function toTensor(given: StepArgument, i: number): AnyTensor {
  if (typeof given === 'number') return Tensor.from(Float32Array.of(checkNumber(given, `inputs[${i}]`)), []);
  return Tensor.check(given, `inputs[${i}]`);
}

function build(key: string, inputs: readonly AnyTensor[], fn: (...inputs: AnyTensor[]) => unknown): CachedProgram {
  const {
    recording: recorded,
    result,
    recorder,
  } = record(
    inputs.map(({ shape, dtype }) => ({ shape, dtype: dtype as DType })),
    fn,
  );
  const results: Result[] = [];
  const rebuild = template(result, (tensor) => {
    results.push({ slot: recorder.slot(tensor), shape: tensor.shape, dtype: tensor.dtype as DType });
    return results.length - 1;
  });
  const recording = fuse(
    recorded,
    results.map(({ slot }) => slot),
  );
  const plan = planMemory(
    recording,
    results.map(({ slot }) => slot.buffer),
  );
  const { code, externals } = encode(
    recording,
    plan,
    results.map(({ slot }) => slot),
  );
  return { key, recording, plan, handle: binding.createProgram(code, externals), externals, results, rebuild };
}

// Takes tensors out of a return value and gives a function that puts results back in.
function template(value: unknown, take: (tensor: AnyTensor) => number): (results: AnyTensor[]) => unknown {
  if (value instanceof Tensor) {
    const at = take(value);
    return (results) => results[at];
  }
  if (value instanceof Promise) throw new ArgumentError('a step must be synchronous: its operations are recorded while it runs');
  if (Array.isArray(value)) {
    const items = value.map((item) => template(item, take));
    return (results) => items.map((item) => item(results));
  }
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const entries = Object.entries(value).map(([name, item]) => [name, template(item, take)] as const);
    return (results) => Object.fromEntries(entries.map(([name, item]) => [name, item(results)]));
  }
  return () => value;
}
