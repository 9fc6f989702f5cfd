// The one dispatch point: every operation passes here, runs now, and leaves its node on the tape.

import { underPublicName } from './called.js';
import { type DType, type TypedArray, type TypedArrayOf, arrayTypes } from '../dtype.js';
import { ArgumentError, NativeError } from '../errors.js';
import { isTypeError } from '../foreign.js';
import { allocate, run } from '../native.js';
import { type Watcher, isWatched, unrecordable, watch } from '../recording.js';
import { type AnyTensor, Tensor } from '../tensor/core.js';
import { refuseBusy, stepsInFlight } from './busy.js';
import type { Op, OutputSpecification, Plan } from './define.js';

/** One executed operation on the tape. */
export interface GradientNode {
  op: Op<unknown>;
  inputs: readonly AnyTensor[];
  outputs: readonly AnyTensor[];
  attributes: unknown;
  /** Path of the layer that the operation ran in, for errors. */
  path: string;
  /** Order of execution. */
  id: number;
  /** Set once backward has used the node and let go of its tensors. */
  released: boolean;
}

/** When memory was last updated in place, as the number of the first node after it. All tensors on that memory share it. */
export interface Stamp {
  at: number;
}

/** What every step does in JavaScript: counts, sets random numbers aside. Steps are prepared ahead, so it can be taken back. */
export interface StepHook {
  /** One step more. */
  advance(): void;
  /** Remembers where things stand; calling the result puts them back. */
  mark(): () => void;
  /**
   * A step failed, and others have counted on from it: takes it off, where a number may be used twice. `restore` is what its `mark` gave,
   * `isLast` says that those others are no steps of this program.
   */
  discount?(restore: () => void, isLast: boolean): void;
  /** What it works on and with: two recordings are alike where this is the same. */
  readonly of?: readonly unknown[];
}

/** Where operations go: they run now (`eager`), or a recorder appends them to a step program. Nothing else allocates outputs or runs. */
export interface Destination {
  /** Tensors have no values and get none: see `trace`. */
  readonly isHollow?: boolean;
  /** Who hears of what is done beside operations. */
  readonly watcher?: Watcher;
  allocate(output: OutputSpecification): AnyTensor;
  /** A tensor on the memory of `input` from element `offset`. */
  view(input: AnyTensor, shape: readonly number[], offset: number): AnyTensor;
  execute(op: Op<unknown>, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], plan: Plan): void;
  /** Does what every step does in JavaScript: now, or before each replay. */
  perStep(hook: StepHook): void;
  /** An operand that changes from step to step: `fill` writes all of it now, or before each replay, in the order of hooks and operands. */
  liveInput<D extends DType>(size: number, dtype: D, fill: (data: TypedArrayOf<D>) => void): Tensor<D>;
  /** Runs `body` in those steps whose `bit` (int32 [1], 0 or 1) is `when`. */
  guarded(bit: AnyTensor, when: 0 | 1, body: () => void): void;
  /** What a recording takes for granted: it serves only while this is true. */
  holdsWhile(condition: () => boolean): void;
  /** The memory of `tensor` is updated in place: now, or in each replay. */
  touches?(tensor: AnyTensor, stamp: Stamp): void;
}

const eager: Destination = {
  allocate: ({ shape, dtype }) => Tensor.wrap(allocate(sizeOf(shape), dtype), shape, dtype),
  view(input, shape, offset) {
    const data = input.memory as TypedArray;
    if (data.length !== input.size) throw lostMemory(input);
    const size = sizeOf(shape);
    return Tensor.wrap(offset === 0 && size === data.length ? data : data.subarray(offset, offset + size), shape, input.dtype as DType);
  },
  execute(op, outputs, inputs, plan) {
    const operands: TypedArray[] = [];
    for (const output of outputs) operands.push(output.memory);
    for (const input of inputs) operands.push(input.memory);
    if (stepsInFlight()) refuseBusy(op.name, operands, outputs.length);
    try {
      run(op.index, operands, plan.ints, plan.reals);
    } catch (error) {
      throw explain(error as Error, outputs, inputs);
    }
  },
  perStep(hook) {
    hook.advance();
  },
  liveInput(size, dtype, fill) {
    const data = new arrayTypes[dtype](size) as never;
    fill(data);
    return Tensor.wrap(data, [size], dtype);
  },
  guarded(bit, when, body) {
    if (bit.memory[0] === when) body();
  },
  holdsWhile() {},
};

let destination: Destination = eager;

