// Orthogonal weights: directions that do not mix, and lengths that stay.

import { type FloatDType, arrayTypes } from '../dtype.js';
import { ShapeError, describeShape } from '../errors.js';
import { keepNames } from '../names.js';
import { number, readOptions } from '../options.js';
import { type Random, normalFromWord } from '../random.js';
import { Tensor, checkShape } from '../tensor.js';
import { Initializer } from './initializer.js';

/** Options of {@link Orthogonal}. */
export interface OrthogonalOptions {
  /** Length of each direction; default 1. √2 before ReLU. */
  gain?: number;
}

/**
 * A random matrix with orthonormal columns, or rows where there are fewer of them, times `gain` (Saxe, McClelland and Ganguli 2013; course
 * row C25). A kernel [height, width, in, out] is taken as the matrix [height·width·in, out].
 *
 * It is the Q of A = Q·R for a normal matrix A, the one whose R has a positive diagonal: without that sign rule the matrices would not
 * be spread evenly (Mezzadri 2007). Computed in float64.
 *
 * @throws {@link ArgumentError} for unknown options; `values` throws a {@link ShapeError} for a parameter of one axis.
 * @example
 * ```ts
 * import { Linear, Orthogonal } from 'nodegrad';
 * new Linear(500, 500, { init: new Orthogonal({ gain: Math.SQRT2 }) });
 * ```
 */
export class Orthogonal extends Initializer {
  /** Length of each direction. */
  readonly gain: number;

  constructor(options: OrthogonalOptions = {}) {
    super();
    this.gain = readOptions(options, { gain: [1, number()] }).gain;
  }

  values<D extends FloatDType>(shape: readonly number[], dtype: D, random: Random): Tensor<FloatDType> {
    checkShape(shape);
    if (shape.length < 2) throw new ShapeError(`Orthogonal is for parameters of two axes and more, received shape ${describeShape(shape)}`);
    const columns = shape[shape.length - 1];
    const rows = shape.slice(0, -1).reduce((product, dimension) => product * dimension, 1);
    const isTall = rows >= columns;
    const [count, length] = isTall ? [columns, rows] : [rows, columns];
    const vectors = orthonormal(count, length, random);
    const values = new arrayTypes[dtype](rows * columns);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) values[i * columns + j] = this.gain * (isTall ? vectors[j][i] : vectors[i][j]);
    return Tensor.from(values, shape) as Tensor<FloatDType>;
  }
}

/** `count` orthonormal vectors: Gram and Schmidt's method, each vector twice, which is as good as reflections (Giraud et al. 2005). */
function orthonormal(count: number, length: number, random: Random): Float64Array[] {
  const vectors: Float64Array[] = [];
  for (let i = 0; i < count; i++) {
    const vector = Float64Array.from({ length }, () => normalFromWord(random.uint32()));
    for (let round = 0; round < 2; round++) {
      for (const other of vectors) {
        let dot = 0;
        for (let k = 0; k < length; k++) dot += vector[k] * other[k];
        for (let k = 0; k < length; k++) vector[k] -= dot * other[k];
      }
    }
    let squares = 0;
    for (let k = 0; k < length; k++) squares += vector[k] * vector[k];
    const norm = Math.sqrt(squares);
    vectors.push(vector.map((value) => value / norm));
  }
  return vectors;
}

keepNames({ Orthogonal });
