// Joins tensors and the operations that are their methods: operations make tensors, so the core of a tensor knows none of them.

import type { DType } from '../dtype.js';
import { Tensor } from './core.js';
import { TensorArithmetic } from './arithmetic.js';
import { TensorReductions } from './reductions.js';
import { TensorShapes } from './shapes.js';

declare module './core.js' {
  interface Tensor<D extends DType = 'float32'> extends TensorArithmetic<D>, TensorReductions<D>, TensorShapes<D> {}
}

for (const { prototype } of [TensorArithmetic, TensorReductions, TensorShapes]) {
  const { constructor: _, ...methods } = Object.getOwnPropertyDescriptors(prototype);
  Object.defineProperties(Tensor.prototype, methods);
}