/** Runs `body` with its operations going to `to`. */
export function withDestination<R>(to: Destination, body: () => R): R {
  const before = destination;
  const watcher = watch(to.watcher ?? null);
  destination = to;
  try {
    return body();
  } finally {
    destination = before;
    watch(watcher);
  }
}

/** Runs `body` now, also inside a recording: for the values that parameters start with. */
export function eagerly<R>(body: () => R): R {
  return withDestination(eager, body);
}

/** Runs an operation now, on memory that is given: for what a program computes once, when it is made. */
export function runNow(op: Op<unknown>, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], plan: Plan): void {
  eager.execute(op, outputs, inputs, plan);
}

/** Whether operations are being recorded. */
export function isRecording(): boolean {
  return destination !== eager;
}

/** Whether a forward pass runs by shapes alone: parameters need no values then. */
export function isTracing(): boolean {
  return destination.isHollow === true;
}

/** See {@link Destination.perStep}. */
export function perStep(hook: StepHook): void {
  destination.perStep(hook);
}

/** See {@link Destination.liveInput}. */
export function liveInput<D extends DType>(size: number, dtype: D, fill: (data: TypedArrayOf<D>) => void): Tensor<D> {
  return destination.liveInput(size, dtype, fill);
}

/** See {@link Destination.allocate}. */
export function allocateOutput(output: OutputSpecification): AnyTensor {
  return destination.allocate(output);
}

let guardNow: { bit: AnyTensor; when: 0 | 1 } | null = null;

/** See {@link Destination.guarded}. */
export function guarded(bit: AnyTensor, when: 0 | 1, body: () => void): void {
  const before = guardNow;
  destination.guarded(bit, when, () => {
    guardNow = { bit, when };
    try {
      body();
    } finally {
      guardNow = before;
    }
  });
}

/** The condition of the innermost {@link guarded} that is running. */
export function guardInForce(): { readonly bit: AnyTensor; readonly when: 0 | 1 } | null {
  return guardNow;
}

/** See {@link Destination.holdsWhile}. */
export function holdsWhile(condition: () => boolean): void {
  destination.holdsWhile(condition);
}

let gradientsEnabled = true;
let nextId = 0;
const paths: string[] = [];

/** The gradient rule that is running, where it has values that changed since its operation ran. */
let outdated: { node: GradientNode; stamps: readonly Stamp[] } | null = null;

/** What was updated in place since the operation of `node` ran; null for nothing, as nearly always. */
export function outdatedOf(node: GradientNode): Stamp[] | null {
  let found: Stamp[] | null = null;
  for (const { stamp } of node.inputs) if (stamp !== null && stamp.at > node.id) (found ??= []).push(stamp);
  for (const { stamp } of node.outputs) if (stamp !== null && stamp.at > node.id) (found ??= []).push(stamp);
  return found;
}

/** Runs the gradient rule of `node`, into which nothing with one of these stamps may enter. */
export function withOutdated<R>(node: GradientNode, stamps: readonly Stamp[], rule: () => R): R {
  const before = outdated;
  outdated = { node, stamps };
  try {
    return rule();
  } finally {
    outdated = before;
  }
}

function refuseOutdated(inputs: readonly AnyTensor[]): void {
  const { node, stamps } = outdated as NonNullable<typeof outdated>;
  const changed = inputs.find(({ stamp }) => stamp !== null && stamps.includes(stamp));
  if (changed === undefined) return;
  const known = node.inputs.find(({ stamp }) => stamp === changed.stamp) ?? changed;
  const { path } = known as { path?: string };
  const what = path === undefined || path === '' ? 'a tensor' : `parameter '${path}'`;
  const message =
    `backward() of operation '${node.op.name}'${node.path === '' ? '' : ` in layer '${node.path}'`} needs ${what} of shape ` +
    `[${known.shape.join(', ')}] as it was in the forward pass, but it was updated since then. Call backward() before the update ` +
    '(optimizer.step(), loadStateDict()), or run the forward pass again after it';
  // A recorded step takes all ways, also those that an eager one may skip.
  if (isWatched()) unrecordable(message);
  throw new ArgumentError(message);
}

/** Notes that the memory of a tensor is updated in place: backward() refuses to use it for what was computed before. */
export function touch(tensor: AnyTensor): void {
  const stamp = (tensor.stamp ??= { at: 0 });
  destination.touches?.(tensor, stamp);
  stamp.at = nextId;
}

/** The same for what a replay has updated. */
export function touchAll(stamps: readonly Stamp[]): void {
  for (const stamp of stamps) stamp.at = nextId;
}

/** The number of the next node on the tape. */
export function nextNode(): number {
  return nextId;
}

