// The order of the features that weights read or give, where they are flattened images or become images: their axes, followed through a forward pass by shapes.

import type { DType } from '../dtype.js';
import { NodegradError } from '../errors.js';
import { isTypeError } from '../foreign.js';
import { inMode } from '../layers/costs.js';
import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import { Flatten } from '../layers/shape.js';
import { isBuiltIn } from '../names.js';
import type { Plan } from '../ops/define.js';
import { currentPath } from '../ops/emit.js';
import { trace } from '../ops/trace.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type TensorTree, tensorsOf } from '../tree.js';
import {
  type Axes,
  type Factor,
  type FeatureOrder,
  type Features,
  agreed,
  axes,
  axis,
  combined,
  isWhole,
  kept,
  moved,
  noteImage,
  orderOf,
  permutationOf,
  product,
  shareOrder,
  viewed,
} from './image-axes.js';

/** Operations on images [N, height, width, channels], whatever was known of what comes in. */
const onImages = new Set([
  'conv2d',
  'conv2d_input_gradient',
  'max_pool2d',
  'avg_pool2d',
  'adaptive_avg_pool2d',
  'window_max_pool2d',
  'take_pixels',
  'interpolate2d',
  'local_response_norm',
]);

/** Operations whose weights give features in a way that is not followed. */
const withWeights = new Set(['rnn', 'lstm', 'gru', 'gather_rows']);

/**
 * By parameter or buffer, and its axis: the order of the features that this axis counts, where they are flattened images, or become images.
 *
 * @param inputShape - Of one example.
 * @param isFirst - Whether images come in with their channels first.
 * @param example - What comes in, one or several examples of it, in the place of `inputShape`.
 */
