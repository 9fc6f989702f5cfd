// Reductions over axes: sum, mean, variance, extremes and their places, and the histogram.

import { called } from './called.js';
import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkInteger, checkNumber, checkOptions, describeShape, expected } from '../errors.js';
import { Tensor } from '../tensor/core.js';
import { type Op, defineOp } from './define.js';
import { div, mul, requireFloat, spreadRoot, sub } from './elementwise.js';
import { emit, emitOne, sizeOf } from './emit.js';
import { checkAxes, checkAxis, filled, reshape, transpose } from './shape.js';

/** Options of a reduction. */
export interface ReduceOptions {
  /** Keep reduced axes as dimensions of 1, so that the result broadcasts with the input. Default false. */
  keepDims?: boolean;
}

/** Options of variance and standard deviation. */
export interface VarianceOptions extends ReduceOptions {
  /** What is taken from the count in the divisor: 1 (default) for the unbiased estimate, 0 for the population. */
  correction?: number;
}

interface Reduction {
  outer: number;
  n: number;
  inner: number;
}

const sumOp = defineOp<Reduction & { out: readonly number[]; kept: readonly number[] }>('sum', {
  shape: (inputs, { outer, n, inner, out }) => ({
    outputs: [{ shape: out, dtype: requireFloat('sum', inputs) }],
    ints: [outer, n, inner],
    reals: [],
  }),
  gradient: ({ inputs, upstream, attributes }) => {
    // Stretching by a product with ones: the gradient of each element is the gradient of its sum.
    const dy = upstream as Tensor;
    return [mul(filled(inputs[0].shape, 1, dy.dtype), reshape(dy, attributes.kept))];
  },
});

interface Prepared<D extends FloatDType> extends Reduction {
  x: Tensor<D>;
  /** Shape of the result, and the same with reduced axes kept as 1. */
  out: number[];
  kept: number[];
}

// Brings the reduced axes together (by a permutation where they are apart), so that native code sees [outer, n, inner].
function prepare<D extends FloatDType>(x: Tensor<D>, axes: number | readonly number[] | undefined, keepDims: boolean): Prepared<D> {
  const rank = x.shape.length;
  const reduced = axes === undefined ? x.shape.map((_, d) => d) : checkAxes(axes, rank).sort((a, b) => a - b);
  const kept = x.shape.map((dimension, d) => (reduced.includes(d) ? 1 : dimension));
  const out = keepDims ? kept : x.shape.filter((_, d) => !reduced.includes(d));
  const together = reduced.every((axis, i) => i === 0 || axis === reduced[i - 1] + 1);
  if (!together) {
    const rest = x.shape.map((_, d) => d).filter((d) => !reduced.includes(d));
    const moved = transpose(x, [...rest, ...reduced]);
    const n = sizeOf(moved.shape.slice(rest.length));
    return {
      x: moved,
      outer: sizeOf(moved.shape.slice(0, rest.length)),
      n,
      inner: 1,
      out,
      kept: [...moved.shape.slice(0, rest.length), ...reduced.map(() => 1)],
    };
  }
  const first = reduced.length === 0 ? rank : reduced[0];
  const last = reduced.length === 0 ? rank : reduced[reduced.length - 1] + 1;
  return { x, outer: sizeOf(x.shape.slice(0, first)), n: sizeOf(x.shape.slice(first, last)), inner: sizeOf(x.shape.slice(last)), out, kept };
}

function keepDimsOf(options: ReduceOptions | undefined): boolean {
  return checkOptions<ReduceOptions>(options, 'options', ['keepDims', 'correction']).keepDims ?? false;
}

export function sum<D extends FloatDType>(x: Tensor<D>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
  requireFloat('sum', [x]);
  const { x: input, ...reduction } = prepare(x, axes, keepDimsOf(options));
  return emitOne(sumOp, [input], reduction);
}

function countOf(x: Tensor<FloatDType>, axes: number | readonly number[] | undefined): number {
  return axes === undefined ? x.size : sizeOf(checkAxes(axes, x.shape.length).map((axis) => x.shape[axis]));
}

export function mean<D extends FloatDType>(x: Tensor<D>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
  return called('mean', () => div(sum(x, axes, options), countOf(x as Tensor<FloatDType>, axes)));
}

// Two passes: the mean first, then the squares about it, so that a large mean cancels nothing.
export function variance<D extends FloatDType>(x: Tensor<D>, axes?: number | readonly number[], options: VarianceOptions = {}): Tensor<D> {
  const correction = checkNumber(options.correction ?? 1, 'options.correction', 0);
  return called('var', () => {
    const centred = sub(x, mean(x, axes, { keepDims: true }));
    const divisor = Math.max(0, countOf(x as Tensor<FloatDType>, axes) - correction);
    return div(sum(mul(centred, centred), axes, { keepDims: keepDimsOf(options) }), divisor);
  });
}

export function standardDeviation<D extends FloatDType>(
  x: Tensor<D>,
  axes?: number | readonly number[],
  options: VarianceOptions = {},
): Tensor<D> {
  return called('std', () => spreadRoot(variance(x, axes, options)));
}

interface Extreme extends Reduction {
  out: readonly number[];
  input: readonly number[];
}

