// Rules of what moves numbers and computes none: views, permutations, slices, padding, joining, rows by index; and of sums and extremes.

import { type Graph, type Value, channelsFirst } from '../graph.js';
import { elementTypes } from '../schema.js';
import { type Call, type Rule, type Rules, refuse, sizeOf } from './rule.js';

/** The end of an axis, however long. */
const end = 2 ** 53;

function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, d) => sizeOf(shape.slice(d + 1)));
}

const view: Rule = (graph, call) => {
  const [[x], [y], [offset]] = [call.inputs, call.outputs, call.ints];
  if (x.shape.join() === y.shape.join()) {
    Object.assign(y, { plain: x.plain, first: x.first, truth: x.truth });
    return;
  }
  if (sizeOf(x.shape) === sizeOf(y.shape)) {
    // Images of one pixel, or of one channel, have one order.
    const isOnePixel = graph.isFirst(x) && (x.shape[1] * x.shape[2] === 1 || x.shape[3] === 1);
    y.plain = graph.reshape(isOnePixel ? (x.first as string) : graph.plain(x), y.shape);
    return;
  }
  const row = sizeOf(x.shape.slice(1));
  y.plain = sliced(graph, graph.plain(x), [offset / row], [(offset + sizeOf(y.shape)) / row], [0]);
};

function sliced(graph: Graph, name: string, begins: readonly number[], ends: readonly number[], axes: readonly number[]): string {
  if (ends.some((value) => graph.timesExamples(value) > 0)) ends = ends.map((value) => (graph.timesExamples(value) > 0 ? end : value));
  return graph.node('Slice', [name, graph.ints(begins), graph.ints(ends), graph.ints(axes)]);
}

// A permutation has the strides of its input in another order, a slice has them in the same. So has a permutation of an axis of 1, which makes another axis longer.
const copyStrided: Rule = (graph, call) => {
  const [[x], [y]] = [call.inputs, call.outputs];
  const [offset, rank, ...rest] = call.ints;
  const strides = rest.slice(rank);
  const own = stridesOf(x.shape);
  if (rank === own.length && strides.every((stride, d) => (stride === own[d] || y.shape[d] === 1) && y.shape[d] <= x.shape[d])) {
    const begins: number[] = [];
    let left = offset;
    for (const stride of own) {
      begins.push(stride === 0 ? 0 : Math.floor(left / stride));
      left -= begins[begins.length - 1] * stride;
    }
    const axes = y.shape.flatMap((size, d) => (size === x.shape[d] ? [] : [d]));
    const at = (list: readonly number[]): number[] => axes.map((d) => list[d]);
    if (axes.length === 0) y.plain = graph.plain(x);
    else if (axes.join() === '3' && graph.isFirst(x)) y.first = sliced(graph, x.first as string, at(begins), [begins[3] + y.shape[3]], [1]);
    else
      y.plain = sliced(
        graph,
        graph.plain(x),
        at(begins),
        axes.map((d) => begins[d] + y.shape[d]),
        axes,
      );
    return;
  }
  const taken = new Set<number>();
  const perm = strides.map((stride, d) => {
    const axis = own.findIndex((value, i) => !taken.has(i) && x.shape[i] === y.shape[d] && (value === stride || y.shape[d] === 1));
    taken.add(axis);
    return axis;
  });
  if (offset !== 0 || rank !== own.length || perm.includes(-1)) refuse(call, 'copies in a pattern that no operator of ONNX has');
  if (perm.join() === channelsFirst.join()) y.plain = graph.first(x);
  else y.plain = graph.transpose(graph.plain(x), perm);
};

const embed: Rule = (graph, call) => {
  const [[x], [y]] = [call.inputs, call.outputs];
  const begin = call.ints.slice(-x.shape.length);
  const after = y.shape.map((size, d) => size - x.shape[d] - begin[d]);
  if (x.shape.length === 4 && graph.isFirst(x)) {
    const pads = [...channelsFirst.map((d) => begin[d]), ...channelsFirst.map((d) => after[d])];
    y.first = graph.node('Pad', [graph.first(x), graph.ints(pads), graph.scalar(call.reals[0], x)]);
  } else y.plain = graph.node('Pad', [graph.plain(x), graph.ints([...begin, ...after]), graph.scalar(call.reals[0], x)]);
};

