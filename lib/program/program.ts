// A program: a recording, planned and handed to native code, with the block of memory through which numbers go in and results come out.

import { isPlainObject, isSharedArrayBuffer } from '../foreign.js';
import { arrayDType, arrayTypes, bytesOf, type DType, type TypedArray } from '../dtype.js';
import { ArgumentError, BusyError, NodegradError, expected } from '../errors.js';
import { checkAvailable, formatBytes } from '../memory.js';
import { allocateShared, binding, nativeError, type Refusal } from '../native.js';
import { type Footprint, refuseOverlap } from '../ops/busy.js';
import type { OutputSpecification } from '../ops/define.js';
import { touchAll } from '../ops/emit.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Structure, leavesOf } from '../tree.js';
import { describeProgram } from './describe.js';
import { enqueue, mayRunHere, settleHere, trim } from './driver.js';
import { encode } from './encode.js';
import type { Rows } from './feed.js';
import { fuse, type StepPrecision } from './fuse.js';
import { type MemoryPlan, planMemory } from './plan.js';
import { type Recording, record, refusePromise, type Slot } from './record.js';
import { sameTranscript, type Transcript, transcriptOf } from './transcript.js';

interface Result {
  slot: Slot;
  shape: readonly number[];
  dtype: DType;
  /** Where it starts in the results of a step, in bytes. */
  offset: number;
}

/** Memory for the numbers that go into a run and those that come out; used again by the next one. */
export class RunMemory {
  #live: Uint8Array = allocateShared(0, 'uint8');
  #results: Uint8Array = allocateShared(0, 'uint8');

