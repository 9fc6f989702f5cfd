// Activation layers: the functions of lib/ops/activations.ts as layers; every export is public.

import type { FloatDType } from '../dtype.js';
import { relu, sigmoid, tanh } from '../ops/activations.js';
import type { Tensor } from '../tensor.js';
import { Layer } from './layer.js';
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

registerLayers({ ReLU, Sigmoid, Tanh });
