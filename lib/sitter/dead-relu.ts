// The share of ReLU units that are dead, layer by layer and in total, with the numbers of the units.

import type { AnyLayer } from '../layers/layer.js';
import type { AnyTensor } from '../tensor.js';
import { peaksOf } from './readings.js';

/** What {@link deadReluFraction} finds in one layer. */
export interface DeadReluLayer {
  /** Path of the ReLU layer. */
  readonly path: string;
  /** Share of its units that are dead, from 0 to 1. */
  readonly fraction: number;
  /** Numbers of the dead units, in the order of the layer's output without the batch axis. */
  readonly units: readonly number[];
}

/** What {@link deadReluFraction} finds. */
export interface DeadReluReport {
  /** Share of all ReLU units that are dead, from 0 to 1; 0 without any. */
  readonly total: number;
  /** Layer by layer, in the order of the forward pass. */
  readonly layers: readonly DeadReluLayer[];
}

/**
 * The share of ReLU units that are zero for every example: no gradient reaches them any more. Show it all training data: a zero in one batch
 * is no death. A trained net may have 10 to 20 % of them; many more point at a learning rate that was too high. Course rows A19–A23.
 *
 * @param model - A model with `ReLU` or `ReLU6` layers; it is looked at in evaluation mode.
 * @param batches - Inputs to look at, after the model's preprocessing, as for `forward`: `model.preprocessing.transform(x)`.
 * @throws {@link ArgumentError} when `batches` cannot be iterated.
 * @example
 * ```ts
 * import { deadReluFraction, mlp, zeros } from 'nodegrad';
 * deadReluFraction(mlp(), [zeros([64, 28, 28, 1])]).layers[0].path; // '2'
 * ```
 */
export function deadReluFraction(model: AnyLayer, batches: Iterable<AnyTensor>): DeadReluReport {
  let [dead, all] = [0, 0];
  const layers = [...peaksOf(model, batches)].map(([path, { data }]) => {
    const units = Array.from(data.keys()).filter((unit) => data[unit] === 0);
    dead += units.length;
    all += data.length;
    return { path, fraction: units.length / data.length, units };
  });
  return { total: all === 0 ? 0 : dead / all, layers };
}
