// Axes of what comes of images, and becomes images: the factors that each is a product of, and what these count.

import { sizeOf } from '../ops/emit.js';
import type { AnyTensor } from '../tensor.js';

/** How the features of flattened images lie: channel by channel, pixel by pixel, or in an order that nobody knows. */
export type FeatureOrder = 'channels first' | 'unknown' | { readonly pixels: number; readonly channels: number };

/** Features that a weight gives, from which an image may be made further on. */
export interface Features {
  readonly size: number;
  /** What has an axis of them (the weight that gives them, its bias, a weight that reads them), and which one; null: not of them as they are. */
  readonly users: (readonly [user: AnyTensor, axis: number | null])[];
  /** Their order, once an image was made of them. */
  order: FeatureOrder | null;
}

/** What a factor of an axis counts of some features: every `stride`-th of them, `size` in all. The stride is NaN where they were moved. */
export interface Part {
  readonly features: Features;
  readonly size: number;
  readonly stride: number;
}

/**
 * A factor of an axis, which is a product of some, the slowest first; a factor of 1 is left out, as that of the one example is. What it counts: rows `h`, columns `w`,
 * channels `c`, a part of one of these (`c'`), something else (a number), or `?`, several that can no longer be told apart; and the features that it is a part of: those of
 * several weights, where these were added.
 */
export interface Factor {
  readonly letter: string;
  readonly size: number;
  readonly parts: readonly Part[];
}

export type Axes = readonly (readonly Factor[])[];

export const axis = (letter: string, size: number, parts: readonly Part[] = []): readonly Factor[] =>
  size === 1 ? [] : [{ letter, size, parts }];
export const axes = (shape: readonly number[], letters = '0123456789'): Axes => shape.map((size, d) => axis(letters[d], size));
export const product = (factors: readonly Factor[]): number => sizeOf(factors.map(({ size }) => size));
const lettersOf = (factors: readonly Factor[]): Set<string> => new Set(factors.map(({ letter }) => letter));

/** Both pieces of a factor that is cut in two: the outer one has `outer` of `size`. */
function cut({ letter, size, parts }: Factor, outer: number): readonly [Factor, Factor] {
  const inner = size / outer;
  const piece = (count: number, stride: number): Factor => ({
    letter: `${letter}'`,
    size: count,
    parts: parts.map((part) => ({ ...part, size: count, stride: part.size === size ? part.stride * stride : Number.NaN })),
  });
  return [piece(outer, inner), piece(inner, 1)];
}

/** Neighbours that were cut out of one factor, as one again. */
function rejoined(factors: readonly Factor[]): readonly Factor[] {
  const after: Factor[] = [];
  for (const factor of factors) {
    const before = after[after.length - 1];
    const isNext =
      before !== undefined &&
      factor.parts.length > 0 &&
      factor.parts.length === before.parts.length &&
      factor.parts.every(({ features, size, stride }, i) => before.parts[i].features === features && before.parts[i].stride === size * stride);
    if (!isNext) after.push(factor);
    else {
      after[after.length - 1] = {
        letter: 'c',
        size: before.size * factor.size,
        parts: factor.parts.map((part, i) => ({ ...part, size: part.size * before.parts[i].size })),
      };
    }
  }
  return after;
}

/** Axes of a view of all elements: the same factors, taken together in another way. */
export function viewed(before: Axes, shape: readonly number[]): Axes {
  const queue = before.flat();
  const after = shape.map((size) => {
    const taken: Factor[] = [];
    for (let rest = size; rest > 1; ) {
      const next = queue.shift();
      if (next === undefined || (rest % next.size !== 0 && next.size % rest !== 0)) return axis('?', size, moved(before.flat()));
      if (rest % next.size === 0) taken.push(next);
      else {
        // Groups of channels, heads of attention, images.
        const [outer, inner] = cut(next, rest);
        taken.push(outer);
        queue.unshift(inner);
      }
      rest = Math.floor(rest / next.size);
    }
    return rejoined(taken);
  });
  // Sequences that are flattened whole: what their axes are in PyTorch is not known.
  const whole = sizeOf(shape);
  return after.map((factors) => {
    const isUnclear = product(factors) === whole && lettersOf(factors).size > 1 && factors.some(({ letter }) => letter >= '0' && letter <= '9');
    return isUnclear ? axis('?', whole) : factors;
  });
}

/** All features that are in some factors, as what is no longer in their order. */
export const moved = (factors: readonly Factor[]): readonly Part[] =>
  factors.flatMap(({ parts }) => parts.map((part) => ({ ...part, stride: Number.NaN })));

