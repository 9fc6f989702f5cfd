// Element types and the typed arrays that hold them.

import { types } from 'node:util';
import { ArgumentError, expected } from './errors.js';

/**
 * Element type of a tensor. `bfloat16` is the upper half of a float32, in a Uint16Array: half the memory, three digits. It is for storage:
 * arithmetic works on the float types.
 */
export type DType = 'float32' | 'float64' | 'int32' | 'uint8' | 'bfloat16';

/** The floating-point element types: those that arithmetic and gradients work on. */
export type FloatDType = 'float32' | 'float64';

/** A dtype that must be float: an intersection and not a condition, which functions of a generic dtype could not fulfil. */
export type FloatOnly<D extends DType> = D & FloatDType;

/** Any typed array that a tensor can hold. */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array;

/** The typed array of an element type. */
export type TypedArrayOf<D extends DType> = D extends 'float32'
  ? Float32Array
  : D extends 'float64'
    ? Float64Array
    : D extends 'int32'
      ? Int32Array
      : D extends 'uint8'
        ? Uint8Array
        : Uint16Array;

/** The element type of a typed array. */
export type DTypeOf<A extends TypedArray> = A extends Float32Array
  ? 'float32'
  : A extends Float64Array
    ? 'float64'
    : A extends Int32Array
      ? 'int32'
      : A extends Uint8Array
        ? 'uint8'
        : 'bfloat16';

/** The typed array of each element type, in the order of native/ops/dtypes.def. */
export const arrayTypes = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bfloat16: Uint16Array,
} as const;

export const dtypes = Object.keys(arrayTypes) as readonly DType[];

/** Those that arithmetic and gradients work on. */
export const floatDTypes: readonly FloatDType[] = ['float32', 'float64'];

/** The element type of a typed array of any realm, a Buffer included; null for anything else, a proxy of such an array included. */
export function arrayDType(data: unknown): DType | null {
  if (types.isFloat32Array(data)) return 'float32';
  if (types.isFloat64Array(data)) return 'float64';
  if (types.isInt32Array(data)) return 'int32';
  if (types.isUint8Array(data)) return 'uint8';
  return types.isUint16Array(data) ? 'bfloat16' : null;
}

/**
 * The element type of a typed array; an error that names the ways out for any other value. A Uint16Array holds bits of bfloat16 where `wanted` says
 * so: elsewhere it will be pixels or counts.
 */
export function dtypeOf(data: unknown, argument = 'data', wanted?: DType): DType {
  const dtype = arrayDType(data);
  if (dtype !== null && (wanted === undefined ? dtype !== 'bfloat16' : dtype === wanted)) return dtype;
  throw new ArgumentError(
    expected(
      wanted === undefined ? 'a Float32Array, Float64Array, Int32Array or Uint8Array' : arrayOf(wanted),
      argument,
      data,
      "Numbers and arrays of other types go through tensor(), these with a dtype: tensor(values, { dtype: 'float32' })",
    ),
  );
}

function arrayOf(dtype: DType): string {
  if (dtype === 'bfloat16') return 'a Uint16Array with bits of bfloat16';
  return `${dtype === 'int32' ? 'an' : 'a'} ${arrayTypes[dtype].name}`;
}

export function bytesOf(dtype: DType): number {
  return arrayTypes[dtype].BYTES_PER_ELEMENT;
}

export function isFloat(dtype: DType): dtype is FloatDType {
  return (floatDTypes as readonly DType[]).includes(dtype);
}

/** Whether its elements are real numbers and not integers. */
export function isReal(dtype: DType): dtype is FloatDType | 'bfloat16' {
  return isFloat(dtype) || dtype === 'bfloat16';
}

const word = new Uint32Array(1);
const wordAsFloat = new Float32Array(word.buffer);

/** Element `at` of the memory of a tensor, as a number. For a few: many are widened by `to('float32')`. */
export function elementAt(data: TypedArray, at: number, dtype: DType): number {
  if (dtype !== 'bfloat16' || at >= data.length) return data[at];
  word[0] = data[at] << 16;
  return wordAsFloat[0];
}

/** Smallest and largest number of an integer type. */
const integerRange = { int32: [-(2 ** 31), 2 ** 31 - 1], uint8: [0, 255] } as const;

/** Whether an integer type holds a number as it is. */
export function isWholeIn(value: number, dtype: keyof typeof integerRange): boolean {
  const [low, high] = integerRange[dtype];
  return Number.isInteger(value) && value >= low && value <= high;
}

/** Checks that an element type can hold a number: floats round any, integer types take their whole numbers only. */
export function checkElement(value: unknown, dtype: DType, argument: string): number {
  if (typeof value !== 'number') throw new ArgumentError(expected('a number', argument, value));
  if (isReal(dtype) || isWholeIn(value, dtype)) return value;
  const [low, high] = integerRange[dtype];
  throw new ArgumentError(
    expected(`a whole number from ${low} to ${high}, which ${dtype} holds,`, argument, value, "A float tensor's .to() truncates and saturates"),
  );
}
