// Layers that drop at random in training: values, channels, weights; and noise.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkNumber, describeShape, expected } from '../errors.js';
import { called } from '../ops/called.js';
import { add, greater, mul, requireFloat, where } from '../ops/elementwise.js';
import { checkFeatures, linear, matmul } from '../ops/matmul.js';
import { dropout, normalTensor } from '../ops/random.js';
import { filled } from '../ops/shape.js';
import { type OptionList, probability, readOptions } from '../options.js';
import { Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { Linear, type LinearOptions, linearOptions } from './linear.js';
import { registerLayers } from './registry.js';

/** What dropouts have in common: a probability, a stream of their own, and nothing to do in evaluation. */
abstract class DropLayer extends Layer {
  /** Probability of dropping. */
  readonly p: number;
  /** @internal The stream of masks. */
  readonly masks = this.stream('dropout');

  /** @param p - Probability of dropping, from 0 to 1. Default 0.5. */
  constructor(p = 0.5) {
    super();
    this.p = checkNumber(p, 'p', 0, 1);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    return !this.training || this.p === 0 ? input : this.drop(input);
  }

  /** @internal What training does. */
  protected abstract drop<D extends FloatDType>(x: Tensor<D>): Tensor<D>;

  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { p: this.p };
  }
}

/**
 * In training, zeroes each element with probability `p` and scales the others by `1/(1−p)`; in evaluation, does nothing.
 *
 * Each layer draws from a stream of its own, whoever calls it, and goes on in it from call to call; the mask is regenerated in backward from its counter. Course rows
 * F06–F08, P16: `p` is the probability of DROPPING.
 *
 * @example
 * ```ts
 * import { Dropout, ones } from 'nodegrad';
 * new Dropout(0.5).eval().forward(ones([4])).toArray(); // [1, 1, 1, 1]
 * ```
 */
export class Dropout extends DropLayer {
  protected drop<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return dropout(x, this.p, { random: this.masks });
  }

  /** The layer that `config()` describes. */
  static fromConfig(config: { p: number }): Dropout {
    return new Dropout(config.p);
  }
}

/** Drops whole channels of each example: what a convolution puts out has neighbours that tell nearly the same. */
abstract class ChannelDropout extends DropLayer {
  /** @internal Axes of an input, and what they are called. */
  protected abstract readonly axes: readonly string[];

  protected drop<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const { name } = this.constructor;
    if (x.rank !== this.axes.length)
      throw new ShapeError(`[${name}] expected [${this.axes.join(', ')}], received shape ${describeShape(x.shape)}`);
    requireFloat(name, [x]);
    const shape = x.shape.map((side, axis) => (axis === 0 || axis === x.rank - 1 ? side : 1));
    return called(name, () => mul(x, dropout(filled(shape, 1, x.dtype), this.p, { random: this.masks })));
  }
}

/**
 * Dropout of whole channels of sequences [N, length, channels] (Tompson et al., 2015): in training, all places of a channel of an example are zeroed
 * together with probability `p`, the others scaled by `1/(1−p)`; in evaluation, nothing is done.
 *
 * @example
 * ```ts
 * import { Dropout1d, ones } from 'nodegrad';
 * new Dropout1d(0.5).forward(ones([8, 20, 16])).shape; // [8, 20, 16]
 * ```
 */
export class Dropout1d extends ChannelDropout {
  protected readonly axes = ['N', 'length', 'channels'];
  /** The layer that `config()` describes. */
  static fromConfig(config: { p: number }): Dropout1d {
    return new Dropout1d(config.p);
  }
}

/**
 * Dropout of whole channels of images [N, height, width, channels] (Tompson et al., 2015; also called spatial dropout): in training, all pixels of
 * a channel of an example are zeroed together with probability `p`, the others scaled by `1/(1−p)`; in evaluation, nothing is done.
 *
 * @example
 * ```ts
 * import { Conv2d, Dropout2d, ReLU, Sequential } from 'nodegrad';
 * new Sequential([new Conv2d(3, 16, 3), new ReLU(), new Dropout2d(0.2)]);
 * ```
 */
export class Dropout2d extends ChannelDropout {
  protected readonly axes = ['N', 'height', 'width', 'channels'];
  /** The layer that `config()` describes. */
  static fromConfig(config: { p: number }): Dropout2d {
    return new Dropout2d(config.p);
  }
}

/** What SELU tends to far below 0, −λα: the value that alpha dropout puts in the place of what it drops. */
const seluFloor = -1.7580993408473766;

/**
 * Dropout for SELU (Klambauer et al., 2017): in training, each element becomes `α′ = −1.7581` with probability `p`, and all are then scaled and
 * shifted, `a·x + b` with `a = (q + α′²·q·p)^(−1/2)`, `b = −a·p·α′`, `q = 1 − p`, so that mean 0 and variance 1 stay; in evaluation, nothing
 * is done.
 *
 * @example
 * ```ts
 * import { AlphaDropout, ones } from 'nodegrad';
 * new AlphaDropout(0.1).forward(ones([4, 8])).shape; // [4, 8]
 * ```
 */
