// Elementwise operations: broadcasting arithmetic and comparison, and maps of one tensor.

import { called } from './called.js';
import { type DType, type FloatDType, arrayTypes, checkElement, isFloat, isWholeIn } from '../dtype.js';
import { DTypeError } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor/core.js';
import { broadcastInts, broadcastShape, sameShape, stretchedAxes } from './broadcast.js';
import { type GradientRule, type Op, type OpDefinition, defineOp } from './define.js';
import { emitInPlace, emitOne } from './emit.js';
import { sum } from './reduce.js';
import { cast, reshape } from './shape.js';

/** A tensor, or a number that is broadcast to it. */
export type Operand<D extends FloatDType> = Tensor<D> | number;

/** Checks that all inputs share one float dtype. */
export function requireFloat(name: string, inputs: readonly AnyTensor[]): FloatDType {
  const dtype = arithmeticDType(inputs[0]);
  if (!isFloat(dtype)) {
    throw new DTypeError(
      `[${name}] expected float32 or float64, received ${dtype}. Convert with .to('float32')${dtype === 'uint8' ? '; bytes of images must then be scaled as those were that the model learned from' : ''}`,
    );
  }
  requireSame(name, inputs, arithmeticDType);
  return dtype;
}

/** The element type that arithmetic gets of a tensor: see {@link Tensor.isWidened}. */
const arithmeticDType = ({ isWidened, dtype }: AnyTensor): DType => (isWidened ? 'float32' : dtype);

/** Checks that all inputs share one dtype: nothing is promoted silently. */
export function requireSame(name: string, inputs: readonly AnyTensor[], dtypeOf: (input: AnyTensor) => DType = ({ dtype }) => dtype): void {
  for (const input of inputs) {
    const first = dtypeOf(inputs[0]);
    if (dtypeOf(input) !== first) throw new DTypeError(`[${name}] ${first} and ${dtypeOf(input)} do not mix. Convert one with .to('${first}')`);
  }
}

/** Sums a gradient over the axes along which an input was stretched. */
export function sumTo(gradient: AnyTensor, shape: readonly number[]): AnyTensor {
  if (sameShape(gradient.shape, shape)) return gradient;
  return reshape(sum(gradient as Tensor<FloatDType>, stretchedAxes(shape, gradient.shape)), shape);
}

/** A number as a rank-0 tensor of the given dtype. */
export function scalar<D extends FloatDType>(value: number, dtype: D): Tensor<D> {
  return Tensor.wrap(arrayTypes[dtype].of(value) as never, [], dtype);
}

function operand<D extends FloatDType>(value: Operand<D>, beside: Tensor<D>, name: string): Tensor<D> {
  if (typeof value === 'number') return scalar(value, arithmeticDType(beside) as D);
  return Tensor.check(value, name) as Tensor<D>;
}

/** Defines a broadcasting operation of two tensors; `gradient` gives the two gradients before they are summed over stretched axes. */
export function defineBinary(
  name: string,
  gradient: ((a: Tensor, b: Tensor, dy: Tensor, y: Tensor) => [() => Tensor, () => Tensor]) | 'none',
): Op<undefined> {
  const rule: GradientRule<undefined> | 'none' =
    gradient === 'none'
      ? 'none'
      : ({ inputs, outputs, upstream, needs }) => {
          const [a, b] = inputs as Tensor[];
          const [da, db] = gradient(a, b, upstream as Tensor, outputs[0] as Tensor);
          return [needs[0] ? sumTo(da(), a.shape) : null, needs[1] ? sumTo(db(), b.shape) : null];
        };
  return defineOp(name, {
    shape: (inputs) => {
      const dtype = requireFloat(name, inputs);
      const shape = broadcastShape(name, inputs);
      return { outputs: [{ shape, dtype }], ints: broadcastInts(shape, inputs), reals: [] };
    },
    gradient: rule,
  });
}

