// FractalNet: columns of different depth side by side, joined by their mean, of which drop-path leaves some out. Assembly only.

import type { FloatDType } from '../dtype.js';
import { checkInteger } from '../errors.js';
import { Xavier } from '../initializers/xavier.js';
import { Conv2d } from '../layers/convolution.js';
import { Layer } from '../layers/layer.js';
import type { Linear } from '../layers/linear.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { MaxPool2d } from '../layers/pooling.js';
import { registerLayers } from '../layers/registry.js';
import { Dropout } from '../layers/dropout.js';
import { Flatten } from '../layers/shape.js';
import { relu } from '../ops/activations.js';
import { liveInput, withPath } from '../ops/emit.js';
import { drawnPerStep } from '../ops/shards.js';
import { filled } from '../ops/shape.js';
import { choose } from '../ops/sometimes.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import { ImageModel, type ImageModelOptions, checkStages, classifier, complete } from './image-model.js';

/**
 * Convolution, batch norm without factors, ReLU: `relu(bn(x ∗ w + b))`.
 *
 * @example
 * ```ts
 * import { FractalUnit, ones } from 'nodegrad';
 * new FractalUnit(3, 16).forward(ones([2, 8, 8, 3])).shape; // [2, 8, 8, 16]
 * ```
 */
export class FractalUnit extends Layer {
  /** The convolution. */
  readonly conv: Conv2d;
  /** Behind the convolution. */
  readonly bn: BatchNorm2d;

  /**
   * @param inChannels - Channels of the input.
   * @param outChannels - Number of filters.
   * @throws {@link ArgumentError} for anything but whole numbers of at least 1.
   */
  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
  ) {
    super();
    this.conv = new Conv2d(inChannels, outChannels, 3, { padding: 1, init: new Xavier() });
    this.bn = new BatchNorm2d(outChannels, { affine: false });
  }

  forward(x: Tensor): Tensor {
    return relu(this.bn.forward(this.conv.forward(x)));
  }

  override config(): unknown {
    return { inChannels: this.inChannels, outChannels: this.outChannels };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ inChannels, outChannels }: { inChannels: number; outChannels: number }): FractalUnit {
    return new FractalUnit(inChannels, outChannels);
  }
}

// The last of 8 columns has 128 convolutions.
const checkColumns = (value: unknown, argument: string): number => checkInteger(value, argument, 1, 8);

/** What a step leaves out of one block: which convolutions run, and the weights of what is joined. */
export interface FractalPaths {
  /** By column and place in it: 1 where the convolution runs. */
  units: number[][];
  /** By time and column: the share of that column in the join, 0 where it is left out. */
  joins: number[][];
}

/** @internal Columns that end at a time from 1 to 2^(columns−1): column i holds 2^i convolutions. */
export function endingAt(time: number, columns: number): number[] {
  return Array.from({ length: columns }, (_, column) => column).filter((column) => time % (1 << (columns - 1 - column)) === 0);
}

/**
 * @internal Which convolutions of a block run when each join takes `live` columns: what nobody reads does not run.
 *
 * @param live - Of the columns that end at a time, those that the join takes: at least one.
 */
export function fractalPaths(columns: number, live: (time: number, ending: readonly number[]) => readonly number[]): FractalPaths {
  const last = 1 << (columns - 1);
  const units = Array.from({ length: columns }, (_, column) => new Array<number>(1 << column).fill(0));
  const joins = Array.from({ length: last }, (_, at) => {
    const ending = endingAt(at + 1, columns);
    const taken = live(at + 1, ending);
    return Array.from({ length: columns }, (__, column) => (taken.includes(column) ? 1 / taken.length : 0));
  });
  const read = new Array<boolean>(last + 1).fill(false);
  read[last] = true;
  for (let time = last; time > 0; time--) {
    if (!read[time]) continue;
    for (const column of endingAt(time, columns)) {
      if (joins[time - 1][column] === 0) continue;
      const length = last / (1 << column);
      units[column][time / length - 1] = 1;
      read[time - length] = true;
    }
  }
  return { units, joins };
}

