// Element types and the typed arrays that hold them.

import { ArgumentError, expected } from './errors.js';

/** Element type of a tensor. */
export type DType = 'float32' | 'float64' | 'int32' | 'uint8';

/** The floating-point element types: those that arithmetic and gradients work on. */
export type FloatDType = 'float32' | 'float64';

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

export const dtypes: readonly DType[] = ['float32', 'float64', 'int32', 'uint8'];

export const arrayTypes = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array } as const;

/** The element type of a typed array, by its constructor; an error that names the ways out for any other value. */
export function dtypeOf(data: unknown): DType {
  // A proxy of a typed array is an instance of its class, but none of its members work.
  if (ArrayBuffer.isView(data)) {
    if (data instanceof Float32Array) return 'float32';
    if (data instanceof Float64Array) return 'float64';
    if (data instanceof Int32Array) return 'int32';
    if (data instanceof Uint8Array) return 'uint8';
  }
  throw new ArgumentError(
    expected(
      'a Float32Array, Float64Array, Int32Array or Uint8Array',
      'data',
      data,
      'Numbers go through tensor(); other arrays must be converted first.',
    ),
  );
}

export function bytesOf(dtype: DType): number {
  return arrayTypes[dtype].BYTES_PER_ELEMENT;
}

export function isFloat(dtype: DType): dtype is FloatDType {
  return dtype === 'float32' || dtype === 'float64';
}
