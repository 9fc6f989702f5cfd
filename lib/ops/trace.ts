// A forward pass by shapes alone: nothing is computed, no memory is taken, no parameter draws its values.

import type { DType } from '../dtype.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { Op } from './define.js';
import type { Destination } from './destination.js';
import { withDestination, withoutGradients } from './emit.js';

/** What a trace tells as it goes. */
export interface TraceObserver {
  /** An operation would have run. */
  execute(op: Op<unknown>, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[]): void;
  /** A view was taken of the memory of `input`. */
  view(input: AnyTensor, output: AnyTensor): void;
}

const hollow = (shape: readonly number[], dtype: DType): AnyTensor => Tensor.wrap(null as never, shape, dtype);

/** Runs `body` on tensors that have shapes and no values. */
export function trace<R>(
  inputs: readonly { readonly shape: readonly number[]; readonly dtype: DType }[],
  observer: TraceObserver,
  body: (...inputs: AnyTensor[]) => R,
): R {
  const destination: Destination = {
    isHollow: true,
    allocate: ({ shape, dtype }) => hollow(shape, dtype),
    view(input, shape) {
      const output = hollow(shape, input.dtype);
      observer.view(input, output);
      return output;
    },
    execute: (op, outputs, operands) => observer.execute(op, outputs, operands),
    perStep() {},
    liveInput: (size, dtype) => hollow([size], dtype) as never,
    guarded: (_bit, _when, run) => run(),
    holdsWhile() {},
  };
  return withDestination(destination, () => withoutGradients(() => body(...inputs.map(({ shape, dtype }) => hollow(shape, dtype)))));
}