/** The axis along which tensors were joined. */
function joinedAxis({ inputs, outputs: [y] }: Call): number {
  const along = (d: number): number => inputs.reduce((sum, { shape }) => sum + shape[d], 0);
  const axis = y.shape.findIndex((size, d) => size === along(d) && inputs.some(({ shape }) => shape[d] !== size));
  return axis < 0 ? y.shape.findIndex((size, d) => size === along(d)) : axis;
}

const concat: Rule = (graph, call) => {
  const [y] = call.outputs;
  const axis = joinedAxis(call);
  if (y.shape.length === 4 && call.inputs.some((input) => graph.isFirst(input))) {
    const names = call.inputs.map((input) => graph.first(input));
    y.first = graph.node('Concat', names, { axis: channelsFirst.indexOf(axis as 0) });
  } else {
    const names = call.inputs.map((input) => graph.plain(input));
    y.plain = graph.node('Concat', names, { axis });
  }
};

const gatherRows: Rule = (graph, { inputs: [x, index], outputs: [y] }) => {
  y.plain = graph.node('Gather', [graph.plain(x), graph.plain(index)], { axis: 0 });
};

const fill: Rule = (graph, call) => {
  const [y] = call.outputs;
  const value = y.dtype === 'uint8' || y.dtype === 'int32' ? graph.ints([call.reals[0]], []) : graph.scalar(call.reals[0], y);
  const expanded = graph.node('Expand', [value, graph.dims(y.shape, false)]);
  y.plain = y.dtype === 'uint8' || y.dtype === 'int32' ? graph.node('Cast', [expanded], { to: elementTypes[y.dtype] }) : expanded;
};

const pick: Rule = (graph, { inputs: [x, index], outputs: [y] }) => {
  const column = graph.node('Unsqueeze', [graph.plain(index), graph.ints([-1])]);
  y.plain = graph.node('Squeeze', [graph.node('GatherElements', [graph.plain(x), column], { axis: -1 }), graph.ints([-1])]);
};

/** The axes [first, last) that native code sees as the middle one of three. */
function reducedAxes({ shape }: Value, [outer, n]: readonly number[]): number[] {
  let first = 0;
  for (let product = 1; product !== outer; first++) product *= shape[first];
  let last = first;
  for (let product = 1; product !== n; last++) product *= shape[last];
  return Array.from({ length: last - first }, (_, i) => first + i);
}

function reduced(graph: Graph, call: Call, make: (name: string, axes: readonly number[]) => string): string {
  const [[x], [y]] = [call.inputs, call.outputs];
  const axes = reducedAxes(x, call.ints);
  const made = axes.length === 0 ? graph.plain(x) : make(graph.plain(x), axes);
  return x.shape.length - axes.length === y.shape.length ? made : graph.reshape(made, y.shape);
}

const sum: Rule = (graph, call) => {
  call.outputs[0].plain = reduced(graph, call, (name, axes) => graph.node('ReduceSum', [name, graph.ints(axes)], { keepdims: 0 }));
};

const extreme =
  (kind: 'Max' | 'Min'): Rule =>
  (graph, call) => {
    const [y, place] = call.outputs;
    y.plain = reduced(graph, call, (name, axes) => graph.node(`Reduce${kind}`, [name], { axes, keepdims: 0 }));
    const axes = reducedAxes(call.inputs[0], call.ints);
    if (axes.length !== 1) {
      const [x] = call.inputs;
      const flat = graph.reshape(graph.plain(x), [call.ints[0], call.ints[1], call.ints[2]]);
      place.plain = int32(graph, graph.reshape(graph.node(`Arg${kind}`, [flat], { axis: 1, keepdims: 0 }), place.shape));
    } else
      place.plain = int32(
        graph,
        reduced(graph, call, (name) => graph.node(`Arg${kind}`, [name], { axis: axes[0], keepdims: 0 })),
      );
  };

const int32 = (graph: Graph, name: string): string => graph.node('Cast', [name], { to: elementTypes.int32 });

/** Shapes and reductions. */
export const shapeRules: Rules = {
  view,
  copy_strided: copyStrided,
  embed,
  concat,
  gather_rows: gatherRows,
  fill,
  pick,
  sum,
  max: extreme('Max'),
  min: extreme('Min'),
};
