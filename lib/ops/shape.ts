// Operations on shape: views, permutations, slices, padding, joining, rows by index, casts.

import { called } from './called.js';
import { type DType, type TypedArray, checkElement, elementAt, isReal } from '../dtype.js';
import { ArgumentError, NativeError, ShapeError, checkInteger, checkNumber, describe, describeShape, expected } from '../errors.js';
import { type AnyTensor, Tensor, checkShape } from '../tensor/core.js';
import { sameShape } from './broadcast.js';
import { type Op, defineOp, defineView } from './define.js';
import { requireSame } from './elementwise.js';
import { emit, emitInPlace, emitOne, emitView, sizeOf } from './emit.js';

/** Resolves an axis that may count from the end. */
export function checkAxis(axis: unknown, rank: number, argument = 'axis'): number {
  const value = checkInteger(axis, argument);
  if (value < -rank || value >= rank) throw new ShapeError(`expected \`${argument}\` within a rank-${rank} tensor, received ${value}`);
  return value < 0 ? value + rank : value;
}

const reshapeOp = defineView<undefined>('reshape', ({ inputs, upstream }) => [reshape(upstream, inputs[0].shape)]);

/** A view with another shape of the same size; one dimension may be −1. */
export function reshape<D extends DType>(x: Tensor<D>, shape: readonly number[]): Tensor<D> {
  if (!Array.isArray(shape)) throw new ArgumentError(expected('an array of dimensions', 'shape', shape));
  if (shape.length > 8) throw new ShapeError(`expected at most 8 dimensions, received ${shape.length}`);
  const unknown = shape.indexOf(-1);
  const resolved = [...shape];
  if (unknown >= 0) {
    const rest = sizeOf(shape.filter((_, i) => i !== unknown));
    resolved[unknown] = rest === 0 ? 0 : x.size / rest;
  }
  for (const dimension of resolved) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw new ShapeError(`cannot view a tensor of shape ${describeShape(x.shape)} as ${describe(shape)}`);
    }
  }
  checkShape(resolved);
  if (sizeOf(resolved) !== x.size) {
    throw new ShapeError(
      `cannot view ${x.size} elements of shape ${describeShape(x.shape)} as ${describeShape(resolved)} (${sizeOf(resolved)} elements)`,
    );
  }
  return emitView(reshapeOp, x, resolved, 0, undefined);
}

interface Strided {
  shape: readonly number[];
  offset: number;
  strides: readonly number[];
  back: (dy: AnyTensor) => AnyTensor;
}

const copyStridedOp = defineOp<Strided>('copy_strided', {
  shape: (inputs, { shape, offset, strides }) => ({
    outputs: [{ shape, dtype: inputs[0].dtype }],
    ints: [offset, shape.length, ...shape, ...strides],
    reals: [],
  }),
  gradient: ({ upstream, attributes }) => [attributes.back(upstream)],
});

function stridesOf(shape: readonly number[]): number[] {
  const strides: number[] = new Array(shape.length);
  for (let d = shape.length - 1, stride = 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= shape[d];
  }
  return strides;
}

/** Permutes the axes; without an order, reverses them. */
export function transpose<D extends DType>(x: Tensor<D>, order?: readonly number[]): Tensor<D> {
  const rank = x.shape.length;
  const axes = order === undefined ? x.shape.map((_, i) => rank - 1 - i) : checkAxes(order, rank, 'order');
  if (axes.length !== rank) throw new ShapeError(`expected an order of ${rank} axes, received ${describe(order)}`);
  if (axes.every((axis, i) => axis === i)) return x;
  const strides = stridesOf(x.shape);
  const inverse = axes.map((_, i) => axes.indexOf(i));
  return emitOne(copyStridedOp, [x], {
    shape: axes.map((axis) => x.shape[axis]),
    offset: 0,
    strides: axes.map((axis) => strides[axis]),
    back: (dy) => transpose(dy, inverse),
  });
}

