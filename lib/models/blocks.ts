// The blocks that architectures are made of. Their fields have torchvision's names, so that weights of PyTorch find their places.

import { ArgumentError, ShapeError, checkChoice, checkInteger, checkObject, expected } from '../errors.js';
import { Zeros } from '../initializers/constant.js';
import { checkLayer } from '../layers/check.js';
import type { Conv2d } from '../layers/convolution.js';
import { hintOf, passHints } from '../layers/hints.js';
import { type AnyLayer, type InitializerHint, Layer } from '../layers/layer.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { type LayerDescription, buildLayer, describeLayer, registerLayers } from '../layers/registry.js';
import { Sequential } from './sequential.js';
import { Dropout } from '../layers/dropout.js';
import { addRelu, relu } from '../ops/activations.js';
import { avgPool2d } from '../ops/pooling.js';
import { drawBit } from '../ops/random.js';
import { choose } from '../ops/sometimes.js';
import type { Random } from '../random.js';
import type { Tensor } from '../tensor.js';
import { complete, convolution } from './image-model.js';
import { keepNames } from '../names.js';

/**
 * Layers one after the other, by name instead of by number.
 *
 * @example
 * ```ts
 * import { Linear, NamedStack, ReLU } from 'nodegrad';
 * new NamedStack({ first: new Linear(4, 8), relu: new ReLU(), last: new Linear(8, 2) });
 * ```
 */
export class NamedStack extends Layer {
  /** The layers in their order. */
  readonly layers: Readonly<Record<string, AnyLayer>>;

  /**
   * @param layers - In their order. Names have no dot, which divides paths, and are no whole numbers, which JavaScript puts first.
   * @throws {@link ArgumentError} for anything but an object of layers with such names.
   */
  constructor(layers: Readonly<Record<string, AnyLayer>>) {
    super();
    this.layers = Object.fromEntries(
      Object.entries(checkObject(layers, 'layers', 'an object of layers')).map(([name, layer]) => {
        if (/^\d*$/.test(name) || name.includes('.')) {
          throw new ArgumentError(expected('names without a dot that are no whole numbers', 'layers', name));
        }
        return [name, checkLayer(layer, `layers.${name}`)];
      }),
    );
  }

  forward(x: Tensor): Tensor {
    let value = x;
    for (const layer of Object.values(this.layers)) value = layer.forward(value) as Tensor;
    return value;
  }

  override children(): Map<string, AnyLayer> {
    return new Map(Object.entries(this.layers));
  }

  override get initializerHint(): InitializerHint {
    return hintOf(Object.values(this.layers));
  }

  override followedBy(hint: InitializerHint): void {
    passHints(Object.values(this.layers), hint);
  }

  override chooseInitializers(): void {
    passHints(Object.values(this.layers), null);
  }

  override config(): unknown {
    return { layers: Object.entries(this.layers).map(([name, layer]) => [name, describeLayer(layer)]) };
  }
  /** The stack that `config()` describes. */
  static fromConfig({ layers }: { layers: [string, LayerDescription][] }): NamedStack {
    return new NamedStack(Object.fromEntries(layers.map(([name, layer]) => [name, buildLayer(layer)])));
  }
}

/**
 * The shortcut without parameters (option A of He et al. 2015): every `stride`-th pixel, and channels of zeros behind those that are there.
 *
 * @example
 * ```ts
 * import { ZeroPadShortcut, ones } from 'nodegrad';
 * new ZeroPadShortcut(32, 2).forward(ones([1, 8, 8, 16])).shape; // [1, 4, 4, 32]
 * ```
 */
export class ZeroPadShortcut extends Layer {
  /**
   * @param outChannels - Channels of the result.
   * @param stride - Step between the pixels that stay.
   * @throws {@link ArgumentError} for anything but whole numbers of at least 1.
   */
  constructor(
    readonly outChannels: number,
    readonly stride: number,
  ) {
    super();
    checkInteger(outChannels, 'outChannels', 1);
    checkInteger(stride, 'stride', 1);
  }

