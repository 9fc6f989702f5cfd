// Sparse weights: each unit begins with few inputs.

import { type FloatDType, arrayTypes } from '../dtype.js';
import { ArgumentError, ShapeError, checkInteger, checkNumber, checkOptions, describeShape } from '../errors.js';
import { keepNames } from '../names.js';
import { type Random, normalFromWord } from '../random.js';
import { Tensor, checkShape } from '../tensor.js';
import { Initializer } from './initializer.js';

/** Options of {@link Sparse}. */
export interface SparseOptions {
  /** Inputs that a unit has weights for; default 10. */
  inputs?: number;
  /** Share of a unit's inputs that have no weight, rounded up, instead of `inputs`. */
  sparsity?: number;
  /** Standard deviation of the weights that are there; default 0.01. */
  std?: number;
}

/**
 * Normal weights for a few inputs of each unit, drawn at random, and 0 for the others (Martens 2010: a fixed number of inputs). A kernel
 * [height, width, in, out] is taken as the matrix [height·width·in, out].
 *
 * PyTorch's `sparse_` has `sparsity` zeros for each input instead of each unit.
 *
 * @throws {@link ArgumentError} for options outside their range, or both of `inputs` and `sparsity`; `values` throws a {@link ShapeError} for
 *   a parameter of one axis.
 * @example
 * ```ts
 * import { Linear, Sparse } from 'nodegrad';
 * new Linear(784, 100, { init: new Sparse({ inputs: 15 }) });
 * ```
 */
export class Sparse extends Initializer {
  /** Inputs that a unit has weights for; null where `sparsity` says it. */
  readonly inputs: number | null;
  /** Share of a unit's inputs that have no weight; null where `inputs` says it. */
  readonly sparsity: number | null;
  /** Standard deviation of the weights that are there. */
  readonly std: number;

  constructor(options: SparseOptions = {}) {
    super();
    const { inputs, sparsity, std = 0.01 } = checkOptions<SparseOptions>(options, 'options', ['inputs', 'sparsity', 'std']);
    if (inputs !== undefined && sparsity !== undefined) throw new ArgumentError('`inputs` and `sparsity` say the same: give one of them');
    this.sparsity = sparsity === undefined ? null : checkNumber(sparsity, 'options.sparsity', 0, 1);
    this.inputs = sparsity === undefined ? checkInteger(inputs ?? 10, 'options.inputs', 0) : null;
    this.std = checkNumber(std, 'options.std', 0);
  }

  values<D extends FloatDType>(shape: readonly number[], dtype: D, random: Random): Tensor<FloatDType> {
    checkShape(shape);
    if (shape.length < 2) throw new ShapeError(`Sparse is for parameters of two axes and more, received shape ${describeShape(shape)}`);
    const units = shape[shape.length - 1];
    const fan = shape.slice(0, -1).reduce((product, dimension) => product * dimension, 1);
    const kept = Math.min(fan, this.inputs ?? fan - Math.ceil((this.sparsity as number) * fan));
    const values = new arrayTypes[dtype](fan * units);
    for (let unit = 0; unit < units; unit++) {
      for (const input of random.permutation(fan).subarray(0, kept)) values[input * units + unit] = this.std * normalFromWord(random.uint32());
    }
    return Tensor.from(values, shape) as Tensor<FloatDType>;
  }
}

keepNames({ Sparse });