/** Distinct axes, resolved. */
export function checkAxes(axes: unknown, rank: number, argument = 'axes'): number[] {
  const list = typeof axes === 'number' ? [axes] : axes;
  if (!Array.isArray(list)) throw new ArgumentError(expected('an axis or an array of axes', argument, axes));
  const resolved = Array.from(list, (axis) => checkAxis(axis, rank, argument));
  if (new Set(resolved).size !== resolved.length) throw new ShapeError(`an axis stands twice in \`${argument}\`: ${describe(list)}`);
  return resolved;
}

const leadingSliceOp = defineView<{ begin: number }>('slice', ({ inputs, upstream, attributes }) => {
  const rest = inputs[0].shape.slice(1).map(() => 0);
  return [embed(upstream as Tensor, inputs[0].shape, [attributes.begin, ...rest], 0)];
});

/** Elements [begin, end) of the leading axes; a slice of the first axis alone is a view. */
export function slice<D extends DType>(x: Tensor<D>, begin: number | readonly number[], end?: number | readonly number[]): Tensor<D> {
  const begins = typeof begin === 'number' ? [begin] : begin;
  const ends = end === undefined ? [] : typeof end === 'number' ? [end] : end;
  if (!Array.isArray(begins) || !Array.isArray(ends)) throw new ArgumentError(expected('numbers or arrays of numbers', 'begin and end', begin));
  const rank = x.shape.length;
  if (begins.length > rank || ends.length > rank)
    throw new ShapeError(`cannot slice ${Math.max(begins.length, ends.length)} axes of a rank-${rank} tensor`);
  const from: number[] = [];
  const shape: number[] = [];
  for (let d = 0; d < rank; d++) {
    const size = x.shape[d];
    const bound = (value: number | undefined, fallback: number): number => {
      if (value === undefined) return fallback;
      const at = checkInteger(value, 'begin or end');
      const resolved = at < 0 ? at + size : at;
      if (resolved < 0 || resolved > size) throw new ShapeError(`slice bound ${at} lies outside axis ${d} of shape ${describeShape(x.shape)}`);
      return resolved;
    };
    const low = bound(begins[d], 0);
    const high = bound(ends[d], size);
    if (high < low) throw new ShapeError(`slice of axis ${d} ends (${high}) before it begins (${low})`);
    from.push(low);
    shape.push(high - low);
  }
  const inner = x.shape.slice(1);
  if (rank > 0 && inner.every((dimension, i) => shape[i + 1] === dimension)) {
    return emitView(leadingSliceOp, x, shape, from[0] * sizeOf(inner), { begin: from[0] });
  }
  const strides = stridesOf(x.shape);
  const offset = from.reduce((sum, at, d) => sum + at * strides[d], 0);
  const empty = sizeOf(shape) === 0;
  return emitOne(copyStridedOp, [x], {
    shape,
    offset: empty ? 0 : offset,
    strides,
    back: (dy) => embed(dy as Tensor, x.shape, from, 0),
  });
}

interface Embedding {
  outer: readonly number[];
  begin: readonly number[];
  value: number;
}

const embedOp = defineOp<Embedding>('embed', {
  shape: (inputs, { outer, begin, value }) => ({
    outputs: [{ shape: outer, dtype: inputs[0].dtype }],
    ints: [outer.length, ...outer, ...inputs[0].shape, ...begin],
    reals: [value],
  }),
  gradient: ({ inputs, upstream, attributes }) => {
    const end = attributes.begin.map((at, d) => at + inputs[0].shape[d]);
    return [slice(upstream, attributes.begin, end)];
  },
});

function embed<D extends DType>(x: Tensor<D>, outer: readonly number[], begin: readonly number[], value: number): Tensor<D> {
  return emitOne(embedOp, [x], { outer, begin, value });
}

