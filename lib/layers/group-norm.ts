// Normalization of each example alone: layer, group and instance norm. Training and evaluation are the same.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkInteger, describeShape } from '../errors.js';
import { Constant, Zeros } from '../initializers/constant.js';
import { sizeOf } from '../ops/emit.js';
import { groupNorm } from '../ops/group_norm.js';
import { flag, number, readOptions } from '../options.js';
import { Parameter } from '../parameter.js';
import { Tensor, checkShape } from '../tensor.js';
import { Layer } from './layer.js';
import { registerLayers } from './registry.js';
import { keepNames } from '../names.js';

/** Options of {@link LayerNorm}, {@link GroupNorm} and {@link InstanceNorm2d}. */
export interface GroupNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether factor and shift are learned. Default true, for {@link InstanceNorm2d} false. */
  affine?: boolean;
}

/**
 * What the three have in common.
 *
 * @example
 * ```ts
 * import { ExampleNorm, LayerNorm } from 'nodegrad';
 * new LayerNorm(16) instanceof ExampleNorm; // true
 * ```
 */
export abstract class ExampleNorm extends Layer {
  /** γ, starts at 1; null without `affine`. */
  readonly weight: Parameter | null;
  /** β, starts at 0; null without `affine`. */
  readonly bias: Parameter | null;
  /** Added to the variance. */
  readonly eps: number;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(shape: readonly number[], options: GroupNormOptions, affineByDefault: boolean) {
    super();
    const { eps, affine } = readOptions(options, { eps: [1e-5, number(0)], affine: [affineByDefault, flag] });
    this.eps = eps;
    this.weight = affine ? new Parameter(shape, { init: new Constant(1) }) : null;
    this.bias = affine ? new Parameter(shape, { init: new Zeros() }) : null;
  }

  /** Normalizes x, seen as [examples, positions, channels]. */
  protected normalize<D extends FloatDType>(x: Tensor<D>, channels: number, positions: number, groups: number): Tensor<D> {
    if (!(positions > 0)) throw new ShapeError(`[groupNorm] expected at least one position, received shape ${describeShape(x.shape)}`);
    const examples = x.size / (positions * channels);
    return groupNorm(x, this.weight, this.bias, { examples, positions, channels, groups, eps: this.eps });
  }

  override get initializerHint(): 'through' {
    return 'through';
  }
}

/**
 * `y = γ·(x − mean) / √(variance + eps) + β`, mean and variance over the last axes of each example. Ba, Kiros & Hinton 2016.
 *
 * @example
 * ```ts
 * import { LayerNorm, tensor } from 'nodegrad';
 * new LayerNorm(2, { eps: 0 }).forward(tensor([[1, 3], [5, 9]])).toArray(); // [[-1, 1], [-1, 1]]
 * ```
 */
export class LayerNorm extends ExampleNorm {
  /** The last axes of the input, which are normalized together. */
  readonly normalizedShape: readonly number[];

  /**
   * @param normalizedShape - The last axes, or the size of the last one.
   * @throws {@link ArgumentError} for wrong options, {@link ShapeError} for a shape without elements.
   */
  constructor(normalizedShape: number | readonly number[], options: GroupNormOptions = {}) {
    const shape = checkShape(typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape, 'normalizedShape');
    if (shape.length === 0 || sizeOf(shape) === 0)
      throw new ShapeError(`expected at least one element in \`normalizedShape\`, received ${describeShape(shape)}`);
    super(shape, options, true);
    this.normalizedShape = shape;
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    const { normalizedShape: wanted } = this;
    if (input.shape.length < wanted.length || wanted.some((size, i) => input.shape[input.shape.length - wanted.length + i] !== size)) {
      throw new ShapeError(`[layerNorm] expected the last axes to be ${describeShape(wanted)}, received shape ${describeShape(input.shape)}`);
    }
    return this.normalize(input, sizeOf(wanted), 1, 1);
  }