function binary(op: Op<undefined>): <D extends FloatDType>(a: Tensor<D>, b: Operand<D>) => Tensor<D> {
  return (a, b) => emitOne(op, [a, operand(b, a, 'other')], undefined);
}

export const addOp = defineBinary('add', (_a, _b, dy) => [() => dy, () => dy]);
const subOp = defineBinary('sub', (_a, _b, dy) => [() => dy, () => neg(dy)]);
const mulOp = defineBinary('mul', (a, b, dy) => [() => mul(dy, b), () => mul(dy, a)]);
const divOp = defineBinary('div', (_a, b, dy, y) => [() => div(dy, b), () => neg(div(mul(dy, y), b))]);
// Where both are equal each gets half of the gradient.
const share = (dy: Tensor, wins: Tensor<'uint8'>, ties: Tensor<'uint8'>): Tensor =>
  mul(dy, add(wins.to(dy.dtype), mul(ties.to(dy.dtype), 0.5)));
const minimumOp = defineBinary('minimum', (a, b, dy) => [() => share(dy, less(a, b), equal(a, b)), () => share(dy, less(b, a), equal(a, b))]);
const maximumOp = defineBinary('maximum', (a, b, dy) => [() => share(dy, less(b, a), equal(a, b)), () => share(dy, less(a, b), equal(a, b))]);
// Corners: x^0 is constant, also at 0, where x^−1 is infinite; so is 0^y for y ≥ 0, where the logarithm is. docs/guides/gradients.md has all.
const powOp = defineBinary('pow', (a, b, dy, y) => [
  () => mul(dy, mul(b, pow(a, where(equal(b, 0), b, sub(b, 1))))),
  () => mul(dy, where(where(greaterEqual(b, 0), equal(a, 0), equal(y, 0)), scalar(0, y.dtype), mul(y, log(a)))),
]);
export const add = binary(addOp);
export const sub = binary(subOp);
export const mul = binary(mulOp);
export const div = binary(divOp);
export const minimum = binary(minimumOp);
export const maximum = binary(maximumOp);
export const pow = binary(powOp);

function defineComparison(name: string): Op<undefined> {
  return defineOp(name, {
    shape: (inputs) => {
      requireSame(name, inputs);
      const shape = broadcastShape(name, inputs);
      return { outputs: [{ shape, dtype: 'uint8' }], ints: broadcastInts(shape, inputs), reals: [] };
    },
    gradient: 'none',
  });
}

function comparison(op: Op<undefined>): (a: AnyTensor, b: AnyTensor | number) => Tensor<'uint8'> {
  return (a, b) => emitOne(op, typeof b === 'number' ? besideNumber(a, b) : [a, Tensor.check(b, 'other')], undefined);
}

/** The comparison with its sides changed: a > b is b < a. */
function mirrored(op: Op<undefined>, name: string): (a: AnyTensor, b: AnyTensor | number) => Tensor<'uint8'> {
  return (a, b) => {
    const [left, right] = typeof b === 'number' ? besideNumber(a, b) : [a, Tensor.check(b, 'other')];
    return called(name, () => emitOne(op, [right, left], undefined));
  };
}

// A number takes the tensor's type. One that an integer type cannot hold (1.5, 2³¹, NaN) is compared in float64, which holds both exactly.
function besideNumber(a: AnyTensor, value: number): [AnyTensor, AnyTensor] {
  const dtype = a.dtype as DType;
  if (isFloat(dtype)) return [a, scalar(value, dtype)];
  if (dtype === 'bfloat16') return [cast(a, 'float32'), scalar(value, 'float32')];
  if (!isWholeIn(value, dtype)) return [cast(a, 'float64'), scalar(value, 'float64')];
  return [a, Tensor.wrap(arrayTypes[dtype].of(value) as never, [], dtype)];
}

