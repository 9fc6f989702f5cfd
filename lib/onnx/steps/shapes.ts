// Operators of ONNX on shapes: what moves numbers and computes none, also among the numbers that shapes are computed from.

import { ArgumentError, ShapeError, describeShape } from '../../errors.js';
import { pad2d } from '../../ops/resample.js';
import { filled, concat as joinTensors } from '../../ops/shape.js';
import { where } from '../../ops/elementwise.js';
import { pick } from '../../ops/softmax.js';
import { type AnyTensor, Tensor } from '../../tensor.js';
import { channelsFirst, channelsLast } from '../graph.js';
import { permuted } from '../values.js';
import {
  Held,
  type Numbers,
  type Sees,
  seesOf,
  type Step,
  type Steps,
  axisOf,
  input,
  int,
  ints,
  lastAxis,
  mostNumbers,
  numbersOf,
  sizeOf,
  stretched,
} from '../held.js';

/** A value with other dimensions of the same size. */
function reshaped(held: Held, shape: readonly number[]): Held {
  if (held.numbers !== null) return Held.of({ ...held.numbers, shape });
  if (shape.join() === held.shape.join()) return held;
  const made = (): Held => Held.plain(held.plain.reshape(shape));
  const sees = reshapedMask(held, shape);
  return sees === null ? made() : Held.later(shape, held.dtype, made, { sees });
}

/** What a mask leaves with other dimensions; null where that is no longer known. */
function reshapedMask({ facts: { sees }, shape: before }: Held, shape: readonly number[]): Sees | null {
  if (sees === undefined) return null;
  const { keep, isCausal } = sees;
  if (keep !== null && !isCausal && keep.shape.join() === before.join()) return { keep: reshaped(keep, shape), isCausal };
  // Queries and keys stay; heads, whose masks are one for each example, stand beside the examples or are counted with them.
  const hasEnds = shape.length >= 2 && shape.slice(-2).join() === before.slice(-2).join();
  const isOfExamples = keep === null || (keep.shape.length === 4 && keep.shape[1] * keep.shape[2] === 1);
  return hasEnds && isOfExamples ? sees : null;
}

const reshape: Step = (context) => {
  const held = input(context, 0);
  const wanted = numbersOf(context, 1, 'shape') ?? [];
  const isZeroSize = int(context.node, 'allowzero', 0) === 1;
  const shape = wanted.map((dimension, d) => (dimension === 0 && !isZeroSize ? held.shape[d] : dimension));
  const rest = sizeOf(shape.filter((dimension) => dimension !== -1));
  if (shape.includes(-1) && !Number.isInteger(sizeOf(held.shape) / rest))
    throw new ShapeError(`${describeShape(held.shape)} does not fit into ${describeShape(shape)}, where -1 stands for what is left`);
  return reshaped(
    held,
    shape.map((dimension) => (dimension === -1 ? sizeOf(held.shape) / rest : dimension)),
  );
};

const flatten: Step = (context) => {
  const held = input(context, 0);
  const axis = int(context.node, 'axis', 1);
  const at = axis < 0 ? axis + held.shape.length : axis;
  return reshaped(held, [sizeOf(held.shape.slice(0, at)), sizeOf(held.shape.slice(at))]);
};

const squeeze: Step = (context) => {
  const held = input(context, 0);
  const axes = numbersOf(context, 1, 'axes')?.map((axis) => axisOf(axis, held.shape.length));
  return reshaped(
    held,
    held.shape.filter((dimension, d) => (axes === undefined ? dimension !== 1 : !axes.includes(d))),
  );
};

const unsqueeze: Step = (context) => {
  const held = input(context, 0);
  const axes = numbersOf(context, 1, 'axes') ?? [];
  const rank = held.shape.length + axes.length;
  const places = axes.map((axis) => axisOf(axis, rank));
  const rest = [...held.shape];
  return reshaped(
    held,
    Array.from({ length: rank }, (_, d) => (places.includes(d) ? 1 : (rest.shift() as number))),
  );
};

