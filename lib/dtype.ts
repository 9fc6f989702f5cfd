// Element types and the typed arrays that hold them.

import { types } from 'node:util';
import { ArgumentError, expected } from './errors.js';

/** Element type of a tensor. */
export type DType = 'float32' | 'float64' | 'int32' | 'uint8';

/** The floating-point element types: those that arithmetic and gradients work on. */
export type FloatDType = 'float32' | 'float64';

/** A dtype that must be float: an intersection and not a condition, which functions of a generic dtype could not fulfil. */
export type FloatOnly<D extends DType> = D & FloatDType;

/** Any typed array that a tensor can hold. */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** The typed array of an element type. */
export type TypedArrayOf<D extends DType> = D extends 'float32'
  ? Float32Array
  : D extends 'float64'
    ? Float64Array
    : D extends 'int32'
      ? Int32Array
      : Uint8Array;

/** The element type of a typed array. */
export type DTypeOf<A extends TypedArray> = A extends Float32Array
  ? 'float32'
  : A extends Float64Array
    ? 'float64'
    : A extends Int32Array
      ? 'int32'
      : 'uint8';

/** The typed array of each element type, in the order of native/ops/dtypes.def. */
export const arrayTypes = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array } as const;

export const dtypes = Object.keys(arrayTypes) as readonly DType[];

/** Those that arithmetic and gradients work on. */
export const floatDTypes: readonly FloatDType[] = ['float32', 'float64'];

/** The element type of a typed array of any realm, a Buffer included; null for anything else, a proxy of such an array included. */
export function arrayDType(data: unknown): DType | null {
  if (types.isFloat32Array(data)) return 'float32';
  if (types.isFloat64Array(data)) return 'float64';
  if (types.isInt32Array(data)) return 'int32';
  return types.isUint8Array(data) ? 'uint8' : null;
}

/** The element type of a typed array; an error that names the ways out for any other value. */
export function dtypeOf(data: unknown, argument = 'data'): DType {
  const dtype = arrayDType(data);
  if (dtype !== null) return dtype;
  throw new ArgumentError(
    expected(
      'a Float32Array, Float64Array, Int32Array or Uint8Array',
      argument,
      data,
      "Numbers and arrays of other types go through tensor(), these with a dtype: tensor(values, { dtype: 'float32' })",
    ),
  );
}

export function bytesOf(dtype: DType): number {
  return arrayTypes[dtype].BYTES_PER_ELEMENT;
}

export function isFloat(dtype: DType): dtype is FloatDType {
  return (floatDTypes as readonly DType[]).includes(dtype);
}

/** Smallest and largest number of an integer type. */
const integerRange = { int32: [-(2 ** 31), 2 ** 31 - 1], uint8: [0, 255] } as const;

/** Whether an integer type holds a number as it is. */
export function isWholeIn(value: number, dtype: Exclude<DType, FloatDType>): boolean {
  const [low, high] = integerRange[dtype];
  return Number.isInteger(value) && value >= low && value <= high;
}

/** Checks that an element type can hold a number: floats round any, integer types take their whole numbers only. */
export function checkElement(value: unknown, dtype: DType, argument: string): number {
  if (typeof value !== 'number') throw new ArgumentError(expected('a number', argument, value));
  if (isFloat(dtype) || isWholeIn(value, dtype)) return value;
  const [low, high] = integerRange[dtype];
  throw new ArgumentError(
    expected(`a whole number from ${low} to ${high}, which ${dtype} holds,`, argument, value, "A float tensor's .to() truncates and saturates"),
  );
}