/** Surrounds `x` with `value`: `padding[d]` is [before, after] of axis d. */
export function pad<D extends DType>(x: Tensor<D>, padding: readonly (readonly [number, number])[], value = 0): Tensor<D> {
  if (!Array.isArray(padding) || padding.length !== x.shape.length) {
    throw new ShapeError(expected(`a pair [before, after] for each of the ${x.shape.length} axes`, 'padding', padding));
  }
  checkElement(checkNumber(value, 'value'), x.dtype, 'value');
  const begin: number[] = [];
  const outer = x.shape.map((dimension, d) => {
    const pair = padding[d];
    if (!Array.isArray(pair) || pair.length !== 2) throw new ArgumentError(expected('a pair [before, after]', `padding[${d}]`, pair));
    begin.push(checkInteger(pair[0], `padding[${d}][0]`, 0, 2 ** 31));
    return dimension + begin[d] + checkInteger(pair[1], `padding[${d}][1]`, 0, 2 ** 31);
  });
  return embed(x, outer, begin, value);
}

const concatOp = defineOp<{ axis: number }>('concat', {
  shape: (inputs, { axis }) => {
    requireSame('concat', inputs);
    const first = inputs[0].shape;
    let along = 0;
    for (const { shape } of inputs) {
      if (shape.length !== first.length || shape.some((dimension, d) => d !== axis && dimension !== first[d])) {
        throw new ShapeError(`[concat] shapes ${describeShape(first)} and ${describeShape(shape)} differ outside axis ${axis}`);
      }
      along += shape[axis];
    }
    const shape = first.map((dimension, d) => (d === axis ? along : dimension));
    const outer = sizeOf(first.slice(0, axis));
    return {
      outputs: [{ shape, dtype: inputs[0].dtype }],
      ints: [outer, ...inputs.map((input) => sizeOf(input.shape.slice(axis)))],
      reals: [],
    };
  },
  gradient: ({ inputs, upstream, attributes: { axis } }) => {
    let at = 0;
    return inputs.map(({ shape }) => {
      const begin = shape.map((_, d) => (d === axis ? at : 0));
      at += shape[axis];
      return slice(
        upstream,
        begin,
        shape.map((dimension, d) => (d === axis ? at : dimension)),
      );
    });
  },
});

const maxJoin = 63;

function checkList(tensors: unknown): AnyTensor[] {
  if (!Array.isArray(tensors) || tensors.length === 0) throw new ArgumentError(expected('a non-empty array of tensors', 'tensors', tensors));
  return Array.from(tensors, (item, i) => Tensor.check(item, `tensors[${i}]`));
}

/**
 * Joins tensors along an existing axis.
 *
 * @param tensors - Same dtype; same shape but for `axis`.
 * @param axis - Default 0; negative counts from the end.
 * @throws {@link ShapeError} when shapes differ elsewhere, {@link DTypeError} when dtypes differ.
 * @example
 * ```ts
 * import { concat, tensor } from 'nodegrad';
 * concat([tensor([[1, 2]]), tensor([[3, 4]])]).shape; // [2, 2]
 * ```
 */
export function concat<D extends DType>(tensors: readonly Tensor<D>[], axis = 0): Tensor<D> {
  const list = checkList(tensors);
  const at = checkAxis(axis, list[0].shape.length);
  // A native call takes a bounded number of operands: longer lists are joined in parts.
  if (list.length > maxJoin) {
    const parts: AnyTensor[] = [];
    for (let i = 0; i < list.length; i += maxJoin) parts.push(concat(list.slice(i, i + maxJoin), at));
    return concat(parts, at) as unknown as Tensor<D>;
  }
  return emitOne(concatOp, list, { axis: at });
}

/**
 * Joins tensors of one shape along a new axis.
 *
 * @param tensors - All of the same shape and dtype.
 * @param axis - Where the new axis stands, default 0.
 * @throws {@link ShapeError} when shapes differ, {@link DTypeError} when dtypes differ.
 * @example
 * ```ts
 * import { stack, tensor } from 'nodegrad';
 * stack([tensor([1, 2]), tensor([3, 4])]).shape; // [2, 2]
 * ```
 */
