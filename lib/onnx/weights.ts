// Constants of a file as numbers: every element type that has a form here, from wherever the file keeps them.

import { FileFormatError, describeShape } from '../errors.js';
import { sizeOf } from './held.js';
import { type TensorMessage, elementTypes } from './schema.js';

/** Numbers with a shape. Floats of 16 and 64 bits are float32, whole numbers and truth values are int32, those beyond it at its ends. */
export interface Weights {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
  /** Whether it is a constant of the graph rather than a weight: a `Constant` node, which training leaves as it is. */
  readonly isFixed: boolean;
  /** Whole numbers as they are in the file; null for floats. */
  readonly exact: readonly number[] | null;
}

/** Bytes of a file beside the model, for weights that lie there; throws where there is none. */
export type External = (location: string, offset: number, length: number) => Uint8Array;

const names = new Map<number, string>(Object.entries(elementTypes).map(([name, number]) => [number, name]));
const bytesEach: Readonly<Record<string, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
  bfloat16: 2,
};

/** The numbers of a tensor of a file. */
export function weightsOf(message: TensorMessage, where: string, external: External, isFixed: boolean): Weights {
  const { dims: shape = [], dataType = 0 } = message;
  const type = names.get(dataType);
  if (type === undefined) throw new FileFormatError(`${where} has element type ${dataType}, which nodegrad does not read`);
  if (shape.length > 8 || shape.some((dimension) => !Number.isSafeInteger(dimension) || dimension < 0))
    throw new FileFormatError(`${where} has the shape ${describeShape(shape)}`);
  const size = sizeOf(shape);
  const raw = rawOf(message, size * bytesEach[type], where, external);
  if (raw !== null && raw.length !== size * bytesEach[type])
    throw new FileFormatError(`${where} of shape ${describeShape(shape)} has ${raw.length} bytes, ${size * bytesEach[type]} were expected`);
  const listed = raw === null ? listOf(message, type) : null;
  if (listed !== null && listed.length !== size)
    throw new FileFormatError(`${where} of shape ${describeShape(shape)} has ${listed.length} numbers, ${size} were expected`);
  return { shape, isFixed, ...numbersOf(type, size, raw, listed ?? []) };
}

function rawOf({ rawData, dataLocation, externalData }: TensorMessage, length: number, where: string, external: External): Uint8Array | null {
  if (dataLocation !== 1) return rawData ?? null;
  const entries = new Map((externalData ?? []).map(({ key, value }) => [key, value]));
  const location = entries.get('location');
  if (location === undefined) throw new FileFormatError(`${where} lies in another file and does not say in which`);
  const number = (key: string): number | null => (entries.has(key) ? Number(entries.get(key)) : null);
  const [offset, given] = [number('offset') ?? 0, number('length')];
  if (!(Number.isSafeInteger(offset) && offset >= 0 && (given === null || given === length)))
    throw new FileFormatError(`${where} lies at ${entries.get('offset')}, ${entries.get('length')} bytes, where ${length} were expected`);
  return external(location, offset, length);
}

function listOf(message: TensorMessage, type: string): readonly number[] {
  if (type === 'float32') return message.floatData ?? [];
  if (type === 'float64') return message.doubleData ?? [];
  if (type === 'int64') return message.int64Data ?? [];
  return message.int32Data ?? [];
}

function numbersOf(type: string, size: number, raw: Uint8Array | null, listed: readonly number[]): Pick<Weights, 'data' | 'exact'> {
  const view = raw === null ? null : new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const read: Readonly<Record<string, (i: number) => number>> = {
    float32: (i) => view?.getFloat32(4 * i, true) ?? listed[i],
    float64: (i) => view?.getFloat64(8 * i, true) ?? listed[i],
    float16: (i) => halfOf(view?.getUint16(2 * i, true) ?? listed[i]),
    bfloat16: (i) => brainOf(view?.getUint16(2 * i, true) ?? listed[i]),
    int64: (i) => (view === null ? listed[i] : Number(view.getBigInt64(8 * i, true))),
    int32: (i) => view?.getInt32(4 * i, true) ?? listed[i],
    int8: (i) => view?.getInt8(i) ?? listed[i],
    uint8: (i) => view?.getUint8(i) ?? listed[i],
    bool: (i) => view?.getUint8(i) ?? listed[i],
  };
  const at = read[type];
  if (type.includes('float')) return { data: new Float32Array(size).map((_, i) => at(i)), exact: null };
  const whole = Array.from({ length: size }, (_, i) => at(i));
  const [low, high] = [-(2 ** 31), 2 ** 31 - 1];
  return { data: Int32Array.from(whole, (value) => Math.min(Math.max(value, low), high)), exact: whole };
}

/** The value of 16 bits: a sign, 5 bits of exponent, 10 of fraction. */
function halfOf(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  let value = exponent === 0 ? fraction / 1024 : 1 + fraction / 1024;
  for (let e = Math.max(exponent, 1); e > 15; e--) value *= 2;
  for (let e = Math.max(exponent, 1); e < 15; e++) value /= 2;
  return sign * value;
}

/** The value of the upper 16 bits of a float32. */
function brainOf(bits: number): number {
  return new Float32Array(Uint32Array.of((bits & 0xffff) * 65536).buffer)[0];
}
