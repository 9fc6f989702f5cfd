// Operators of ONNX on images, and reductions and normalization: images run here with their channels last.

import { ArgumentError } from '../../errors.js';
import { localResponseNorm } from '../../ops/local_response_norm.js';
import { adaptiveAvgPool2d, avgPool2d, globalMaxPool2d, maxPool2d } from '../../ops/pooling.js';
import { sqrt } from '../../ops/elementwise.js';
import { pad2d, upsample2d } from '../../ops/resample.js';
import { logSoftmax, softmax } from '../../ops/softmax.js';
import { Tensor, type AnyTensor } from '../../tensor.js';
import { Held, type PlanNode, type Step, type Steps, axisOf, input, int, ints, lastAxis, numbersOf, text } from '../held.js';

type Pair = [number, number];

/** The windows of a pooling along both axes. */
interface Windows {
  kernelSize: Pair;
  stride: Pair;
  dilation: Pair;
  before: Pair;
  behind: Pair;
  out: Pair;
  ceilMode: boolean;
}

const pairOf = (list: readonly number[], what: string): Pair => {
  if (list.length !== 2) throw new ArgumentError(`${what} is for ${list.length} axes, and images have two`);
  return [list[0], list[1]];
};

function windowsOf(node: PlanNode, [height, width]: readonly number[]): Windows {
  const kernelSize = pairOf(ints(node, 'kernel_shape', []), 'kernel_shape');
  const stride = pairOf(ints(node, 'strides', [1, 1]), 'strides');
  const dilation = pairOf(ints(node, 'dilations', [1, 1]), 'dilations');
  const ceilMode = int(node, 'ceil_mode', 0) === 1;
  const pads = paddingOf(node, [height, width], kernelSize, stride, dilation);
  const [before, behind]: Pair[] = [[pads[0], pads[1]], [pads[2], pads[3]]]; // biome-ignore format: one line
  const out = [height, width].map((size, d) => {
    const room = size + before[d] + behind[d] - (dilation[d] * (kernelSize[d] - 1) + 1);
    const count = (ceilMode ? Math.ceil(room / stride[d]) : Math.floor(room / stride[d])) + 1;
    // No window begins behind the image and its padding before.
    return ceilMode && (count - 1) * stride[d] >= size + before[d] ? count - 1 : count;
  });
  return { kernelSize, stride, dilation, before, behind, out: pairOf(out, 'the result'), ceilMode };
}

/** `pads`, or what `auto_pad` stands for: top, left, bottom, right. */
export function paddingOf(node: PlanNode, image: Pair, kernel: Pair, stride: Pair, dilation: Pair): readonly number[] {
  const auto = text(node, 'auto_pad', 'NOTSET');
  if (auto === 'VALID') return [0, 0, 0, 0];
  if (auto === 'NOTSET') {
    const pads = ints(node, 'pads', [0, 0, 0, 0]);
    if (pads.length !== 4 || pads.some((size) => size < 0)) throw new ArgumentError(`pads [${pads}] are not those of an image`);
    return pads;
  }
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') throw new ArgumentError(`auto_pad '${auto}' is unknown`);
  const all = image.map((size, d) => Math.max(0, (Math.ceil(size / stride[d]) - 1) * stride[d] + dilation[d] * (kernel[d] - 1) + 1 - size));
  const small = all.map((size) => Math.floor(size / 2));
  const large = all.map((size, d) => size - small[d]);
  return auto === 'SAME_UPPER' ? [...small, ...large] : [...large, ...small];
}

/** Whether our own windows, which have as much padding behind as before, are these. */
function isSymmetric({ kernelSize, stride, dilation, before, out, ceilMode }: Windows, image: readonly number[]): boolean {
  return [0, 1].every((d) => {
    const reach = dilation[d] * (kernelSize[d] - 1) + 1;
    const room = image[d] + 2 * before[d] - reach;
    const count = (ceilMode ? Math.ceil(room / stride[d]) : Math.floor(room / stride[d])) + 1;
    return 2 * before[d] <= reach && count === out[d];
  });
}

/** The image with all the padding that its windows reach. */
function framed(x: Tensor, { kernelSize, stride, dilation, before, out }: Windows, value: number): Tensor {
  const behind = [0, 1].map((d) => Math.max(0, (out[d] - 1) * stride[d] + dilation[d] * (kernelSize[d] - 1) + 1 - x.shape[1 + d] - before[d]));
  return pad2d(x, [[before[0], behind[0]], [before[1], behind[1]]], { value }); // biome-ignore format: one line
}

