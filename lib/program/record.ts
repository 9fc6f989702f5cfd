// Recording: runs a step's function on symbolic tensors and writes down every operation.

import { Buffer as NodeBuffer } from 'node:buffer';
import { context } from '../context.js';
import { isPromise, isSharedArrayBuffer } from '../foreign.js';
import type { DType, TypedArray, TypedArrayOf } from '../dtype.js';
import { ArgumentError } from '../errors.js';
import type { Op, OutputSpecification, Plan } from '../ops/define.js';
import type { Destination, Stamp, StepHook, Strand } from '../ops/destination.js';
import { isInsideLayer, nextNode, sizeOf, withDestination } from '../ops/emit.js';
import { type StateKind, type UnrecordableError, type Watcher, unrecordable } from '../recording.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import { States } from './states.js';
import { SymbolicTensor } from './symbolic.js';

/** Memory that a program works on. */
export interface Buffer {
  dtype: DType;
  /** Elements. */
  size: number;
  /** `temporary`: in the arena; `input`: in the arena, filled before each step; `external`: memory that stays; `constant`: a frozen copy. */
  kind: 'temporary' | 'input' | 'external' | 'constant';
  /** The memory of `external` and `constant`. */
  data: TypedArray | null;
}

/** A stretch of a buffer that one operand of an instruction covers. */
export interface Slot {
  buffer: number;
  offset: number;
  size: number;
}

/** One native call: exactly `run`'s arguments, with slots in place of memory. */
export interface Instruction {
  op: Op<unknown>;
  /** Outputs, then inputs. */
  operands: readonly Slot[];
  /** How many of the operands are written. */
  writes: number;
  ints: readonly number[];
  reals: readonly number[];
  /** Runs only where the condition holds. Instructions under different guards are never fused. */
  guard?: Guard;
  /** The shard of a batch that it is a part of; none where it is of no shard, or of several. */
  shard?: number;
  /** What its operation asks of contents is asked before all other instructions run: see passes/checks.ts. */
  early?: boolean;
  /** Of a fused instruction: names of the operations that it stands for, in their order. */
  of?: readonly string[];
}

/** A bit drawn for each step: an int32 operand that is 0 or 1, and the value for which the guarded instructions run. */
export interface Guard {
  readonly slot: Slot;
  readonly when: 0 | 1;
}

/** An input that lib fills by itself before each step: hyperparameters, random counters. */
export interface LiveInput {
  readonly buffer: number;
  readonly fill: (data: TypedArray) => void;
  /** What was filled last. */
  last: TypedArray | null;
}

/** What a recording leaves. */
export interface Recording {
  buffers: readonly Buffer[];
  instructions: readonly Instruction[];
  /** Buffers of the step's arguments, in their order. */
  inputs: readonly number[];
  hooks: readonly StepHook[];
  live: readonly LiveInput[];
  /** What happens before each step: hooks and live inputs in their order. */
  before: readonly (StepHook | LiveInput)[];
  /** Of memory that tensors outside may share: what each step updates. */
  stamps: readonly Stamp[];
  /** Conditions under which the recording holds: modes of layers, trainable parameters. */
  conditions: readonly (() => boolean)[];
  /** Whether any step may end what the recording takes for granted. */
  mayEnd?: boolean;
  /** How many instructions come first because checks need what they make. */
  prelude?: number;
  /** How many instructions there were before fusing. */
  recorded?: number;
}

