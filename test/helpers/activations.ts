// Activations, one row each: what the gradient check, the layer contract and the comparison of layer and function need to know.
import { type Layer, ReLU, relu, Sigmoid, sigmoid, Tanh, tanh } from '../../lib/index.js';

/** One activation under the name of its operation. */
export interface ActivationRow {
  /** The function, on either float type. */
  readonly fn: typeof relu;
  /** The layer. */
  readonly layer: () => Layer;
  /** Where it is not differentiable. */
  readonly kinks?: readonly number[];
  /** Inputs from −wide to wide are checked, too. */
  readonly wide?: number;
}

/** All activations. */
export const activations: Readonly<Record<string, ActivationRow>> = {
  relu: { fn: relu, layer: () => new ReLU(), kinks: [0] },
  sigmoid: { fn: sigmoid, layer: () => new Sigmoid(), wide: 12 },
  tanh: { fn: tanh, layer: () => new Tanh(), wide: 6 },
};
