// Activations, one row each: what the gradient check, the layer contract, the comparison of layer and function and the measure of accuracy need.
import * as lib from '../../lib/index.js';

/** What the kernel of an activation should give. */
export interface ActivationTruth {
  readonly parameters?: readonly number[];
  /** The function and its slope in float64. */
  readonly f: (x: number) => number;
  readonly slope: (x: number) => number;
  /** How many units in the last place of a float32 the function may be off; measured over a thinned sweep of them, rounded up. */
  readonly ulps: (x: number) => number;
  /** What it gives at −∞ and ∞. */
  readonly limits: readonly [number, number];
}

/** One activation under the name of its function. */
export interface ActivationRow {
  /** The operation behind it. */
  readonly op: string;
  /** The function, on either float type. */
  readonly fn: typeof lib.relu;
  /** The layer. */
  readonly layer: () => lib.Layer;
  /** Smallest and largest value of the function of that name, exact to rounding. */
  readonly range?: readonly [number, number];
  /** Where it is not differentiable. */
  readonly kinks?: readonly number[];
  /** Inputs from −wide to wide are checked, too. */
  readonly wide?: number;
  /** What its kernel is measured by. */
  readonly truth?: ActivationTruth;
}

/** Φ(−t) for t ≥ 0: a series below 2, a continued fraction above; good to some 1e-15 of itself. */
function tail(t: number): number {
  const density = Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  if (t < 2) {
    let [sum, term] = [t, t];
    for (let k = 3; term > 1e-19 * sum; k += 2) sum += term *= (t * t) / k;
    return 0.5 - density * sum;
  }
  let fraction = t;
  for (let k = 200; k >= 1; k--) fraction = t + k / fraction;
  return density / fraction;
}
const sigmoid = (x: number): number => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
const cdf = (x: number): number => (x < 0 ? tail(-x) : 1 - tail(x));
const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const root = 2 * Math.sqrt(2 / Math.PI);
const gated = (x: number): number => root * (x + 0.044715 * x ** 3);
const rise = (x: number): number => Math.tanh(x > 20 ? x : Math.log1p(Math.exp(x)));
/** x·f, which is nothing where f is. */
const times = (x: number, f: number): number => (f === 0 ? 0 : x * f);

