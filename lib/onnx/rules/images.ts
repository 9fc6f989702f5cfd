// Rules of what works on images: convolutions, pooling, resampling. ONNX wants their channels behind the examples.

import type { TypedArray } from '../../dtype.js';
import { type Graph, type Value, real } from '../graph.js';
import { type Call, type Rule, type Rules, refuse } from './rule.js';

type Pair = readonly [number, number];

interface Window {
  readonly image: Pair;
  readonly out: Pair;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly pad: Pair;
  readonly dilation: Pair;
}

const axes = [0, 1] as const;
const reach = ({ kernel, dilation }: Window, d: 0 | 1): number => dilation[d] * (kernel[d] - 1) + 1;

/** Rows and columns of padding behind an image, so that windows end where the last one does; below zero: what no window reaches. */
function padsBehind(window: Window): Pair {
  const { image, out, stride, pad } = window;
  const along = (d: 0 | 1): number => (out[d] - 1) * stride[d] + reach(window, d) - image[d] - pad[d];
  return [along(0), along(1)];
}

const atLeastZero = ([a, b]: Pair): Pair => [Math.max(0, a), Math.max(0, b)];

/** The padding of a window that moves over images, as attributes; one padding for the images of all passes. */
function paddingOf(call: Call, geometry: (ints: readonly number[]) => Window): { pads?: readonly number[]; auto_pad?: string } {
  const all = call.intsOfAll.map(geometry);
  const [first] = all;
  if (all.length === 1) return { pads: [...first.pad, ...atLeastZero(padsBehind(first))] };
  const isSame = axes.every((d) =>
    all.every((window) => {
      const { image, out, stride, pad } = window;
      const total = Math.max(0, (out[d] - 1) * stride[d] + reach(window, d) - image[d]);
      return out[d] === Math.ceil(image[d] / stride[d]) && pad[d] === Math.floor(total / 2);
    }),
  );
  const before = axes.map((d) => (all.every(({ pad }) => pad[d] === first.pad[d]) ? first.pad[d] : -1));
  // As much behind as before, where that gives all sizes that came out; else what does.
  const behind = axes.map((d) => {
    const fits = (pad: number): boolean =>
      all.every((window) => Math.floor((window.image[d] + window.pad[d] + pad - reach(window, d)) / window.stride[d]) + 1 === window.out[d]);
    return [before[d], ...Array.from({ length: reach(first, d) + first.stride[d] }, (_, pad) => pad)].find(fits) ?? -1;
  });
  const pads = [...before, ...behind];
  if (!pads.includes(-1)) return { pads };
  if (isSame) return { auto_pad: 'SAME_UPPER' };
  return refuse(call, 'has a padding that depends on the size of the images, in a way that ONNX has no form for');
}

/** The integers of a convolution: see native/ops/convolution.h. */
function geometryOf(ints: readonly number[]): Window & { group: number } {
  const pair = (at: number): Pair => [ints[at], ints[at + 1]];
  return { image: pair(1), out: pair(4), kernel: pair(7), stride: pair(9), pad: pair(11), dilation: pair(13), group: ints[15] };
}

/** Our weights are [rows, columns, in, out], those of ONNX [out, in, rows, columns]. */
const weightOrder = [3, 2, 0, 1];

function weightOf(graph: Graph, value: Value): string {
  return value.constant === null ? graph.transpose(graph.plain(value), weightOrder) : graph.constant(value, weightOrder);
}

const conv2d: Rule = (graph, call) => {
  const [x, w, bias] = call.inputs;
  const { kernel, stride, dilation, group } = geometryOf(call.ints);
  const inputs = [graph.first(x), weightOf(graph, w), ...(bias === undefined ? [] : [graph.plain(bias)])];
  call.outputs[0].first = graph.node('Conv', inputs, {
    kernel_shape: kernel,
    strides: stride,
    ...paddingOf(call, geometryOf),
    dilations: dilation,
    group,
  });
};