const transpose: Step = (context) => {
  const held = input(context, 0);
  const order = ints(context.node, 'perm', null) ?? held.shape.map((_, d) => held.shape.length - 1 - d);
  if (held.numbers !== null) {
    const { shape, data } = held.numbers;
    return Held.of({
      ...held.numbers,
      shape: order.map((axis) => shape[axis]),
      data: Array.from(permuted({ shape, memory: Float64Array.from(data) }, order)),
    });
  }
  if (held.isLast && order.join() === channelsLast.join()) return Held.plain(held.last);
  if (held.shape.length === 4 && order.join() === channelsFirst.join()) return Held.last(held.plain);
  return Held.plain(held.plain.transpose(order));
};

/** Pieces of a list of numbers, or numbers in another order. */
function picked({ shape, data, isReal }: Numbers, axis: number, places: readonly number[]): Held {
  const [outer, size, inner] = [sizeOf(shape.slice(0, axis)), shape[axis], sizeOf(shape.slice(axis + 1))];
  const made: number[] = [];
  for (let o = 0; o < outer; o++) for (const place of places) for (let i = 0; i < inner; i++) made.push(data[(o * size + place) * inner + i]);
  return Held.of({ shape: shape.map((dimension, d) => (d === axis ? places.length : dimension)), data: made, isReal });
}

const concat: Step = (context) => {
  const parts = context.inputs
    .map((_, i) => input(context, i))
    .filter(({ shape }, _, all) => all.length === 1 || sizeOf(shape) > 0 || shape.length > 1);
  const axis = axisOf(int(context.node, 'axis', 0), parts[0].shape.length);
  if (parts.every(({ numbers }) => numbers !== null)) {
    const [{ shape, numbers }] = parts;
    if (shape.length !== 1) throw new ArgumentError('only lists of numbers are joined here');
    const data = parts.flatMap((part) => part.known('the list'));
    return Held.of({ shape: [data.length], data, isReal: (numbers as Numbers).isReal });
  }
  if (parts.some(({ isLast }) => isLast)) {
    return Held.last(
      joinTensors(
        parts.map(({ last }) => last as Tensor),
        lastAxis(axis),
      ) as AnyTensor,
    );
  }
  return Held.plain(
    joinTensors(
      parts.map(({ plain }) => plain as Tensor),
      axis,
    ) as AnyTensor,
  );
};

/** Elements along one axis, in whatever order of axes the tensor stands. */
function sliced(held: Held, begins: readonly number[], ends: readonly number[]): Held {
  const at = (list: readonly number[]): readonly number[] => (held.isLast ? channelsLast.map((axis) => list[axis]) : list);
  return held.isLast ? Held.last(held.last.slice(at(begins), at(ends))) : Held.plain(held.plain.slice(begins, ends));
}

const slice: Step = (context) => {
  const held = input(context, 0);
  const { shape } = held;
  const starts = numbersOf(context, 1, 'starts') ?? [];
  const stops = numbersOf(context, 2, 'ends') ?? [];
  const axes = (numbersOf(context, 3, 'axes') ?? starts.map((_, i) => i)).map((axis) => axisOf(axis, shape.length));
  const steps = numbersOf(context, 4, 'steps') ?? starts.map(() => 1);
  const within = (value: number, size: number, low: number, high: number): number =>
    Math.min(Math.max(value < 0 ? value + size : value, low), high);
  const [begins, ends] = [shape.map(() => 0), [...shape]];
  let made = held;
  for (const [i, axis] of axes.entries()) {
    const size = shape[axis];
    if (steps[i] === 1) {
      begins[axis] = within(starts[i], size, 0, size);
      ends[axis] = Math.max(begins[axis], within(stops[i], size, 0, size));
    } else {
      const [first, last] = steps[i] > 0 ? [within(starts[i], size, 0, size), within(stops[i], size, 0, size)] : [within(starts[i], size, 0, size - 1), stops[i] < -size ? -1 : within(stops[i], size, -1, size - 1)]; // biome-ignore format: two cases
      const places: number[] = [];
      if (steps[i] === 0) throw new ArgumentError('a step of 0 goes nowhere');
      for (let place = first; steps[i] > 0 ? place < last : place > last; place += steps[i]) places.push(place);
      made = gathered(made, axis, places);
    }
  }
  if (axes.every((_, i) => steps[i] !== 1)) return made;
  if (made !== held) for (const [i, axis] of axes.entries()) if (steps[i] !== 1) ends[axis] = made.shape[axis];
  if (made.numbers !== null) {
    const [axis] = axes;
    return picked(
      made.numbers,
      axis,
      Array.from({ length: ends[axis] - begins[axis] }, (_, i) => begins[axis] + i),
    );
  }
  return sliced(made, begins, ends);
};

