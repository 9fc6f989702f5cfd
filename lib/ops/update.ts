// Optimizer updates as operations: in place over slabs, hyperparameters as an operand because they change from step to step.

import { type AnyTensor, Tensor } from '../tensor.js';
import { type Op, defineOp, definedOp } from './define.js';
import { emitInPlace } from './emit.js';

/** Binds a rule of native/kernels/optimizers.def. Passes make it clear its gradients (ints: 1) and scale them (one operand more). */
export function defineUpdate(name: string): Op<undefined> {
  return (
    (definedOp(name) as Op<undefined> | undefined) ?? defineOp(name, { shape: () => ({ outputs: [], ints: [0], reals: [] }), gradient: 'none' })
  );
}

const none = { float32: Tensor.from(new Float32Array(0)), float64: Tensor.from(new Float64Array(0)) };

/** What an update works on: all of one length, state in the rule's order, null where it is left out. */
export interface UpdateTargets {
  weights: AnyTensor;
  state: readonly (AnyTensor | null)[];
  gradients: AnyTensor;
}

/** hyper: learning rate, weight decay, whether that is decoupled (0/1), then the rule's own. */
export function emitUpdate(op: Op<undefined>, { weights, state, gradients }: UpdateTargets, hyper: Tensor<'float64'>): void {
  const empty = none[weights.dtype as 'float32'];
  emitInPlace(op, [weights, ...state.map((one) => one ?? empty)], [gradients, hyper], undefined);
}
