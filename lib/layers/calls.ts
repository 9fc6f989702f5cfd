// A forward pass as a tree: which layer called which, and the operations between them, by shapes alone.

import { context, type Place } from '../context.js';
import { ArgumentError } from '../errors.js';
import { isPlainObject } from '../foreign.js';
import { type Op, definedOp } from '../ops/define.js';
import { trace } from '../ops/trace.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { inMode } from './costs.js';
import { observeForward } from './forward.js';
import type { AnyLayer } from './layer.js';

/** A layer's forward, with what ran inside of it in its order. */
export interface Call {
  readonly layer: AnyLayer;
  readonly path: string;
  readonly items: (Call | Run)[];
  /** What it gave, views taken for what they are views of. */
  returned: readonly AnyTensor[];
  /** Shape of the first tensor that it gave, without the batch. */
  output: readonly number[] | null;
}

/** An operation. */
export interface Run {
  readonly op: string;
  /** Whether it has a ReLU behind it. */
  readonly isRectified: boolean;
  readonly multiplyAccumulates: number;
  readonly reads: readonly AnyTensor[];
  readonly writes: readonly AnyTensor[];
  readonly output: readonly number[];
}

/** A traced forward pass. */
export interface CallTree {
  readonly root: Call;
  /** Whether a tensor depends on the model's input: weights do not. */
  carriesData(tensor: AnyTensor): boolean;
}

export const isCall = (item: Call | Run): item is Call => 'items' in item;

/** Runs a model in evaluation mode on one example of that shape. */
export function callsOf(model: AnyLayer, inputShape: readonly number[]): CallTree {
  const calls = new Map<Place, Call>();
  const origins = new Map<AnyTensor, AnyTensor>();
  const originOf = (tensor: AnyTensor): AnyTensor => origins.get(tensor) ?? tensor;
  const data = new Set<AnyTensor>();
  const newCall = ({ layer, path }: Pick<Place, 'layer' | 'path'>): Call => ({ layer, path, items: [], returned: [], output: null });
  const root = newCall({ layer: model, path: '' });
  const callAt = (place: Place): Call => {
    let call = calls.get(place);
    if (call === undefined) {
      call = place.outer === null ? root : newCall(place);
      calls.set(place, call);
      if (place.outer !== null) callAt(place.outer).items.push(call);
    }
    return call;
  };
  const gave = (call: Call, output: unknown): void => {
    const tensors = tensorsIn(output);
    call.returned = tensors.map(originOf);
    call.output = tensors.length === 0 ? null : tensors[0].shape.slice(1);
  };
  const { place: before } = context;
  if (before !== null) throw new ArgumentError('a model cannot be taken apart while a layer is running');
  const { dtype } = model.parameters()[0] ?? { dtype: 'float32' };
  inMode(model, false, () =>
    observeForward(
      (_layer, _path, output) => gave(callAt(context.place as Place), output),
      () =>
        trace(
          [{ shape: [1, ...inputShape], dtype }],
          {
            execute(op, outputs, inputs) {
              const reads = inputs.map(originOf);
              if (reads.some((tensor) => data.has(tensor))) for (const output of outputs) data.add(output);
              const run = runOf(op, outputs, inputs, reads);
              (context.place === null ? root : callAt(context.place)).items.push(run);
            },
            view: (input, output) => origins.set(output, originOf(input)),
          },
          (x) => {
            data.add(x);
            gave(root, model.forward(x));
          },
        ),
    ),
  );
  return { root, carriesData: (tensor) => data.has(tensor) };
}

function runOf(op: Op<unknown>, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], reads: readonly AnyTensor[]): Run {
  return {
    op: op.name,
    // The one sum of two tensors that has another definition than add().
    isRectified: op.name === 'add' && op !== (definedOp('add') as unknown),
    multiplyAccumulates: op.products?.(inputs, outputs) ?? 0,
    reads,
    writes: outputs,
    output: outputs[0]?.shape.slice(1) ?? [],
  };
}

/** The tensors of an output, however deep. */
function tensorsIn(value: unknown): AnyTensor[] {
  if (value instanceof Tensor) return [value as AnyTensor];
  return Array.isArray(value) || isPlainObject(value) ? Object.values(value).flatMap(tensorsIn) : [];
}
