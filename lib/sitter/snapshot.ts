// A run as it was at some step, in memory: to measure how far weights went, and to go back to when it went wrong.

import type { AnyLayer } from '../layers/layer.js';
import { copiesOf, loadState } from '../layers/state.js';
import { touch } from '../ops/emit.js';
import { sampleOf, sampledCopy, sumSquaresDifference } from '../ops/statistics.js';
import type { Optimizer, OptimizerState } from '../optimizers/optimizer.js';
import { ScaledSchedule } from '../schedules/scaled.js';
import { type AnyTensor, noGrad } from '../tensor.js';
import type { Movement } from './evidence.js';

/** Weights at a step; of large ones a sample. */
export class Trace {
  readonly #weights: readonly { readonly path: string; readonly weight: AnyTensor; readonly before: AnyTensor }[];

  /** @param before - What was copied of the weights then, by path; default: what they are now. */
  constructor(
    model: AnyLayer,
    readonly step: number,
    readonly lr: number,
    before: ReadonlyMap<string, AnyTensor> = new Map(),
  ) {
    this.#weights = [...model.namedParameters()]
      .filter(([, { requiresGrad, rank }]) => requiresGrad && rank >= 2)
      .map(([path, weight]) => ({ path, weight, before: before.get(path) ?? noGrad(() => sampledCopy(weight)) }));
  }

  /** What was copied of the weights, by path. */
  get before(): ReadonlyMap<string, AnyTensor> {
    return new Map(this.#weights.map(({ path, before }) => [path, before]));
  }

  /** How far the weights have gone since, by their norms then. */
  since(step: number): Movement {
    const weights = this.#weights.map(({ path, weight, before }) => {
      const [moved, size] = noGrad(() => sumSquaresDifference(sampleOf(weight), before)).map(({ data }) => data[0]);
      return { path, ratio: moved === 0 ? 0 : Math.sqrt(moved / size), distance: Math.sqrt(moved / before.size) };
    });
    return { steps: step - this.step, lr: this.lr, weights };
  }
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
  const state = optimizer.stateDict();
  return { weights: copiesOf(model.stateDict()), optimizer: { ...state, tensors: copiesOf(state.tensors) } };
}

/** Puts model and optimizer back to where a copy was taken. */
export function putBack({ weights, optimizer: state }: Snapshot, model: AnyLayer, optimizer: Optimizer): void {
  for (const [i, { options }] of optimizer.groups.entries()) {
    const was = state.groups[i]['lr'] as { readonly schedule: string; readonly factor: number } | number | undefined;
    if (!(options.lr instanceof ScaledSchedule) || typeof was !== 'object') continue;
    // A schedule that has been scaled since.
    const { inner } = options.lr;
    options.lr = was.schedule === 'ScaledSchedule' ? new ScaledSchedule(inner, { factor: was.factor }) : inner;
  }
  loadState(model, weights as Map<string, AnyTensor>, {}, () => {}); // they are the model's own
  optimizer.loadStateDict(state);
  for (const parameter of model.parameters()) touch(parameter);
}

/** Tensors with `prefix` before their names. */
export function prefixed(prefix: string, tensors: ReadonlyMap<string, AnyTensor>): [name: string, tensor: AnyTensor][] {
  return [...tensors].map(([name, one]) => [prefix + name, one]);
}