  override config(): unknown {
    return { normalizedShape: [...this.normalizedShape], eps: this.eps, affine: this.weight !== null };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ normalizedShape, ...options }: GroupNormOptions & { normalizedShape: number[] }): LayerNorm {
    return new LayerNorm(normalizedShape, options);
  }
}

/** Checks [N, …, channels] and normalizes over groups of channels at all positions. */
function overPositions(input: Tensor<FloatDType>, channels: number, name: string): number {
  const { shape } = input;
  if (shape.length < 2 || shape[shape.length - 1] !== channels) {
    throw new ShapeError(`[${name}] expected [N, …, ${channels}], received shape ${describeShape(shape)}`);
  }
  return sizeOf(shape.slice(1, -1));
}

/**
 * `y = γ·(x − mean) / √(variance + eps) + β` per channel, mean and variance of each example over a group of neighbouring channels and all
 * positions. Wu & He 2018.
 *
 * @example
 * ```ts
 * import { GroupNorm, ones } from 'nodegrad';
 * new GroupNorm(4, 16).forward(ones([2, 8, 8, 16])).shape; // [2, 8, 8, 16]
 * ```
 */
export class GroupNorm extends ExampleNorm {
  /** How many groups the channels are cut into. */
  readonly groups: number;
  /** Size of the last axis. */
  readonly channels: number;

  /**
   * @param groups - Number of groups; divides the channels.
   * @param channels - Size of the last axis.
   * @throws {@link ArgumentError} for other sizes or wrong options.
   */
  constructor(groups: number, channels: number, options: GroupNormOptions = {}) {
    checkInteger(groups, 'groups', 1, 2 ** 31 - 1);
    if (checkInteger(channels, 'channels', 1, 2 ** 31 - 1) % groups !== 0)
      throw new ArgumentError(`expected \`groups\` to divide \`channels\`, received ${groups} and ${channels}`);
    super([channels], options, true);
    this.groups = groups;
    this.channels = channels;
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    return this.normalize(input, this.channels, overPositions(input, this.channels, 'groupNorm'), this.groups);
  }

  override config(): unknown {
    return { groups: this.groups, channels: this.channels, eps: this.eps, affine: this.weight !== null };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ groups, channels, ...options }: GroupNormOptions & { groups: number; channels: number }): GroupNorm {
    return new GroupNorm(groups, channels, options);
  }
}

/**
 * `y = (x − mean) / √(variance + eps)`, mean and variance of each channel of each image [N, H, W, C]. Ulyanov, Vedaldi & Lempitsky 2016.
 *
 * @example
 * ```ts
 * import { InstanceNorm2d, ones } from 'nodegrad';
 * new InstanceNorm2d(3).forward(ones([1, 8, 8, 3])).shape; // [1, 8, 8, 3]
 * ```
 */
export class InstanceNorm2d extends ExampleNorm {
  /** Size of the last axis. */
  readonly channels: number;

  /**
   * @param channels - Size of the last axis.
   * @throws {@link ArgumentError} for a size below 1 or wrong options.
   */
  constructor(channels: number, options: GroupNormOptions = {}) {
    super([checkInteger(channels, 'channels', 1, 2 ** 31 - 1)], options, false);
    this.channels = channels;
  }

  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    const positions = overPositions(input, this.channels, 'instanceNorm');
    if (input.shape.length !== 4 || positions === 1) {
      throw new ShapeError(
        `[instanceNorm] expected [N, H, W, ${this.channels}] with more than one position, received shape ${describeShape(input.shape)}`,
      );
    }
    return this.normalize(input, this.channels, positions, this.channels);
  }

  override config(): unknown {
    return { channels: this.channels, eps: this.eps, affine: this.weight !== null };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ channels, ...options }: GroupNormOptions & { channels: number }): InstanceNorm2d {
    return new InstanceNorm2d(channels, options);
  }
}

registerLayers({ LayerNorm, GroupNorm, InstanceNorm2d });

keepNames({ ExampleNorm });
