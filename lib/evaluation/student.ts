// The t distribution, and the chance of coin tosses, with sums and square roots alone.

/** The angle whose tangent is x ≥ 0: halved until it is small, then by its series. */
function arctangent(x: number): number {
  if (x > 1) return Math.PI / 2 - arctangent(1 / x);
  let [small, factor] = [x, 1];
  while (small > 0.1) [small, factor] = [small / (1 + Math.sqrt(1 + small * small)), factor * 2];
  let [sum, power] = [0, small];
  for (let k = 1; k < 24; k += 2) [sum, power] = [sum + power / k, -power * small * small];
  return factor * sum;
}

/** The probability that |T| ≤ |t| for T of Student's distribution with a whole number of degrees of freedom: finite sums by the angle. */
export function studentWithin(t: number, degrees: number): number {
  if (!Number.isFinite(t)) return Number.isNaN(t) ? Number.NaN : 1;
  const size = Math.abs(t);
  const squaredCosine = degrees / (degrees + size * size);
  const sine = size / Math.sqrt(degrees + size * size);
  const isOdd = degrees % 2 === 1;
  let term = isOdd ? Math.sqrt(squaredCosine) : 1;
  let sum = 0;
  for (let k = isOdd ? 1 : 0; k <= degrees - 2; k += 2) {
    sum += term;
    term *= (squaredCosine * (k + 1)) / (k + 2);
  }
  return isOdd ? (2 / Math.PI) * (arctangent(size / Math.sqrt(degrees)) + sine * sum) : sine * sum;
}

/** The t that |T| does not exceed with this probability. */
export function studentQuantile(confidence: number, degrees: number): number {
  let high = 1;
  while (studentWithin(high, degrees) < confidence) high *= 2;
  let low = 0;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (studentWithin(middle, degrees) < confidence) low = middle;
    else high = middle;
  }
  return high;
}

/** The probability that of `one + other` tosses of a fair coin heads and tails differ at least as much as these. */
export function signTest(one: number, other: number): number {
  const [few, all] = [Math.min(one, other), one + other];
  if (all === 0 || one === other) return 1;
  // Binomial coefficients by the largest one.
  let [term, half, tail] = [1, 0, 0];
  const middle = Math.floor(all / 2);
  for (let k = middle; k >= 0; k--) {
    half += k === all - k ? term / 2 : term;
    if (k <= few) tail += term;
    term *= k / (all - k + 1);
  }
  return Math.min(1, tail / half);
}