const lessOp = defineComparison('less');
const lessEqualOp = defineComparison('less_equal');
export const equal = comparison(defineComparison('equal'));
export const notEqual = comparison(defineComparison('not_equal'));
export const less = comparison(lessOp);
export const lessEqual = comparison(lessEqualOp);
export const greater = mirrored(lessOp, 'greater');
export const greaterEqual = mirrored(lessEqualOp, 'greaterEqual');

const whereOp = defineOp('where', {
  shape: (inputs) => {
    if (inputs[0].dtype !== 'uint8') {
      throw new DTypeError(`[where] expected a uint8 condition, received ${inputs[0].dtype}. Comparisons such as a.less(b) give one`);
    }
    requireSame('where', inputs.slice(1));
    const shape = broadcastShape('where', inputs);
    return { outputs: [{ shape, dtype: inputs[1].dtype }], ints: broadcastInts(shape, inputs), reals: [] };
  },
  gradient: ({ inputs, upstream, needs }) => {
    const [condition, a, b] = inputs as [Tensor<'uint8'>, Tensor, Tensor];
    const zero = scalar(0, (upstream as Tensor).dtype);
    return [
      null,
      needs[1] ? sumTo(where(condition, upstream as Tensor, zero), a.shape) : null,
      needs[2] ? sumTo(where(condition, zero, upstream as Tensor), b.shape) : null,
    ];
  },
});

/**
 * `condition ? a : b` per element, broadcasting all three. A number takes the dtype of the other side; two numbers give float32.
 *
 * @param condition - uint8; non-zero takes `a`.
 * @param a - A tensor or a number.
 * @param b - A tensor of the same dtype, or a number.
 * @returns The broadcast shape, in the dtype of `a` and `b`.
 * @throws {@link DTypeError} when the condition is not uint8 or `a` and `b` differ, {@link ShapeError} when shapes do not fit,
 *   {@link ArgumentError} for a number that an integer dtype does not hold.
 * @example
 * ```ts
 * import { tensor, where } from 'nodegrad';
 * const x = tensor([-1, 2]);
 * where(x.less(0), x.mul(0.01), x).toArray(); // leaky ReLU: [-0.01, 2]
 * where(x.less(0), 0, x).toArray(); // [0, 2]
 * ```
 */
export function where<T extends AnyTensor = Tensor>(condition: Tensor<'uint8'>, a: T | number, b: T | number): T {
  const side = (value: T | number, other: T | number, name: string): AnyTensor =>
    typeof value === 'number'
      ? constant(value, typeof other === 'number' ? 'float32' : (Tensor.check(other, name === 'a' ? 'b' : 'a').dtype as DType), name)
      : Tensor.check(value, name);
  return emitOne(whereOp, [Tensor.check(condition, 'condition'), side(a, b, 'a'), side(b, a, 'b')], undefined) as unknown as T;
}

// A number as a rank-0 tensor of any dtype that holds it.
function constant(value: number, dtype: DType, argument: string): AnyTensor {
  return Tensor.wrap(arrayTypes[dtype].of(checkElement(value, dtype, argument)) as never, [], dtype);
}

/** Parameters of a map, where it has any: at most two. */
export type MapParameters = readonly number[] | undefined;

const mapPlan =
  (name: string): OpDefinition<MapParameters>['shape'] =>
  (inputs, parameters) => ({ outputs: [{ shape: inputs[0].shape, dtype: requireFloat(name, inputs) }], ints: [], reals: parameters ?? [] });

/** Defines a map of one tensor; `gradient` gets dy, x, y and the map's parameters. */
export function defineUnary(
  name: string,
  gradient: (dy: Tensor, x: Tensor, y: Tensor, parameters: MapParameters) => Tensor,
): Op<MapParameters> {
  return defineOp(name, {
    shape: mapPlan(name),
    gradient: ({ inputs, outputs, upstream, attributes }) => [
      gradient(upstream as Tensor, inputs[0] as Tensor, outputs[0] as Tensor, attributes),
    ],
  });
}

/** Defines the backward of a map, an operation too: dx from dy and the output or the input. */
export function defineBackward(name: string): Op<MapParameters> {
  return defineOp(name, { shape: mapPlan(name), gradient: 'none' });
}

