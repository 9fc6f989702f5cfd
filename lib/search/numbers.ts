// Exponential, logarithm and normal distribution of + − · / alone: a study's numbers are the same in every engine.

/** ln 2 in two parts: multiples of the first are exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;

/** `e^x`, to the last bit or nearly. */
export function exponential(x: number): number {
  if (x > 709.7) return Number.POSITIVE_INFINITY;
  if (x < -745) return 0;
  const power = Math.round(x / Math.LN2);
  const rest = x - power * LN2_HIGH - power * LN2_LOW;
  let sum = 1;
  for (let n = 16; n >= 1; n--) sum = 1 + (rest / n) * sum;
  for (let left = Math.abs(power); left > 0; left -= 512) sum *= powerOfTwo(power < 0 ? -Math.min(512, left) : Math.min(512, left));
  return sum;
}

function powerOfTwo(exponent: number): number {
  let [result, square] = [1, exponent < 0 ? 0.5 : 2];
  for (let rest = Math.abs(exponent); rest > 0; rest = Math.floor(rest / 2), square *= square) if (rest % 2 === 1) result *= square;
  return result;
}

/** Natural logarithm of x > 0: x = m·2^e, ln m = 2 artanh((m − 1) / (m + 1)). −∞ at 0. */
export function logarithm(x: number): number {
  if (x === 0) return Number.NEGATIVE_INFINITY;
  if (x === Number.POSITIVE_INFINITY) return x;
  let exponent = 0;
  for (; x < Math.SQRT1_2; x *= 2) exponent -= 1;
  for (; x > Math.SQRT2; x /= 2) exponent += 1;
  const s = (x - 1) / (x + 1);
  const q = s * s;
  let series = 1 / 23;
  for (let odd = 21; odd >= 1; odd -= 2) series = series * q + 1 / odd;
  return exponent * LN2_HIGH + (exponent * LN2_LOW + 2 * s * series);
}

/** `ln Σ e^x`, without overflow. */
export function logSumExp(values: readonly number[]): number {
  const largest = Math.max(...values);
  if (largest === Number.NEGATIVE_INFINITY) return largest;
  return largest + logarithm(values.reduce((sum, value) => sum + exponential(value - largest), 0));
}

/** The normal distribution function Φ(z), to 8 · 10⁻⁸ (Abramowitz & Stegun 26.2.17). */
export function normalDistribution(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const polynomial = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (exponential((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
  return z > 0 ? 1 - tail : tail;
}