  live(bytes: number): Uint8Array {
    if (this.#live.length < bytes) this.#live = allocateShared(bytes, 'uint8');
    return this.#live;
  }

  results(bytes: number): Uint8Array {
    if (this.#results.length < bytes) this.#results = allocateShared(bytes, 'uint8');
    return this.#results;
  }
}

/** Jobs of one stream: when one fails, those that wait behind it do not run. */
export interface Stream {
  readonly number: number;
  failed: boolean;
}

// Steps of all programs that moved counts on: tells whether another one came after.
let counted = 0;

// What JavaScript does before a step may fail too: a schedule that a user has written.
const refusalOf = (error: unknown): NodegradError => (error instanceof NodegradError ? error : nativeError(error as Refusal));

// Native code takes only memory that nothing can take away: constants move there.
function shared(data: TypedArray): TypedArray {
  if (isSharedArrayBuffer(data.buffer)) return data;
  const copy = allocateShared(data.length, arrayDType(data) as DType);
  copy.set(data as never);
  return copy;
}

/** Microseconds below which a step runs on the calling thread: handing it over and waking up again takes 20 to 30, and nobody misses a turn of the loop so soon. */
const shortStep = 200;

const lessMemory =
  "A smaller batch needs less; so do precision: 'bfloat16', which halves what is stored, and recompute: true of residual networks and Sequential, or " +
  'recompute(layer, x), which store less of it';

const advice = `${lessMemory}. Steps that are no longer used give theirs back with dispose(), or when they are collected, for which a loop has to await something`;

/** What to say of a step that takes much memory; null for one of less than 1 GiB. */
export function largeArena(arenaBytes: number): string | null {
  return arenaBytes < 2 ** 30 ? null : `a step takes ${formatBytes(arenaBytes)} for its intermediate results. ${lessMemory}`;
}

const padded = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** Jobs under way of a step's programs, which share their memory. */
export interface Flights {
  count: number;
}

/** A step for arguments of certain shapes, ready to be replayed. */
export class Program<R> {
  readonly recording: Recording;
  /** What was recorded, for comparison; null where nobody asked for it. */
  readonly #transcript: Transcript | null;
  readonly #body: (...inputs: AnyTensor[]) => unknown;
  readonly plan: MemoryPlan;
  /** Bytes of the live inputs and of the results of one step. */
  readonly liveBytes: number;
  readonly resultBytes: number;
  readonly footprint: Footprint;
  readonly #flights: Flights;
  /** What a step takes of late. */
  #microseconds = Number.POSITIVE_INFINITY;
  readonly #handle: object;
  /** Live inputs, then results; native code knows where it is. */
  readonly #block: Uint8Array;
  /** What each step does in JavaScript, in its order. */
  readonly #before: readonly (() => void)[];
  /** Whether a step leaves everything so that this program serves the next one too; null before the first. */
  #repeats: boolean | null = null;
  /** How many steps were prepared. */
  #prepared = 0;
  readonly #results: readonly Result[];
  readonly #form: Structure;
  /** Kept alive for native code. */
  readonly #externals: readonly TypedArray[];

  readonly #specifications: readonly OutputSpecification[];

  /** `specifications` and `structure`: the tensors among the arguments, and how they make up these; null where each is one. */
  constructor(
    specifications: readonly OutputSpecification[],
    readonly structure: Structure | null,
    given: (...inputs: never[]) => unknown,
    flights: Flights,
    sibling: Program<R> | undefined,
    keepTranscript: boolean,
    precision: StepPrecision,
  ) {
    this.#flights = flights;
    const body: (...inputs: AnyTensor[]) => unknown =
      structure === null ? (given as (...inputs: AnyTensor[]) => unknown) : (...tensors) => given(...(structure.rebuild(tensors) as never[]));
    this.#body = body;
    this.#specifications = specifications.map(({ shape, dtype }) => ({ shape: [...shape], dtype }));
    const { recording: recorded, result, recorder } = record(specifications, body);
    const results: Result[] = [];
    let resultBytes = 0;
    const { leaves, structure: form } = leavesOf<AnyTensor>(result, isResult);
    for (const tensor of leaves) {
      const dtype = tensor.dtype as DType;
      results.push({ slot: recorder.slot(tensor), shape: tensor.shape, dtype, offset: resultBytes });
      resultBytes += padded(tensor.size * bytesOf(dtype));
    }
    this.#form = form;
    this.#transcript = keepTranscript ? transcriptOf(recorder, result) : null;
    this.#results = results;
    this.resultBytes = resultBytes;
    const slots = results.map(({ slot }) => slot);
    const recording = fuse(recorded, slots, precision);
    this.recording = recording;
    if (recording.mayEnd === true) this.#repeats = false;
    this.plan = planMemory(
      recording,
      slots.map(({ buffer }) => buffer),
    );
    const { code, externals } = encode(recording, this.plan, slots);
    this.#externals = externals.map(shared);
    this.footprint = footprintOf(recording);
    const sizes = recording.live.map(({ buffer }) => recording.buffers[buffer]);
    this.liveBytes = sizes.reduce((total, { size, dtype }) => total + padded(size * bytesOf(dtype)), 0);
    this.#block = allocateShared(this.liveBytes + resultBytes, 'uint8');
    let at = this.#block.byteOffset;
    const live = new Map<object, TypedArray>();
    for (const one of recording.live) {
      const { size, dtype } = recording.buffers[one.buffer];
      live.set(one, new arrayTypes[dtype](this.#block.buffer as ArrayBuffer, at, size) as TypedArray);
      at += padded(size * bytesOf(dtype));
    }
    this.#before = recording.before.map((one) => {
      if ('advance' in one) return () => one.advance();
      const data = live.get(one) as TypedArray;
      return () => one.fill(data);
    });
    checkAvailable(this.plan.arenaBytes, 'the intermediate results of a step', advice);
    try {
      const beside = sibling === undefined ? undefined : sibling.#handle;
      this.#handle = binding.createProgram(code, this.#externals as TypedArray[], this.#block, beside);
    } catch (error) {
      throw refusalOf(error);
    }
  }

  /** Whether it serves arguments of these shapes and dtypes, in the modes of layers and with the trainable parameters of now. */
  fits(specifications: readonly OutputSpecification[], structure: Structure | null): boolean {
    const own = this.#specifications;
    if (specifications.length !== own.length || structure?.key !== this.structure?.key) return false;
    for (let i = 0; i < own.length; i++) {
      const { shape, dtype } = specifications[i];
      if (dtype !== own[i].dtype || shape.length !== own[i].shape.length) return false;
      for (let d = 0; d < shape.length; d++) if (shape[d] !== own[i].shape[d]) return false;
    }
    return this.#holds();
  }

  #holds(): boolean {
    for (const condition of this.recording.conditions) if (!condition()) return false;
    return true;
  }

  /** Records the step again, and says whether that would give this program once more; false also where that cannot be told. */
  get isAsRecordedNow(): boolean {
    if (this.#transcript === null) return false;
    const { recorder, result } = record(this.#specifications, this.#body);
    return sameTranscript(this.#transcript, transcriptOf(recorder, result));
  }

  /** Whether several steps may be queued at once: one that changes what was taken for granted is recorded anew behind itself. */
  get repeats(): boolean {
    return this.#repeats === true;
  }

  /** What each step does in JavaScript: counts move on, live inputs get their values. */
  #advance(): void {
    if (this.recording.hooks.length > 0) counted += 1;
    this.#prepared += 1;
    for (const one of this.#before) one();
    this.#repeats ??= this.#holds();
  }

  /** The results that stand in `block` from byte `start` on, copied. */
  #read(block: Uint8Array, start: number): R {
    const tensors = this.#results.map(({ shape, dtype, offset, slot: { size } }) => {
      const data = new arrayTypes[dtype](block.buffer as ArrayBuffer, block.byteOffset + start + offset, size);
      const copy = new arrayTypes[dtype](size);
      copy.set(data as never);
      return Tensor.wrap(copy as Float32Array, shape, dtype as 'float32') as AnyTensor;
    });
    return this.#form.rebuild(tensors) as R;
  }

  #mark(): { restore: () => void; discount: () => void } {
    const { hooks } = this.recording;
    const marks = hooks.map((hook) => hook.mark());
    const number = this.#prepared + 1;
    return {
      restore: () => {
        for (const restore of marks) restore();
      },
      discount: () => {
        for (const [i, hook] of hooks.entries()) hook.discount?.(marks[i], this.#prepared === number);
      },
    };
  }

  /** One step on the calling thread. */
  run(inputs: TypedArray[]): R {
    if (this.#flights.count > 0) throw new BusyError('steps are in flight: await them before step.sync()');
    refuseOverlap(this.footprint);
    const { restore } = this.#mark();
    // Arguments are read where they lie; what the step itself changes is read as it was before.
    const { written } = this.footprint;
    try {
      this.#advance();
      this.#microseconds = binding.runProgram(
        this.#handle,
        inputs.map((input) => (written.has(input.buffer) ? input.slice() : input)),
      );
    } catch (error) {
      restore();
      throw refusalOf(error);
    }
    touchAll(this.recording.stamps);
    return this.#read(this.#block, this.liveBytes);
  }

  #runHere(inputs: TypedArray[], settled: (error: Error | null, result?: R) => void): void {
    try {
      const result = this.run(inputs);
      settleHere(() => settled(null, result));
    } catch (error) {
      settleHere(() => settled(error as Error));
    }
  }

