// A run as it was at some step, in memory: to measure how far weights went, and to go back to when it went wrong.

import type { AnyLayer } from '../layers/layer.js';
import { touch } from '../ops/emit.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { Movement } from './evidence.js';

/** Numbers of each weight that are compared. */
const mostNumbers = 4096;

/** Some numbers of each weight at a step. */
export class Trace {
  readonly #weights: readonly { readonly path: string; readonly weight: AnyTensor; readonly numbers: Float64Array }[];

  constructor(
    model: AnyLayer,
    readonly step: number,
    readonly lr: number,
  ) {
    this.#weights = [...model.namedParameters()]
      .filter(([, { requiresGrad, rank }]) => requiresGrad && rank >= 2)
      .map(([path, weight]) => ({ path, weight, numbers: numbersOf(weight) }));
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

function numbersOf({ data, size }: AnyTensor): Float64Array {
  const count = Math.min(size, mostNumbers);
  return Float64Array.from({ length: count }, (_, i) => data[Math.floor((i * size) / count)]);
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