export function stack<D extends DType>(tensors: readonly Tensor<D>[], axis = 0): Tensor<D> {
  const list = checkList(tensors) as unknown as Tensor<D>[];
  const at = checkAxis(axis, list[0].shape.length + 1);
  for (const { shape } of list) {
    if (!sameShape(shape, list[0].shape)) {
      throw new ShapeError(`[stack] expected tensors of one shape, received ${describeShape(list[0].shape)} and ${describeShape(shape)}`);
    }
  }
  const parts = list.map((item) => reshape(item, [...item.shape.slice(0, at), 1, ...item.shape.slice(at)]));
  return called('stack', () => concat(parts, at));
}

/** Cuts `x` along `axis` into `parts` equal pieces, or into pieces of the given sizes. */
export function split<D extends DType>(x: Tensor<D>, parts: number | readonly number[], axis = 0): Tensor<D>[] {
  const at = checkAxis(axis, x.shape.length);
  let sizes: readonly number[];
  if (typeof parts === 'number') {
    const count = checkInteger(parts, 'parts', 1, 1 << 24);
    if (x.shape[at] % count !== 0 || count > Math.max(1, x.shape[at]))
      throw new ShapeError(`axis ${at} of shape ${describeShape(x.shape)} does not split into ${count} equal parts`);
    sizes = new Array<number>(count).fill(x.shape[at] / count);
  } else {
    if (!Array.isArray(parts)) throw new ArgumentError(expected('a count or an array of sizes', 'parts', parts));
    sizes = Array.from(parts, (size, i) => checkInteger(size, `parts[${i}]`, 0));
    if (sizes.reduce((sum, size) => sum + size, 0) !== x.shape[at]) {
      throw new ShapeError(`sizes ${describe(parts)} do not sum to axis ${at} of shape ${describeShape(x.shape)}`);
    }
  }
  let begin = 0;
  return sizes.map((size) => {
    const from = x.shape.map((_, d) => (d === at ? begin : 0));
    begin += size;
    return slice(
      x,
      from,
      x.shape.map((dimension, d) => (d === at ? begin : dimension)),
    );
  });
}

const scatterAddRowsOp = defineOp<{ rows: number; width: number; shape: readonly number[]; onward: 0 | 1 }>('scatter_add_rows', {
  shape: ([dy], { rows, width, shape, onward }) => ({ outputs: [{ shape, dtype: dy.dtype }], ints: [rows, width, onward], reals: [] }),
  gradient: 'none',
});

const gatherRowsOp = defineOp('gather_rows', {
  shape: ([x, indices]) => {
    if (indices.dtype !== 'int32') throw new ArgumentError(`[gather] expected int32 indices, received ${indices.dtype}`);
    if (x.shape.length === 0) throw new ShapeError('[gather] expected a tensor with at least one axis, received a rank-0 tensor');
    const rows = x.shape[0];
    const inner = x.shape.slice(1);
    return { outputs: [{ shape: [...indices.shape, ...inner], dtype: x.dtype }], ints: [rows, sizeOf(inner)], reals: [] };
  },
  gradient: ({ inputs: [x, indices], upstream, target }) => {
    const sizes = { rows: x.shape[0], width: sizeOf(x.shape.slice(1)), shape: x.shape };
    const into = target(0);
    if (into === null) return [emitOne(scatterAddRowsOp, [upstream, indices], { ...sizes, onward: 0 }), null];
    // Added where it stays: a table's gradient costs what the batch has, not what the table has.
    emitInPlace(scatterAddRowsOp, [into], [upstream, indices], { ...sizes, onward: 1 });
    return [null, null];
  },
});