// The gradient of a convolution by its input: `image` is what comes out here.
const convTranspose2d: Rule = (graph, call) => {
  const [x, w] = call.inputs;
  const geometry = geometryOf(call.ints);
  const { kernel, stride, pad, dilation, group } = geometry;
  const behind = padsBehind(geometry);
  call.outputs[0].first = graph.node('ConvTranspose', [graph.first(x), weightOf(graph, w)], {
    kernel_shape: kernel,
    strides: stride,
    pads: [...pad, ...atLeastZero(behind)],
    output_padding: [Math.max(0, -behind[0]), Math.max(0, -behind[1])],
    dilations: dilation,
    group,
  });
};

/** The integers of pooling, which go by axis. */
function poolingOf([, ...ints]: readonly number[]): Window {
  const pair = (at: number): Pair => [ints[at], ints[at + 6]];
  return { image: pair(0), out: pair(1), kernel: pair(2), stride: pair(3), pad: pair(4), dilation: pair(5) };
}

const maxPool: Rule = (graph, call) => {
  const { kernel, stride, dilation } = poolingOf(call.ints);
  call.outputs[0].first = graph.node('MaxPool', [graph.first(call.inputs[0])], {
    kernel_shape: kernel,
    strides: stride,
    ...paddingOf(call, poolingOf),
    dilations: dilation,
  });
};

const avgPool: Rule = (graph, call) => {
  const [x] = call.inputs;
  const { image, out, kernel, stride, pad } = poolingOf(call.ints);
  const { pads } = paddingOf(call, poolingOf);
  if (pads === undefined) refuse(call, 'has a padding that depends on the size of the images, in a way that ONNX has no form for');
  const behind = pads.slice(2);
  const [counted, divisor] = [call.ints[13 + 1] === 1, call.reals[0]];
  const attributes = { kernel_shape: kernel, strides: stride, pads };
  const mean = (includes: 0 | 1): string => graph.node('AveragePool', [graph.first(x)], { ...attributes, count_include_pad: includes });
  // Without padding, and without a divisor of its own, both ways to count are one.
  if (divisor === 0 && (!counted || pad.every((size) => size === 0))) call.outputs[0].first = mean(0);
  else if (divisor === 0 && behind.every((size, d) => size <= pad[d])) call.outputs[0].first = mean(1);
  else {
    // Sums are means times the places of the kernel; places beyond the padding never count.
    const along = (d: 0 | 1): number[] =>
      Array.from({ length: out[d] }, (_, o) => {
        const begin = o * stride[d] - pad[d];
        return Math.min(begin + kernel[d], image[d] + pad[d]) - begin;
      });
    const [rows, columns] = [along(0), along(1)];
    const factors = rows.flatMap((row) => columns.map((column) => (kernel[0] * kernel[1]) / (divisor || row * column)));
    call.outputs[0].first = graph.node('Mul', [mean(1), graph.reals(factors, x.dtype, [1, 1, ...out])]);
  }
};

/** Every row and column of the result as a mix of those of an image: rows·x·columnsᵀ for each channel. */
function mixed(graph: Graph, x: Value, rows: readonly number[][], columns: readonly number[][]): string {
  const across = graph.reals(
    columns[0].flatMap((_, i) => columns.map((column) => column[i])),
    x.dtype,
    [columns[0].length, columns.length],
  );
  const down = graph.reals(rows.flat(), x.dtype, [rows.length, rows[0].length]);
  return graph.node('MatMul', [down, graph.node('MatMul', [graph.first(x), across])]);
}

const adaptiveAvgPool: Rule = (graph, call) => {
  const [x] = call.inputs;
  const [, height, width, rows, columns] = call.ints;
  const weights = (size: number, count: number): number[][] =>
    Array.from({ length: count }, (_, o) => {
      const [begin, end] = [Math.floor((o * size) / count), Math.ceil(((o + 1) * size) / count)];
      return Array.from({ length: size }, (_, i) => (i >= begin && i < end ? 1 / (end - begin) : 0));
    });
  if (rows * columns === 1) call.outputs[0].first = graph.node('GlobalAveragePool', [graph.first(x)]);
  else if (height % rows === 0 && width % columns === 0) {
    const kernel = [height / rows, width / columns];
    call.outputs[0].first = graph.node('AveragePool', [graph.first(x)], { kernel_shape: kernel, strides: kernel });
  } else call.outputs[0].first = mixed(graph, x, weights(height, rows), weights(width, columns));
};

