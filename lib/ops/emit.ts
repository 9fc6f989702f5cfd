// The one dispatch point: every operation passes here, runs now, and leaves its node on the tape.

import { context, within } from '../context.js';
import { type DType, type TypedArray, type TypedArrayOf, arrayTypes } from '../dtype.js';
import { ArgumentError, NativeError } from '../errors.js';
import { isTypeError } from '../foreign.js';
import { allocate, run } from '../native.js';
import { isWatched, unrecordable } from '../recording.js';
import { type AnyTensor, Tensor } from '../tensor/core.js';
import { refuseBusy, stepsInFlight } from './busy.js';
import { underPublicName } from './called.js';
import { type Op, type OutputSpecification, type Plan, definedOp, signatureOf } from './define.js';
import type { Condition, Destination, GradientNode, Outdated, Stamp, StepHook, Strand } from './destination.js';

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

const destination = (): Destination => context.destination ?? eager;

/** Runs `body` with its operations going to `to`. */
export function withDestination<R>(to: Destination, body: () => R): R {
  return within('watcher', to.watcher ?? null, () => within('destination', to, body));
}

/** Runs `body` now, also inside a recording: for the values that parameters start with. */
export function eagerly<R>(body: () => R): R {
  return within('watcher', null, () => within('destination', null, () => within('draws', null, body)));
}

/** Runs an operation now, on memory that is given: for what a program computes once, when it is made. */
export function runNow(op: Op<unknown>, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], plan: Plan): void {
  eager.execute(op, outputs, inputs, plan);
}

/** Whether operations are being recorded. */
export function isRecording(): boolean {
  return context.destination !== null;
}

/** Whether a forward pass runs by shapes alone: parameters need no values then. */
export function isTracing(): boolean {
  return context.destination?.isHollow === true;
}

/** See {@link Destination.perStep}. */
export function perStep(hook: StepHook): void {
  if (context.draws?.isReplay !== true) destination().perStep(hook);
}

/** See {@link Destination.liveInput}. */
export function liveInput<D extends DType>(size: number, dtype: D, fill: (data: TypedArrayOf<D>) => void): Tensor<D> {
  const draw = (): Tensor<D> => destination().liveInput(size, dtype, fill);
  return context.draws === null ? draw() : (context.draws.take(draw) as Tensor<D>);
}

/** See {@link Destination.allocate}. */
export function allocateOutput(output: OutputSpecification): AnyTensor {
  return destination().allocate(output);
}

/** See {@link Destination.guarded}. */
export function guarded(bit: AnyTensor, when: 0 | 1, body: () => void): void {
  destination().guarded(bit, when, () => within('guard', { bit, when }, body));
}

/** The condition of the innermost {@link guarded} that is running. */
export function guardInForce(): Condition | null {
  return context.guard;
}

/** See {@link Destination.aside}. */
export function aside<R>(body: (strand: Strand) => R): R {
  const to = destination();
  if (to.aside === undefined) throw new ArgumentError('what runs in lockstep is recorded first: compile the step');
  return to.aside(body);
}

/** See {@link Destination.holdsWhile}. */
export function holdsWhile(condition: () => boolean): void {
  destination().holdsWhile(condition);
}

let nextId = 0;

/** What was updated in place since the operation of `node` ran; null for nothing, as nearly always. */
export function outdatedOf(node: GradientNode): Stamp[] | null {
  let found: Stamp[] | null = null;
  for (const { stamp } of node.inputs) if (stamp !== null && stamp.at > node.id) (found ??= []).push(stamp);
  for (const { stamp } of node.outputs) if (stamp !== null && stamp.at > node.id) (found ??= []).push(stamp);
  return found;
}

/** Runs the gradient rule of `node`, into which nothing with one of these stamps may enter. */
export function withOutdated<R>(node: GradientNode, stamps: readonly Stamp[], rule: () => R): R {
  return within('outdated', { node, isOutdated: (stamp) => stamps.includes(stamp) }, rule);
}

/** Runs once more, from number `since` on, what `node` stands for, which `began` earlier: nothing may enter that was updated in between. */
export function withUpdatesRefused<R>(node: GradientNode, began: number, since: number, body: () => R): R {
  return within('outdated', { node, isOutdated: ({ at }) => at > began && at <= since }, body);
}

