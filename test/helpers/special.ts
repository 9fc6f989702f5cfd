// The numbers at which kernels go wrong: not-a-number, infinities, both zeros, the ends of the denormal and normal ranges.

/** Largest finite, smallest normal and smallest denormal number, and the gap after 1, of each floating-point type. */
export const limits = {
  float32: { max: 3.4028234663852886e38, minNormal: 2 ** -126, maxDenormal: 2 ** -126 - 2 ** -149, minDenormal: 2 ** -149, epsilon: 2 ** -23 },
  float64: {
    max: Number.MAX_VALUE,
    minNormal: 2 ** -1022,
    maxDenormal: 2 ** -1022 - Number.MIN_VALUE,
    minDenormal: Number.MIN_VALUE,
    epsilon: Number.EPSILON,
  },
} as const;

/** Half the gap after 1: the largest relative error of one rounding. */
export const unitRoundoff = { float32: 2 ** -24, float64: 2 ** -53 } as const;

/** A value with the name that a failing test prints. */
export interface Special {
  readonly name: string;
  readonly value: number;
}

/** The special values of a floating-point type, each exactly representable in it. */
export function specials(dtype: 'float32' | 'float64'): Special[] {
  const { max, minNormal, maxDenormal, minDenormal, epsilon } = limits[dtype];
  const positive: [string, number][] = [
    ['0', 0],
    ['the smallest denormal', minDenormal],
    ['the largest denormal', maxDenormal],
    ['the smallest normal', minNormal],
    ['1', 1],
    ['the number after 1', 1 + epsilon],
    ['the largest finite', max],
    ['infinity', Infinity],
  ];
  return [
    { name: 'NaN', value: NaN },
    ...positive.flatMap(([name, value]) => [
      { name: `+${name}`, value },
      { name: `-${name}`, value: -value },
    ]),
  ];
}
