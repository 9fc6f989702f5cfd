// Convolutions for tests: geometries of every class, as gradient-check cases and as native calls.
import { type Conv2dFunctionOptions, type ConvTranspose2dFunctionOptions, conv2d, convTranspose2d, type Tensor } from '../../lib/index.js';
import type { TypedArray } from '../../lib/dtype.js';
import { apply, columnsOf, type Float, type FusedMaker, type Maker, one, type Sample, uniform } from '../native/calls.js';
import { f64 } from './build.js';
import type { GradientCase } from './gradients.js';
import { Seeded } from './seeded.js';

type Double = Tensor<'float64'>;

const point = (seed: number, shape: readonly number[]): Double =>
  f64(
    new Seeded(seed).uniform(
      shape.reduce((a, b) => a * b, 1),
      -2,
      2,
    ),
    shape,
  );

interface Shape {
  readonly image: readonly [number, number, number];
  readonly kernel: readonly [number, number];
  readonly channels: readonly [number, number];
}

const forward: readonly (Shape & { readonly options: Conv2dFunctionOptions })[] = [
  { image: [1, 1, 1], kernel: [1, 1], channels: [1, 1], options: {} },
  { image: [0, 3, 3], kernel: [3, 3], channels: [1, 2], options: {} },
  { image: [2, 2, 3], kernel: [1, 1], channels: [3, 2], options: {} },
  { image: [1, 3, 4], kernel: [1, 1], channels: [2, 3], options: { stride: 2 } },
  { image: [1, 4, 5], kernel: [3, 3], channels: [2, 2], options: { padding: 1 } },
  { image: [1, 5, 3], kernel: [3, 3], channels: [2, 2], options: { padding: 'same', stride: 2 } },
  { image: [1, 5, 4], kernel: [2, 3], channels: [1, 2], options: { padding: [[0, 1], [2, 0]], stride: [2, 1] } }, // biome-ignore format: one line
  { image: [1, 5, 5], kernel: [3, 3], channels: [1, 2], options: { dilation: 2, padding: 1 } },
  { image: [1, 3, 4], kernel: [3, 3], channels: [4, 2], options: { groups: 2, padding: 1 } },
  { image: [1, 4, 3], kernel: [3, 3], channels: [3, 3], options: { groups: 3, padding: 1, stride: 2 } },
  { image: [1, 3, 3], kernel: [3, 3], channels: [2, 4], options: { groups: 2, padding: 1 } },
  { image: [1, 6, 6], kernel: [5, 5], channels: [1, 2], options: { padding: 2 } },
];

const transposed: readonly (Shape & { readonly options: ConvTranspose2dFunctionOptions })[] = [
  { image: [1, 1, 1], kernel: [1, 1], channels: [1, 1], options: {} },
  { image: [1, 2, 3], kernel: [3, 3], channels: [2, 2], options: {} },
  { image: [1, 3, 2], kernel: [4, 3], channels: [2, 1], options: { stride: 2, padding: 1, outputPadding: [1, 0] } },
  { image: [1, 2, 2], kernel: [2, 2], channels: [4, 2], options: { groups: 2, dilation: [2, 1] } },
];

const direct = ({ image, kernel, channels: [c, k], options }: (typeof forward)[number], bias: boolean, seed: number): GradientCase => ({
  name: `${image}, ${kernel}, ${c} to ${k} ${JSON.stringify(options)}`,
  fn: (x, w, b = null as never) => conv2d(x, w, b, options),
  inputs: [point(seed, [...image, c]), point(seed + 50, [...kernel, c / (options.groups ?? 1), k]), ...(bias ? [point(seed + 90, [k])] : [])],
});

/** The gradient-check cases of convolutions, by native op. */
export const convolutionCases: Record<string, () => GradientCase[]> = {
  conv2d: () => [...forward.map((one, i) => direct(one, false, i + 1)), ...forward.slice(0, 6).map((one, i) => direct(one, true, i + 1))],
  conv2d_input_gradient: () =>
    transposed.map(({ image, kernel, channels: [c, k], options }, i) => ({
      name: `transposed ${image}, ${kernel}, ${c} to ${k} ${JSON.stringify(options)}`,
      fn: (x, w, b) => convTranspose2d(x, w, b, options),
      inputs: [point(i + 1, [...image, c]), point(i + 50, [...kernel, k / (options.groups ?? 1), c]), point(i + 90, [k])],
    })),
};

// [h, w, c, kernel, stride, padding, dilation, groups]; outputs have as many channels as make their count about n.
const native: readonly (readonly [number, number, number, number, number, number, number, number])[] = [
  [1, 1, 3, 1, 1, 0, 1, 1],
  [3, 2, 5, 3, 1, 1, 1, 1],
  [5, 4, 2, 3, 2, 1, 1, 1],
  [4, 4, 4, 2, 1, 0, 2, 2],
];

