// Group normalization of [examples, positions, channels]: what layer, group, instance and root mean square norm are made of.

import { type FloatDType, arrayTypes } from '../dtype.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Op, defineOp } from './define.js';
import { requireFloat } from './elementwise.js';
import { emit, emitOne } from './emit.js';

interface Groups {
  examples: number;
  /** Positions of an example that share a channel. */
  positions: number;
  channels: number;
  /** How many groups of neighbouring channels there are; they divide the channels. */
  groups: number;
  eps: number;
  /** Whether the mean is taken away; else it counts as 0, and the variance is the mean square. Default true. */
  centred?: boolean;
}

const sizesOf = ({ examples, positions, channels, groups }: Groups): number[] => [examples, positions, channels, groups];
const intsOf = (sizes: Groups): number[] => [...sizesOf(sizes), sizes.centred === false ? 0 : 1];

const gradientsOp: Op<Groups> = defineOp<Groups>('group_norm_gradients', {
  shape: ([dy], sizes) => {
    const each = { shape: [sizes.channels], dtype: dy.dtype };
    return { outputs: [each, each], ints: sizesOf(sizes), reals: [sizes.eps] };
  },
  gradient: 'none',
});

const backwardOp: Op<Groups> = defineOp<Groups>('group_norm_backward', {
  shape: ([dy], sizes) => ({ outputs: [{ shape: dy.shape, dtype: dy.dtype }], ints: intsOf(sizes), reals: [sizes.eps] }),
  gradient: 'none',
});

const groupNormOp: Op<Groups> = defineOp<Groups>('group_norm', {
  shape: (inputs, sizes) => {
    const dtype = requireFloat('groupNorm', inputs);
    const each = { shape: [sizes.examples * sizes.groups], dtype: 'float64' } as const;
    return { outputs: [{ shape: inputs[0].shape, dtype }, each, each], ints: intsOf(sizes), reals: [sizes.eps] };
  },
  gradient: ({ inputs: [x, gamma], outputs: [, mean, variance], attributes, upstream, needs }) => {
    const sums = needs[1] || needs[2] ? emit(gradientsOp, [upstream, x, mean, variance], attributes) : [null, null];
    return [needs[0] ? emitOne(backwardOp, [upstream, x, mean, variance, gamma], attributes) : null, ...sums];
  },
});

/** `y = γ·(x − mean) / √(variance + eps) + β`, mean and variance (of the population) over a group of channels of an example. */
export function groupNorm<D extends FloatDType>(x: Tensor<D>, gamma: AnyTensor | null, beta: AnyTensor | null, sizes: Groups): Tensor<D> {
  const nothing = Tensor.wrap(new arrayTypes[x.dtype](0) as never, [0], x.dtype);
  return emitOne(groupNormOp, [x, gamma ?? nothing, beta ?? nothing], sizes);
}