  forward(x: Tensor): Tensor {
    const kept = this.stride === 1 ? x : avgPool2d(x, 1, { stride: this.stride });
    const missing = this.outChannels - kept.shape[3];
    if (missing === 0) return kept;
    if (missing < 0) throw new ShapeError(expected(`at most ${this.outChannels} channels`, 'x', x.shape));
    return kept.pad([
      [0, 0],
      [0, 0],
      [0, 0],
      [0, missing],
    ]);
  }

  override config(): unknown {
    return { outChannels: this.outChannels, stride: this.stride };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ outChannels, stride }: { outChannels: number; stride: number }): ZeroPadShortcut {
    return new ZeroPadShortcut(outChannels, stride);
  }
}

/** How a residual block brings its input to the shape of its output: zeros (A), or a 1×1 convolution with batch norm (B). */
export type Shortcut = 'A' | 'B';

/** Sizes of a block with a shortcut. */
export interface BlockOptions {
  /** Channels of the input. */
  inChannels: number;
  /** Channels of the convolutions before the last. */
  channels: number;
  /** Channels of the output. */
  outChannels: number;
  /** Step of the block. Default 1. */
  stride?: number;
  /** See {@link Shortcut}. Default `'B'`. */
  shortcut?: Shortcut;
}

/** What a {@link ResidualBlock} is made of. */
export interface ResidualBlockOptions extends BlockOptions {
  /** Whether the factors of the last batch norm start at zero: the block then starts as its shortcut. Default false. */
  zeroInit?: boolean;
  /** Probability that a training step leaves the block out (stochastic depth). Default 0. */
  dropPath?: number;
}

/** What a {@link Bottleneck} is made of. */
export interface BottleneckOptions extends ResidualBlockOptions {
  /** Groups of the 3×3 convolution. Default 1. */
  groups?: number;
  /** Where the block steps: in its 3×3 convolution (default), or in the first 1×1 one, as the paper has it. */
  strideIn?: '3x3' | '1x1';
}

/** What a {@link PreActBlock} is made of. */
export interface PreActBlockOptions extends BlockOptions {
  /** Probability of dropping between the convolutions. Default 0. */
  dropout?: number;
}

// Options of a block, completed by the defaults of those that only its kind has.
function checkBlock<O extends BlockOptions>(options: O, own: Omit<Required<O>, keyof BlockOptions>): Required<O> {
  const full = complete<Required<BlockOptions>, 'inChannels' | 'channels' | 'outChannels'>(
    options,
    { stride: 1, shortcut: 'B', ...own },
    ['dropPath', 'dropout'],
    ['inChannels', 'channels', 'outChannels'],
  );
  checkChoice(full.shortcut, 'options.shortcut', ['A', 'B']);
  if (full.shortcut === 'A' && full.outChannels < full.inChannels) {
    const least = `at least ${full.inChannels} with shortcut A, which adds channels and takes none away,`;
    throw new ArgumentError(expected(least, 'options.outChannels', full.outChannels));
  }
  return full as Required<O>;
}

function shortcutOf({ inChannels, outChannels, stride, shortcut }: Required<BlockOptions>): Layer | null {
  if (stride === 1 && inChannels === outChannels) return null;
  if (shortcut === 'A') return new ZeroPadShortcut(outChannels, stride);
  return new Sequential([convolution(inChannels, outChannels, 1, { stride, padding: 0 }), new BatchNorm2d(outChannels)]);
}

/**
 * `y = relu(shortcut(x) + residual(x))`, where in training steps without the block (stochastic depth) `y = relu(shortcut(x))`.
 *
 * @example
 * ```ts
 * import { BasicBlock, type ResidualBlock } from 'nodegrad';
 * const block: ResidualBlock = new BasicBlock({ inChannels: 16, channels: 16, outChannels: 16, dropPath: 0.2 });
 * ```
 */
export abstract class ResidualBlock<O extends ResidualBlockOptions = ResidualBlockOptions> extends Layer {
  /** @internal The options with their defaults. */
  protected readonly full: Required<O>;
  /** @internal The stream of the bits that say whether the block runs; null where it always does. */
  readonly blocks: Random | null;
  /** What brings x to the shape of y; null where it has it. */
  abstract readonly downsample: Layer | null;

