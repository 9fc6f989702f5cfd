// Numbers for tests: the same on every machine, every run and every Node, and independent of the library's own generator.

/** mulberry32: 32 bits of state, enough for test data. */
export class Seeded {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number in [0, 1) with 24 bits, so exact in float32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 8) / 16777216;
  }

  /** An integer from 0 to below `count`. */
  integer(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** `count` numbers from [low, high), none within `gap` of a number in `kinks`. */
  uniform(count: number, low = -1, high = 1, kinks: readonly number[] = [], gap = 0.05): Float64Array {
    const result = new Float64Array(count);
    for (let index = 0; index < count; ) {
      const value = low + (high - low) * this.next();
      if (kinks.some((kink) => Math.abs(value - kink) < gap)) continue;
      result[index++] = value;
    }
    return result;
  }

  /** `count` numbers whose mutual distances are at least half the mean spacing: no ties, and no two change places under a small step. */
  distinct(count: number, low = -1, high = 1): Float64Array {
    const spacing = (high - low) / Math.max(1, count);
    const result = Float64Array.from({ length: count }, (_, index) => low + spacing * (index + 0.5 * this.next()));
    for (let index = count - 1; index > 0; index--) {
      const other = this.integer(index + 1);
      [result[index], result[other]] = [result[other], result[index]];
    }
    return result;
  }

  /** `count` standard normal numbers, scaled (Box-Muller; the last bits depend on the engine's Math, which tests may). */
  normal(count: number, mean = 0, deviation = 1): Float64Array {
    const result = new Float64Array(count);
    for (let index = 0; index < count; index += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
      const angle = 2 * Math.PI * this.next();
      result[index] = mean + deviation * radius * Math.cos(angle);
      if (index + 1 < count) result[index + 1] = mean + deviation * radius * Math.sin(angle);
    }
    return result;
  }
}

/** Mean and population standard deviation. */
export function moments(values: ArrayLike<number>): { mean: number; deviation: number } {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index];
  const mean = sum / values.length;
  let squares = 0;
  for (let index = 0; index < values.length; index++) squares += (values[index] - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / values.length) };
}