export class AlphaDropout extends DropLayer {
  /** @param p - Probability of dropping, from 0 to below 1. Default 0.5. */
  constructor(p = 0.5) {
    super(p);
    if (p === 1) throw new ArgumentError(expected('a number from 0 to below 1', 'p', p));
  }

  protected drop<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    requireFloat('AlphaDropout', [x]);
    const { p } = this;
    const [keep, floor] = [1 - p, seluFloor];
    const scale = 1 / Math.sqrt(keep + floor * floor * keep * p);
    const kept = greater(dropout(filled(x.shape, 1, x.dtype), p, { random: this.masks }), 0);
    return add(mul(where(kept, x, floor), scale), -scale * p * floor);
  }

  /** The layer that `config()` describes. */
  static fromConfig(config: { p: number }): AlphaDropout {
    return new AlphaDropout(config.p);
  }
}

/** Options of {@link DropConnect}. */
export interface DropConnectOptions extends LinearOptions {
  /** Probability of dropping a weight, from 0 to 1. Default 0.5. */
  readonly p?: number;
}

const dropConnectOptions = { ...linearOptions, p: [0.5, probability] } satisfies OptionList<DropConnectOptions>;

/**
 * A {@link Linear} whose weights are dropped instead of its inputs (Wan et al., 2013): in training, `y = x·(M ⊙ W)/(1−p) + b` with a new mask M for
 * each step, the same for all examples of its batch; in evaluation, all weights as they are. Course row F09.
 *
 * @example
 * ```ts
 * import { DropConnect, ones } from 'nodegrad';
 * new DropConnect(100, 10, { p: 0.3 }).forward(ones([32, 100])).shape; // [32, 10]
 * ```
 */
export class DropConnect extends Linear {
  /** Probability of dropping a weight. */
  readonly p: number;
  /** @internal The stream of masks. */
  readonly masks = this.stream('dropconnect');

  /**
   * @param inFeatures - Size of the last input dimension.
   * @param outFeatures - Number of units.
   */
  constructor(inFeatures: number, outFeatures: number, options: DropConnectOptions = {}) {
    const { p, ...others } = readOptions(options, dropConnectOptions);
    super(inFeatures, outFeatures, others);
    this.p = p;
  }

  override forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    if (!this.training || this.p === 0) return super.forward(x);
    const input = Tensor.check(x, 'x') as unknown as Tensor;
    checkFeatures(input, this.weight);
    const weight = dropout(this.weight, this.p, { random: this.masks });
    if (this.bias !== null) return linear(input, weight, this.bias) as unknown as Tensor<D>;
    const rows = input.reshape([-1, this.inFeatures]);
    return matmul(rows, weight).reshape([...input.shape.slice(0, -1), this.outFeatures]) as unknown as Tensor<D>;
  }

  /** @internal Constructor arguments as JSON. */
  override config(): unknown {
    return { ...(super.config() as object), p: this.p };
  }
  /** The layer that `config()` describes. */
  static override fromConfig(config: { inFeatures: number; outFeatures: number; bias: boolean; p: number }): DropConnect {
    return new DropConnect(config.inFeatures, config.outFeatures, { bias: config.bias, p: config.p });
  }
}

/**
 * Adds normal noise of mean 0 in training, `x + N(0, std²)`; in evaluation, does nothing. Behind the inputs it keeps a net from relying on any
 * one number of them.
 *
 * @example
 * ```ts
 * import { GaussianNoise, zeros } from 'nodegrad';
 * new GaussianNoise(0.1).forward(zeros([4, 8])).shape; // [4, 8]
 * ```
 */
export class GaussianNoise extends Layer {
  /** Standard deviation of the noise. */
  readonly std: number;
  /** @internal The stream of noise. */
  readonly noise = this.stream('noise');

  /** @param std - Standard deviation, at least 0. */
  constructor(std: number) {
    super();
    this.std = checkNumber(std, 'std', 0);
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    if (!this.training || this.std === 0) return input;
    const dtype = requireFloat('GaussianNoise', [input]) as D;
    return add(input, normalTensor(input.shape, 0, this.std, dtype, this.noise));
  }

  override get initializerHint(): 'through' {
    return 'through';
  }
  override config(): unknown {
    return { std: this.std };
  }
  /** The layer that `config()` describes. */
  static fromConfig(config: { std: number }): GaussianNoise {
    return new GaussianNoise(config.std);
  }
}

registerLayers({ Dropout, Dropout1d, Dropout2d, AlphaDropout, DropConnect, GaussianNoise });
