// Quasi-random search: points of a Sobol sequence, scrambled, which leave fewer gaps than random ones.

import { ArgumentError } from '../errors.js';
import { keepNames } from '../names.js';
import { Random } from '../random.js';
import { type Params, type Space, paramsAt } from './space.js';
import { Sampler, type StudyView } from './strategy.js';

/**
 * Primitive polynomials and first direction numbers of Joe & Kuo ("Constructing Sobol sequences with better two-dimensional projections",
 * SIAM J. Sci. Comput. 2008): degree, inner coefficients as bits, m1, m2, …; of the dimensions behind the first.
 */
const table: readonly (readonly [degree: number, bits: number, ...m: number[]])[] = [
  [1, 0, 1],
  [2, 1, 1, 3],
  [3, 1, 1, 3, 1],
  [3, 2, 1, 1, 1],
  [4, 1, 1, 1, 3, 3],
  [4, 4, 1, 3, 5, 13],
  [5, 2, 1, 1, 5, 5, 17],
  [5, 4, 1, 1, 5, 5, 5],
  [5, 7, 1, 1, 7, 11, 19],
  [5, 11, 1, 1, 5, 1, 1],
  [5, 13, 1, 1, 1, 3, 11],
  [5, 14, 1, 3, 5, 5, 31],
  [6, 1, 1, 3, 3, 9, 7, 49],
  [6, 13, 1, 1, 1, 15, 21, 21],
  [6, 16, 1, 3, 1, 13, 27, 49],
  [6, 19, 1, 1, 1, 15, 7, 5],
  [6, 22, 1, 3, 1, 15, 13, 25],
  [6, 25, 1, 1, 5, 5, 19, 61],
  [7, 1, 1, 3, 7, 11, 23, 15, 103],
  [7, 4, 1, 3, 7, 13, 13, 15, 69],
];

const bits = 32;

/** The direction numbers of each dimension, one for each bit of an index, from the lowest. */
const directions: readonly Uint32Array[] = [
  Uint32Array.from({ length: bits }, (_, i) => 1 << (bits - 1 - i)),
  ...table.map(([degree, coefficients, ...m]) => {
    const v = Uint32Array.from({ length: bits }, (_, i) => (i < degree ? m[i] << (bits - 1 - i) : 0));
    for (let i = degree; i < bits; i++) {
      v[i] = v[i - degree] ^ (v[i - degree] >>> degree);
      for (let k = 1; k < degree; k++) if ((coefficients >> (degree - 1 - k)) & 1) v[i] ^= v[i - k];
    }
    return v;
  }),
];

/** Coordinate `dimension` of point `index`, as a whole number of 32 bits. */
export function sobolWord(index: number, dimension: number): number {
  let word = 0;
  for (let i = 0, rest = index; rest > 0; rest = Math.floor(rest / 2), i++) if (rest % 2 === 1) word ^= directions[dimension][i];
  return word >>> 0;
}

function reversed(word: number): number {
  let result = 0;
  for (let i = 0; i < bits; i++) result = (result << 1) | ((word >>> i) & 1);
  return result >>> 0;
}

/**
 * Owen's nested scrambling by a hash (Burley, "Practical hash-based Owen scrambling", JCGT 2020): each bit is turned over or not by what
 * stands above it, so that every stretch of 2^k points stays as even as it was.
 */
function scrambled(word: number, key: number): number {
  let x = (reversed(word) + key) >>> 0;
  for (const factor of [0x6c50b47c, 0xb82f1e52, 0xc7afe638, 0x8d22f6e6]) x = (x ^ Math.imul(x, factor)) >>> 0;
  return reversed(x);
}

/** Parameters that the table reaches. */
const mostDimensions = directions.length;

/**
 * Quasi-random search: the points of a Sobol sequence (direction numbers of Joe & Kuo, Owen scrambling from the seed), for up to 21
 * parameters. Of 2^k trials each of 2^k equal stretches of every range gets exactly one.
 *
 * @example
 * ```ts
 * import { SobolSearch, search, space } from 'nodegrad';
 * await search({ x: space.uniform(-1, 1) }, ({ x }) => x * x, { strategy: new SobolSearch(), trials: 16 });
 * ```
 */
export class SobolSearch extends Sampler {
  draw({ space, seed, number }: StudyView): Params {
    const names = Object.keys(space);
    return paramsAt(space, (name) => {
      const key = new Random(seed, `search/sobol/${name}`).uint32();
      return scrambled(sobolWord(number, names.indexOf(name)), key) / 2 ** 32;
    });
  }

  /** @throws {ArgumentError} for more than 21 parameters. */
  override check(space: Space): void {
    const count = Object.keys(space).length;
    if (count > mostDimensions) throw new ArgumentError(`the Sobol sequence here has ${mostDimensions} dimensions, and the space has ${count}`);
  }
}

keepNames({ SobolSearch });
