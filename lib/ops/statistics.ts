// Norms and statistics, in float64 whatever the input: what clips gradients and what observed steps report. They leave no tape.

import type { AnyTensor, Tensor } from '../tensor.js';
import { type Op, defineOp } from './define.js';
import { requireFloat } from './elementwise.js';
import { emitOne } from './emit.js';

function defineSquares(name: string): Op<undefined> {
  return defineOp(name, {
    shape: (inputs) => {
      requireFloat(name, inputs);
      return { outputs: [{ shape: [1], dtype: 'float64' }], ints: [], reals: [] };
    },
    gradient: 'none',
  });
}

const sumSquaresOp = defineSquares('sum_squares');
const sumSquaresDifferenceOp = defineSquares('sum_squares_difference');

/** Σ x² over all elements, of shape [1]. */
export function sumSquares(x: AnyTensor): Tensor<'float64'> {
  return emitOne(sumSquaresOp, [x], undefined);
}

/** Σ (a − b)² over all elements, of shape [1]. */
export function sumSquaresDifference(a: AnyTensor, b: AnyTensor): Tensor<'float64'> {
  return emitOne(sumSquaresDifferenceOp, [a, b], undefined);
}