  /**
   * @param options - Sizes, and what else the block has.
   * @param own - Defaults of options that residual blocks do not have in common.
   * @throws {@link ArgumentError} for wrong options.
   */
  constructor(options: O, own?: Omit<Required<O>, keyof ResidualBlockOptions>) {
    super();
    const defaults = { zeroInit: false, dropPath: 0, ...own };
    this.full = checkBlock<O>(options, defaults as unknown as Omit<Required<O>, keyof BlockOptions>);
    this.blocks = this.dropPath === 0 ? null : this.stream('blocks');
  }

  /** What is added to the shortcut. */
  protected abstract residual(x: Tensor): Tensor;

  /** Probability that a training step leaves the block out. */
  get dropPath(): number {
    return this.full.dropPath as number;
  }

  forward(x: Tensor): Tensor {
    const kept = 1 - this.dropPath;
    const shortcut = (input: Tensor): Tensor => this.downsample?.forward(input) ?? input;
    if (this.blocks === null) return addRelu(this.residual(x), shortcut(x));
    if (!this.training) return addRelu(this.residual(x).mul(kept), shortcut(x));
    return choose(
      x,
      drawBit(this.blocks, kept),
      (input) => addRelu(this.residual(input), shortcut(input)),
      (input) => relu(shortcut(input)),
    );
  }

  override config(): unknown {
    return { ...this.full };
  }
}

/**
 * Two 3×3 convolutions beside a shortcut (He et al. 2015). Course row M13.
 *
 * @example
 * ```ts
 * import { BasicBlock, ones } from 'nodegrad';
 * new BasicBlock({ inChannels: 16, channels: 32, outChannels: 32, stride: 2 }).forward(ones([2, 8, 8, 16])).shape; // [2, 4, 4, 32]
 * ```
 */
export class BasicBlock extends ResidualBlock {
  /** 3×3, with the stride of the block. */
  readonly conv1: Conv2d;
  /** Behind conv1. */
  readonly bn1: BatchNorm2d;
  /** 3×3. */
  readonly conv2: Conv2d;
  /** Behind conv2. */
  readonly bn2: BatchNorm2d;
  /** What brings x to the shape of y; null where it has it. */
  readonly downsample: Layer | null;

  constructor(options: ResidualBlockOptions) {
    super(options);
    const { inChannels, channels, outChannels, stride, zeroInit } = this.full;
    this.conv1 = convolution(inChannels, channels, 3, { stride });
    this.bn1 = new BatchNorm2d(channels);
    this.conv2 = convolution(channels, outChannels, 3);
    this.bn2 = lastNorm(outChannels, zeroInit);
    this.downsample = shortcutOf(this.full);
  }

  protected residual(x: Tensor): Tensor {
    const inner = relu(this.bn1.forward(this.conv1.forward(x)));
    return this.bn2.forward(this.conv2.forward(inner));
  }
  /** The block that `config()` describes. */
  static fromConfig(config: ResidualBlockOptions): BasicBlock {
    return new BasicBlock(config);
  }
}

/**
 * Convolutions 1×1, 3×3 and 1×1 beside a shortcut (He et al. 2015); with groups the block of ResNeXt (Xie et al. 2017), whose parallel
 * paths are one grouped convolution. Course rows M20, M21.
 *
 * @example
 * ```ts
 * import { Bottleneck, ones } from 'nodegrad';
 * new Bottleneck({ inChannels: 64, channels: 16, outChannels: 64 }).forward(ones([2, 8, 8, 64])).shape; // [2, 8, 8, 64]
 * ```
 */
export class Bottleneck extends ResidualBlock<BottleneckOptions> {
  /** 1×1, to fewer channels. */
  readonly conv1: Conv2d;
  /** Behind conv1. */
  readonly bn1: BatchNorm2d;
  /** 3×3, in groups. */
  readonly conv2: Conv2d;
  /** Behind conv2. */
  readonly bn2: BatchNorm2d;
  /** 1×1, to the channels of the output. */
  readonly conv3: Conv2d;
  /** Behind conv3. */
  readonly bn3: BatchNorm2d;
  /** What brings x to the shape of y; null where it has it. */
  readonly downsample: Layer | null;