const accumulates = (op: string): boolean => op.includes('accumulate');

/** Native calls of one direction, the number of outputs of the forward being a multiple of n. */
export function convolutionMaker(op: string): Maker {
  return (n: number, dtype: Float, random: Seeded): Sample[] =>
    native.map(([h, w, c, kernel, stride, pad, dilation, groups]) => {
      const k = columnsOf(n) * groups;
      const images = n === 0 ? 0 : 1 + (n % 3);
      const [oh, ow] = [h, w].map((size) => Math.floor((size + 2 * pad - dilation * (kernel - 1) - 1) / stride) + 1);
      const ints = [images, h, w, c, oh, ow, k, kernel, kernel, stride, stride, pad, pad, dilation, dilation, groups, n % 3];
      const [x, y, weight] = [images * h * w * c, images * oh * ow * k, (kernel * kernel * c * k) / groups];
      const values = (size: number) => uniform(random, dtype, size);
      const parts: Record<string, Pick<Sample, 'outputs' | 'inputs'>> = {
        conv2d: { outputs: one(dtype, y), inputs: [values(x), values(weight)] },
        'conv2d + bias': { outputs: one(dtype, y), inputs: [values(x), values(weight), values(k)] },
        conv2d_input_gradient: { outputs: one(dtype, x), inputs: [values(y), values(weight)] },
        conv2d_weight_gradient: { outputs: one(dtype, weight), inputs: [values(x), values(y)] },
        'conv2d_weight_gradient + accumulate': {
          outputs: [{ dtype, length: weight, initial: values(weight) }],
          inputs: [values(x), values(y)],
        },
      };
      const form = `${images} images of ${h}×${w}×${c} to ${k}, kernel ${kernel}, stride ${stride}, dilation ${dilation}, ${groups} groups`;
      return { op: accumulates(op) && n % 2 === 1 ? op.replace('accumulate', 'overwrite') : op, form, ...parts[op], ints, reals: [] };
    });
}

// The separate operations that a fused convolution stands for, on the operands of its sample.
type Apart = (dtype: Float, inputs: TypedArray[], ints: number[], initial: TypedArray) => TypedArray;

function fused(op: string, of: string, maps: readonly string[], extra: 'bias' | 'y' | null, apart: (map: string) => Apart): FusedMaker {
  return (n, dtype, random) =>
    maps.flatMap((map) =>
      convolutionMaker(of)(n, dtype, random).map((sample) => {
        const { length } = sample.outputs[0];
        const inputs = [...sample.inputs];
        if (extra === 'y') inputs.push(uniform(random, dtype, length, -1, 1));
        const initial = uniform(random, dtype, length);
        return {
          sample: {
            ...sample,
            op: map === '' ? op : `${op} + ${map}`,
            form: `${sample.form}, ${map}`,
            outputs: [{ dtype, length, ...(accumulates(op) ? { initial } : {}) }],
            inputs,
          },
          apart: () => [apart(map)(dtype, inputs, [...sample.ints], initial)],
        };
      }),
    );
}

const gradients = ['relu_backward', 'tanh_backward'];
const inputGradient: Apart = (dtype, [dy, w], ints, initial) => apply('conv2d_input_gradient', dtype, initial.length, [dy, w], ints);
const accumulated: Apart = (dtype, inputs, ints, initial) =>
  apply('add', dtype, initial.length, [initial, inputGradient(dtype, inputs, ints, initial)], [1, initial.length, 1, 1]);
const masked =
  (gradient: Apart) =>
  (map: string): Apart =>
  (dtype, inputs, ints, initial) =>
    apply(map, dtype, initial.length, [gradient(dtype, inputs, ints, initial), inputs[2]]);

/** Convolutions that do something besides, each with the separate operations. */
export const fusedConvolutions: Record<string, FusedMaker> = {
  'conv2d + bias + map': fused(
    'conv2d + bias',
    'conv2d + bias',
    ['relu', 'tanh'],
    'bias',
    (map) => (dtype, inputs, ints, initial) => apply(map, dtype, initial.length, [apply('conv2d + bias', dtype, initial.length, inputs, ints)]),
  ),
  'conv2d_input_gradient + accumulate': fused('conv2d_input_gradient + accumulate', 'conv2d_input_gradient', [''], null, () => accumulated),
  'conv2d_input_gradient + map': fused('conv2d_input_gradient', 'conv2d_input_gradient', gradients, 'y', masked(inputGradient)),
  'conv2d_input_gradient + accumulate + map': fused(
    'conv2d_input_gradient + accumulate',
    'conv2d_input_gradient',
    gradients,
    'y',
    masked(accumulated),
  ),
};