const maxPool: Step = (context) => {
  const x = input(context, 0).last as Tensor;
  const windows = windowsOf(context.node, x.shape.slice(1, 3));
  const { kernelSize, stride, dilation, before, ceilMode } = windows;
  if (isSymmetric(windows, x.shape.slice(1, 3)))
    return Held.last(maxPool2d(x, kernelSize, { stride, dilation, padding: before, ceilMode }) as AnyTensor);
  const framedX = framed(x, windows, -3.4028234663852886e38);
  return Held.last(maxPool2d(framedX, kernelSize, { stride, dilation }).slice([0, 0, 0, 0], [x.shape[0], ...windows.out, x.shape[3]]));
};

const averagePool: Step = (context) => {
  const x = input(context, 0).last as Tensor;
  const image = x.shape.slice(1, 3);
  const windows = windowsOf(context.node, image);
  const { kernelSize, stride, before, behind, out, ceilMode } = windows;
  const countIncludePad = int(context.node, 'count_include_pad', 0) === 1;
  const isOwn = isSymmetric(windows, image) && (!countIncludePad || before.every((size, d) => size === behind[d] || !ceilMode));
  if (isOwn && windows.dilation.every((size) => size === 1))
    return Held.last(avgPool2d(x, kernelSize, { stride, padding: before, ceilMode, countIncludePad }) as AnyTensor);
  if (windows.dilation.some((size) => size !== 1)) throw new ArgumentError('means over dilated windows have no form here');
  const sums = avgPool2d(framed(x, windows, 0), kernelSize, { stride, divisorOverride: 1 }).slice(
    [0, 0, 0, 0],
    [x.shape[0], ...out, x.shape[3]],
  );
  const counts = (d: 0 | 1): number[] =>
    Array.from({ length: out[d] }, (_, o) => {
      const begin = o * stride[d] - before[d];
      const [low, high] = countIncludePad ? [-before[d], image[d] + behind[d]] : [0, image[d]];
      return Math.min(begin + kernelSize[d], high) - Math.max(begin, low);
    });
  const [rows, columns] = [counts(0), counts(1)];
  const divisors = Tensor.from(Float32Array.from(rows.flatMap((row) => columns.map((column) => row * column))), [1, ...out, 1]);
  return Held.last(sums.div(divisors) as AnyTensor);
};

const globalAveragePool: Step = (context) => {
  const held = input(context, 0);
  if (held.shape.length === 4) return Held.last(adaptiveAvgPool2d(held.last as Tensor, 1) as AnyTensor);
  return Held.plain(held.floats.mean(held.shape.map((_, d) => d).slice(2), { keepDims: true }));
};

const globalMaxPool: Step = (context) => {
  const x = input(context, 0).last as Tensor;
  return Held.last(globalMaxPool2d(x).reshape([x.shape[0], 1, 1, x.shape[3]]));
};

const lrn: Step = (context) => {
  const { node } = context;
  const size = int(node, 'size', 1);
  if (size % 2 === 0) throw new ArgumentError(`an even number of channels (${size}) has another window here`);
  const options = { alpha: int(node, 'alpha', 1e-4), beta: int(node, 'beta', 0.75), k: int(node, 'bias', 1) };
  return Held.last(localResponseNorm(input(context, 0).last as Tensor, size, options) as AnyTensor);
};

const resize: Step = (context) => {
  const { node } = context;
  const held = input(context, 0);
  const [, , height, width] = held.shape;
  const isUpsample = node.op === 'Upsample';
  const scales = isUpsample ? numbersOf(context, 1, 'scales') : ((context.inputs[2] ?? null)?.known('scales') ?? null);
  const sizes = (context.inputs[3] ?? null)?.known('sizes') ?? null;
  const out = sizes !== null && sizes.length > 0 ? sizes.slice(2) : [height, width].map((size, d) => Math.floor(size * (scales?.[d + 2] ?? 1)));
  const mode = text(node, 'mode', 'nearest');
  const place = text(node, 'coordinate_transformation_mode', isUpsample ? 'asymmetric' : 'half_pixel');
  const outputSize = pairOf(out, 'the size');
  if (mode === 'nearest' && place === 'asymmetric' && (isUpsample || text(node, 'nearest_mode', 'round_prefer_floor') === 'floor'))
    return Held.last(upsample2d(held.last as Tensor, { outputSize }) as AnyTensor);
  const alignCorners = place === 'align_corners';
  if (mode === 'linear' && (alignCorners || place === 'half_pixel' || place === 'pytorch_half_pixel'))
    return Held.last(upsample2d(held.last as Tensor, { outputSize, mode: 'bilinear', alignCorners }) as AnyTensor);
  throw new ArgumentError(`resizing by mode '${mode}' with '${place}' has no form here`);
};

