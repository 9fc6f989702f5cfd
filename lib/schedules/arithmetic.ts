// Powers and cosines of + − · / alone: the same bits in every engine, which Math.pow and Math.cos do not promise.

/** `base^exponent` for whole exponents from 0, by repeated squaring. */
export function power(base: number, exponent: number): number {
  let result = 1;
  for (let square = base, rest = exponent; rest > 0; rest = Math.floor(rest / 2), square *= square) if (rest % 2 === 1) result *= square;
  return result;
}

// The Taylor series of the sine around 0, for |x| ≤ π/4, to the last bit or nearly.
function sine(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 2; n <= 20; n += 2) {
    term *= -(x * x) / (n * (n + 1));
    sum += term;
  }
  return sum;
}

/** `(1 + cos(π·x)) / 2` for x from 0 to 1: falls from 1 to 0 along half a wave. It is cos²(π·x/2). */
export function halfWave(x: number): number {
  const angle = (Math.PI * x) / 2;
  if (x > 0.5) {
    const root = sine((Math.PI * (1 - x)) / 2);
    return root * root;
  }
  const root = sine(angle);
  return 1 - root * root;
}

/** `from` at share 0, `to` at share 1, exactly, and in a line between. */
export function between(from: number, to: number, share: number): number {
  return share <= 0 ? from : share >= 1 ? to : from + (to - from) * share;
}

/** `from` at share 0, `to` at share 1, exactly, and along half a cosine wave between. */
export function alongCosine(from: number, to: number, share: number): number {
  return share <= 0 ? from : share >= 1 ? to : to + (from - to) * halfWave(share);
}