/** Runs `op` on `inputs` and returns its outputs, with a node on the tape if a gradient may be asked for. */
export function emit<A>(op: Op<A>, inputs: readonly AnyTensor[], attributes: A): AnyTensor[] {
  if (outdated !== null) refuseOutdated(inputs);
  const plan = planOf(op, inputs, attributes);
  const outputs: AnyTensor[] = [];
  for (const output of plan.outputs) outputs.push(destination.allocate(output));
  destination.execute(op as Op<unknown>, outputs, inputs, plan);
  attach(op, inputs, outputs, attributes);
  return outputs;
}

// A shape rule that reads contents (class indices, rows) fails where the memory is gone.
function planOf<A>(op: Op<A>, inputs: readonly AnyTensor[], attributes: A): Plan {
  try {
    return op.shape(inputs, attributes);
  } catch (error) {
    if (!isTypeError(error)) throw underPublicName(error);
    const known = explain(error, [], inputs);
    throw known === error ? new NativeError(`[${op.name}] ${error.message}: was an ArrayBuffer transferred away?`, { cause: error }) : known;
  }
}

/** `emit` for the many operations with one output. */
export function emitOne<A, D extends DType>(op: Op<A>, inputs: readonly AnyTensor[], attributes: A): Tensor<D> {
  return emit(op, inputs, attributes)[0] as Tensor<D>;
}

/** Runs an operation that updates existing tensors (`targets`) in place. It leaves no node: parameters and state are leaves. */
export function emitInPlace<A>(op: Op<A>, targets: readonly AnyTensor[], inputs: readonly AnyTensor[], attributes: A): void {
  if (outdated !== null) refuseOutdated(inputs);
  destination.execute(op as Op<unknown>, targets, inputs, op.shape([...targets, ...inputs], attributes));
  for (const target of targets) touch(target);
}

/** A tensor on the memory of `input` from element `offset`, with a gradient rule of its own. */
export function emitView<A, D extends DType>(op: Op<A>, input: Tensor<D>, shape: readonly number[], offset: number, attributes: A): Tensor<D> {
  const output = destination.view(input, shape, offset) as unknown as Tensor<D>;
  // Only leaves are updated in place.
  if (input.node === null) output.stamp = input.stamp ??= { at: 0 };
  attach(op, [input], [output], attributes);
  return output;
}

function attach<A>(op: Op<A>, inputs: readonly AnyTensor[], outputs: readonly AnyTensor[], attributes: A): void {
  if (!gradientsEnabled || op.gradient === 'none') return;
  if (!inputs.some((input) => input.requiresGrad)) return;
  const node = makeNode(op, inputs, outputs, attributes, currentPath());
  for (let i = 0; i < (op.differentiable ?? 1); i++) outputs[i].attachNode(node);
}

/** A node for the tape. */
export function makeNode<A>(op: Op<A>, inputs: readonly AnyTensor[], outputs: readonly AnyTensor[], attributes: A, path: string): GradientNode {
  return { op: op as Op<unknown>, inputs, outputs, attributes, path, id: nextId++, released: false };
}

/** Runs `body` without recording operations on the tape. */
export function withoutGradients<R>(body: () => R): R {
  const before = gradientsEnabled;
  gradientsEnabled = false;
  try {
    return body();
  } finally {
    gradientsEnabled = before;
  }
}

/** Whether operations are recorded on the tape now. */
export function gradientsAreEnabled(): boolean {
  return gradientsEnabled;
}

/** Runs `body` with `path` as the current layer path: errors, hooks and statistics need to know where they are. */
export function withPath<R>(path: string, body: () => R): R {
  paths.push(path);
  try {
    return body();
  } finally {
    paths.pop();
  }
}

/** Whether the forward of a layer is running. */
export function isInsideLayer(): boolean {
  return paths.length > 0;
}

/** Path of the layer whose forward is running, '' outside of layers. */
export function currentPath(): string {
  return paths.length === 0 ? '' : paths[paths.length - 1];
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (let d = 0; d < shape.length; d++) size *= shape[d];
  return size;
}

// A native refusal after a shape rule agreed means that memory changed under a tensor.
function explain(error: Error, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[]): Error {
  const all = [...outputs, ...inputs];
  const gone = all.find((item) => item.memory.length !== item.size);
  return gone === undefined ? error : lostMemory(gone, error);
}

/** What to say of a tensor whose memory went elsewhere. */
export function lostMemory(tensor: AnyTensor, cause?: Error): NativeError {
  return new NativeError(
    `a tensor of shape [${tensor.shape.join(', ')}] has lost its memory: its ArrayBuffer was transferred or resized. Copy it first with .clone()`,
    { cause },
  );
}
