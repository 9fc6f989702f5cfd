// Blocks that make graphs of layers: a way around them, and branches side by side.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkList, describeShape, expected } from '../errors.js';
import { sameShape } from '../ops/broadcast.js';
import { concat } from '../ops/shape.js';
import { integer, readOptions } from '../options.js';
import { Tensor } from '../tensor.js';
import { checkLayer } from './check.js';
import { type AnyLayer, type InitializerHint, Layer } from './layer.js';
import { type LayerDescription, buildLayer, describeLayer, registerLayers } from './registry.js';

/** Options of {@link Residual}. */
export interface ResidualOptions {
  /** What the way around does, for an inner layer that changes shapes. Default: nothing. */
  shortcut?: AnyLayer;
}

/**
 * `y = inner(x) + x`, or `inner(x) + shortcut(x)`: the gradient reaches both ways unchanged. He, Zhang, Ren & Sun 2016; course rows G05, M15.
 *
 * @example
 * ```ts
 * import { Linear, ReLU, Residual, Sequential, ones } from 'nodegrad';
 * const block = new Residual(new Sequential([new Linear(8, 8), new ReLU(), new Linear(8, 8)]));
 * block.forward(ones([2, 8])).shape; // [2, 8]
 * ```
 */
export class Residual extends Layer {
  /** The layer beside the shortcut. */
  readonly inner: AnyLayer;
  /** The way around, or null for the input as it is. */
  readonly shortcut: AnyLayer | null;

  /** @throws {@link ArgumentError} for anything but layers. */
  constructor(inner: AnyLayer, options: ResidualOptions = {}) {
    super();
    this.inner = checkLayer(inner, 'inner');
    this.shortcut = readOptions(options, { shortcut: [undefined, checkLayer] }).shortcut ?? null;
  }

  /** @throws {@link ShapeError} when the two ways give different shapes. */
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const input = Tensor.check(x, 'x') as Tensor<D>;
    const inner = this.inner.forward(input) as Tensor<D>;
    const around = this.shortcut === null ? input : (this.shortcut.forward(input) as Tensor<D>);
    return addAlike('residual', ['the inner layer', 'the shortcut'], [inner, around]);
  }

  override followedBy(hint: InitializerHint): void {
    for (const layer of this.children().values()) layer.followedBy(hint);
  }
  override config(): unknown {
    return { inner: describeLayer(this.inner), ...(this.shortcut !== null && { shortcut: describeLayer(this.shortcut) }) };
  }
  /** The block that `config()` describes. */
  static fromConfig({ inner, shortcut }: { inner: LayerDescription; shortcut?: LayerDescription }): Residual {
    return new Residual(buildLayer(inner), shortcut === undefined ? {} : { shortcut: buildLayer(shortcut) });
  }
}

/** The sum of tensors of one shape, in their order. */
function addAlike<D extends FloatDType>(name: string, who: readonly string[], parts: readonly Tensor<D>[]): Tensor<D> {
  let sum = parts[0];
  for (const [i, part] of parts.entries()) {
    if (i === 0) continue;
    if (!sameShape(part.shape, sum.shape))
      throw new ShapeError(
        `[${name}] expected ${who[0]} and ${who[i]} to give one shape, received ${describeShape(sum.shape)} and ${describeShape(part.shape)}`,
      );
    sum = sum.add(part);
  }
  return sum;
}

function checkBranches(branches: readonly AnyLayer[]): AnyLayer[] {
  const list = checkList(branches, 'branches', 'an array of layers');
  if (list.length === 0) throw new ArgumentError(expected('at least one layer', 'branches', branches));
  return Array.from(list, (layer: unknown, i) => checkLayer(layer, `branches[${i}]`));
}

/**
 * `y = Σ fᵢ(x)`: branches on the same input, their outputs added in order.
 *
 * @example
 * ```ts
 * import { Linear, Parallel, ones } from 'nodegrad';
 * new Parallel([new Linear(8, 4), new Linear(8, 4)]).forward(ones([2, 8])).shape; // [2, 4]
 * ```
 */
export class Parallel extends Layer {
  /** The layers side by side. */
  readonly branches: readonly AnyLayer[];

  /** @throws {@link ArgumentError} for anything but an array of layers. */
  constructor(branches: readonly AnyLayer[]) {
    super();
    this.branches = checkBranches(branches);
  }

  /** @throws {@link ShapeError} when the branches give different shapes. */
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    const parts = this.branches.map((branch) => branch.forward(x) as Tensor<D>);
    return addAlike(
      'parallel',
      parts.map((_, i) => `branch ${i}`),
      parts,
    );
  }

  override followedBy(hint: InitializerHint): void {
    for (const layer of this.branches) layer.followedBy(hint);
  }
  override config(): unknown {
    return { branches: this.branches.map(describeLayer) };
  }
  /** The block that `config()` describes. */
  static fromConfig({ branches }: { branches: LayerDescription[] }): Parallel {
    return new Parallel(checkList<LayerDescription>(branches, 'branches', 'an array of layer descriptions').map(buildLayer));
  }
}

/** Options of {@link Concat}. */
export interface ConcatOptions {
  /** The axis that grows; counts from the end where negative. Default −1: features, or channels of images. */
  axis?: number;
}

/**
 * Branches on the same input, their outputs side by side along an axis: an inception module is one. Szegedy et al. 2015.
 *
 * @example
 * ```ts
 * import { Concat, Linear, ones } from 'nodegrad';
 * new Concat([new Linear(8, 4), new Linear(8, 2)]).forward(ones([3, 8])).shape; // [3, 6]
 * ```
 */
export class Concat extends Layer {
  /** The layers side by side. */
  readonly branches: readonly AnyLayer[];
  /** The axis that grows. */
  readonly axis: number;

  /** @throws {@link ArgumentError} for anything but an array of layers, or an axis that is no whole number. */
  constructor(branches: readonly AnyLayer[], options: ConcatOptions = {}) {
    super();
    this.axis = readOptions(options, { axis: [-1, integer(-8, 7)] }).axis;
    this.branches = checkBranches(branches);
  }

  /** @throws {@link ShapeError} when the outputs differ in another axis. */
  forward<D extends FloatDType>(x: Tensor<D>): Tensor<D> {
    return concat(
      this.branches.map((branch) => branch.forward(x) as Tensor<D>),
      this.axis,
    );
  }

  override followedBy(hint: InitializerHint): void {
    for (const layer of this.branches) layer.followedBy(hint);
  }
  override config(): unknown {
    return { branches: this.branches.map(describeLayer), axis: this.axis };
  }
  /** The block that `config()` describes. */
  static fromConfig({ branches, axis }: { branches: LayerDescription[]; axis: number }): Concat {
    return new Concat(checkList<LayerDescription>(branches, 'branches', 'an array of layer descriptions').map(buildLayer), { axis });
  }
}

registerLayers({ Residual, Parallel, Concat });
