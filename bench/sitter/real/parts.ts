// What the real programs are written with: optimizers, layers and faults by short names.

import type { Case, Fault } from '../cases.js';
import type { LayerSpec } from '../layers.js';
import type { OptimizerSpec, Program } from '../program.js';

export const adam = (lr = 1e-3): OptimizerSpec => ({ name: 'adam', lr });
export const rmsprop = (lr = 1e-3): OptimizerSpec => ({ name: 'rmsprop', lr });
export const sgd = (lr = 0.01, momentum = 0): OptimizerSpec => ({ name: 'sgd', lr, ...(momentum > 0 && { momentum, nesterov: true }) });

export const fault = (name: string, ...accepts: Fault['accepts']): Fault => ({ name, accepts });
export const pool = { maxPool: 2 } as const;
/** A convolution that keeps the image's size. */
export const conv = (filters: number, kernelSize = 3): LayerSpec => ({ conv: filters, kernelSize, same: true });
export const linear = (units: number): LayerSpec => ({ linear: units });
/** Fully connected layers with an activation behind each. */
export const dense = (activation: LayerSpec, ...units: number[]): LayerSpec[] => units.flatMap((count) => [linear(count), activation]);

export const tooShort = fault('epochs', 'stopped-too-early', 'underfitting');
export const tooSlow = fault('learning rate', 'learning-rate-too-low', 'underfitting');
export const oneSoftmax = fault('softmax over one unit', 'softmax-over-one-unit');
export const wrongLoss = (...also: Fault['accepts']): Fault => fault('loss', 'mse-for-classes', 'targets-against-loss', ...also);

/** A faulty program, and the fix that worked: what it changes. */
export function sick(id: string, facts: Omit<Program, 'seed'>, faults: readonly Fault[], fix: Partial<Program> | null): Case {
  const program: Program = { init: 'glorot', ...facts, seed: 1 };
  return { id, truth: 'sick', isReal: true, program, faults, healthy: fix === null ? null : { ...program, ...fix } };
}

export const shownByLoss = (...given: Parameters<typeof sick>): Case => ({ ...sick(...given), shows: 'loss' });

export const doubtful = (...given: Parameters<typeof sick>): Case => ({ ...sick(...given), truth: 'doubtful' });

/** A program that works. */
export function healthy(id: string, facts: Omit<Program, 'seed'>): Case {
  const program: Program = { init: 'glorot', ...facts, seed: 1 };
  return { id, truth: 'healthy', program, faults: [], healthy: program, isReal: true };
}
