// Distances in units in the last place: of a float32 result to a float64 reference, and between two numbers of one kind.

const MAX_FLOAT32 = 3.4028234663852886e38;
const words = new DataView(new ArrayBuffer(8));

/** The spacing of float32 numbers in the binade of `reference`; 2^-149 below the smallest normal number. */
export function ulpSize32(reference: number): number {
  const size = Math.abs(reference);
  if (!(size >= 2 ** -126)) return 2 ** -149;
  words.setFloat64(0, Math.min(size, MAX_FLOAT32));
  const exponent = ((words.getUint32(0) >>> 20) & 0x7ff) - 1023;
  return 2 ** (exponent - 23);
}

/**
 * How many float32 units in the last place `actual` lies from the float64 `reference`: 0.5 at most for a correctly rounded result.
 * NaN matches NaN; an infinity is right where the reference rounds to it (from the largest float32 plus half a unit on).
 */
export function ulp32(actual: number, reference: number): number {
  if (Number.isNaN(actual) || Number.isNaN(reference)) return Number.isNaN(actual) && Number.isNaN(reference) ? 0 : Infinity;
  if (!Number.isFinite(actual)) {
    const overflows = Math.abs(reference) >= MAX_FLOAT32 + 2 ** 103;
    return overflows && Math.sign(actual) === Math.sign(reference) ? 0 : Infinity;
  }
  if (!Number.isFinite(reference)) return Infinity;
  return Math.abs(actual - reference) / ulpSize32(reference);
}

/** The place of a float32 in the ordered list of all of them; +0 and -0 share a place. */
export function order32(value: number): number {
  words.setFloat32(0, value);
  const bits = words.getInt32(0);
  return bits < 0 ? -(bits & 0x7fffffff) : bits;
}

/** The place of a float64 in the ordered list of all of them; +0 and -0 share a place. */
export function order64(value: number): bigint {
  words.setFloat64(0, value);
  const bits = words.getBigInt64(0);
  return bits < 0n ? -(bits & 0x7fffffffffffffffn) : bits;
}

/** How many float32 numbers lie between the two, the far one counted. */
export function steps32(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b) ? 0 : Infinity;
  return Math.abs(order32(a) - order32(b));
}

/** How many float64 numbers lie between the two, the far one counted. */
export function steps64(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b) ? 0 : Infinity;
  const distance = order64(a) - order64(b);
  return Number(distance < 0n ? -distance : distance);
}
