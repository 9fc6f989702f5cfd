// Recording: runs a step's function on symbolic tensors and writes down every operation.

import { isSharedArrayBuffer } from '../foreign.js';
import { type DType, type TypedArray, type TypedArrayOf, dtypeOf } from '../dtype.js';
import { ArgumentError } from '../errors.js';
import type { Op, OutputSpecification, Plan } from '../ops/define.js';
import { type Destination, type StepHook, sizeOf, withDestination } from '../ops/emit.js';
import type { AnyTensor, Tensor } from '../tensor.js';
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
  buffer: number;
  fill: (data: TypedArray) => void;
}

/** What a recording leaves. */
export interface Recording {
  buffers: readonly Buffer[];
  instructions: readonly Instruction[];
  /** Buffers of the step's arguments, in their order. */
  inputs: readonly number[];
  /** Called in order before each step. */
  hooks: readonly StepHook[];
  live: readonly LiveInput[];
  /** Conditions under which the recording holds: modes of layers, trainable parameters. */
  conditions: readonly (() => boolean)[];
  /** How many instructions come first because checks need what they make. */
  prelude?: number;
  /** How many instructions there were before fusing. */
  recorded?: number;
}

/** The destination that appends instead of running. */
export class Recorder implements Destination {
  readonly buffers: Buffer[] = [];
  readonly instructions: Instruction[] = [];
  readonly inputs: number[] = [];
  readonly hooks: StepHook[] = [];
  readonly live: LiveInput[] = [];
  readonly conditions: (() => boolean)[] = [];
  /** One object for all instructions under the same condition. */
  readonly #guards = new Map<string, Guard>();
  #guard: Guard | null = null;
  readonly #known = new Map<ArrayBufferLike, Map<string, number>>();
  readonly #constants = new Map<AnyTensor, number>();
  readonly #inputBuffers = new Set<number>();

  #add(buffer: Buffer): number {
    this.buffers.push(buffer);
    return this.buffers.length - 1;
  }

  /** A symbolic tensor for an argument of the step. */
  input<D extends DType>(shape: readonly number[], dtype: D): Tensor<D> {
    const buffer = this.#add({ dtype, size: sizeOf(shape), kind: 'input', data: null });
    this.inputs.push(buffer);
    this.#inputBuffers.add(buffer);
    return new SymbolicTensor(shape, dtype, buffer, 0);
  }

  allocate({ shape, dtype }: OutputSpecification): AnyTensor {
    return new SymbolicTensor(shape, dtype, this.#add({ dtype, size: sizeOf(shape), kind: 'temporary', data: null }), 0);
  }

  view(input: AnyTensor, shape: readonly number[], offset: number): AnyTensor {
    const { buffer, offset: base } = this.slot(input);
    return new SymbolicTensor(shape, input.dtype as DType, buffer, base + offset);
  }

  execute(op: Op<unknown>, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], plan: Plan): void {
    const operands = [...outputs, ...inputs].map((tensor) => this.slot(tensor));
    if (operands.slice(0, outputs.length).some(({ buffer, size }) => size > 0 && this.#inputBuffers.has(buffer)))
      throw new ArgumentError(`[${op.name}] a step program cannot write into its arguments: copy them first`);
    if (operands.slice(0, outputs.length).some(({ buffer, size }) => size > 0 && this.buffers[buffer].kind === 'constant')) {
      throw new ArgumentError(
        `[${op.name}] a step program can only update parameters (new Parameter(…)), not a plain tensor: its values are frozen`,
      );
    }
    const instruction = { op, operands, writes: outputs.length, ints: plan.ints, reals: plan.reals };
    this.instructions.push(this.#guard === null ? instruction : { ...instruction, guard: this.#guard });
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

  perStep(hook: StepHook): void {
    this.hooks.push(hook);
  }

  liveInput<D extends DType>(size: number, dtype: D, fill: (data: TypedArrayOf<D>) => void): Tensor<D> {
    const buffer = this.#add({ dtype, size, kind: 'input', data: null });
    this.live.push({ buffer, fill: fill as (data: TypedArray) => void });
    return new SymbolicTensor([size], dtype, buffer, 0);
  }

  holdsWhile(condition: () => boolean): void {
    this.conditions.push(condition);
  }

  /** Where a tensor lies: parameters and state by reference, anything else that has values as a frozen copy. */
  slot(tensor: AnyTensor): Slot {
    if (tensor instanceof SymbolicTensor) return { buffer: tensor.buffer, offset: tensor.offset, size: tensor.size };
    const data = tensor.data as TypedArray;
    if (isSharedArrayBuffer(data.buffer)) return { buffer: this.#external(data, tensor), offset: 0, size: tensor.size };
    let buffer = this.#constants.get(tensor);
    if (buffer === undefined) {
      buffer = this.#add({ dtype: tensor.dtype, size: tensor.size, kind: 'constant', data: data.slice() });
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
      buffer = this.#add({ dtype: dtypeOf(data), size: data.length, kind: 'external', data });
      places.set(key, buffer);
      // to(dtype) moves a parameter to other memory.
      this.holdsWhile(() => tensor.data === data);
    }
    return buffer;
  }
}

/** Records `body`, which gets a symbolic tensor for each argument. */
export function record<R>(
  specifications: readonly OutputSpecification[],
  body: (...inputs: AnyTensor[]) => R,
): { recording: Recording; result: R; recorder: Recorder } {
  const recorder = new Recorder();
  const inputs = specifications.map(({ shape, dtype }) => recorder.input(shape, dtype) as AnyTensor);
  const result = withDestination(recorder, () => body(...inputs));
  return { recording: recorder, result, recorder };
}
