// Batches from images in memory: gathered by row, augmented and normalized in one pass.

import type { TypedArray } from '../dtype.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Op, defineOp } from './define.js';
import { emitInPlace, emitOne } from './emit.js';

/** One augmentation as native code wants it; native/ops/augment.h says what the numbers mean. */
export interface AugmentationStage {
  /** What is done. */
  readonly kind: number;
  /** Height and width afterwards. */
  readonly size: readonly [height: number, width: number];
  readonly mode: number;
  readonly pixels: number;
  /** At most twelve. */
  readonly reals: readonly number[];
}

/** What is done with the images of a batch. */
export interface AugmentationPlan {
  /** Mean and standard deviation of each channel, in 0..1. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly stages: readonly AugmentationStage[];
  /** Shape of an example: [height, width, channels]. */
  readonly shape: readonly number[];
}

const stageReals = 12;

// Inputs: images uint8 [R, H, W, C], the row of each example, what its random numbers go by, the random state.
const augmentOp = defineOp<AugmentationPlan>('augment', {
  shape: ([images, rows], { mean, std, stages, shape }) => ({
    outputs: [{ shape: [rows.size, ...shape], dtype: 'float32' }],
    ints: [rows.size, ...images.shape, stages.length, ...stages.flatMap(({ kind, size, mode, pixels }) => [kind, ...size, mode, pixels])],
    reals: [...mean, ...std, ...stages.flatMap(({ reals }) => Array.from({ length: stageReals }, (_, i) => reals[i] ?? 0))],
  }),
  gradient: 'none',
});

const augmentIntoOp: Op<AugmentationPlan> = {
  ...augmentOp,
  shape: ([, ...inputs], plan) => ({ ...augmentOp.shape(inputs, plan), outputs: [] }),
};

const list = (values: Int32Array): AnyTensor => Tensor.wrap(values, [values.length], 'int32') as AnyTensor;

/** The images of `rows` as a batch; example i draws what belongs to `keys[i]` under `state`. */
export function augment(images: Tensor<'uint8'>, rows: Int32Array, keys: Int32Array, state: Int32Array, plan: AugmentationPlan): Tensor {
  return emitOne(augmentOp, [images as AnyTensor, list(rows), list(keys), list(state)], plan);
}

/** The same into memory that is there. */
export function augmentInto(
  to: TypedArray,
  images: Tensor<'uint8'>,
  rows: Int32Array,
  keys: Int32Array,
  state: Int32Array,
  plan: AugmentationPlan,
): void {
  const target = Tensor.wrap(to as Float32Array, [to.length], 'float32') as AnyTensor;
  emitInPlace(augmentIntoOp, [target], [images as AnyTensor, list(rows), list(keys), list(state)], plan);
}
