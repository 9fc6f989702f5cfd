// Optimizer updates as operations: in place over slabs, hyperparameters as an operand because they change from step to step.

import type { AnyTensor, Tensor } from '../tensor.js';
import { type Op, defineOp } from './define.js';
import { emitInPlace } from './emit.js';

function defineUpdate(name: string): Op<undefined> {
  return defineOp(name, { shape: () => ({ outputs: [], ints: [], reals: [] }), gradient: 'none' });
}

const sgdOp = defineUpdate('sgd');
const adamOp = defineUpdate('adam');

/** hyper: learning rate, momentum, dampening, weight decay, Nesterov (0/1), first step (0/1). */
export function sgdUpdate(weights: AnyTensor, velocity: AnyTensor, gradients: AnyTensor, hyper: Tensor<'float64'>): void {
  emitInPlace(sgdOp, [weights, velocity], [gradients, hyper], undefined);
}

/** hyper: learning rate, beta1, beta2, eps, weight decay, decoupled (0/1), 1−beta1^t, 1−beta2^t. */
export function adamUpdate(weights: AnyTensor, m: AnyTensor, v: AnyTensor, gradients: AnyTensor, hyper: Tensor<'float64'>): void {
  emitInPlace(adamOp, [weights, m, v], [gradients, hyper], undefined);
}