  constructor(options: BottleneckOptions) {
    super(options, { groups: 1, strideIn: '3x3' });
    const { inChannels, channels, outChannels, stride, groups, strideIn, zeroInit } = this.full;
    checkChoice(strideIn, 'options.strideIn', ['3x3', '1x1']);
    this.conv1 = convolution(inChannels, channels, 1, { stride: strideIn === '1x1' ? stride : 1 });
    this.bn1 = new BatchNorm2d(channels);
    this.conv2 = convolution(channels, channels, 3, { stride: strideIn === '3x3' ? stride : 1, groups });
    this.bn2 = new BatchNorm2d(channels);
    this.conv3 = convolution(channels, outChannels, 1);
    this.bn3 = lastNorm(outChannels, zeroInit);
    this.downsample = shortcutOf(this.full);
  }

  protected residual(x: Tensor): Tensor {
    const narrow = relu(this.bn1.forward(this.conv1.forward(x)));
    const inner = relu(this.bn2.forward(this.conv2.forward(narrow)));
    return this.bn3.forward(this.conv3.forward(inner));
  }
  /** The block that `config()` describes. */
  static fromConfig(config: BottleneckOptions): Bottleneck {
    return new Bottleneck(config);
  }
}

function lastNorm(channels: number, zeroInit: boolean): BatchNorm2d {
  const norm = new BatchNorm2d(channels);
  if (zeroInit && norm.weight !== null) norm.weight.init = new Zeros();
  return norm;
}

/**
 * The pre-activation block (He et al. 2016): batch norm and ReLU stand before each convolution, nothing behind the sum. Where the shape
 * changes, the shortcut starts behind the first activation and is a 1×1 convolution without batch norm, or zeros (A). Course row M17.
 *
 * @example
 * ```ts
 * import { PreActBlock, ones } from 'nodegrad';
 * new PreActBlock({ inChannels: 16, channels: 16, outChannels: 16 }).forward(ones([2, 8, 8, 16])).shape; // [2, 8, 8, 16]
 * ```
 */
export class PreActBlock extends Layer {
  /** Batch norms, each before the convolution of its number. */
  readonly norms: readonly BatchNorm2d[];
  /** 3×3 and 3×3, or 1×1, 3×3 and 1×1 where `outChannels` differs from `channels`. */
  readonly convs: readonly Conv2d[];
  /** What brings x to the shape of y; null where it has it. */
  readonly shortcut: Layer | null;
  /** Drops in training. */
  readonly dropout: Dropout | null;
  readonly #options: Required<PreActBlockOptions>;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: PreActBlockOptions) {
    super();
    this.#options = checkBlock<PreActBlockOptions>(options, { dropout: 0 });
    const { inChannels, channels, outChannels, stride, shortcut, dropout } = this.#options;
    const isBottleneck = channels !== outChannels;
    this.norms = (isBottleneck ? [inChannels, channels, channels] : [inChannels, channels]).map((features) => new BatchNorm2d(features));
    this.convs = isBottleneck
      ? [convolution(inChannels, channels, 1, { stride }), convolution(channels, channels, 3), convolution(channels, outChannels, 1)]
      : [convolution(inChannels, channels, 3, { stride }), convolution(channels, outChannels, 3)];
    const keepsShape = stride === 1 && inChannels === outChannels;
    if (keepsShape) this.shortcut = null;
    else this.shortcut = shortcut === 'A' ? new ZeroPadShortcut(outChannels, stride) : convolution(inChannels, outChannels, 1, { stride });
    this.dropout = dropout > 0 ? new Dropout(dropout) : null;
  }

  forward(x: Tensor): Tensor {
    const active = relu(this.norms[0].forward(x));
    let value = this.convs[0].forward(active);
    this.convs.slice(1).forEach((conv, i) => {
      const inner = relu(this.norms[i + 1].forward(value));
      value = conv.forward(this.dropout?.forward(inner) ?? inner);
    });
    return value.add(this.shortcut?.forward(active) ?? x);
  }

  override config(): unknown {
    return { ...this.#options };
  }
  /** The block that `config()` describes. */
  static fromConfig(config: PreActBlockOptions): PreActBlock {
    return new PreActBlock(config);
  }
}

registerLayers({ NamedStack, ZeroPadShortcut, BasicBlock, Bottleneck, PreActBlock });

keepNames({ ResidualBlock });