function refuseOutdated({ node, isOutdated }: Outdated, inputs: readonly AnyTensor[]): void {
  const changed = inputs.find(({ stamp }) => stamp !== null && isOutdated(stamp));
  if (changed === undefined) return;
  const known = node.inputs.find(({ stamp }) => stamp === changed.stamp) ?? changed;
  const { path } = known as { path?: string };
  const what = path === undefined || path === '' ? 'a tensor' : `parameter '${path}'`;
  const message =
    `backward() of operation '${node.op.name}'${inLayer(node)} needs ${what} of shape ` +
    `[${known.shape.join(', ')}] as it was in the forward pass, but it was updated since then. Call backward() before the update ` +
    '(optimizer.step(), loadStateDict()), or run the forward pass again after it';
  // A recorded step takes all ways, also those that an eager one may skip.
  if (isWatched()) unrecordable(message);
  throw new ArgumentError(message);
}

/** Notes that the memory of a tensor is updated in place: backward() refuses to use it for what was computed before. */
export function touch(tensor: AnyTensor): void {
  const stamp = (tensor.stamp ??= { at: 0 });
  context.destination?.touches?.(tensor, stamp);
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
export function emit<A>(op: Op<A>, given: readonly AnyTensor[], attributes: A): AnyTensor[] {
  const inputs = widened(op, given);
  if (context.outdated !== null) refuseOutdated(context.outdated, inputs);
  const plan = planOf(op, inputs, attributes);
  const outputs: AnyTensor[] = [];
  const to = destination();
  for (const output of plan.outputs) {
    const made = to.allocate(output);
    if (output.dtype === 'bfloat16') made.isWidened = inputs.some((input) => input.isWidened);
    outputs.push(made);
  }
  to.execute(op as Op<unknown>, outputs, inputs, plan);
  attach(op, inputs, outputs, attributes);
  return outputs;
}

// Parameters that are stored as bfloat16 are float32 for arithmetic and beside float32, and what they are for whatever only moves or casts them.
function widened<A>(op: Op<A>, inputs: readonly AnyTensor[]): readonly AnyTensor[] {
  for (let i = 0; i < inputs.length; i++) {
    if (!inputs[i].isWidened) continue;
    if (!/[TSUPQ]/.test(signatureOf(op as Op<unknown>)[1]) && inputs.every(({ dtype }) => (dtype as DType) !== 'float32')) return inputs;
    const cast = definedOp('cast') as unknown as Op<{ dtype: DType }>;
    return inputs.map((input) => (input.isWidened ? emit(cast, [input], { dtype: 'float32' })[0] : input));
  }
  return inputs;
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
  if (context.outdated !== null) refuseOutdated(context.outdated, inputs);
  destination().execute(op as Op<unknown>, targets, inputs, op.shape([...targets, ...inputs], attributes));
  for (const target of targets) touch(target);
}

/** A tensor on the memory of `input` from element `offset`, with a gradient rule of its own. */
export function emitView<A, D extends DType>(op: Op<A>, input: Tensor<D>, shape: readonly number[], offset: number, attributes: A): Tensor<D> {
  const output = destination().view(input, shape, offset) as unknown as Tensor<D>;
  output.isWidened = input.isWidened;
  // Only leaves are updated in place.
  if (input.node === null) output.stamp = input.stamp ??= { at: 0 };
  attach(op, [input], [output], attributes);
  return output;
}

function attach<A>(op: Op<A>, inputs: readonly AnyTensor[], outputs: readonly AnyTensor[], attributes: A): void {
  if (!context.gradients || op.gradient === 'none') return;
  if (!inputs.some((input) => input.requiresGrad)) return;
  const node = makeNode(op, inputs, outputs, attributes);
  for (let i = 0; i < (op.differentiable ?? 1); i++) outputs[i].attachNode(node);
}

/** A node for the tape. */
export function makeNode<A>(op: Op<A>, inputs: readonly AnyTensor[], outputs: readonly AnyTensor[], attributes: A): GradientNode {
  return { op: op as Op<unknown>, inputs, outputs, attributes, place: context.place, id: nextId++, released: false };
}

/** Runs `body` without recording operations on the tape. */
export function withoutGradients<R>(body: () => R): R {
  return within('gradients', false, body);
}

/** Whether operations are recorded on the tape now. */
export function gradientsAreEnabled(): boolean {
  return context.gradients;
}

/** Whether the forward of a layer is running. */
export function isInsideLayer(): boolean {
  return context.place !== null;
}

/** Path of the layer whose forward is running, '' outside of layers. */
export function currentPath(): string {
  return context.place?.path ?? '';
}

/** Runs `body` under the path of a layer inside of the one that is running, before that itself runs. */
export function withPath<R>(path: string, body: () => R): R {
  return context.place === null ? body() : within('place', { ...context.place, path }, body);
}

/** ` in layer '2'` of an operation, for errors; nothing where it ran outside of layers. */
export function inLayer({ place }: GradientNode): string {
  return place === null || place.path === '' ? '' : ` in layer '${place.path}'`;
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
