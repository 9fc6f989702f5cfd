// Activation functions: every export is public, and the gradient of each stands above it.

import type { FloatDType } from '../dtype.js';
import { Tensor } from '../tensor.js';
import { defineBackward, defineBinary, defineUnary } from './elementwise.js';
import { emitOne } from './emit.js';

const reluBackwardOp = defineBackward('relu_backward');
const reluOp = defineUnary('relu', (dy, _x, y) => emitOne(reluBackwardOp, [dy, y], undefined));

/**
 * Rectified linear unit `max(0, x)`; its gradient is 0 at 0, and a NaN stays a NaN. Course rows A11–A13.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { relu, tensor } from 'nodegrad';
 * relu(tensor([-10, 0, 10])).toArray(); // [0, 0, 10]
 * ```
 */
export function relu<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(reluOp, [Tensor.check(x, 'x')], undefined);
}

const addReluOp = defineBinary('add_relu', (_a, _b, dy, y) => {
  const gradient = emitOne<undefined, 'float32'>(reluBackwardOp, [dy, y], undefined);
  return [() => gradient, () => gradient];
});

/**
 * `max(0, a + b)` in one pass, broadcasting: a bias or a shortcut and its activation.
 *
 * The bits are those of `relu(a.add(b))`. Course rows A11, M13.
 *
 * @param a - Any shape.
 * @param b - Any shape that broadcasts with `a`.
 * @returns The broadcast shape.
 * @throws {@link ShapeError} when the shapes do not fit, {@link DTypeError} when the dtypes differ.
 * @example
 * ```ts
 * import { addRelu, tensor } from 'nodegrad';
 * addRelu(tensor([[1, -2]]), tensor([0.5, 0.5])).toArray(); // [[1.5, 0]]
 * ```
 */
export function addRelu<D extends FloatDType>(a: Tensor<D>, b: Tensor<D>): Tensor<D> {
  return emitOne(addReluOp, [Tensor.check(a, 'a'), Tensor.check(b, 'b')], undefined);
}

const sigmoidBackwardOp = defineBackward('sigmoid_backward');
const sigmoidOp = defineUnary('sigmoid', (dy, _x, y) => emitOne(sigmoidBackwardOp, [dy, y], undefined));

/**
 * Logistic sigmoid `1 / (1 + e⁻ˣ)`, within 1 ULP and without overflow. Course rows A01–A03.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { sigmoid, tensor } from 'nodegrad';
 * sigmoid(tensor([0])).toArray(); // [0.5]
 * ```
 */
export function sigmoid<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(sigmoidOp, [Tensor.check(x, 'x')], undefined);
}

const tanhBackwardOp = defineBackward('tanh_backward');
const tanhOp = defineUnary('tanh', (dy, _x, y) => emitOne(tanhBackwardOp, [dy, y], undefined));

/**
 * Hyperbolic tangent, within 1 ULP and without overflow. Course rows A09, A10.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { tanh, tensor } from 'nodegrad';
 * tanh(tensor([1])).toArray(); // [0.7615941762924194]
 * ```
 */
export function tanh<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(tanhOp, [Tensor.check(x, 'x')], undefined);
}