/** Rows of the first axis by index: `y[i] = x[indices[i]]`. */
export function gather<D extends DType>(x: Tensor<D>, indices: Tensor<'int32'> | readonly number[]): Tensor<D> {
  let list: AnyTensor;
  if (Array.isArray(indices)) {
    list = Tensor.wrap(
      Int32Array.from(indices, (index, i) => checkInteger(index, `indices[${i}]`, 0, 2 ** 31 - 1)),
      [indices.length],
      'int32',
    );
  } else list = Tensor.check(indices, 'indices');
  const rows: Tensor<D> = emitOne(gatherRowsOp, [x, list], undefined);
  // What a table stored as bfloat16 gives is for arithmetic.
  return rows.isWidened ? (cast(rows, 'float32') as unknown as Tensor<D>) : rows;
}

const gatherIntoOp: Op<undefined> = {
  ...gatherRowsOp,
  shape: ([, x]) => ({ outputs: [], ints: [x.shape[0], sizeOf(x.shape.slice(1))], reals: [] }),
};

/** Writes the rows of `x` with these indices into memory that is there. */
export function gatherInto(to: TypedArray, x: AnyTensor, indices: Int32Array): void {
  const target = Tensor.wrap(to as Float32Array, [to.length], x.dtype) as AnyTensor;
  emitInPlace(gatherIntoOp, [target], [x, Tensor.wrap(indices, [indices.length], 'int32')], undefined);
}

export const castOp = defineOp<{ dtype: DType }>('cast', {
  shape: (inputs, { dtype }) => ({ outputs: [{ shape: inputs[0].shape, dtype }], ints: [], reals: [] }),
  // Passed straight through, whatever was rounded. Those by tensors of bfloat16 are float32: they are added up.
  gradient: ({ inputs: [x], upstream }) => [
    isReal(x.dtype) && isReal(upstream.dtype) ? cast(upstream, x.dtype === 'bfloat16' ? 'float32' : x.dtype) : null,
  ],
});

export function cast<D extends DType>(x: AnyTensor, dtype: D): Tensor<D> {
  if ((x.dtype as DType) === dtype) return x as unknown as Tensor<D>;
  try {
    return emitOne(castOp, [x], { dtype });
  } catch (error) {
    const isNaNAt = (i: number): boolean => Number.isNaN(elementAt(x.memory, i, x.dtype));
    const at = isReal(dtype) ? -1 : x.memory.findIndex((_, i) => isNaNAt(i));
    if (!(error instanceof NativeError) || at < 0) throw error;
    throw new ArgumentError(
      `[to] NaN at position ${at} is no number that ${dtype} holds: give missing values a number first, where(x.equal(x), x, 0), or leave their examples out`,
      { cause: error },
    );
  }
}

const fillOp = defineOp<{ shape: readonly number[]; dtype: DType; value: number }>('fill', {
  shape: (_inputs, { shape, dtype, value }) => ({ outputs: [{ shape, dtype }], ints: [], reals: [value] }),
  gradient: 'none',
});

/** A new tensor with every element `value`. */
export function filled<D extends DType>(shape: readonly number[], value: number, dtype: D): Tensor<D> {
  return emit(fillOp, [], { shape, dtype, value })[0] as unknown as Tensor<D>;
}

const fillInPlaceOp = defineOp<{ value: number }>('fill', {
  shape: (_targets, { value }) => ({ outputs: [], ints: [], reals: [value] }),
  gradient: 'none',
});

/** Overwrites every element of `target`. */
export function fillInPlace(target: AnyTensor, value: number): void {
  emitInPlace(fillInPlaceOp, [target], [], { value });
}

const copyIntoOp: Op<undefined> = {
  ...(copyStridedOp as unknown as Op<undefined>),
  shape: ([, x]) => ({ outputs: [], ints: [0, x.shape.length, ...x.shape, ...stridesOf(x.shape)], reals: [] }),
};

/** Copies `x` over a tensor of the same shape. */
export function copyInto(target: AnyTensor, x: AnyTensor): void {
  emitInPlace(copyIntoOp, [target], [x], undefined);
}

/** A copy in new memory. */
export function copy<D extends DType>(x: Tensor<D>): Tensor<D> {
  return emitOne(copyStridedOp, [x], { shape: x.shape, offset: 0, strides: stridesOf(x.shape), back: (dy) => dy });
}