/** Axes that stay where they are, with new sizes. */
export function kept(before: Axes, shape: readonly number[]): Axes {
  return shape.map((size, d) => {
    const factors = before[d];
    if (product(factors) === size) return factors;
    if (factors.length > 1) return axis('?', size, moved(factors));
    return axis(factors[0]?.letter ?? String(d), size, factors[0]?.parts);
  });
}

/** Axes of what several operands were combined to: its factors are parts of what those of all operands are. */
export function combined(first: Axes, others: readonly Axes[]): Axes {
  return first.map((factors, d) =>
    factors.map((factor, i) => {
      const parts = others.flatMap((each) => {
        const isAlike = each[d].length === factors.length && each[d].every(({ size }, at) => size === factors[at].size);
        return isAlike ? each[d][i].parts : i === 0 ? moved(each[d]) : [];
      });
      const isNew = (part: Part, at: number): boolean =>
        ![...factor.parts, ...parts.slice(0, at)].some(
          ({ features, size, stride }) => features === part.features && size === part.size && Object.is(stride, part.stride),
        );
      return parts.length === 0 ? factor : { ...factor, parts: [...factor.parts, ...parts.filter(isNew)] };
    }),
  );
}

/** The order of axes that `copy_strided` gives, by its ints: offset, rank, shape, strides. Null for a slice. */
export function permutationOf({ shape }: AnyTensor, [, rank, ...rest]: readonly number[]): readonly number[] | null {
  const left = shape.map((_, d) => d);
  const order = rest.slice(0, rank).map((size, d) => {
    const at = left.findIndex((place) => shape[place] === size && (size === 1 || sizeOf(shape.slice(place + 1)) === rest[rank + d]));
    return at < 0 ? -1 : left.splice(at, 1)[0];
  });
  return order.includes(-1) ? null : order;
}

/** The order of the features of an axis; null where it does not hold pixels and channels. */
export function orderOf(factors: readonly Factor[]): FeatureOrder | null {
  const letters = factors.map(({ letter }) => letter).join('');
  if (letters.includes('?')) return 'unknown';
  if (!letters.includes('c') || lettersOf(factors).size === 1) return null;
  if (/^ch?w?$/.test(letters)) return 'channels first';
  const channels = factors[factors.length - 1].size;
  return /^h?w?c$/.test(letters) ? { pixels: product(factors) / channels, channels } : 'unknown';
}

/** An order, given what was known before. */
export const agreed = (before: FeatureOrder | null | undefined, order: FeatureOrder): FeatureOrder =>
  JSON.stringify(before ?? order) === JSON.stringify(order) ? order : 'unknown';

/** Whether an axis is made of these features alone, whole and in their order. */
export const isWhole = (factors: readonly Factor[], { features, size, stride }: Part): boolean =>
  factors.length === 1 && factors[0].size === features.size && size === features.size && stride === 1;

/** Features that are added to flattened images are in their order; `lasts` are the last axes of what is added. */
export function shareOrder(lasts: readonly (readonly Factor[])[]): void {
  for (const order of lasts.map(orderOf))
    if (order !== null)
      for (const last of lasts)
        for (const part of last.flatMap(({ parts }) => parts))
          if (isWhole(last, part)) part.features.order = agreed(part.features.order, order);
}

/** Notes the order of the features that an image [N, height, width, channels] was made of: which of them its rows and columns are. */
export function noteImage([, rows, columns]: Axes): void {
  for (const features of new Set([...rows, ...columns].flatMap(({ parts }) => parts.map((part) => part.features)))) {
    const partsOf = (factors: readonly Factor[]): readonly Part[] =>
      factors.flatMap(({ parts }) => parts.find((part) => part.features === features) ?? []);
    // Patches, of whose rows only the inner factor counts features: forward() puts them in order by itself.
    if ([rows, columns].some((factors) => ![0, factors.length].includes(partsOf(factors).length))) continue;
    const pixels = [...partsOf(rows), ...partsOf(columns)];
    const count = sizeOf(pixels.map(({ size }) => size));
    const channels = features.size / count;
    const { stride } = pixels[pixels.length - 1];
    const isInOrder = pixels.slice(1).every((part, i) => pixels[i].stride === part.size * part.stride);
    if (channels === 1 && isInOrder) continue;
    const order = stride === channels ? { pixels: count, channels } : stride === 1 ? 'channels first' : 'unknown';
    features.order = agreed(features.order, isInOrder && Number.isInteger(channels) ? order : 'unknown');
  }
}
