// bfloat16 by its definition, in plain arithmetic: what native code is compared with.

const word = new DataView(new ArrayBuffer(8));

/** The bits of the bfloat16 nearest to a number, ties to even; what would be denormal is zero. */
export function bitsOfBfloat16(value: number): number {
  word.setFloat32(0, value);
  const sign = (word.getUint16(0) & 0x8000) >>> 0;
  if (Number.isNaN(value)) return (word.getUint16(0) & 0xffff) | 0x7fc0;
  const size = Math.abs(value);
  if (size === Infinity) return sign | 0x7f80;
  if (size < 2 ** -126) return sign;
  let exponent = Math.floor(Math.log2(size));
  while (2 ** exponent > size) exponent--;
  while (2 ** (exponent + 1) <= size) exponent++;
  const scaled = (size / 2 ** exponent) * 128; // 128 … 256, exactly
  const low = Math.floor(scaled);
  const rest = scaled - low;
  const mantissa = low + (rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? 1 : 0);
  const bits = ((exponent + 127) << 7) + mantissa - 128;
  return sign | Math.min(bits, 0x7f80);
}

/** The number that bits of bfloat16 stand for. */
export function numberOfBfloat16(bits: number): number {
  word.setUint32(0, (bits << 16) >>> 0);
  return word.getFloat32(0);
}
