// Activation layers, the functions of lib/ops/activations.ts, and PReLU with the slope that it learns; every export is public.

import type { FloatDType } from '../dtype.js';
import { Constant } from '../initializers/constant.js';
import { type HardTanhOptions, type LeakyReLUOptions, hardTanhParameters, leakyReluParameters } from '../ops/activation_options.js';
import { hardSigmoid, hardSwish, hardTanh, leakyRelu, prelu, relu, relu6, sigmoid, step, tanh } from '../ops/activations.js';
import { integer, number, readOptions } from '../options.js';
import { Parameter } from '../parameter.js';
import type { Tensor } from '../tensor.js';
import { Layer, type PyTorchItem } from './layer.js';
import { registerLayers } from './registry.js';

/**
 * `max(0, x)`. Course rows A11–A13; see {@link relu}.
 *
 * @example
 * ```ts
 * import { Linear, ReLU, Sequential } from 'nodegrad';
 * new Sequential([new Linear(784, 256), new ReLU(), new Linear(256, 10)]);
 * ```
 */
export class ReLU extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return relu(x);
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  override get canDie(): true {
    return true;
  }
  /** The layer that `config()` describes. */
  static fromConfig(): ReLU {
    return new ReLU();
  }
}

/**
 * `1 / (1 + e⁻ˣ)`. Course rows A01–A06; see {@link sigmoid}.
 *
 * @example
 * ```ts
 * import { Linear, Sequential, Sigmoid } from 'nodegrad';
 * new Sequential([new Linear(2, 8), new Sigmoid(), new Linear(8, 1)]);
 * ```
 */
export class Sigmoid extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return sigmoid(x);
  }
  override get initializerHint(): 'xavier' {
    return 'xavier';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): Sigmoid {
    return new Sigmoid();
  }
}

/**
 * Hyperbolic tangent. Course rows A09, A10; see {@link tanh}.
 *
 * @example
 * ```ts
 * import { Linear, Sequential, Tanh } from 'nodegrad';
 * new Sequential([new Linear(2, 8), new Tanh(), new Linear(8, 1)]);
 * ```
 */
export class Tanh extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return tanh(x);
  }
  override get initializerHint(): 'xavier' {
    return 'xavier';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): Tanh {
    return new Tanh();
  }
}

/**
 * `max(0, x) + negativeSlope·min(0, x)`. Course rows A26, A27; see {@link leakyRelu}.
 *
 * @example
 * ```ts
 * import { LeakyReLU, tensor } from 'nodegrad';
 * new LeakyReLU({ negativeSlope: 0.25 }).forward(tensor([-2, 3])).toArray(); // [-0.5, 3]
 * ```
 */
export class LeakyReLU extends Layer {
  /** Slope below 0. */
  readonly negativeSlope: number;

  /** @throws {@link ArgumentError} for an option out of range or unknown. */
  constructor(options: LeakyReLUOptions = {}) {
    super();
    [this.negativeSlope] = leakyReluParameters(options);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return leakyRelu(x, { negativeSlope: this.negativeSlope });
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  override config(): unknown {
    return { negativeSlope: this.negativeSlope };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: LeakyReLUOptions): LeakyReLU {
    return new LeakyReLU(config);
  }
}

/** Options of {@link PReLU}. */
export interface PReLUOptions {
  /** One slope a channel of this many (the last axis), or one for all with 1. Default 1. */
  channels?: number;
  /** Where the slopes start. Default 0.25. */
  init?: number;
}

/**
 * `max(0, x) + alpha·min(0, x)` with a learned `alpha`, one for all or one a channel. Weight decay pulls `alpha` towards ReLU: leave it out of
 * decay. Course rows A28, A29; see {@link prelu}.
 *
 * @example
 * ```ts
 * import { PReLU } from 'nodegrad';
 * new PReLU().alpha.shape; // [1]
 * new PReLU({ channels: 64 }).alpha.shape; // [64]
 * ```
 */
export class PReLU extends Layer {
  /** Slopes below 0, shape [channels]. */
  readonly alpha: Parameter;
  /** How many slopes there are. */
  readonly channels: number;
  readonly #init: number;