/**
 * A fractal of `columns` columns: column i is 2^i convolutions, and columns that end at the same place are joined by their mean.
 *
 * @example
 * ```ts
 * import { FractalBlock, ones } from 'nodegrad';
 * new FractalBlock(3, 16, 2).forward(ones([2, 8, 8, 3])).shape; // [2, 8, 8, 16]
 * ```
 */
export class FractalBlock extends Layer {
  /** By column. */
  readonly units: readonly (readonly FractalUnit[])[];

  /**
   * @param inChannels - Channels of the input.
   * @param outChannels - Filters of every convolution.
   * @param columns - Number of columns, at most 8.
   * @throws {@link ArgumentError} for anything but whole numbers of at least 1.
   */
  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    readonly columns: number,
  ) {
    super();
    checkColumns(columns, 'columns');
    this.units = Array.from({ length: columns }, (_, column) =>
      Array.from({ length: 1 << column }, (__, i) => new FractalUnit(i === 0 ? inChannels : outChannels, outChannels)),
    );
  }

  forward(x: Tensor): Tensor {
    return this.along(x, null);
  }

  /** @internal With operands that say, for each step, what runs and what is joined. */
  along(x: Tensor, paths: { units: AnyTensor; joins: Tensor } | null): Tensor {
    const { columns } = this;
    const last = 1 << (columns - 1);
    // What each column reads next.
    const front: Tensor[] = new Array(columns).fill(x);
    let first = 0;
    const firstUnit = this.units.map((column) => (first += column.length) - column.length);
    for (let time = 1; time <= last; time++) {
      const ending = endingAt(time, columns);
      const outputs = ending.map((column) => {
        const at = time / (last / (1 << column)) - 1;
        const unit = this.units[column][at];
        if (paths === null) return unit.forward(front[column]);
        const bit = paths.units.slice(firstUnit[column] + at, firstUnit[column] + at + 1);
        return withPath(unit.path, () =>
          choose(
            front[column],
            bit,
            (input) => unit.forward(input),
            (input) => filled([...input.shape.slice(0, 3), this.outChannels], 0, input.dtype),
          ),
        );
      });
      const share = (column: number): Tensor | number => {
        const at = (time - 1) * columns + column;
        return paths === null ? 1 / ending.length : paths.joins.slice(at, at + 1);
      };
      const parts = ending.length === 1 ? outputs : outputs.map((output, i) => output.mul(share(ending[i])));
      const joined = parts.reduce((sum, part) => sum.add(part));
      for (const column of ending) front[column] = joined;
    }
    return front[columns - 1];
  }

  override config(): unknown {
    return { inChannels: this.inChannels, outChannels: this.outChannels, columns: this.columns };
  }
  /** The block that `config()` describes. */
  static fromConfig(config: { inChannels: number; outChannels: number; columns: number }): FractalBlock {
    return new FractalBlock(config.inChannels, config.outChannels, config.columns);
  }
}

/** Options of {@link fractalnet}. */
export interface FractalNetOptions extends ImageModelOptions {
  /** Columns of each block, at most 8. Default 3: 20 convolutions on the longest way. */
  columns?: number;
  /** Filters of each block; the image is halved behind each. Default [64, 128, 256, 512, 512]. */
  widths?: readonly number[];
  /** Probability that local drop-path leaves an input of a join out; at least one stays. Default 0.15. */
  dropPath?: number;
  /** Share of the training steps in which drop-path is global: one column of all blocks runs alone. Default 0.5. */
  globalDropPath?: number;
  /** Probability of dropping behind the last block; earlier ones have less, in a line from 0. Default 0. */
  dropout?: number;
}

/**
 * FractalNet; see {@link fractalnet}.
 *
 * @example
 * ```ts
 * import { FractalNet } from 'nodegrad';
 * new FractalNet({ columns: 2, widths: [16, 32] });
 * ```
 */