/** The numbers of an operand that says where to look. */
function placesOf(call: Call, value: Value): TypedArray {
  if (value.constant === null) refuse(call, 'takes places that depend on the input');
  return value.constant.memory as TypedArray;
}

// Maxima over windows of any size: first along rows, then along columns.
const windowMaxPool: Rule = (graph, call) => {
  const [x, windows] = call.inputs;
  const [, height, width, rows, columns, , sets] = call.ints;
  if (rows * columns === 1 && placesOf(call, windows).join() === `0,${height},0,${width}`) {
    call.outputs[0].first = graph.node('GlobalMaxPool', [graph.first(x)]);
    return;
  }
  if (sets !== 1) refuse(call, 'has windows of its own for each image');
  const places = placesOf(call, windows);
  const along = (name: string, axis: 2 | 3, at: number, count: number): string => {
    const parts = Array.from({ length: count }, (_, o) => {
      const [begin, end] = [places[at + 2 * o], places[at + 2 * o + 1]];
      const part = graph.node('Slice', [name, graph.ints([begin]), graph.ints([end]), graph.ints([axis])]);
      return graph.node('ReduceMax', [part], { axes: [axis], keepdims: 1 });
    });
    return count === 1 ? parts[0] : graph.node('Concat', parts, { axis });
  };
  call.outputs[0].first = along(along(graph.first(x), 2, 0, rows), 3, 2 * rows, columns);
};

// Pixels by their places; −1 is a pixel of the padding.
const takePixels: Rule = (graph, call) => {
  const [x, operand] = call.inputs;
  const [, height, width, rows, columns] = call.ints;
  const places = Array.from(placesOf(call, operand));
  const free = graph.isOneOfSeveral ? freelyTaken(graph, call, [places.slice(0, rows), places.slice(rows)]) : null;
  if (free !== null) {
    call.outputs[0].first = free;
    return;
  }
  const along = (name: string, axis: 2 | 3, list: readonly number[], size: number): string => {
    const before = Math.max(
      0,
      list.findIndex((place) => place >= 0),
    );
    const behind = Math.max(
      0,
      list.toReversed().findIndex((place) => place >= 0),
    );
    const inner = list.slice(before, list.length - behind);
    if (inner.some((place) => place < 0)) refuse(call, 'takes pixels in a pattern that no operator of ONNX has');
    const isWhole = inner.length === size && inner.every((place, i) => place === i);
    const taken = isWhole ? name : graph.node('Gather', [name, graph.ints(inner)], { axis });
    if (before + behind === 0) return taken;
    const pads = axis === 2 ? [0, 0, before, 0, 0, 0, behind, 0] : [0, 0, 0, before, 0, 0, 0, behind];
    return graph.node('Pad', [taken, graph.ints(pads), graph.scalar(call.reals[0], x)]);
  };
  const tall = along(graph.first(x), 2, places.slice(0, rows), height);
  call.outputs[0].first = along(tall, 3, places.slice(rows, rows + columns), width);
};

