// A check inside a step: where a loss is not finite, nothing behind it runs.

import type { AnyTensor } from '../tensor.js';
import { defineOp } from './define.js';
import { emitInPlace } from './emit.js';

const requireFiniteOp = defineOp('require_finite', {
  shape: () => ({ outputs: [], ints: [], reals: [] }),
  gradient: 'none',
});

/** How a step's refusal begins when {@link requireFinite} was the reason. */
export const notFinite = '[require_finite]';

/** Ends the step here, before anything that stays is written, where an element of `x` is NaN or infinite. */
export function requireFinite(x: AnyTensor): void {
  emitInPlace(requireFiniteOp, [], [x], undefined);
}
