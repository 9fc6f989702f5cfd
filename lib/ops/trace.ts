// A forward pass by shapes alone: nothing is computed, no memory is taken, no parameter draws its values.

import type { DType } from '../dtype.js';
import { ArgumentError } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { Op, Plan } from './define.js';
import type { Destination } from './destination.js';
import { withDestination, withoutGradients } from './emit.js';

/** What a trace tells as it goes. */
export interface TraceObserver {
  /** An operation would have run. */
  execute(op: Op<unknown>, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], plan: Plan): void;
  /** A view was taken of the memory of `input`, from element `offset`. */
  view(input: AnyTensor, output: AnyTensor, offset: number): void;
  /** An operand would be filled anew for each step, such as the counter of random numbers. */
  draws?(): void;
}

/** A tensor of a trace: it has a shape and no values. */
class HollowTensor<D extends DType = DType> extends Tensor<D> {
  constructor(shape: readonly number[], dtype: D) {
    super(null, shape, dtype);
  }

  protected override materialize(): never {
    throw new ArgumentError(
      'a tensor was read while forward() runs by shapes alone, and has no values: compute with operations instead of numbers (where() instead of if)',
    );
  }
}

const hollow = (shape: readonly number[], dtype: DType): AnyTensor => new HollowTensor(shape, dtype) as AnyTensor;

/** Whether a tensor is one of a trace. */
export const isHollow = (tensor: AnyTensor): boolean => tensor instanceof HollowTensor;

/** Runs `body` on tensors that have shapes and no values. */
export function trace<R>(
  inputs: readonly { readonly shape: readonly number[]; readonly dtype: DType }[],
  observer: TraceObserver,
  body: (...inputs: AnyTensor[]) => R,
): R {
  const destination: Destination = {
    isHollow: true,
    allocate: ({ shape, dtype }) => hollow(shape, dtype),
    view(input, shape, offset) {
      const output = hollow(shape, input.dtype);
      observer.view(input, output, offset);
      return output;
    },
    execute: (op, outputs, operands, plan) => observer.execute(op, outputs, operands, plan),
    perStep() {},
    liveInput(size, dtype) {
      observer.draws?.();
      return hollow([size], dtype) as never;
    },
    guarded: (_bit, _when, run) => run(),
    holdsWhile() {},
  };
  return withDestination(destination, () => withoutGradients(() => body(...inputs.map(({ shape, dtype }) => hollow(shape, dtype)))));
}
