// Smooth activation layers, the functions of lib/ops/smooth_activations.ts, and the linear function; every export is public.

import type { FloatDType } from '../dtype.js';
import {
  type ELUOptions,
  type GELUOptions,
  type SoftplusOptions,
  type SwishOptions,
  alphaParameter,
  approximatesGelu,
  softplusParameters,
  swishParameters,
} from '../ops/activation_options.js';
import { exp } from '../ops/elementwise.js';
import { celu, elu, gelu, mish, selu, softplus, softsign, swish } from '../ops/smooth_activations.js';
import { Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { registerLayers } from './registry.js';

/**
 * `x` above 0, else `alpha·(eˣ − 1)`. Course rows A30–A34; see {@link elu}.
 *
 * @example
 * ```ts
 * import { ELU, tensor } from 'nodegrad';
 * new ELU({ alpha: 0.5 }).forward(tensor([-1, 2])).toArray(); // [-0.3160602748394012, 2]
 * ```
 */
export class ELU extends Layer {
  /** What the output nears for x → −∞, with a minus sign. */
  readonly alpha: number;

  /** @throws {@link ArgumentError} for an option out of range or unknown. */
  constructor(options: ELUOptions = {}) {
    super();
    [this.alpha] = alphaParameter(options);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return elu(x, { alpha: this.alpha });
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  override config(): unknown {
    return { alpha: this.alpha };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: ELUOptions): ELU {
    return new ELU(config);
  }
}

/**
 * `λ·elu(x, α)` with the constants for which mean 0 and variance 1 stay. Course row A46; see {@link selu}.
 *
 * @example
 * ```ts
 * import { SELU, tensor } from 'nodegrad';
 * new SELU().forward(tensor([-1, 0, 1])).shape; // [3]
 * ```
 */
export class SELU extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return selu(x);
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): SELU {
    return new SELU();
  }
}

/**
 * `x` above 0, else `alpha·(e^(x/alpha) − 1)`. Course row A46; see {@link celu}.
 *
 * @example
 * ```ts
 * import { CELU, tensor } from 'nodegrad';
 * new CELU({ alpha: 2 }).forward(tensor([-1, 2])).toArray(); // [-0.7869386672973633, 2]
 * ```
 */
export class CELU extends Layer {
  /** What the output nears for x → −∞, with a minus sign. */
  readonly alpha: number;

  /** @throws {@link ArgumentError} for an option out of range or unknown. */
  constructor(options: ELUOptions = {}) {
    super();
    [this.alpha] = alphaParameter(options);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return celu(x, { alpha: this.alpha });
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  override config(): unknown {
    return { alpha: this.alpha };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: ELUOptions): CELU {
    return new CELU(config);
  }
}

/**
 * `x·Φ(x)`. Course row A46; see {@link gelu}.
 *
 * @example
 * ```ts
 * import { GELU, tensor } from 'nodegrad';
 * new GELU().forward(tensor([-1, 1])).toArray(); // [-0.15865525603294373, 0.8413447141647339]
 * ```
 */
export class GELU extends Layer {
  /** `'tanh'` for the approximation by tanh. */
  readonly approximate: 'none' | 'tanh';

  /** @throws {@link ArgumentError} for an option out of range or unknown. */
  constructor(options: GELUOptions = {}) {
    super();
    this.approximate = approximatesGelu(options) ? 'tanh' : 'none';
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return gelu(x, { approximate: this.approximate });
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  override config(): unknown {
    return { approximate: this.approximate };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: GELUOptions): GELU {
    return new GELU(config);
  }
}

/**
 * `scale·x·σ(beta·x)`; with the defaults also called SiLU. Course row A42; see {@link swish}.
 *
 * @example
 * ```ts
 * import { Swish, tensor } from 'nodegrad';
 * new Swish().forward(tensor([1, -1])).toArray(); // [0.7310585975646973, -0.2689414322376251]
 * ```
 */
export class Swish extends Layer {
  /** How sharply the sigmoid rises. */
  readonly beta: number;
  /** Factor of the whole. */
  readonly scale: number;

  /** @throws {@link ArgumentError} for an option out of range or unknown. */
  constructor(options: SwishOptions = {}) {
    super();
    [this.beta, this.scale] = swishParameters(options);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return swish(x, { beta: this.beta, scale: this.scale });
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  override config(): unknown {
    return { beta: this.beta, scale: this.scale };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: SwishOptions): Swish {
    return new Swish(config);
  }
}

/**
 * `x·tanh(log(1 + eˣ))`. Course row A46; see {@link mish}.
 *
 * @example
 * ```ts
 * import { Mish, tensor } from 'nodegrad';
 * new Mish().forward(tensor([-1, 0, 1])).shape; // [3]
 * ```
 */
export class Mish extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return mish(x);
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): Mish {
    return new Mish();
  }
}

/**
 * `log(1 + e^(beta·x)) / beta`. Course row A46; see {@link softplus}.
 *
 * @example
 * ```ts
 * import { Softplus, tensor } from 'nodegrad';
 * new Softplus().forward(tensor([0, 100])).toArray(); // [0.6931471824645996, 100]
 * ```
 */
export class Softplus extends Layer {
  /** How closely the function follows ReLU. */
  readonly beta: number;

  /** @throws {@link ArgumentError} for an option out of range or unknown. */
  constructor(options: SoftplusOptions = {}) {
    super();
    [this.beta] = softplusParameters(options);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return softplus(x, { beta: this.beta });
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  override config(): unknown {
    return { beta: this.beta };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: SoftplusOptions): Softplus {
    return new Softplus(config);
  }
}

/**
 * `x / (1 + |x|)`. Course row A46; see {@link softsign}.
 *
 * @example
 * ```ts
 * import { Softsign, tensor } from 'nodegrad';
 * new Softsign().forward(tensor([-1, 0, 1])).shape; // [3]
 * ```
 */
export class Softsign extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return softsign(x);
  }
  override get initializerHint(): 'xavier' {
    return 'xavier';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): Softsign {
    return new Softsign();
  }
}

/**
 * The linear function `x`: input and gradient pass unchanged. Course row A40.
 *
 * @example
 * ```ts
 * import { Identity, tensor } from 'nodegrad';
 * new Identity().forward(tensor([-1, 2])).toArray(); // [-1, 2]
 * ```
 */
export class Identity extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return Tensor.check(x, 'x') as Tensor<D>;
  }
  override get initializerHint(): 'through' {
    return 'through';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): Identity {
    return new Identity();
  }
}

/**
 * `exp(x)`, the last layer of a model that learned logarithms, such as {@link TargetScaler} puts there.
 *
 * @example
 * ```ts
 * import { Exp, tensor } from 'nodegrad';
 * new Exp().forward(tensor([0, 1])).toArray(); // [1, 2.718…]
 * ```
 */
export class Exp extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return exp(x);
  }
  override get initializerHint(): 'xavier' {
    return 'xavier';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): Exp {
    return new Exp();
  }
}

registerLayers({ ELU, SELU, CELU, GELU, Swish, Mish, Softplus, Softsign, Identity, Exp });