/** Pixels of images of any size: each taken several times, or those near an edge once more in a frame; null for other patterns. */
function freelyTaken(graph: Graph, call: Call, places: readonly (readonly number[])[]): string | null {
  const name = graph.first(call.inputs[0]);
  const size = [call.ints[1], call.ints[2]];
  const factors = axes.map((d) => places[d].length / size[d]);
  if (
    axes.every((d) => Number.isInteger(factors[d]) && factors[d] > 0 && places[d].every((place, i) => place === Math.floor(i / factors[d])))
  ) {
    const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
    return graph.node('Resize', [name, '', graph.reals([1, 1, ...factors], 'float32')], attributes);
  }
  // Where the image itself begins, in the frame.
  const before = axes.map((d) => places[d].findIndex((_, i) => places[d].slice(i, i + size[d]).every((place, k) => place === k)));
  const frames = {
    reflect: (place: number, count: number): number => (place < 0 ? -place : place < count ? place : 2 * (count - 1) - place),
    edge: (place: number, count: number): number => Math.min(Math.max(place, 0), count - 1),
  };
  const isOf = (from: (place: number, count: number) => number): boolean =>
    axes.every((d) => places[d].every((place, i) => place === from(i - before[d], size[d])));
  const mode = (['reflect', 'edge'] as const).find((one) => isOf(frames[one]));
  if (before.includes(-1) || mode === undefined) return null;
  const pads = [0, 0, ...before, 0, 0, ...axes.map((d) => places[d].length - size[d] - before[d])];
  return graph.node('Pad', [name, graph.ints(pads)], { mode });
}

// Two rows and two columns for each, and their weights.
const interpolate: Rule = (graph, call) => {
  const [x, where, weights] = call.inputs;
  const [, height, width, rows, columns] = call.ints;
  const [places, shares] = [placesOf(call, where), placesOf(call, weights)];
  if (graph.isOneOfSeveral) {
    // Where the second row comes from: corners stay in their places, or outer edges do.
    const from = rows > 1 ? places[2] + shares[3] : 0;
    const [corners, edges] = [(height - 1) / (rows - 1), Math.max(0, (3 * height - rows) / (2 * rows))];
    const isCorner = Math.abs(from - corners) < Math.abs(from - edges);
    const attributes = { mode: 'linear', coordinate_transformation_mode: isCorner ? 'align_corners' : 'half_pixel' };
    const scales = graph.reals([1, 1, rows / height, columns / width], 'float32');
    call.outputs[0].first = graph.node('Resize', [graph.first(x), '', scales], attributes);
    return;
  }
  const matrix = (at: number, count: number, size: number): number[][] =>
    Array.from({ length: count }, (_, o) => {
      const row = new Array<number>(size).fill(0);
      for (const k of [0, 1]) row[places[at + 2 * o + k]] += shares[at + 2 * o + k];
      return row;
    });
  call.outputs[0].first = mixed(graph, x, matrix(0, rows, height), matrix(2 * rows, columns, width));
};

const localResponseNorm: Rule = (graph, call) => {
  const [[x], [y]] = [call.inputs, call.outputs];
  const [[, channels, size], [alpha, beta, k]] = [call.ints, call.reals];
  if (x.shape.length === 4 && size % 2 === 1) {
    y.first = graph.node('LRN', [graph.first(x)], { size, alpha: real(alpha), beta: real(beta), bias: real(k) });
    return;
  }
  // An even number of neighbours has one more before than ONNX has; and LRN is for images alone.
  const [examples, ...inner] = x.shape;
  const column = graph.reshape(graph.plain(x), [examples, 1, inner.reduce((product, n) => product * n, 1) / channels, channels]);
  const mean = graph.node('AveragePool', [graph.node('Mul', [column, column])], {
    kernel_shape: [1, size],
    pads: [0, Math.floor(size / 2), 0, Math.floor((size - 1) / 2)],
    count_include_pad: 1,
  });
  const base = graph.node('Add', [graph.node('Mul', [mean, graph.scalar(alpha, x)]), graph.scalar(k, x)]);
  y.plain = graph.reshape(graph.node('Div', [column, graph.node('Pow', [base, graph.scalar(beta, x)])]), y.shape);
};

/** Images. */
export const imageRules: Rules = {
  conv2d,
  conv2d_input_gradient: convTranspose2d,
  max_pool2d: maxPool,
  avg_pool2d: avgPool,
  adaptive_avg_pool2d: adaptiveAvgPool,
  window_max_pool2d: windowMaxPool,
  take_pixels: takePixels,
  interpolate2d: interpolate,
  local_response_norm: localResponseNorm,
};