const selectBackwardOp = defineOp<Extreme>('select_backward', {
  shape: (inputs, { outer, n, inner, input }) => ({ outputs: [{ shape: input, dtype: inputs[0].dtype }], ints: [outer, n, inner], reals: [] }),
  gradient: 'none',
});

function defineExtreme(name: string): Op<Extreme> {
  return defineOp<Extreme>(name, {
    shape: (inputs, { outer, n, inner, out }) => {
      const dtype = requireFloat(name, inputs);
      if (n === 0)
        throw new ShapeError(`[${name}] nothing to choose from: shape ${describeShape(inputs[0].shape)} has no elements along the axes`);
      return {
        outputs: [
          { shape: out, dtype },
          { shape: out, dtype: 'int32' },
        ],
        ints: [outer, n, inner],
        reals: [],
      };
    },
    gradient: ({ outputs, upstream, attributes }) => [emitOne(selectBackwardOp, [upstream, outputs[1]], attributes)],
  });
}

const maxOp = defineExtreme('max');
const minOp = defineExtreme('min');

function extreme<D extends FloatDType>(
  op: Op<Extreme>,
  x: Tensor<D>,
  axes: number | readonly number[] | undefined,
  options?: ReduceOptions,
): Tensor<D> {
  requireFloat(op.name, [x]);
  const { x: input, kept: _, ...reduction } = prepare(x, axes, keepDimsOf(options));
  return emit(op, [input], { ...reduction, input: input.shape })[0] as unknown as Tensor<D>;
}

export function max<D extends FloatDType>(x: Tensor<D>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
  return extreme(maxOp, x, axes, options);
}

export function min<D extends FloatDType>(x: Tensor<D>, axes?: number | readonly number[], options?: ReduceOptions): Tensor<D> {
  return extreme(minOp, x, axes, options);
}

function place(op: Op<Extreme>, x: Tensor<FloatDType>, axis: number | undefined, options?: ReduceOptions): Tensor<'int32'> {
  requireFloat(op.name, [x]);
  const one = axis === undefined ? undefined : checkAxis(axis, x.shape.length);
  const { x: input, kept: _, ...reduction } = prepare(x, one, keepDimsOf(options));
  return emit(op, [input.detach()], { ...reduction, input: input.shape })[1] as unknown as Tensor<'int32'>;
}

export function argmax(x: Tensor<FloatDType>, axis?: number, options?: ReduceOptions): Tensor<'int32'> {
  return called('argmax', () => place(maxOp, x, axis, options));
}

export function argmin(x: Tensor<FloatDType>, axis?: number, options?: ReduceOptions): Tensor<'int32'> {
  return called('argmin', () => place(minOp, x, axis, options));
}

const histogramOp = defineOp<{ bins: number; low: number; high: number }>('histogram', {
  shape: (inputs, { bins, low, high }) => {
    requireFloat('histogram', inputs);
    return { outputs: [{ shape: [bins], dtype: 'int32' }], ints: [], reals: [low, high] };
  },
  gradient: 'none',
});

/** Options of {@link histogram}. */
export interface HistogramOptions {
  /** How many bins of equal width. Default 30. */
  bins?: number;
  /** Lower and upper end. Default: the smallest and the largest element. */
  range?: readonly [number, number];
}

/**
 * Counts how many elements fall into each of `bins` equal intervals; the last one is closed, elements outside and NaN are not counted.
 *
 * Course row C27 (activation histograms).
 *
 * @param x - Any shape, float32 or float64.
 * @returns int32 counts of shape [bins].
 * @throws {@link ArgumentError} when the range is empty or not finite.
 * @example
 * ```ts
 * import { histogram, tensor } from 'nodegrad';
 * histogram(tensor([0, 0.1, 0.9, 1]), { bins: 2, range: [0, 1] }).toArray(); // [2, 2]
 * ```
 */
export function histogram(x: Tensor<FloatDType>, options: HistogramOptions = {}): Tensor<'int32'> {
  const input = Tensor.check(x, 'x') as unknown as Tensor<FloatDType>;
  requireFloat('histogram', [input]);
  checkOptions(options, 'options', ['bins', 'range']);
  const bins = checkInteger(options.bins ?? 30, 'options.bins', 1, 1 << 24);
  let low: number;
  let high: number;
  if (options.range !== undefined) {
    if (!Array.isArray(options.range) || options.range.length !== 2)
      throw new ArgumentError(expected('a pair [low, high]', 'options.range', options.range));
    low = checkNumber(options.range[0], 'options.range[0]');
    high = checkNumber(options.range[1], 'options.range[1]');
    if (!(low < high)) throw new ArgumentError(`expected \`options.range\` to grow, received [${low}, ${high}]`);
  } else {
    low = input.size === 0 ? 0 : min(input.detach()).item();
    high = input.size === 0 ? 1 : max(input.detach()).item();
    if (!(Number.isFinite(low) && Number.isFinite(high))) throw new ArgumentError('the histogram of NaN or infinite elements needs a `range`');
    if (low === high) {
      low -= 0.5;
      high += 0.5;
    }
  }
  return emitOne(histogramOp, [input], { bins, low, high });
}