/** Elements of an axis by their places. */
function gathered(held: Held, axis: number, places: readonly number[]): Held {
  if (held.numbers !== null) return picked(held.numbers, axis, places);
  const { plain } = held;
  if (axis === 0) return Held.plain(plain.gather(places));
  const order = [axis, ...plain.shape.map((_, d) => d).filter((d) => d !== axis)];
  const back = order.map((_, d) => order.indexOf(d));
  return Held.plain(plain.transpose(order).gather(places).transpose(back));
}

const gather: Step = (context) => {
  const [held, index] = [input(context, 0), input(context, 1)];
  const axis = axisOf(int(context.node, 'axis', 0), held.shape.length);
  const size = held.shape[axis];
  if (index.numbers !== null) {
    const places = index.numbers.data.map((place) => axisOf(place, size));
    const shape = [...held.shape.slice(0, axis), ...index.shape, ...held.shape.slice(axis + 1)];
    return reshaped(gathered(held, axis, places), shape);
  }
  const { plain } = held;
  if (axis === 0) return Held.plain(plain.gather(index.indices));
  const order = [axis, ...plain.shape.map((_, d) => d).filter((d) => d !== axis)];
  const rows = plain.transpose(order).gather(index.indices.reshape([-1]));
  const back = order.map((_, d) => order.indexOf(d));
  return reshaped(Held.plain(rows.transpose(back)), [...held.shape.slice(0, axis), ...index.shape, ...held.shape.slice(axis + 1)]);
};

const gatherElements: Step = (context) => {
  const [held, index] = [input(context, 0), input(context, 1)];
  const rank = held.shape.length;
  const isLastAxis = axisOf(int(context.node, 'axis', 0), rank) === rank - 1;
  if (!isLastAxis || index.shape[rank - 1] !== 1) throw new ArgumentError('one element of each row is picked here, not several');
  return Held.plain(pick(held.floats, index.indices.reshape(index.shape.slice(0, -1))).reshape(index.shape));
};

const split: Step = (context) => {
  const held = input(context, 0);
  const axis = axisOf(int(context.node, 'axis', 0), held.shape.length);
  const count = context.node.outputs.length;
  const each = Math.ceil(held.shape[axis] / count);
  const even = Array.from({ length: count }, (_, i) => Math.min(each, held.shape[axis] - i * each));
  let at = 0;
  return (numbersOf(context, 1, 'split') ?? even).map((size) => {
    const [begins, ends] = [
      held.shape.map((_, d) => (d === axis ? at : 0)),
      held.shape.map((dimension, d) => (d === axis ? at + size : dimension)),
    ];
    at += size;
    return held.numbers === null
      ? sliced(held, begins, ends)
      : picked(
          held.numbers,
          axis,
          Array.from({ length: size }, (_, i) => at - size + i),
        );
  });
};

type Pair = [number, number];