/** Defines a map and its backward, `<name>_backward`, which reads the map's input or its output and has the same parameters. */
export function defineMap(name: string, reads: 'input' | 'output', backward = `${name}_backward`): Op<MapParameters> {
  const backwardOp = defineBackward(backward);
  return defineUnary(name, (dy, x, y, parameters) => emitOne(backwardOp, [dy, reads === 'input' ? x : y], parameters));
}

function unary(op: Op<MapParameters>): <D extends FloatDType>(x: Tensor<D>) => Tensor<D> {
  return (x) => emitOne(op, [Tensor.check(x, 'x')], undefined);
}

export const neg = unary(defineUnary('neg', (dy) => neg(dy)));
export const sign = unary(defineOp('sign', { shape: mapPlan('sign'), gradient: 'none' }));
export const abs = unary(defineUnary('abs', (dy, x) => mul(dy, sign(x))));

const expOp = defineUnary('exp', (dy, _x, y) => mul(dy, y));
const logOp = defineUnary('log', (dy, x) => div(dy, x));
const sqrtOp = defineUnary('sqrt', (dy, _x, y) => div(mul(dy, 0.5), y));

const spreadRootOp: Op<MapParameters> = {
  ...sqrtOp,
  gradient: ({ outputs: [y], upstream: dy }) => [where(equal(y, 0), scalar(0, y.dtype), div(mul(dy as Tensor, 0.5), y as Tensor))],
};

/** The root of a spread: at 0, where all elements are equal, its gradient is 0, the middle of all slopes there, and not infinite. */
export const spreadRoot = unary(spreadRootOp);

/**
 * `eˣ` per element, within 1 ULP; overflows to ∞ above 88.72 in float32.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { exp, tensor } from 'nodegrad';
 * exp(tensor([0, 1])).toArray(); // [1, 2.7182817459106445]
 * ```
 */
export function exp<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(expOp, [Tensor.check(x, 'x')], undefined);
}

/**
 * Natural logarithm per element, within 1 ULP; `log(0) = −∞`, NaN below 0.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { log, tensor } from 'nodegrad';
 * log(tensor([1, 10])).toArray(); // [0, 2.3025851249694824]
 * ```
 */
export function log<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(logOp, [Tensor.check(x, 'x')], undefined);
}

/**
 * Square root per element, correctly rounded; NaN below 0.
 *
 * @param x - Any shape, float32 or float64.
 * @throws {@link DTypeError} when `x` is not float.
 * @example
 * ```ts
 * import { sqrt, tensor } from 'nodegrad';
 * sqrt(tensor([4, 9])).toArray(); // [2, 3]
 * ```
 */
export function sqrt<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
  return emitOne(sqrtOp, [Tensor.check(x, 'x')], undefined);
}

const clipOp = defineMap('clip', 'input');

export function clip<D extends FloatDType>(x: Tensor<D>, low: number, high: number): Tensor<D> {
  return emitOne(clipOp, [x], [low, high]);
}

/** `target = clip(target)`, in place. */
export function clipInPlace(target: AnyTensor, low: number, high: number): void {
  emitInPlace(clipOp, [target], [target], [low, high]);
}

const accumulateOp = defineOp('accumulate', {
  shape: (inputs) => {
    requireFloat('accumulate', inputs);
    return { outputs: [], ints: [], reals: [] };
  },
  gradient: 'none',
});

const scaleByOp = defineOp('scale_by', { shape: () => ({ outputs: [], ints: [], reals: [] }), gradient: 'none' });

/** `target *= factor`, in place, with a factor that may change from step to step. */
export function scaleBy(target: AnyTensor, factor: Tensor<'float64'>): void {
  emitInPlace(scaleByOp, [target], [factor], undefined);
}

/** The operation behind `target += addend` of the tape; see lib/ops/backward.ts. */
export { accumulateOp };
