// Tensors without memory: what a step's function sees while it is recorded.

import type { DType, TypedArrayOf } from '../dtype.js';
import { unrecordable } from '../recording.js';
import { Tensor } from '../tensor.js';

/** A tensor that stands for a value of a step to come. Reading it is an error that says what to do instead. */
export class SymbolicTensor<D extends DType = DType> extends Tensor<D> {
  constructor(
    shape: readonly number[],
    dtype: D,
    /** Number of the memory it lies in, counted by the recorder. */
    readonly buffer: number,
    /** First element in that memory. */
    readonly offset: number,
    /** The recording that it belongs to. */
    readonly recorder: { readonly isOver: boolean },
  ) {
    super(null, shape, dtype);
  }

  protected override materialize(): TypedArrayOf<D> {
    if (this.recorder.isOver) {
      return unrecordable('this tensor was kept from the recording of a step, and has no values: return it from the step and use the result');
    }
    return unrecordable(
      'a tensor was read while the step is being recorded: it has no values yet. Return it from the step and read the result, ' +
        'compute with operations instead of numbers (where() instead of if), or train with fit({ eager: true })',
    );
  }
}
