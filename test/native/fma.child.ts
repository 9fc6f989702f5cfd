// Prints fused multiply-adds at the borders of a format with what they gave: rows of the bits of a, b, c and a·b + c.
import { info, setFlushDenormals, setReproducible, tensor } from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';

const [dtype, mode] = process.argv.slice(2) as ['float32' | 'float64', string | undefined];
const format = dtype === 'float32' ? { mantissa: 23, bias: 127 } : { mantissa: 52, bias: 1023 };
const random = new Seeded(25);
setReproducible();
setFlushDenormals(mode === 'flushing');

const last = 2 ** -format.mantissa;

/** ±mantissa · 2^exponent, also where that is denormal. */
function scaled(mantissa: number, exponent: number): number {
  const normal = Math.max(exponent, 1 - format.bias);
  const size = mantissa * 2 ** normal * 2 ** (exponent - normal);
  return random.integer(2) ? size : -size;
}

/** A mantissa with few ones at its ends or many anywhere. */
const mantissa = (): number =>
  [1, 1 + last, 2 - last, 1 + last * random.integer(8), 2 - last * (1 + random.integer(8)), 1 + random.next()][random.integer(6)]!;

const between = (low: number, high: number): number => low + random.integer(high - low + 1);
const [least, most] = [1 - format.bias - format.mantissa, format.bias];
const clamped = (exponent: number): number => Math.max(least, Math.min(most, exponent));
const Numbers = dtype === 'float32' ? Float32Array : Float64Array;
const rows: string[][] = [];
for (let i = 0; i < 8000; i++) {
  const first = between(least, most);
  if (i % 4 === 3) {
    // Half of the addend's last place, less or more by less than a format of twice the digits has room for.
    const [k, place] = [last * between(1, 4), between(1 - format.bias - 3, 1 - format.bias + 3)];
    const half = Math.max(place, 1 - format.bias) - format.mantissa - 1;
    const [m, n, sum] = random.integer(2) ? [1 + k, 2 - 2 * k, half - 1] : [1 + k, 1 + k, half];
    add(scaled(m, half >> 1), scaled(n, sum - (half >> 1)), scaled(mantissa(), place));
    continue;
  }
  // The product lies anywhere, at the least numbers, or at the largest; the addend beside it, far below it or above it.
  const [sum, distance] = [
    [between(2 * least, 2 * most), between(least - 3, 2 - format.bias + 3), between(most - 2, most)][i % 4]!,
    [between(-3, 3), between(-2 * format.mantissa - 4, 2 * format.mantissa + 4), between(-300, 300)][random.integer(3)]!,
  ];
  add(
    scaled(mantissa(), first),
    scaled(mantissa(), clamped(sum - first)),
    random.integer(9) === 0 ? 0 : scaled(mantissa(), clamped(sum + distance)),
  );
}

/** a·b + c. The accumulator starts from zero: c·1 is the first link of the chain, a·b the second. */
function add(...values: [number, number, number]): void {
  const [a, b, c] = Numbers.of(...values) as Float64Array;
  const [x, w] = [tensor([[c!, a!]], { dtype }), tensor([[1], [b!]], { dtype })];
  rows.push([a!, b!, c!, x.matmul(w).item()].map(bitsOf));
}
console.log(JSON.stringify({ isa: info().isa, rows }));

function bitsOf(x: number): string {
  const view = new DataView(new ArrayBuffer(8));
  if (dtype === 'float64') view.setFloat64(0, x);
  else view.setFloat32(4, x);
  return `0x${view.getBigUint64(0).toString(16)}`;
}
