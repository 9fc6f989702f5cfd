// Tensors with their methods: everybody takes them from here, but for the operations that the methods are made of.

import './tensor/methods.js';

export { type AnyTensor, type NestedNumbers, Tensor, checkShape, maxRank, noGrad } from './tensor/core.js';
export type { DType, FloatDType, TypedArray, TypedArrayOf } from './dtype.js';