  /** @throws {@link ArgumentError} for an option out of range or unknown. */
  constructor(options: PReLUOptions = {}) {
    super();
    const { channels, init } = readOptions(options, { channels: [1, integer(1, 2 ** 31 - 1)], init: [0.25, number()] });
    [this.channels, this.#init] = [channels, init];
    this.alpha = new Parameter([channels], { init: new Constant(init) });
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return prelu(x, this.alpha as unknown as Tensor<D>);
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  override get pytorchItems(): Readonly<Record<string, PyTorchItem>> {
    return { alpha: { name: 'weight' } };
  }
  override config(): unknown {
    return { channels: this.channels, init: this.#init };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: PReLUOptions): PReLU {
    return new PReLU(config);
  }
}

/**
 * `min(max(0, x), 6)`. Course row A46; see {@link relu6}.
 *
 * @example
 * ```ts
 * import { ReLU6, tensor } from 'nodegrad';
 * new ReLU6().forward(tensor([-1, 0, 1])).shape; // [3]
 * ```
 */
export class ReLU6 extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return relu6(x);
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  override get canDie(): true {
    return true;
  }
  /** The layer that `config()` describes. */
  static fromConfig(): ReLU6 {
    return new ReLU6();
  }
}

/**
 * `min(max(x, min), max)`. Course row A46; see {@link hardTanh}.
 *
 * @example
 * ```ts
 * import { HardTanh, tensor } from 'nodegrad';
 * new HardTanh().forward(tensor([-2, 0.5, 2])).toArray(); // [-1, 0.5, 1]
 * ```
 */
export class HardTanh extends Layer {
  /** Least output. */
  readonly min: number;
  /** Largest output. */
  readonly max: number;

  /** @throws {@link ArgumentError} for an option out of range or unknown. */
  constructor(options: HardTanhOptions = {}) {
    super();
    [this.min, this.max] = hardTanhParameters(options);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return hardTanh(x, { min: this.min, max: this.max });
  }
  override get initializerHint(): 'xavier' {
    return 'xavier';
  }
  override config(): unknown {
    return { min: this.min, max: this.max };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: HardTanhOptions): HardTanh {
    return new HardTanh(config);
  }
}

/**
 * `min(max(x + 3, 0), 6) / 6`. Course row A46; see {@link hardSigmoid}.
 *
 * @example
 * ```ts
 * import { HardSigmoid, tensor } from 'nodegrad';
 * new HardSigmoid().forward(tensor([-1, 0, 1])).shape; // [3]
 * ```
 */
export class HardSigmoid extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return hardSigmoid(x);
  }
  override get initializerHint(): 'xavier' {
    return 'xavier';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): HardSigmoid {
    return new HardSigmoid();
  }
}

/**
 * `x·hardSigmoid(x)`. Course row A46; see {@link hardSwish}.
 *
 * @example
 * ```ts
 * import { HardSwish, tensor } from 'nodegrad';
 * new HardSwish().forward(tensor([-1, 0, 1])).shape; // [3]
 * ```
 */
export class HardSwish extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return hardSwish(x);
  }
  override get initializerHint(): 'he' {
    return 'he';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): HardSwish {
    return new HardSwish();
  }
}

/**
 * 0 below 0, 1 from 0 on; nothing before it learns. Course row A41; see {@link step}.
 *
 * @example
 * ```ts
 * import { Step, tensor } from 'nodegrad';
 * new Step().forward(tensor([-1, 0, 1])).shape; // [3]
 * ```
 */
export class Step extends Layer {
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return step(x);
  }
  override get initializerHint(): 'xavier' {
    return 'xavier';
  }
  /** The layer that `config()` describes. */
  static fromConfig(): Step {
    return new Step();
  }
}

registerLayers({ ReLU, Sigmoid, Tanh, LeakyReLU, PReLU, ReLU6, HardTanh, HardSigmoid, HardSwish, Step });
