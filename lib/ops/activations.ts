// Activation functions, ReLU and its kin of straight lines, sigmoid and tanh: every export is public, its operation stands above it.

import type { FloatDType } from '../dtype.js';
import { Tensor } from '../tensor.js';
import { type HardTanhOptions, type LeakyReLUOptions, hardTanhParameters, leakyReluParameters } from './activation_options.js';
import { defineBackward, defineBinary, defineMap, defineUnary, minimum, mul, sumTo, type MapParameters, addOp } from './elementwise.js';
import { called } from './called.js';
import { type Op, variantOf } from './define.js';
import { emitOne } from './emit.js';
import { descriptor } from './fused.js';
import { filled } from './shape.js';

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

const rectified = descriptor({ map: reluOp as Op<unknown> });
const addReluOp: Op<undefined> = variantOf(addOp, {
  shape: (inputs) => {
    const { outputs, ints } = addOp.shape(inputs, undefined);
    return { outputs, ints: [...ints, rectified], reals: [0, 0] };
  },
  gradient: ({ inputs, outputs, upstream, needs }) => {
    const gradient = emitOne<MapParameters, 'float32'>(reluBackwardOp, [upstream, outputs[0]], undefined);
    return inputs.map(({ shape }, i) => (needs[i] ? sumTo(gradient, shape) : null));
  },
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
  return called('addRelu', () => emitOne(addReluOp, [Tensor.check(a, 'a'), Tensor.check(b, 'b')], undefined));
}

const sigmoidOp = defineMap('sigmoid', 'output');

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

const tanhOp = defineMap('tanh', 'output');

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

const leakyReluOp = defineMap('leaky_relu', 'input');

/**
 * Leaky rectified linear unit `max(0, x) + negativeSlope·min(0, x)`; range (−∞, ∞), gradient `negativeSlope` at and below 0: no unit dies.
 * Maas, Hannun and Ng 2013. PyTorch has the default 0.01, too; Keras has 0.3 for the layer and 0.2 for the function. Course rows A26, A27.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float, {@link ArgumentError} for an option out of range or unknown.
 * @example
 * ```ts
 * import { leakyRelu, tensor } from 'nodegrad';
 * leakyRelu(tensor([-10, 3])).toArray(); // [-0.10000000149011612, 3]
 * ```
 */
export function leakyRelu<D extends FloatDType>(x: Tensor<D>, options: LeakyReLUOptions = {}): Tensor<D> {
  return emitOne(leakyReluOp, [Tensor.check(x, 'x')], leakyReluParameters(options));
}

const preluSlopeOp = defineBinary('prelu_slope', 'none');
const preluOp = defineBinary('prelu', (x, alpha, dy) => [
  () => mul(dy, emitOne(preluSlopeOp, [x, alpha], undefined)),
  () => mul(dy, minimum(x, 0)),
]);

/**
 * Parametric rectified linear unit `max(0, x) + alpha·min(0, x)` with a learned `alpha`; its gradient by `alpha` is `Σ min(0, x)·dy`.
 * Where `alpha` is above 1 this is not `max(alpha·x, x)`. He et al. 2015; see {@link PReLU}. Course row A28.
 *
 * @param x - Any shape, float32 or float64.
 * @param alpha - A shape that broadcasts with that of `x`: [1], or [channels] for one slope a channel (the last axis).
 * @throws {@link DTypeError} when `x` is not float, {@link ShapeError} when the shapes do not fit.
 * @example
 * ```ts
 * import { prelu, tensor } from 'nodegrad';
 * prelu(tensor([-2, 3]), tensor([0.25])).toArray(); // [-0.5, 3]
 * ```
 */
export function prelu<D extends FloatDType>(x: Tensor<D>, alpha: Tensor<D>): Tensor<D> {
  return emitOne(preluOp, [Tensor.check(x, 'x'), Tensor.check(alpha, 'alpha')], undefined);
}

/**
 * ReLU with a ceiling, `min(max(0, x), 6)`; range [0, 6], gradient 0 at both bounds and beyond. Krizhevsky 2010. Course row A46.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { relu6, tensor } from 'nodegrad';
 * relu6(tensor([-1, 3, 8])).toArray(); // [0, 3, 6]
 * ```
 */
export function relu6<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return called('relu6', () => emitOne(hardTanhOp, [Tensor.check(x, 'x')], [0, 6]));
}

const hardTanhOp = defineMap('clip', 'input', 'hard_tanh_backward');

/**
 * `min(max(x, min), max)`; range [min, max], gradient 0 at both bounds and beyond (that of `x.clip` is 1 at its bounds).
 * Collobert 2004. Course row A46.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float, {@link ArgumentError} for an option out of range or unknown.
 * @example
 * ```ts
 * import { hardTanh, tensor } from 'nodegrad';
 * hardTanh(tensor([-2, 0.5, 2])).toArray(); // [-1, 0.5, 1]
 * ```
 */
export function hardTanh<D extends FloatDType>(x: Tensor<D>, options: HardTanhOptions = {}): Tensor<D> {
  return called('hardTanh', () => emitOne(hardTanhOp, [Tensor.check(x, 'x')], hardTanhParameters(options)));
}

const hardSigmoidOp = defineMap('hard_sigmoid', 'input');

/**
 * `min(max(x + 3, 0), 6) / 6`, a sigmoid of three straight lines; range [0, 1]. The form of PyTorch and Keras 3; that of Keras 2 has the
 * slope 0.2. Howard et al. 2019. Course row A46.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { hardSigmoid, tensor } from 'nodegrad';
 * hardSigmoid(tensor([-4, 0, 1.5])).toArray(); // [0, 0.5, 0.75]
 * ```
 */
export function hardSigmoid<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(hardSigmoidOp, [Tensor.check(x, 'x')], undefined);
}

const hardSwishOp = defineMap('hard_swish', 'input');

/**
 * `x·hardSigmoid(x)`; range [−0.375, ∞). Howard et al. 2019 (MobileNetV3). Course row A46.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { hardSwish, tensor } from 'nodegrad';
 * hardSwish(tensor([-4, -1.5, 3])).toArray(); // [0, -0.375, 3]
 * ```
 */
export function hardSwish<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(hardSwishOp, [Tensor.check(x, 'x')], undefined);
}

const stepOp = defineUnary('step', (dy, x) => filled(x.shape, 0, dy.dtype));

/**
 * Step function: 0 below 0, 1 from 0 on. Its gradient is zero everywhere, so nothing before it learns. NaN stays NaN. Course row A41.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { step, tensor } from 'nodegrad';
 * step(tensor([-0.1, 0, 0.1])).toArray(); // [0, 1, 1]
 * ```
 */
export function step<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(stepOp, [Tensor.check(x, 'x')], undefined);
}