/** The destination that appends instead of running. */
export class Recorder implements Destination, Watcher {
  readonly buffers: Buffer[] = [];
  readonly instructions: Instruction[] = [];
  /** Where instructions are appended now. */
  #into = this.instructions;
  readonly inputs: number[] = [];
  readonly hooks: StepHook[] = [];
  readonly live: LiveInput[] = [];
  readonly before: (StepHook | LiveInput)[] = [];
  readonly stamps: Stamp[] = [];
  readonly conditions: (() => boolean)[] = [];
  /** Set when the step's function has returned, or thrown. */
  isOver = false;
  mayEnd = false;
  /** One object for all instructions under the same condition. */
  readonly #guards = new Map<string, Guard>();
  #guard: Guard | null = null;
  readonly #known = new Map<ArrayBufferLike, Map<string, number>>();
  readonly #constants = new Map<AnyTensor, number>();
  /** Plain tensors that were used or looked into, as they were then: they are frozen, so nobody may change them while the step is recorded. */
  readonly #frozen = new Map<AnyTensor, TypedArray>();
  readonly #states = new States((condition) => this.holdsWhile(condition));
  /** Stamps that the recording has set, as they were before. */
  readonly #stamped = new Map<Stamp, number>();
  /** Tensors that the step's function makes from numbers: no state outlives the step in them. */
  readonly #made = new WeakSet<object>();
  /** The step's arguments, and their buffers. */
  readonly #arguments = new Set<unknown>();
  readonly #locals = new Map<object, unknown>();
  readonly #firstNode = nextNode();
  #refusal: UnrecordableError | null = null;
  #written: AnyTensor | null = null;

  get watcher(): Watcher {
    return this;
  }

