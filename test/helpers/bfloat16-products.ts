// Products of bfloat16 numbers by their definition (native/ops/gemm_bfloat16.h), one number at a time in float64: what native code is compared with.

const word = new Float64Array(1);
const halves = new Uint32Array(word.buffer);

/** x + y rounded to odd: rounded once more, to float32, it is the nearest one to x + y. */
function sumToOdd(x: number, y: number): number {
  const sum = x + y;
  if (!Number.isFinite(sum)) return sum;
  const back = sum - x;
  const rest = x - (sum - back) + (y - back);
  word[0] = sum;
  if (rest === 0 || (halves[0] & 1) === 1) return sum;
  if (rest > 0 === sum > 0) halves[0]++;
  else if (halves[0]-- === 0) halves[1]--;
  return word[0];
}

/** Nearest float32, and zero where that has a smaller exponent than float32 knows. */
function flushed(x: number): number {
  if (!(Math.abs(x) < 2 ** -126)) return Math.fround(x);
  const nearest = Math.fround(x * 2 ** 100); // as if there were smaller exponents
  if (Math.abs(nearest) >= 2 ** -26) return nearest * 2 ** -100;
  return x < 0 || Object.is(x, -0) ? -0 : 0;
}

/** a·b + c, rounded once. A product of two bfloat16 numbers is exact in float64. */
const fma = (a: number, b: number, c: number): number => flushed(sumToOdd(a * b, c));
const add = (a: number, b: number): number => flushed(sumToOdd(a, b));
const operand = (x: number): number => (Math.abs(x) < 2 ** -126 ? x * 0 : x);

function block(a: readonly number[], b: readonly number[], from: number, to: number): number {
  let c = 0;
  for (let step = from; step < to; step += 32) {
    const sums = [0, 0];
    for (let k = 0; k < 32; k++) {
      const inside = step + k < to;
      sums[k % 2] = fma(inside ? operand(a[step + k]) : 0, inside ? operand(b[step + k]) : 0, sums[k % 2]);
    }
    c = add(c, add(sums[0], sums[1]));
  }
  return c;
}

/** Σ a·b in float32. */
export function productOfBfloat16(a: readonly number[], b: readonly number[]): number {
  const k = a.length;
  if (k <= 4096) return block(a, b, 0, k);
  let sums: number[] = [];
  for (let from = 0; from < k; from += 2048) sums.push(block(a, b, from, Math.min(k, from + 2048)));
  while (sums.length > 1) {
    const next: number[] = [];
    for (let i = 0; i < sums.length; i += 2) next.push(i + 1 < sums.length ? Math.fround(sums[i] + sums[i + 1]) : sums[i]);
    sums = next;
  }
  return sums[0];
}