  /** One step on the driver thread, or on this one when it is short. */
  queue(inputs: TypedArray[], settled: (error: Error | null, result?: R) => void): void {
    if (this.#microseconds < shortStep && mayRunHere()) {
      this.#runHere(inputs, settled);
      return;
    }
    const { restore, discount } = this.#mark();
    try {
      this.#advance();
      const number = counted;
      enqueue(
        this,
        (driver) => binding.queueProgram(driver, this.#handle, inputs),
        (problem, _steps, microseconds) => {
          this.#flights.count -= 1;
          if (problem !== null) {
            // Another step has counted on from here: masks that it drew must not come again.
            if (counted === number) restore();
            else discount();
            return settled(nativeError(problem));
          }
          this.#microseconds = microseconds;
          let result: R;
          try {
            result = this.#read(this.#block, this.liveBytes);
          } catch (error) {
            return settled(refusalOf(error)); // no memory for the copies
          }
          settled(null, result);
        },
      );
    } catch (error) {
      restore();
      throw refusalOf(error);
    }
    touchAll(this.recording.stamps);
    this.#flights.count += 1;
  }

  /**
   * Several steps on the driver thread: `settled` gets what is wrong, or null, how many whole steps were done, and a function that reads
   * the results of one. After a failure the counts stand where the last whole step of the stream left them.
   */
  queueRun(
    steps: number,
    stream: Stream,
    inputs: Rows,
    memory: RunMemory,
    settled: (problem: NodegradError | null, done: number, read: (step: number) => R) => void,
  ): void {
    const { restore } = this.#mark();
    const live = memory.live(steps * this.liveBytes);
    const results = memory.results(steps * this.resultBytes);
    const block = this.#block.subarray(0, this.liveBytes);
    try {
      for (let step = 0; step < steps; step++) {
        this.#advance();
        if (this.liveBytes > 0) live.set(block, step * this.liveBytes);
      }
      enqueue(
        this,
        (driver) =>
          binding.queueRun(
            driver,
            this.#handle,
            steps,
            stream.number,
            inputs.sources as TypedArray[],
            inputs.rows,
            inputs.batch,
            live,
            results,
          ),
        (problem, done) => {
          this.#flights.count -= 1;
          // Jobs behind the one that failed did not run, and it has taken back their counts too.
          if (problem !== null && !stream.failed) {
            stream.failed = true;
            restore();
            for (let step = 0; step < done; step++) for (const hook of this.recording.hooks) hook.advance();
          }
          settled(problem === null ? null : nativeError(problem), done, (step) => this.#read(results, step * this.resultBytes));
        },
      );
    } catch (error) {
      restore();
      throw refusalOf(error);
    }
    touchAll(this.recording.stamps);
    this.#flights.count += 1;
  }

  dispose(): void {
    binding.disposeProgram(this.#handle);
    trim();
  }

  describe(): string {
    return describeProgram(this.recording, this.plan);
  }
}

function footprintOf({ buffers, instructions }: Recording): Footprint {
  const [read, written] = [new Set<ArrayBufferLike>(), new Set<ArrayBufferLike>()];
  for (const { operands, writes } of instructions) {
    for (let i = 0; i < operands.length; i++) {
      const { kind, data } = buffers[operands[i].buffer];
      if (kind === 'external' && operands[i].size > 0) (i < writes ? written : read).add((data as TypedArray).buffer);
    }
  }
  return { read, written };
}

// What a step may give back.
function isResult(value: unknown): boolean {
  if (value instanceof Tensor) return true;
  refusePromise(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isPlainObject(value)) return false;
  throw new ArgumentError(expected('a tensor, a number, a string, or arrays and plain objects of them', "the step's result", value));
}