  #add(buffer: Buffer): number {
    this.buffers.push(buffer);
    return this.buffers.length - 1;
  }

  /** A symbolic tensor for an argument of the step. */
  input<D extends DType>(shape: readonly number[], dtype: D): Tensor<D> {
    const buffer = this.#add({ dtype, size: sizeOf(shape), kind: 'input', data: null });
    this.inputs.push(buffer);
    const tensor = new SymbolicTensor(shape, dtype, buffer, 0, this);
    this.#arguments.add(tensor).add(buffer);
    return tensor;
  }

  allocate({ shape, dtype }: OutputSpecification): AnyTensor {
    return new SymbolicTensor(shape, dtype, this.#add({ dtype, size: sizeOf(shape), kind: 'temporary', data: null }), 0, this);
  }

  view(input: AnyTensor, shape: readonly number[], offset: number): AnyTensor {
    const { buffer, offset: base } = this.slot(input);
    return new SymbolicTensor(shape, input.dtype as DType, buffer, base + offset, this);
  }

  execute(op: Op<unknown>, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], plan: Plan): void {
    const operands = [...outputs, ...inputs].map((tensor) => this.slot(tensor));
    if (operands.slice(0, outputs.length).some(({ buffer, size }) => size > 0 && this.#arguments.has(buffer)))
      unrecordable(`[${op.name}] a step program cannot write into its arguments: copy them first`);
    if (operands.slice(0, outputs.length).some(({ buffer, size }) => size > 0 && this.buffers[buffer].kind === 'constant')) {
      unrecordable(`[${op.name}] a step program can only update parameters (new Parameter(…)), not a plain tensor: its values are frozen`);
    }
    const instruction: Instruction = { op, operands, writes: outputs.length, ints: plan.ints, reals: plan.reals };
    if (this.#guard !== null) instruction.guard = this.#guard;
    if (context.shard !== null) instruction.shard = context.shard.index;
    this.#into.push(instruction);
  }

  guarded(bit: AnyTensor, when: 0 | 1, body: () => void): void {
    if (this.#guard !== null) throw new ArgumentError('what is skipped in some steps cannot stand inside of what is skipped in others');
    const slot = this.slot(bit);
    const key = `${slot.buffer}:${slot.offset}:${when}`;
    let guard = this.#guards.get(key);
    if (guard === undefined) this.#guards.set(key, (guard = { slot, when }));
    this.#guard = guard;
    try {
      body();
    } finally {
      this.#guard = null;
    }
  }

  aside<R>(body: (strand: Strand) => R): R {
    const own: Instruction[] = [];
    const before = this.#into;
    this.#into = own;
    try {
      return body({
        get length() {
          return own.length;
        },
        append: (begin, end) => void before.push(...own.slice(begin, end)),
      });
    } finally {
      this.#into = before;
    }
  }

  perStep(hook: StepHook): void {
    this.hooks.push(hook);
    this.before.push(hook);
  }

  liveInput<D extends DType>(size: number, dtype: D, fill: (data: TypedArrayOf<D>) => void): Tensor<D> {
    const buffer = this.#add({ dtype, size, kind: 'input', data: null });
    const live: LiveInput = {
      buffer,
      last: null,
      fill: (data) => {
        live.last = data;
        fill(data as TypedArrayOf<D>);
      },
    };
    this.live.push(live);
    this.before.push(live);
    return new SymbolicTensor([size], dtype, buffer, 0, this);
  }

  holdsWhile(condition: () => boolean): void {
    this.conditions.push(condition);
  }

  touches(tensor: AnyTensor, stamp: Stamp): void {
    if (tensor instanceof SymbolicTensor && this.buffers[tensor.buffer].kind !== 'external') return;
    if (!this.#stamped.has(stamp)) this.#stamped.set(stamp, stamp.at);
  }

  // ---- what is done beside operations ----

  reads(kind: StateKind, owner: object): void {
    if (!this.#isInner(owner)) this.#states.reads(kind, owner);
  }

  writes(kind: StateKind, owner: object, always: boolean): void {
    if (this.#arguments.has(owner)) {
      unrecordable(
        'the arguments of a compiled step are copies, and what is set on them reaches nobody outside: ' +
          'take x.detach() inside of the step, set `requiresGrad` on that, and return its gradient',
      );
    }
    if (!this.#isInner(owner)) this.#states.writes(kind, owner, this.#guard === null || always ? null : this.#drawn(this.#guard));
  }

  makes(thing: object, what?: string): void {
    if (what === undefined) this.#made.add(thing);
    // Layers may make at first use what they keep.
    else if (!isInsideLayer()) {
      unrecordable(`${what} was made while the step is being recorded: it would be made once, and not in every step. Make it before`);
    }
  }

  opens(thing: object): void {
    const tensor = thing as AnyTensor;
    if (this.#isInner(tensor)) return;
    if (isSharedArrayBuffer(tensor.memory.buffer)) {
      unrecordable(
        'the memory of a parameter, its gradient or a buffer was read or written by JavaScript while the step is being recorded: that would ' +
          'happen once, and not in every step. Compute with operations (noGrad() and loadStateDict() are for changes between two steps), ' +
          'return the tensor to read it, or train with fit({ eager: true })',
      );
    }
    this.#freeze(tensor);
  }

  usesGradient(tensor: object): void {
    if (this.#isInner(tensor)) return;
    unrecordable(
      'a step program keeps the gradients of parameters only: the memory of a plain tensor could be transferred away while the step runs. ' +
        'Make it a new Parameter(shape, { init }), or take .detach() inside of the step and return its gradient',
    );
  }

  remembers(error: UnrecordableError): void {
    this.#refusal ??= error;
  }

  local<T>(owner: object, make: () => T): T {
    if (!this.#locals.has(owner)) this.#locals.set(owner, make());
    return this.#locals.get(owner) as T;
  }

  /** Whether a tensor is made anew in each step. */
  #isInner(thing: object): boolean {
    return thing instanceof SymbolicTensor || this.#made.has(thing);
  }

  /** Tells in which steps a guarded change is made. */
  #drawn({ slot, when }: Guard): () => boolean {
    const live = this.live.find(({ buffer }) => buffer === slot.buffer);
    return () => live?.last == null || live.last[slot.offset] === when;
  }

  #freeze(tensor: AnyTensor): TypedArray {
    let copy = this.#frozen.get(tensor);
    if (copy === undefined) this.#frozen.set(tensor, (copy = (tensor.memory as TypedArray).slice()));
    return copy;
  }

  /** The step's function is done: everything outside of the recording is as it was before. */
  close(): void {
    this.isOver = true;
    this.#states.restore();
    for (const [stamp, at] of this.#stamped) stamp.at = at;
    for (const [tensor, copy] of this.#frozen) {
      if (sameBits(copy, tensor.memory)) continue;
      this.#written ??= tensor;
      if (tensor.memory.length === copy.length) tensor.memory.set(copy as never);
    }
  }

  /** Completes the recording, or says why there is none. */
  finish(): void {
    if (this.#refusal !== null) throw this.#refusal;
    if (this.#written !== null) {
      unrecordable(
        `a tensor of shape [${this.#written.shape.join(', ')}] was written through \`data\` while the step is being recorded: that would ` +
          'happen once, and not in every step. Compute with operations, or pass the tensor as an argument',
      );
    }
    this.stamps.push(...this.#stamped.keys());
    this.mayEnd = this.#states.mayEnd;
    const effects = this.#states.effects();
    if (effects !== null) this.perStep(effects);
  }

  walks(id: number): void {
    if (id >= this.#firstNode) return;
    unrecordable(
      'backward() reached an operation that ran before the step was recorded, and would use its values in every step: ' +
        'compute it inside of the step, or detach() its result',
    );
  }

  /** Where a tensor lies: parameters and state by reference, anything else that has values as a frozen copy. */
  slot(tensor: AnyTensor): Slot {
    if (tensor instanceof SymbolicTensor) {
      if (tensor.recorder !== this) {
        unrecordable('a tensor of another recording was used: return it from its step, and pass it to this one as an argument');
      }
      return { buffer: tensor.buffer, offset: tensor.offset, size: tensor.size };
    }
    const data = tensor.memory as TypedArray;
    if (isSharedArrayBuffer(data.buffer)) return { buffer: this.#external(data, tensor), offset: 0, size: tensor.size };
    let buffer = this.#constants.get(tensor);
    if (buffer === undefined) {
      buffer = this.#add({ dtype: tensor.dtype, size: tensor.size, kind: 'constant', data: this.#freeze(tensor) });
      this.#constants.set(tensor, buffer);
    }
    return { buffer, offset: 0, size: tensor.size };
  }

  #external(data: TypedArray, tensor: AnyTensor): number {
    let places = this.#known.get(data.buffer);
    if (places === undefined) {
      places = new Map();
      this.#known.set(data.buffer, places);
    }
    const key = `${data.byteOffset}:${data.length}`;
    let buffer = places.get(key);
    if (buffer === undefined) {
      buffer = this.#add({ dtype: tensor.dtype as DType, size: data.length, kind: 'external', data });
      places.set(key, buffer);
      // to(dtype) moves a parameter to other memory.
      this.holdsWhile(() => tensor.memory === data);
    }
    return buffer;
  }
}

/** Whether two arrays hold the same bits. */
export function sameBits(a: TypedArray, b: TypedArray): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array => new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
  return a.length === b.length && NodeBuffer.compare(bytes(a), bytes(b)) === 0;
}

/** Refuses what an asynchronous function gave. */
export function refusePromise(value: unknown): void {
  if (!isPromise(value)) return;
  value.then(undefined, () => {}); // what it fails with comes from tensors without values, and nobody else waits for it
  throw new ArgumentError('a step must be synchronous: its operations are recorded while it runs');
}

/** Records `body`, which gets a symbolic tensor for each argument. */
export function record<R>(
  specifications: readonly OutputSpecification[],
  body: (...inputs: AnyTensor[]) => R,
): { recording: Recording; result: R; recorder: Recorder } {
  const recorder = new Recorder();
  const inputs = specifications.map(({ shape, dtype }) => recorder.input(shape, dtype) as AnyTensor);
  let result: R;
  try {
    result = withDestination(recorder, () => body(...inputs));
  } finally {
    recorder.close();
  }
  refusePromise(result);
  recorder.finish();
  return { recording: recorder, result, recorder };
}
