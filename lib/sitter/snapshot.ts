// A run as it was at some step, in memory: to measure how far weights went, and to go back to when it went wrong.

import type { AnyLayer } from '../layers/layer.js';
import { touch } from '../ops/emit.js';
import type { Optimizer, OptimizerState } from '../optimizers/optimizer.js';
import { ScaledSchedule } from '../schedules/scaled.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { Movement } from './evidence.js';

/** Numbers of each weight that are compared. */
const mostNumbers = 4096;

/** Some numbers of each weight at a step. */
export class Trace {
  readonly #weights: readonly Traced[];

  /** @param of - The model, or what is traced of it. */
  constructor(
    of: AnyLayer | readonly Traced[],
    readonly step: number,
    readonly lr: number,
  ) {
    this.#weights = Array.isArray(of) ? of : tracedOf(of as AnyLayer);
  }

  /** The same from where another one began, whose tensors are given. */
  from({ step, lr }: { readonly step: number; readonly lr: number }, tensors: ReadonlyMap<string, AnyTensor>): Trace {
    const weights = this.#weights.map((one) => ({ ...one, numbers: Float64Array.from(tensors.get(`trace.${one.path}`)?.data ?? one.numbers) }));
    return new Trace(weights, step, lr);
  }

  /** The numbers, for checkpoints. */
  stateTensors(): Map<string, AnyTensor> {
    return new Map(this.#weights.map(({ path, numbers }) => [`trace.${path}`, Tensor.from(numbers) as AnyTensor]));
  }

  /** How far the weights have gone since, by their norms then. */
  since(step: number): Movement {
    const weights = this.#weights.map(({ path, weight, numbers }) => {
      const now = numbersOf(weight);
      let [moved, size] = [0, 0];
      for (const [i, before] of numbers.entries()) {
        moved += (now[i] - before) * (now[i] - before);
        size += before * before;
      }
      return { path, ratio: moved === 0 ? 0 : Math.sqrt(moved / size) };
    });
    return { steps: step - this.step, lr: this.lr, weights };
  }
}

/** Some numbers of a weight. */
interface Traced {
  readonly path: string;
  readonly weight: AnyTensor;
  readonly numbers: Float64Array;
}

function tracedOf(model: AnyLayer): Traced[] {
  return [...model.namedParameters()]
    .filter(([, { requiresGrad, rank }]) => requiresGrad && rank >= 2)
    .map(([path, weight]) => ({ path, weight, numbers: numbersOf(weight) }));
}

function numbersOf({ data, size }: AnyTensor): Float64Array {
  const count = Math.min(size, mostNumbers);
  return Float64Array.from({ length: count }, (_, i) => data[Math.floor((i * size) / count)]);
}

/** A copy of model and optimizer as they were between two steps. */
export interface Snapshot {
  /** Weights and buffers, by path. */
  readonly weights: ReadonlyMap<string, AnyTensor>;
  /** State of the optimizer. */
  readonly optimizer: OptimizerState;
}

/** Takes a copy of model and optimizer as they are now. */
export function snapshotOf(model: AnyLayer, optimizer: Optimizer): Snapshot {
  const copy = (tensors: ReadonlyMap<string, AnyTensor>): Map<string, AnyTensor> =>
    new Map([...tensors].map(([name, { data, shape }]) => [name, Tensor.from(data.slice() as Float32Array, [...shape])]));
  const state = optimizer.stateDict();
  return { weights: copy(model.stateDict()), optimizer: { ...state, tensors: copy(state.tensors) } };
}

/** Puts model and optimizer back to where a copy was taken. */
export function putBack({ weights, optimizer: state }: Snapshot, model: AnyLayer, optimizer: Optimizer): void {
  for (const [i, { options }] of optimizer.groups.entries()) {
    // A schedule that has been scaled since.
    const was = (state.groups[i]['lr'] as { schedule?: unknown } | number) ?? 0;
    if (options.lr instanceof ScaledSchedule && typeof was === 'object' && was.schedule !== 'ScaledSchedule') options.lr = options.lr.inner;
  }
  model.loadStateDict(weights as Map<string, AnyTensor>);
  optimizer.loadStateDict(state);
  for (const parameter of model.parameters()) touch(parameter);
}
