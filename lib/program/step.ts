// compileStep: records a step once per shape, then replays it natively, off the main thread or on it.

import type { TypedArray } from '../dtype.js';
import { ArgumentError, BusyError, checkChoice, checkInteger, checkNumber, checkOptions, expected } from '../errors.js';
import type { OutputSpecification } from '../ops/define.js';
import { isPlainObject } from '../foreign.js';
import { isWatched, unrecordable } from '../recording.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Structure, type TensorTree, leavesOf, sortedNames } from '../tree.js';
import type { StepSource } from './feed.js';
import { type StepPrecision, stepPrecisions } from './fuse.js';
import { type Flights, Program } from './program.js';
import { runSteps, StepFailure } from './stream.js';

/** An argument of a step: a tensor, a number for a rank-0 one, or a tree of tensors, such as `{ sequence, lengths }`. */
export type StepArgument = TensorTree | number;

/** A recorded step. */
export interface CompiledStep<A extends StepArgument[], R> {
  /** Queues a step on the driver thread; the event loop stays free, but for steps of less than 200 µs. Steps run in the order of the calls. */
  (...inputs: A): Promise<R>;
  /** Runs a step on the calling thread: for scripts with tiny nets. */
  sync(...inputs: A): R;
  /**
   * Runs `steps` steps on the next batches of `loader` (default: one epoch), the arguments being inputs, targets and, where the data have
   * them, weights. Batches are gathered
   * by native code, and JavaScript is entered a few dozen times a second. Resolves to the results of all steps.
   */
  many(loader: StepSource, steps?: number): Promise<R[]>;
  /** What was recorded for these arguments: instructions, shapes, memory. */
  describe(...inputs: A): string;
  /** Frees the native memory; a later call records anew. */
  dispose(): void;
  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void;
}

/** Options of {@link compileStep}. */
export interface CompileOptions {
  /**
   * How values between products are stored: `'bfloat16'` halves the memory of activations and their gradients, and products have bfloat16
   * operands. Parameters, their gradients, optimizers, statistics, softmax and losses stay float32. Default `'float32'`.
   */
  readonly precision?: StepPrecision;
}

/** Code of a user's own that a step runs when it is recorded. */
export interface OwnCode {
  /** There is none: only what is around the step is a user's. */
  readonly isEmpty: boolean;
  /** The numbers, strings and flags in the fields of its objects, by what to call them. */
  fields(): ReadonlyMap<string, unknown>;
}

const once =
  'that would happen once, and not in every step. Draw with dropout(x, p, { random: this.stream(…) }), keep a number that changes in a ' +
  'Buffer and compute with it, or train with fit({ eager: true })';

const maxPrograms = 8;
const maxQueued = 64;

/** The programs of a step, one for each combination of shapes, dtypes, modes and trainable parameters. */
export class StepPrograms<R> {
  readonly #programs: Program<R>[] = [];
  readonly #flights: Flights = { count: 0 };
  readonly #body: (...inputs: never[]) => unknown;
  /** How often what was recorded came into doubt, and in which doubt each program was looked at last. */
  #doubts = 0;
  readonly #checkedIn = new WeakMap<Program<R>, number>();
  #own: OwnCode | null = null;
  /** Hears how large the arena of each new program is, in bytes. */
  onProgram: ((arenaBytes: number) => void) | null = null;

  constructor(
    body: (...inputs: never[]) => unknown,
    readonly precision: StepPrecision = 'float32',
  ) {
    this.#body = body;
  }

