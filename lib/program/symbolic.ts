// Tensors without memory: what a step's function sees while it is recorded.

import type { DType, TypedArrayOf } from '../dtype.js';
import { ArgumentError } from '../errors.js';
import { Tensor } from '../tensor.js';
import { keepNames } from '../names.js';

/** A step's function did what cannot be written down. */
export class UnrecordableError extends ArgumentError {}

/** A tensor that stands for a value of a step to come. Reading it is an error that says what to do instead. */
export class SymbolicTensor<D extends DType = DType> extends Tensor<D> {
  constructor(
    shape: readonly number[],
    dtype: D,
    /** Number of the memory it lies in, counted by the recorder. */
    readonly buffer: number,
    /** First element in that memory. */
    readonly offset: number,
  ) {
    super(null, shape, dtype);
  }

  protected override materialize(): TypedArrayOf<D> {
    throw new UnrecordableError(
      'a tensor was read while the step is being recorded: it has no values yet. Return it from the step and read the result, ' +
        'compute with operations instead of numbers (where() instead of if), or train with fit({ eager: true })',
    );
  }
}

keepNames({ UnrecordableError });
