// a·b + c, rounded once, by every instruction set: what the kernels give at the borders of a format beside whole numbers that lose nothing.
import test from 'ava';
import { beside, result } from './child.js';

interface Format {
  readonly mantissa: bigint;
  readonly bias: bigint;
  readonly infinity: bigint;
  readonly sign: bigint;
}
const formats: Record<'float32' | 'float64', Format> = {
  float32: { mantissa: 23n, bias: 127n, infinity: 0xffn << 23n, sign: 1n << 31n },
  float64: { mantissa: 52n, bias: 1023n, infinity: 0x7ffn << 52n, sign: 1n << 63n },
};

/** A finite number as an integer times 2^exponent. */
function exact(bits: bigint, { mantissa, bias, infinity, sign }: Format): { value: bigint; exponent: bigint } {
  const size = bits & (sign - 1n);
  const field = (size & infinity) >> mantissa;
  const fraction = size & ((1n << mantissa) - 1n);
  const value = field === 0n ? fraction : fraction | (1n << mantissa);
  return { value: bits & sign ? -value : value, exponent: (field === 0n ? 1n : field) - bias - mantissa };
}

// MXCSR's FTZ makes zero what is below the smallest normal number after it has been rounded, FPCR's FZ what is so before.
const flushesBeforeRounding = process.arch === 'arm64';

/** The bits of value · 2^exponent, to nearest, ties to even; `flushing`: denormal results are 0. */
function nearest(value: bigint, exponent: bigint, { mantissa, bias, infinity, sign }: Format, flushing: boolean): bigint {
  const size = value < 0n ? -value : value;
  const negative = value < 0n ? sign : 0n;
  const least = 1n - bias - mantissa; // the last place of the smallest normal number
  const length = BigInt(size.toString(2).length);
  const rounded = (place: bigint): bigint => {
    if (place <= exponent) return size << (exponent - place);
    const dropped = place - exponent;
    const [whole, rest, half] = [size >> dropped, size & ((1n << dropped) - 1n), 1n << (dropped - 1n)];
    return rest > half || (rest === half && whole & 1n) ? whole + 1n : whole;
  };
  const place = exponent + length - 1n - mantissa; // of the last bit that a format without a least exponent keeps
  const tiny = place < least && (flushesBeforeRounding || place + 1n < least || rounded(place) < 1n << (mantissa + 1n));
  if (flushing && tiny) return negative;
  const last = place > least ? place : least;
  const bits = rounded(last) + ((last - least) << mantissa);
  return negative | (bits > infinity ? infinity : bits);
}

function expected([a, b, c]: readonly bigint[], format: Format, flushing: boolean): bigint {
  const parts = [a!, b!, c!]
    .map((bits) => exact(bits, format))
    .map((part) => {
      const denormal = (part.value < 0n ? -part.value : part.value) < 1n << format.mantissa;
      return flushing && denormal ? { ...part, value: 0n } : part;
    });
  const [x, y, z] = parts as [(typeof parts)[0], (typeof parts)[0], (typeof parts)[0]];
  const exponent = x.exponent + y.exponent;
  const least = exponent < z.exponent ? exponent : z.exponent;
  const sum = ((x.value * y.value) << (exponent - least)) + (z.value << (z.exponent - least));
  if (sum !== 0n) return nearest(sum, least, format, flushing);
  // The accumulator of a product is never −0 before the last link.
  return 0n;
}

const script = beside(import.meta.url, 'fma.child.js');
for (const isa of ['scalar', 'avx2', 'avx512', 'neon'])
  for (const dtype of ['float32', 'float64'] as const)
    for (const mode of ['usual', 'flushing']) {
      test(`a fused multiply-add of ${dtype} is rounded once by ${isa}, denormal numbers ${mode === 'usual' ? 'included' : 'flushed'}`, async (t) => {
        const { isa: used, rows } = await result<{ isa: string; rows: string[][] }>(script, {
          env: { NODEGRAD_ISA: isa },
          args: [dtype, mode],
        });
        if (used !== isa) {
          t.log(`skipped: this CPU has no ${isa}`);
          return t.pass();
        }
        const wrong = rows
          .map((row) => row.map(BigInt))
          .filter((row) => row[3] !== expected(row, formats[dtype], mode === 'flushing'))
          .map((row) => row.map((bits) => `0x${bits.toString(16)}`).join(' '));
        t.deepEqual(wrong.slice(0, 5), [], `${wrong.length} of ${rows.length}`);
        t.is(rows.length, 8000);
      });
    }