  /** The program for arguments of these shapes and this structure: found, or recorded now. */
  find(specifications: readonly OutputSpecification[], structure: Structure | null = null): Program<R> {
    refuseNested();
    const programs = this.#programs;
    const at = programs.findIndex((program) => program.fits(specifications, structure));
    if (at > 0) programs.unshift(...programs.splice(at, 1));
    else if (at < 0) programs.unshift(this.#make(specifications, structure));
    if (this.#own !== null && this.#checkedIn.get(programs[0]) !== this.#doubts) this.#check(specifications);
    for (const old of programs.splice(maxPrograms)) old.dispose();
    return programs[0];
  }

  /**
   * What the step took from outside (numbers, tensors) may have changed, since a user's code ran: each program is recorded again before it is
   * used next, and a new one takes its place where that says something else.
   */
  doubt(own: OwnCode): void {
    this.#own = own;
    this.#doubts += 1;
  }

  #check(specifications: readonly OutputSpecification[]): void {
    const programs = this.#programs;
    const [program] = programs;
    if (!program.isAsRecordedNow) {
      programs[0] = this.#make(specifications, program.structure);
      program.dispose();
    }
    this.#checkedIn.set(programs[0], this.#doubts);
  }

  /** A new program. With code of a user's own in it, it is recorded a second time at once: what differs then would differ in every step. */
  #make(specifications: readonly OutputSpecification[], structure: Structure | null): Program<R> {
    const own = this.#own;
    const program = new Program<R>(specifications, structure, this.#body, this.#flights, this.#programs[0], own !== null, this.precision);
    this.onProgram?.(program.plan.arenaBytes);
    this.#checkedIn.set(program, this.#doubts);
    if (own === null || own.isEmpty) return program;
    try {
      const before = own.fields();
      const isAlike = program.isAsRecordedNow;
      const after = own.fields();
      for (const [name, value] of after) {
        if (Object.is(before.get(name), value)) continue;
        unrecordable(`${name} is set to another value whenever the step is recorded: ${once}`);
      }
      if (!isAlike) unrecordable(`numbers of JavaScript that change from call to call, such as those of Math.random(), are used: ${once}`);
    } catch (error) {
      program.dispose();
      throw error;
    }
    return program;
  }

  dispose(): void {
    for (const program of this.#programs.splice(0)) program.dispose();
  }
}

function refuseNested(): void {
  if (isWatched()) unrecordable('a compiled step cannot be called while another one is being recorded: call its function instead');
}

const programsOf = new WeakMap<object, StepPrograms<unknown>>();

/** @internal The programs behind a compiled step. */
export function stepPrograms<R>(step: CompiledStep<never, R>): StepPrograms<R> {
  return programsOf.get(step) as StepPrograms<R>;
}

/**
 * Turns a training step into a program: `fn` is called once per combination of shapes, dtypes, layer modes and trainable parameters,
 * with tensors that have no values yet; every operation, `backward()`, and optimizer update is written down, its memory planned, and
 * each later call replays the list natively. The numbers are those of the eager step, bit for bit.
 *
 * Learning rates and other optimizer options, step counts, dropout masks, parameters and buffers go on changing; other captured values
 * (numbers, plain tensors, what `Math.random()` gave) are frozen when the step is recorded: pass them as arguments, or keep them in a
 * {@link Buffer}. What `fn` does to gradients (`p.grad = null`), modes, trainable parameters and epochs
 * (`optimizer.nextEpoch()`) is done in every step; what would happen once instead of in every step is refused, and leaves nothing behind. A step's
 * results are copied out of its memory.
 *
 * With `precision: 'bfloat16'` the numbers are others than those of the eager step, and the same on every processor and with any number of
 * threads: see the guide to precision.
 *
 * @param fn - The step: `forward`, loss, `backward()`, `optimizer.step()`, `optimizer.zeroGrad()`; returns a tensor or a structure of them.
 * @param options - `precision`, default `'float32'`.
 * @throws {@link ArgumentError} when `fn` does what cannot be recorded, such as reading a tensor's values or setting `optimizer.lr`; when a
 *   call's arguments are no tensors, or require a gradient.
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
export function compileStep<A extends StepArgument[], R>(fn: (...inputs: A) => R, options: CompileOptions = {}): CompiledStep<A, R> {
  if (typeof fn !== 'function') throw new ArgumentError(expected('a function', 'fn', fn));
  const { precision = 'float32' } = checkOptions<CompileOptions>(options, 'options', ['precision']);
  const programs = new StepPrograms<R>(
    fn as unknown as (...inputs: never[]) => unknown,
    checkChoice(precision, 'options.precision', stepPrecisions),
  );
  let queued = 0;

  const prepare = (given: readonly StepArgument[]): { program: Program<R>; data: TypedArray[] } => {
    const { inputs, structure } = argumentsOf(given);
    return { program: programs.find(inputs as Specification[], structure), data: inputs.map((input) => input.data as TypedArray) };
  };

  const step = (...given: A): Promise<R> => {
    refuseNested(); // thrown, and not a promise that nobody awaits
    return new Promise((resolve, reject) => {
      if (queued >= maxQueued) throw new BusyError(`${maxQueued} steps are already waiting: await them`);
      const { program, data } = prepare(given);
      program.queue(data, (error, result) => {
        queued -= 1;
        if (error === null) resolve(result as R);
        else reject(error);
      });
      queued += 1;
    });
  };

  const compiled = Object.assign(step, {
    sync: (...given: A): R => {
      const { program, data } = prepare(given);
      return program.run(data);
    },
    many: (loader: StepSource, steps?: number): Promise<R[]> => {
      refuseNested();
      return runMany(programs, loader, steps);
    },
    describe: (...given: A): string => prepare(given).program.describe(),
    dispose: (): void => programs.dispose(),
    [Symbol.dispose]: (): void => programs.dispose(),
  }) as CompiledStep<A, R>;
  programsOf.set(compiled, programs as StepPrograms<unknown>);
  return compiled;
}

type Specification = OutputSpecification & AnyTensor;

const isLeaf = (value: unknown): boolean => value instanceof Tensor || !(Array.isArray(value) || isPlainObject(value));

/** The tensors among the arguments of a call, and how they make them up; null, as nearly always, where each is one. */
function argumentsOf(given: readonly StepArgument[]): { inputs: AnyTensor[]; structure: Structure | null } {
  if (given.every(isLeaf)) return { inputs: given.map((one, i) => toTensor(one, `inputs[${i}]`)), structure: null };
  const { leaves, paths, structure } = leavesOf<StepArgument>(given, isLeaf, 'inputs', sortedNames);
  return { inputs: leaves.map((leaf, i) => toTensor(leaf, paths[i])), structure };
}

async function runMany<R>(programs: StepPrograms<R>, loader: StepSource, given?: number): Promise<R[]> {
  if (typeof (loader as Partial<StepSource> | null)?.feed !== 'function') throw new ArgumentError(expected('a DataLoader', 'loader', loader));
  let left = given === undefined ? loader.length : checkInteger(given, 'steps', 0);
  const results: R[] = [];
  while (left > 0) {
    const { epoch, batch } = loader.state;
    const feed = loader.feed(epoch);
    const last = Math.min(feed.length, batch + left);
    let done = 0;
    try {
      for await (const { count, read } of runSteps(programs, feed, { first: batch, last })) {
        for (let i = 0; i < count; i++) results.push(read(i));
        done += count;
        loader.state = { ...loader.state, epoch, batch: batch + done };
      }
    } catch (error) {
      throw error instanceof StepFailure ? error.cause : error;
    } finally {
      loader.close?.();
    }
    // Of a stream, whose length nobody knows, one epoch.
    left = Number.isFinite(left) ? left - done : 0;
  }
  return results;
}

function toTensor(given: unknown, argument: string): AnyTensor {
  if (typeof given === 'number') return Tensor.from(Float32Array.of(checkNumber(given, argument)), []);
  const tensor = Tensor.check(given as AnyTensor, argument);
  if (tensor.requiresGrad) {
    throw new ArgumentError(
      `\`${argument}\` requires a gradient, which would not reach it: a compiled step works on a copy. Pass .detach(), and where the step ` +
        'needs the gradient, set `requiresGrad` on x.detach() inside of it and return that gradient',
    );
  }
  return tensor;
}
