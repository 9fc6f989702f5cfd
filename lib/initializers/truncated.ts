// Numbers of a normal distribution without its tails, by the inverse of its distribution function.

import { type FloatDType, arrayTypes } from '../dtype.js';
import { type Random, normalFromWord } from '../random.js';
import { Tensor } from '../tensor.js';

/** The share of a normal distribution below two standard deviations under its mean. */
const tail = 0.022750131948179209;

/** Standard deviation of what is left of a standard normal distribution between −2 and 2. */
export const truncatedDeviation = 0.87962566103423978;

/** Numbers around `mean`, at most 2·`std` away. */
export function truncatedTensor(shape: readonly number[], mean: number, std: number, dtype: FloatDType, random: Random): Tensor<FloatDType> {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  const values = new arrayTypes[dtype](size);
  const [low, width] = [tail * 2 ** 32, (1 - 2 * tail) * 2 ** 32];
  // The function takes a word as a place from 0 to 2³², fractions too.
  for (let i = 0; i < size; i++) values[i] = mean + std * normalFromWord(low + width * random.uniform53() - 0.5);
  return Tensor.from(values, shape) as Tensor<FloatDType>;
}
