// A run as it was at some step, in memory: to measure how far weights went, and to go back to when it went wrong.

import type { AnyLayer } from '../layers/layer.js';
import { touch } from '../ops/emit.js';
import { sampleOf, sampledCopy, sumSquaresDifference } from '../ops/statistics.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import type { Movement } from './evidence.js';

/** Weights at a step; of large ones a sample. */
export class Trace {
  readonly #weights: readonly { readonly path: string; readonly weight: AnyTensor; readonly before: AnyTensor }[];

  constructor(
    model: AnyLayer,
    readonly step: number,
    readonly lr: number,
  ) {
    this.#weights = [...model.namedParameters()]
      .filter(([, { requiresGrad, rank }]) => requiresGrad && rank >= 2)
      .map(([path, weight]) => ({ path, weight, before: noGrad(() => sampledCopy(weight)) }));
  }

  /** How far the weights have gone since, by their norms then. */
  since(step: number): Movement {
    const weights = this.#weights.map(({ path, weight, before }) => {
      const [moved, size] = noGrad(() => sumSquaresDifference(sampleOf(weight), before)).map(({ data }) => data[0]);
      return { path, ratio: moved === 0 ? 0 : Math.sqrt(moved / size) };
    });
    return { steps: step - this.step, lr: this.lr, weights };
  }
}

/** Keeps model and optimizer as they are now; calling the result puts them back. */
export function keepRun(model: AnyLayer, optimizer: Optimizer): () => void {
  const copy = (tensors: ReadonlyMap<string, AnyTensor>): Map<string, AnyTensor> =>
    new Map([...tensors].map(([name, { data, shape }]) => [name, Tensor.from(data.slice() as Float32Array, [...shape])]));
  const weights = copy(model.stateDict());
  const state = optimizer.stateDict();
  const tensors = copy(state.tensors);
  return () => {
    model.loadStateDict(weights);
    optimizer.loadStateDict({ ...state, tensors });
    for (const parameter of model.parameters()) touch(parameter);
  };
}