/** All activations that are functions per element without parameters to learn. */
export const activations: Readonly<Record<string, ActivationRow>> = {
  relu: { range: [0, Infinity], op: 'relu', fn: lib.relu, layer: () => new lib.ReLU(), kinks: [0] },
  sigmoid: { range: [0, 1], op: 'sigmoid', fn: lib.sigmoid, layer: () => new lib.Sigmoid(), wide: 12 },
  tanh: { range: [-1, 1], op: 'tanh', fn: lib.tanh, layer: () => new lib.Tanh(), wide: 6 },
  leakyRelu: {
    range: [-Infinity, Infinity],
    op: 'leaky_relu',
    fn: lib.leakyRelu,
    layer: () => new lib.LeakyReLU(),
    kinks: [0],
    truth: {
      parameters: [0.25],
      f: (x) => (x > 0 ? x : 0.25 * x),
      slope: (x) => (x > 0 ? 1 : 0.25),
      ulps: () => 0.5,
      limits: [-Infinity, Infinity],
    },
  },
  steepRelu: {
    op: 'leaky_relu',
    fn: (x) => lib.leakyRelu(x, { negativeSlope: -2 }),
    layer: () => new lib.LeakyReLU({ negativeSlope: -2 }),
    kinks: [0],
  },
  relu6: { range: [0, 6], op: 'clip', fn: lib.relu6, layer: () => new lib.ReLU6(), kinks: [0, 6], wide: 8 },
  hardTanh: { range: [-1, 1], op: 'clip', fn: lib.hardTanh, layer: () => new lib.HardTanh(), kinks: [-1, 1] },
  hardSigmoid: {
    range: [0, 1],
    op: 'hard_sigmoid',
    fn: lib.hardSigmoid,
    layer: () => new lib.HardSigmoid(),
    kinks: [-3, 3],
    wide: 4,
    truth: { f: (x) => Math.min(6, Math.max(0, x + 3)) / 6, slope: (x) => (Math.abs(x) < 3 ? 1 / 6 : 0), ulps: () => 1.001, limits: [0, 1] },
  },
  hardSwish: {
    range: [-0.375, Infinity],
    op: 'hard_swish',
    fn: lib.hardSwish,
    layer: () => new lib.HardSwish(),
    kinks: [-3, 3],
    wide: 4,
    truth: {
      f: (x) => (x <= -3 ? 0 : x * (Math.min(6, x + 3) / 6)),
      slope: (x) => (x >= 3 ? 1 : x > -3 ? (2 * x + 3) / 6 : 0),
      ulps: () => 0.501,
      limits: [-0, Infinity],
    },
  },
  step: { range: [0, 1], op: 'step', fn: lib.step, layer: () => new lib.Step(), kinks: [0] },
  elu: {
    range: [-1, Infinity],
    op: 'elu',
    fn: lib.elu,
    layer: () => new lib.ELU(),
    kinks: [0],
    wide: 10,
    truth: {
      parameters: [1, 1],
      f: (x) => (x > 0 ? x : Math.expm1(x)),
      slope: (x) => (x > 0 ? 1 : Math.exp(x)),
      ulps: () => 1,
      limits: [-1, Infinity],
    },
  },
  halfElu: { op: 'elu', fn: (x) => lib.elu(x, { alpha: 0.5 }), layer: () => new lib.ELU({ alpha: 0.5 }), kinks: [0] },
  selu: { range: [-1.7580993408473766, Infinity], op: 'elu', fn: lib.selu, layer: () => new lib.SELU(), kinks: [0] },
  celu: {
    range: [-1, Infinity],
    op: 'celu',
    fn: (x) => lib.celu(x, { alpha: 0.7 }),
    layer: () => new lib.CELU({ alpha: 0.7 }),
    kinks: [0],
    wide: 10,
    truth: {
      parameters: [0.5],
      f: (x) => (x > 0 ? x : Math.expm1(2 * x) / 2),
      slope: (x) => (x > 0 ? 1 : Math.exp(2 * x)),
      ulps: () => 1,
      limits: [-0.5, Infinity],
    },
  },
  gelu: {
    range: [-0.16997120747990369, Infinity],
    op: 'gelu',
    fn: lib.gelu,
    layer: () => new lib.GELU(),
    wide: 8,
    truth: {
      f: (x) => times(x, cdf(x)),
      slope: (x) => cdf(x) + times(x, density(x)),
      ulps: () => 1.4,
      limits: [-0, Infinity],
    },
  },
  geluTanh: {
    op: 'gelu_tanh',
    fn: (x) => lib.gelu(x, { approximate: 'tanh' }),
    layer: () => new lib.GELU({ approximate: 'tanh' }),
    wide: 8,
    truth: {
      f: (x) => times(x, sigmoid(gated(x))),
      slope: (x) => sigmoid(gated(x)) + times(x * root * (1 + 3 * 0.044715 * x * x), sigmoid(gated(x)) * sigmoid(-gated(x))),
      ulps: () => 1.3,
      limits: [-0, Infinity],
    },
  },
  swish: {
    range: [-0.27846454276107383, Infinity],
    op: 'swish',
    fn: lib.swish,
    layer: () => new lib.Swish(),
    wide: 12,
    truth: {
      parameters: [1, 1],
      f: (x) => times(x, sigmoid(x)),
      slope: (x) => sigmoid(x) * (1 + times(x, sigmoid(-x))),
      ulps: () => 1.1,
      limits: [-0, Infinity],
    },
  },
  doubleSwish: {
    op: 'swish',
    fn: (x) => lib.swish(x, { beta: 0.3, scale: 2 }),
    layer: () => new lib.Swish({ beta: 0.3, scale: 2 }),
  },
  mish: {
    range: [-0.30884341301725033, Infinity],
    op: 'mish',
    fn: lib.mish,
    layer: () => new lib.Mish(),
    wide: 12,
    truth: {
      f: (x) => times(x, rise(x)),
      slope: (x) => rise(x) + times(x * sigmoid(x), 1 - rise(x) ** 2),
      ulps: () => 1.1,
      limits: [-0, Infinity],
    },
  },
  softplus: {
    range: [0, Infinity],
    op: 'softplus',
    fn: (x) => lib.softplus(x, { beta: 2 }),
    layer: () => new lib.Softplus({ beta: 2 }),
    wide: 12,
    truth: {
      parameters: [1],
      f: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
      slope: sigmoid,
      ulps: () => 1.2,
      limits: [0, Infinity],
    },
  },
  softsign: {
    range: [-1, 1],
    op: 'softsign',
    fn: lib.softsign,
    layer: () => new lib.Softsign(),
    kinks: [0],
    wide: 12,
    truth: { f: (x) => x / (1 + Math.abs(x)), slope: (x) => 1 / (1 + Math.abs(x)) ** 2, ulps: () => 0.51, limits: [-1, 1] },
  },
};