export class FractalNet extends ImageModel<Required<FractalNetOptions>> {
  /** The blocks. */
  readonly blocks: readonly FractalBlock[];
  /** Between blocks. */
  readonly pool = new MaxPool2d(2);
  /** Behind each block. */
  readonly dropouts: readonly Dropout[];
  /** Images to rows. */
  readonly flatten = new Flatten();
  /** Scores of the classes. */
  readonly fc: Linear;
  /** @internal The stream of the paths that a step takes. */
  readonly paths = this.stream('paths');

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(options: FractalNetOptions = {}) {
    const full = complete<Required<FractalNetOptions>>(
      options,
      {
        columns: 3,
        widths: [64, 128, 256, 512, 512],
        classes: 10,
        imageSize: 32,
        channels: 3,
        dropPath: 0.15,
        globalDropPath: 0.5,
        dropout: 0,
      },
      ['dropPath', 'globalDropPath', 'dropout'],
    );
    const widths = checkStages(full.widths, 'options.widths');
    checkColumns(full.columns, 'options.columns');
    super(full, 1 << widths.length);
    const { columns, classes, imageSize, channels, dropout } = full;
    this.blocks = widths.map((width, i) => new FractalBlock(i === 0 ? channels : widths[i - 1], width, columns));
    this.dropouts = widths.map((_, i) => new Dropout(widths.length === 1 ? dropout : (dropout * i) / (widths.length - 1)));
    const side = Math.floor(imageSize / (1 << widths.length));
    this.fc = classifier(side * side * widths[widths.length - 1], classes);
  }

  forward(x: Tensor): Tensor {
    const { dropPath, globalDropPath } = this.config();
    const drops = this.training && (dropPath > 0 || globalDropPath > 0);
    const paths = drops ? this.#operands(x.dtype) : null;
    let value = x;
    this.blocks.forEach((block, i) => {
      const joined = paths === null ? block.forward(value) : block.along(value, paths[i]);
      value = this.dropouts[i].forward(this.pool.forward(joined));
    });
    return this.fc.forward(this.flatten.forward(value) as Tensor);
  }

  /** What runs in a step, drawn anew for each: one column of all blocks, or at each join some of its inputs. */
  #draw(): FractalPaths[] {
    const { columns, dropPath, globalDropPath } = this.config();
    const random = this.paths;
    const column = random.uniform() < globalDropPath ? random.integer(columns) : null;
    return this.blocks.map(() =>
      fractalPaths(columns, (_time, ending) => {
        if (column !== null) return ending.includes(column) ? [column] : ending.slice(-1);
        const live = ending.filter(() => random.uniform() >= dropPath);
        return live.length > 0 ? live : [ending[random.integer(ending.length)]];
      }),
    );
  }

  #operands(dtype: FloatDType): { units: AnyTensor; joins: Tensor }[] {
    const drawn = drawnPerStep(this.paths, () => this.#draw());
    const { columns } = this.config();
    return this.blocks.map((_, i) => ({
      units: liveInput((1 << columns) - 1, 'int32', (bits) => bits.set(drawn()[i].units.flat())),
      joins: liveInput((1 << (columns - 1)) * columns, dtype, (shares) => shares.set(drawn()[i].joins.flat())) as unknown as Tensor,
    }));
  }

  /** The network that `config()` describes. */
  static fromConfig(config: FractalNetOptions): FractalNet {
    return new FractalNet(config);
  }
}

/**
 * FractalNet for images of 32×32 (Larsson, Maire, Shakhnarovich 2017): no residuals, deep and shallow paths through each block, joined by
 * their mean. Training steps leave paths out (drop-path), and a compiled step does not run what is left out; evaluation takes all. With
 * three columns 33,714,314 parameters. Course rows M23, M24.
 *
 * @throws {@link ArgumentError} for wrong options.
 * @example
 * ```ts
 * import { fractalnet } from 'nodegrad';
 * fractalnet({ columns: 2, widths: [16, 32, 64] });
 * ```
 */
export function fractalnet(options: FractalNetOptions = {}): FractalNet {
  return new FractalNet(options);
}

registerLayers({ FractalUnit, FractalBlock, FractalNet });
