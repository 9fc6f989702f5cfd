// What of a model is frozen: taken down by paths, and put back.

import type { AnyLayer } from '../layers/layer.js';

/** What is out of training, as plain data. */
export interface Frozen {
  /** Paths of parameters that are not trained. */
  readonly frozen: readonly string[];
  /** Paths of layers that {@link Layer.freeze} was called on. */
  readonly frozenLayers: readonly string[];
}

/** What of a model is out of training. */
export function frozenOf(model: AnyLayer): Frozen {
  return {
    frozen: [...model.namedParameters()].filter(([, { isTrained }]) => !isTrained).map(([path]) => path),
    frozenLayers: [...model.namedLayers()].filter(([, { frozen }]) => frozen).map(([path]) => path),
  };
}

/** Takes the same out of training that was, and everything else into it. */
export function restoreFrozen(model: AnyLayer, { frozen, frozenLayers }: Frozen): void {
  const [parameters, layers] = [frozen, frozenLayers].map((paths) => new Set(paths));
  for (const [path, parameter] of model.namedParameters()) parameter.isTrained = !parameters.has(path);
  for (const [path, layer] of model.namedLayers()) layer.frozen = layers.has(path);
}
