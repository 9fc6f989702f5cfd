// The order of the features that weights are multiplied with, where they are flattened images: their axes, followed through a forward pass by shapes.

import { inMode } from '../layers/costs.js';
import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import type { Plan } from '../ops/define.js';
import { sizeOf } from '../ops/emit.js';
import { trace } from '../ops/trace.js';
import type { AnyTensor } from '../tensor.js';

/** How the features of flattened images lie: channel by channel, pixel by pixel, or in an order that nobody knows. */
export type FeatureOrder = 'channels first' | 'unknown' | { readonly pixels: number; readonly channels: number };

/**
 * A factor of an axis, which is a product of some, the slowest first; a factor of 1 is left out, as that of the one example is. What it counts: rows `h`, columns `w`,
 * channels `c`, a part of one of these (`c'`), something else (a number), or `?`, several that can no longer be told apart.
 */
interface Factor {
  readonly letter: string;
  readonly size: number;
}

type Axes = readonly (readonly Factor[])[];

const axis = (letter: string, size: number): readonly Factor[] => (size === 1 ? [] : [{ letter, size }]);
const axes = (shape: readonly number[], letters = '0123456789'): Axes => shape.map((size, d) => axis(letters[d], size));
const product = (factors: readonly Factor[]): number => sizeOf(factors.map(({ size }) => size));
const lettersOf = (factors: readonly Factor[]): Set<string> => new Set(factors.map(({ letter }) => letter));

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

/** Axes of a view of all elements: the same factors, taken together in another way. */
function viewed(before: Axes, shape: readonly number[]): Axes {
  const queue = before.flat();
  const after = shape.map((size) => {
    const taken: Factor[] = [];
    for (let rest = size; rest > 1; ) {
      const next = queue.shift();
      if (next === undefined || (rest % next.size !== 0 && next.size % rest !== 0)) return axis('?', size);
      const { letter } = next;
      if (rest % next.size === 0) taken.push(next);
      else {
        // Groups of channels, heads of attention.
        taken.push({ letter: `${letter}'`, size: rest });
        queue.unshift({ letter: `${letter}'`, size: next.size / rest });
      }
      rest = Math.floor(rest / next.size);
    }
    return taken;
  });
  // Sequences that are flattened whole: what their axes are in PyTorch is not known.
  const whole = sizeOf(shape);
  return after.map((factors) => {
    const isUnclear = product(factors) === whole && lettersOf(factors).size > 1 && factors.some(({ letter }) => letter >= '0' && letter <= '9');
    return isUnclear ? axis('?', whole) : factors;
  });
}

/** Axes that stay where they are, with new sizes. */
function kept(before: Axes, shape: readonly number[]): Axes {
  return shape.map((size, d) => {
    if (product(before[d]) === size) return before[d];
    return axis(before[d].length > 1 ? '?' : (before[d][0]?.letter ?? String(d)), size);
  });
}

/** The order of axes that `copy_strided` gives, by its ints: offset, rank, shape, strides. Null for a slice. */
function permutationOf({ shape }: AnyTensor, [, rank, ...rest]: readonly number[]): readonly number[] | null {
  const left = shape.map((_, d) => d);
  const order = rest.slice(0, rank).map((size, d) => {
    const at = left.findIndex((place) => shape[place] === size && (size === 1 || sizeOf(shape.slice(place + 1)) === rest[rank + d]));
    return at < 0 ? -1 : left.splice(at, 1)[0];
  });
  return order.includes(-1) ? null : order;
}

/** The order of the features of an axis; null where it does not hold pixels and channels. */
function orderOf(factors: readonly Factor[]): FeatureOrder | null {
  const letters = factors.map(({ letter }) => letter).join('');
  if (letters.includes('?')) return 'unknown';
  if (!letters.includes('c') || lettersOf(factors).size === 1) return null;
  if (/^ch?w?$/.test(letters)) return 'channels first';
  const channels = factors[factors.length - 1].size;
  return /^h?w?c$/.test(letters) ? { pixels: product(factors) / channels, channels } : 'unknown';
}

const isSameOrder = (one: FeatureOrder, other: FeatureOrder): boolean => JSON.stringify(one) === JSON.stringify(other);

/**
 * By parameter or buffer: the order of the features that it is multiplied with or added to, where these are flattened images.
 *
 * @param inputShape - Of one example.
 * @param isFirst - Whether images come in with their channels first.
 */
export function featureOrders(model: AnyLayer, inputShape: readonly number[], isFirst: boolean): Map<AnyTensor, FeatureOrder> {
  const found = new Map<AnyTensor, FeatureOrder>();
  const known = new Map<AnyTensor, Axes>();
  // Parameters and buffers that a tensor was made of alone.
  const roots = new Map<AnyTensor, readonly AnyTensor[]>([...model.namedState().values()].map((item) => [item, [item]]));
  const note = (weight: AnyTensor, order: FeatureOrder): void => {
    for (const item of roots.get(weight) ?? []) {
      const isOne = item === weight && isSameOrder(found.get(item) ?? order, order);
      found.set(item, isOne ? order : 'unknown');
    }
  };
  const axesOf = (tensor: AnyTensor): Axes => known.get(tensor) ?? axes(tensor.shape);
  const observer = {
    view(input: AnyTensor, output: AnyTensor): void {
      const from = roots.get(input);
      if (from !== undefined) roots.set(output, from);
      else if (input.size === output.size) known.set(output, viewed(axesOf(input), output.shape));
      else if (input.rank === output.rank) known.set(output, kept(axesOf(input), output.shape));
    },
    execute({ name }: { name: string }, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], { ints }: Plan): void {
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
        for (const output of outputs) if (output.rank === 4) known.set(output, axes(output.shape, 'nhwc'));
        return;
      }
      const source = activations.find((input) => known.has(input) && input.shape.join() === outputs[0]?.shape.join()) ?? activations[0];
      const before = axesOf(source);
      const last = before[before.length - 1] ?? [];
      const order = orderOf(last);
      if (name === 'matmul') {
        const isTurned = ints[3] + ints[4] > 0;
        if (order !== null) note(inputs[1], isTurned ? 'unknown' : order);
        if (!isTurned) known.set(outputs[0], [...before.slice(0, -1), axis('c', outputs[0].shape.at(-1) as number)]);
        return;
      }
      if (order !== null) for (const input of inputs) if (input.rank === 1 && input.size === product(last)) note(input, order);
      const permutation = name === 'copy_strided' ? permutationOf(source, ints) : null;
      for (const output of outputs) {
        if (permutation !== null)
          known.set(
            output,
            permutation.map((at) => before[at]),
          );
        else if (output.rank === before.length) known.set(output, kept(before, output.shape));
        // What is left of features that several operations moved.
        else if (order !== null)
          known.set(
            output,
            output.shape.map((size) => (size === product(last) ? last : axis('?', size))),
          );
      }
    },
  };
  const letters = inputShape.length !== 3 ? undefined : isFirst ? 'nchw' : 'nhwc';
  inMode(model, false, () =>
    trace([{ shape: [model.fileFacts?.batchSize ?? 1, ...inputShape], dtype: 'float32' }], observer, (x) => {
      known.set(x, axes(x.shape, letters));
      return trainingOutputsOf(model, x);
    }),
  );
  return found;
}