// ---- reductions ----

const reduced =
  (run: (x: Tensor, axes: readonly number[], keepDims: boolean) => Tensor): Step =>
  (context) => {
    const held = input(context, 0);
    const rank = held.shape.length;
    const given = numbersOf(context, 1, 'axes')?.map((axis) => axisOf(axis, rank));
    if (given?.length === 0 && int(context.node, 'noop_with_empty_axes', 0) === 1) return held;
    const axes = given === undefined || given.length === 0 ? held.shape.map((_, d) => d) : given;
    const keepDims = int(context.node, 'keepdims', 1) === 1;
    if (held.isLast && keepDims) return Held.last(run(held.last as Tensor, axes.map(lastAxis), true) as AnyTensor);
    // Means over rows and columns leave [N, C] in either order.
    if (held.isLast && axes.join() === '2,3') return Held.plain(run(held.last as Tensor, [1, 2], false) as AnyTensor);
    return Held.plain(run(held.floats, axes, keepDims) as AnyTensor);
  };

const extremePlace =
  (name: 'argmax' | 'argmin'): Step =>
  (context) => {
    const held = input(context, 0);
    const axis = axisOf(int(context.node, 'axis', 0), held.shape.length);
    return Held.plain(held.floats[name](axis, { keepDims: int(context.node, 'keepdims', 1) === 1 }) as AnyTensor);
  };

const alongAxis =
  (run: (x: Tensor, axis: number) => Tensor): Step =>
  (context) => {
    const held = input(context, 0);
    const rank = held.shape.length;
    const axis = axisOf(int(context.node, 'axis', context.version < 13 ? 1 : -1), rank);
    if (context.version < 13 && axis !== rank - 1)
      throw new ArgumentError('a softmax over several axes at once, as before version 13, has no form here');
    return held.isLast ? Held.last(run(held.last as Tensor, lastAxis(axis)) as AnyTensor) : Held.plain(run(held.floats, axis) as AnyTensor);
  };

/** `(x − mean) / √(variance + eps)` over axes. */
function normalized(x: Tensor, axes: readonly number[], eps: number): Tensor {
  const centred = x.sub(x.mean(axes, { keepDims: true }));
  return centred.div(sqrt(centred.mul(centred).mean(axes, { keepDims: true }).add(eps)));
}

const instanceNorm: Step = (context) => {
  const x = input(context, 0).floats;
  const each = [1, x.shape[1], ...x.shape.slice(2).map(() => 1)];
  const axes = x.shape.map((_, d) => d).slice(2);
  const made = normalized(x, axes, int(context.node, 'epsilon', 1e-5)).mul(input(context, 1).floats.reshape(each));
  return Held.plain(made.add(input(context, 2).floats.reshape(each)) as AnyTensor);
};

const layerNorm: Step = (context) => {
  const x = input(context, 0).floats;
  const axis = axisOf(int(context.node, 'axis', -1), x.shape.length);
  const axes = x.shape.map((_, d) => d).slice(axis);
  const made = normalized(x, axes, int(context.node, 'epsilon', 1e-5)).mul(input(context, 1).floats);
  const bias = context.inputs[2]?.floats;
  return Held.plain((bias === undefined ? made : made.add(bias)) as AnyTensor);
};

/** Images, reductions, normalization. */
export const imageSteps: Steps = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  LRN: lrn,
  Resize: resize,
  Upsample: resize,
  ReduceSum: reduced((x, axes, keepDims) => x.sum(axes, { keepDims })),
  ReduceMean: reduced((x, axes, keepDims) => x.mean(axes, { keepDims })),
  ReduceMax: reduced((x, axes, keepDims) => x.max(axes, { keepDims })),
  ReduceMin: reduced((x, axes, keepDims) => x.min(axes, { keepDims })),
  ArgMax: extremePlace('argmax'),
  ArgMin: extremePlace('argmin'),
  Softmax: alongAxis(softmax),
  LogSoftmax: alongAxis(logSoftmax),
  InstanceNormalization: instanceNorm,
  LayerNormalization: layerNorm,
};
