// Activations, one row each: what the gradient check, the layer contract and the comparison of layer and function need to know.
import * as lib from '../../lib/index.js';

/** One activation under the name of its function. */
export interface ActivationRow {
  /** The operation behind it. */
  readonly op: string;
  /** The function, on either float type. */
  readonly fn: typeof lib.relu;
  /** The layer. */
  readonly layer: () => lib.Layer;
  /** Where it is not differentiable. */
  readonly kinks?: readonly number[];
  /** Inputs from −wide to wide are checked, too. */
  readonly wide?: number;
}

/** All activations that are functions per element without parameters to learn. */
export const activations: Readonly<Record<string, ActivationRow>> = {
  relu: { op: 'relu', fn: lib.relu, layer: () => new lib.ReLU(), kinks: [0] },
  sigmoid: { op: 'sigmoid', fn: lib.sigmoid, layer: () => new lib.Sigmoid(), wide: 12 },
  tanh: { op: 'tanh', fn: lib.tanh, layer: () => new lib.Tanh(), wide: 6 },
  leakyRelu: { op: 'leaky_relu', fn: lib.leakyRelu, layer: () => new lib.LeakyReLU(), kinks: [0] },
  steepRelu: {
    op: 'leaky_relu',
    fn: (x) => lib.leakyRelu(x, { negativeSlope: -2 }),
    layer: () => new lib.LeakyReLU({ negativeSlope: -2 }),
    kinks: [0],
  },
  relu6: { op: 'clip', fn: lib.relu6, layer: () => new lib.ReLU6(), kinks: [0, 6], wide: 8 },
  hardTanh: { op: 'clip', fn: lib.hardTanh, layer: () => new lib.HardTanh(), kinks: [-1, 1] },
  hardSigmoid: { op: 'hard_sigmoid', fn: lib.hardSigmoid, layer: () => new lib.HardSigmoid(), kinks: [-3, 3], wide: 4 },
  hardSwish: { op: 'hard_swish', fn: lib.hardSwish, layer: () => new lib.HardSwish(), kinks: [-3, 3], wide: 4 },
  step: { op: 'step', fn: lib.step, layer: () => new lib.Step(), kinks: [0] },
  elu: { op: 'elu', fn: lib.elu, layer: () => new lib.ELU(), kinks: [0], wide: 10 },
  halfElu: { op: 'elu', fn: (x) => lib.elu(x, { alpha: 0.5 }), layer: () => new lib.ELU({ alpha: 0.5 }), kinks: [0] },
  selu: { op: 'elu', fn: lib.selu, layer: () => new lib.SELU(), kinks: [0] },
  celu: { op: 'celu', fn: (x) => lib.celu(x, { alpha: 0.7 }), layer: () => new lib.CELU({ alpha: 0.7 }), kinks: [0], wide: 10 },
  gelu: { op: 'gelu', fn: lib.gelu, layer: () => new lib.GELU(), wide: 8 },
  geluTanh: {
    op: 'gelu_tanh',
    fn: (x) => lib.gelu(x, { approximate: 'tanh' }),
    layer: () => new lib.GELU({ approximate: 'tanh' }),
    wide: 8,
  },
  swish: { op: 'swish', fn: lib.swish, layer: () => new lib.Swish(), wide: 12 },
  doubleSwish: {
    op: 'swish',
    fn: (x) => lib.swish(x, { beta: 0.3, scale: 2 }),
    layer: () => new lib.Swish({ beta: 0.3, scale: 2 }),
  },
  mish: { op: 'mish', fn: lib.mish, layer: () => new lib.Mish(), wide: 12 },
  softplus: { op: 'softplus', fn: (x) => lib.softplus(x, { beta: 2 }), layer: () => new lib.Softplus({ beta: 2 }), wide: 12 },
  softsign: { op: 'softsign', fn: lib.softsign, layer: () => new lib.Softsign(), kinks: [0], wide: 12 },
};