export function featureOrders(
  model: AnyLayer,
  inputShape: readonly number[],
  isFirst: boolean,
  example?: TensorTree,
): Map<AnyTensor, ReadonlyMap<number, FeatureOrder>> {
  let hasImages = false;
  const found = new Map<AnyTensor, Map<number, FeatureOrder>>();
  const known = new Map<AnyTensor, Axes>();
  // By the weight that gives them.
  const given = new Map<AnyTensor, Features>();
  // Parameters and buffers that a tensor was made of alone.
  const roots = new Map<AnyTensor, readonly AnyTensor[]>([...model.namedState().values()].map((item) => [item, [item]]));
  const note = (weight: AnyTensor, at: number | null, order: FeatureOrder): void => {
    for (const item of roots.get(weight) ?? []) {
      const orders = found.get(item) ?? new Map<number, FeatureOrder>();
      found.set(item, orders.set(at ?? 0, item === weight && at !== null ? agreed(orders.get(at), order) : 'unknown'));
    }
  };
  const axesOf = (tensor: AnyTensor): Axes => known.get(tensor) ?? axes(tensor.shape);
  /** The features that come of `weight`, whose axis `at` counts them; null: some of its axes, moved. */
  const give = (weight: AnyTensor, at: number | null, size: number): Features => {
    const features = given.get(weight) ?? { size, users: [], order: null };
    given.set(weight, features);
    features.users.push([weight, at]);
    return features;
  };
  /** Notes that `weight` has an axis `at` for what `last` counts. */
  const use = (weight: AnyTensor, at: number | null, last: readonly Factor[]): void => {
    const order = orderOf(last);
    if (order !== null) note(weight, at, order);
    for (const { parts } of last)
      for (const part of parts) if (last.length > 1 || isWhole(last, part)) part.features.users.push([weight, isWhole(last, part) ? at : null]);
  };
  const observer = {
    view(input: AnyTensor, output: AnyTensor): void {
      hasImages ||= output.rank > 3;
      const from = roots.get(input);
      if (from !== undefined) roots.set(output, from);
      else if (input.size === output.size) known.set(output, viewed(axesOf(input), output.shape));
      else if (input.rank === output.rank) known.set(output, kept(axesOf(input), output.shape));
    },
    execute({ name }: { name: string }, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], { ints }: Plan): void {
      hasImages ||= onImages.has(name) || outputs.some((output) => output.rank > 3);
      const activations = inputs.filter((input) => !roots.has(input));
      if (activations.length === 0) {
        for (const output of outputs)
          roots.set(
            output,
            inputs.flatMap((input) => roots.get(input) as readonly AnyTensor[]),
          );
        return;
      }
      if (onImages.has(name)) {
        if (activations[0].rank === 4) noteImage(axesOf(activations[0]));
        for (const output of outputs) if (output.rank === 4) known.set(output, axes(output.shape, 'nhwc'));
        return;
      }
      const source = activations.find((input) => known.has(input) && input.shape.join() === outputs[0]?.shape.join()) ?? activations[0];
      const before = axesOf(source);
      const last = before[before.length - 1] ?? [];
      if (name === 'matmul') {
        const [, weight, bias] = inputs;
        const [output] = outputs;
        const isTurned = ints[3] + ints[4] > 0;
        use(weight, isTurned ? null : 0, last);
        if (ints[3] === 1) return;
        const size = output.shape.at(-1) as number;
        const features = give(weight, isTurned ? null : 1, size);
        if (bias !== undefined) features.users.push([bias, 0]);
        known.set(output, [...before.slice(0, -1), axis('c', size, [{ features, size, stride: 1 }])]);
        return;
      }
      const order = orderOf(last);
      for (const input of inputs) if (input.rank === 1 && input.size === product(last)) use(input, 0, last);
      const permutation = name === 'copy_strided' ? permutationOf(source, ints) : null;
      const others = activations.filter((input) => input !== source && input.rank === before.length).map(axesOf);
      shareOrder([before, ...others].map((each) => each[each.length - 1] ?? []));
      for (const output of outputs) {
        const size = output.shape.at(-1) ?? 1;
        if (permutation !== null)
          known.set(
            output,
            permutation.map((at) => before[at]),
          );
        else if (output.rank === before.length) {
          const after = combined(kept(before, output.shape), others);
          const weights = withWeights.has(name) ? inputs.filter((input) => roots.has(input)) : [];
          const parts = weights.map((weight) => ({ features: give(weight, null, size), size, stride: Number.NaN }));
          known.set(output, parts.length === 0 ? after : [...after.slice(0, -1), axis('c', size, [...moved(last), ...parts])]);
        }
        // What is left of features that several operations moved.
        else if (order !== null)
          known.set(
            output,
            output.shape.map((length) => (length === product(last) ? last : axis('?', length))),
          );
        else if (before.some((factors) => moved(factors).length > 0))
          known.set(output, [...axes(output.shape.slice(0, -1)), axis(String(output.rank - 1), size, moved(before.flat()))]);
      }
    },
  };
  const shapes = example === undefined ? [[model.fileFacts?.batchSize ?? 1, ...inputShape]] : [];
  const { leaves, structure } = example === undefined ? { leaves: [], structure: null } : tensorsOf(example, 'options.example');
  const incoming = [
    ...shapes.map((shape) => ({ shape, dtype: 'float32' as const })),
    // One example of each, whose axis takes no part in any order.
    ...leaves.map(({ shape, dtype }) => ({ shape: [1, ...shape.slice(1)], dtype: dtype as DType })),
  ];
  hasImages = incoming.some(({ shape }) => shape.length > 3);
  const letters = ({ length }: readonly number[]): string | undefined => (length !== 4 ? undefined : isFirst ? 'nchw' : 'nhwc');
  const outputs = inMode(model, false, () =>
    trace(incoming, observer, (...all) => {
      for (const x of all) known.set(x, axes(x.shape, letters(x.shape)));
      return trainingOutputsOf(model, structure === null ? all[0] : (structure.rebuild(all) as AnyTensor));
    }),
  );
  // Sequences and rows of a table have one order here and there.
  if (!hasImages) return new Map();
  // Images like those that come in, as an autoencoder gives.
  for (const [output] of outputs)
    if (
      output instanceof Tensor &&
      !isFirst &&
      incoming.some(({ shape }) => shape.length === 4 && shape.slice(1).join() === output.shape.slice(1).join())
    )
      noteImage(axesOf(output));
  for (const { users, order } of given.values())
    if (order !== null && order !== 'channels first') for (const [user, at] of users) note(user, at, order);
  return found;
}

/**
 * Whether the model may flatten images, as far as can be told without the shape of an example: some layer of a user's own is there, and no vector or sequence that the
 * first weights take goes through without a reshape.
 */
export function mayFlatten(model: AnyLayer): boolean {
  const layers = model.namedLayers();
  if ([...layers.values()].every(isBuiltIn)) return false;
  const first = model.parameters().find(({ rank }) => rank > 1);
  if (first === undefined) return false;
  const inner = (path: string): boolean => {
    const layer = layers.get(path);
    return layer !== undefined && isBuiltIn(layer) && !(layer instanceof Flatten);
  };
  for (const shape of [[first.shape[0]], [7, first.shape[0]], [7]]) {
    let isReshaped = false;
    const observer = {
      execute: () => {},
      view: () => {
        isReshaped ||= !inner(currentPath());
      },
    };
    try {
      inMode(model, false, () => trace([{ shape: [2, ...shape], dtype: first.dtype }], observer, (x) => trainingOutputsOf(model, x)));
      return isReshaped;
    } catch (error) {
      // Something else comes in.
      if (!(error instanceof NodegradError) && !isTypeError(error)) throw error;
    }
  }
  return true;
}