const pad: Step = (context) => {
  const held = input(context, 0);
  const rank = held.shape.length;
  const mode = context.node.attributes.mode ?? 'constant';
  if (mode !== 'constant' && mode !== 'reflect' && mode !== 'edge')
    throw new ArgumentError(`padding in mode '${String(mode)}' has no form here yet`);
  const pads = numbersOf(context, 1, 'pads') ?? [];
  const axes =
    (context.inputs[3] ?? null) === null
      ? held.shape.map((_, d) => d)
      : input(context, 3)
          .known('axes')
          .map((axis) => axisOf(axis, rank));
  const value = (context.inputs[2] ?? null) === null ? int(context.node, 'value', 0) : input(context, 2).known('the padding')[0];
  const frame = held.shape.map((_, d): [number, number] => {
    const at = axes.indexOf(d);
    return at < 0 ? [0, 0] : [pads[at], pads[at + axes.length]];
  });
  if (frame.some(([before, behind]) => before < 0 || behind < 0)) throw new ArgumentError('negative padding has no form here');
  if (mode !== 'constant') {
    const [examples, channels, ...padding] = frame;
    if (padding.length !== 2 || [...examples, ...channels].some((width) => width !== 0))
      throw new ArgumentError(`padding in mode '${mode}' is for rows and columns of images alone here`);
    return Held.last(pad2d(held.last as Tensor, padding as [Pair, Pair], { mode: mode === 'edge' ? 'replicate' : mode }) as AnyTensor);
  }
  if (!held.isLast) return Held.plain(held.plain.pad(frame, value));
  return Held.last(
    held.last.pad(
      channelsLast.map((axis) => frame[axis]),
      value,
    ),
  );
};

const shapeOf: Step = (context) => {
  const { shape } = input(context, 0);
  const end = int(context.node, 'end', shape.length);
  return Held.ints(shape.slice(int(context.node, 'start', 0), end));
};

const expand: Step = (context) => {
  const held = input(context, 0);
  const shape = stretched(held.shape, input(context, 1).known('the shape'));
  if (held.numbers !== null && sizeOf(shape) <= mostNumbers && held.numbers.data.length === 1) {
    return Held.of({ ...held.numbers, shape, data: new Array<number>(sizeOf(shape)).fill(held.numbers.data[0]) });
  }
  if (shape.join() === held.shape.join()) return held;
  const sees = seesOf(held);
  return sees === null ? stretchedTo(held, shape) : Held.later(shape, held.dtype, () => stretchedTo(held, shape), { sees });
};

function stretchedTo(held: Held, shape: readonly number[]): Held {
  const { dtype } = held;
  const made = held.floats.mul(filled(shape, 1, 'float32'));
  return Held.plain(dtype === 'float32' ? made : made.to(dtype));
}

const constantOfShape: Step = (context) => {
  const shape = input(context, 0).known('the shape');
  const value = Number(context.node.attributes.value ?? 0);
  const isReal = int(context.node, 'isReal', 1) === 1;
  if (sizeOf(shape) <= mostNumbers) return Held.of({ shape, data: new Array<number>(sizeOf(shape)).fill(value), isReal });
  return Held.plain(filled(shape, value, isReal ? 'float32' : 'int32') as AnyTensor);
};

const range: Step = (context) => {
  const [start, limit, delta] = [0, 1, 2].map((at) => input(context, at).known('the range')[0]);
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  if (!(count <= mostNumbers)) throw new ArgumentError(`a range of ${count} numbers is more than shapes have`);
  return Held.ints(Array.from({ length: count }, (_, i) => start + i * delta));
};

/** The upper or lower triangle of matrices, zeros elsewhere. */
const triangle: Step = (context) => {
  const held = input(context, 0);
  const [rows, columns] = held.shape.slice(-2);
  const above = int(context.node, 'upper', 1) === 1;
  const from = (context.inputs[1] ?? null) === null ? 0 : input(context, 1).known('the diagonal')[0];
  const keeps = Array.from({ length: rows * columns }, (_, i) => {
    const place = (i % columns) - Math.floor(i / columns);
    return Number(above ? place >= from : place <= from);
  });
  if (held.numbers !== null) {
    return Held.of({ ...held.numbers, data: held.numbers.data.map((value, i) => (keeps[i % keeps.length] === 1 ? value : 0)) });
  }
  return Held.plain(where(Tensor.from(Uint8Array.from(keeps), [rows, columns]) as Tensor<'uint8'>, held.floats, 0) as AnyTensor);
};

/** Shapes. */
export const shapeSteps: Steps = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Gather: gather,
  GatherElements: gatherElements,
  Split: split,
  Pad: pad,
  Shape: shapeOf,
  Size: (context) => Held.ints([sizeOf(input(context, 0).shape)], []),
  Expand: expand,
  ConstantOfShape: constantOfShape,
  Range: range,
  Trilu: triangle,
};
