// Recurrent layers over sequences [batch, time, features]: RNN, LSTM and GRU, several deep, in one direction or both.

import { Buffer } from '../buffer.js';
import type { DType } from '../dtype.js';
import { ArgumentError, ShapeError, checkOptions, describeShape, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { type SequenceResult, sequenceMask } from '../ops/recurrent.js';
import { concat, copyInto, fillInPlace, reshape, slice, stack } from '../ops/shape.js';
import { writeState } from '../ops/state.js';
import { type OptionList, choice, flag, integer, probability, readOptions } from '../options.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import {
  GRUCell,
  type GRUCellOptions,
  LSTMCell,
  type LSTMCellOptions,
  RNNCell,
  type RNNCellOptions,
  type RecurrentCell,
  checkState,
  gruCellOptions,
  lstmCellOptions,
  rnnCellOptions,
} from './recurrent-cells.js';
import { registerLayers } from './registry.js';
import { Dropout } from './dropout.js';

/** What {@link RNN}, {@link LSTM} and {@link GRU} have in common beside the options of their cells. */
export interface RecurrentOptions {
  /** How many layers stand on each other. Default 1. */
  layers?: number;
  /** Whether a second set of weights reads the sequence from its end; the outputs of both stand side by side. Default false. */
  bidirectional?: boolean;
  /** Probability of dropping an output between two layers, in training. Default 0. */
  dropout?: number;
  /** What `forward` gives: the output of every step, or only the last, which is the state that each example ends with. Default `'all'`. */
  returns?: 'all' | 'last';
  /**
   * Rows of a batch whose last states are kept and are the first states of the next batch, in training: truncated backpropagation through time.
   * The gradient ends at the border of a batch. 0: every batch begins with zeros. Default 0.
   */
  carries?: number;
}

/** Options of {@link RNN}. */
export interface RNNOptions extends RNNCellOptions, RecurrentOptions {}
/** Options of {@link LSTM}. */
export interface LSTMOptions extends LSTMCellOptions, RecurrentOptions {}
/** Options of {@link GRU}. */
export interface GRUOptions extends GRUCellOptions, RecurrentOptions {}

/** What {@link Recurrent.run} may be given. */
export interface SequenceOptions {
  /** First states, each [layers · directions, batch, features]: `[h]`, for an LSTM `[h, c]`. Default zeros. */
  state?: readonly Tensor[];
  /** How many steps of each example count, int32 [batch] or numbers; the others are padding. Default all. */
  lengths?: Tensor<'int32'> | readonly number[];
  /** Which steps count, uint8 [batch, time], 1 where they do. Default all. */
  mask?: Tensor<'uint8'>;
}

/** What {@link Recurrent.run} gives. */
export interface SequenceOutput {
  /** [batch, time, directions · features]; zeros in padding. */
  output: Tensor;
  /** The states that each example ends with, in the form that `state` takes. */
  state: Tensor[];
}

const ownOptions = {
  layers: [1, integer(1, 1024)],
  bidirectional: [false, flag],
  dropout: [0, probability],
  returns: ['all', choice(['all', 'last'])],
  carries: [0, integer(0, 2 ** 24)],
} satisfies OptionList<RecurrentOptions>;

/**
 * What {@link RNN}, {@link LSTM} and {@link GRU} have in common: cells along time, over each other, and in both directions.
 *
 * @example
 * ```ts
 * import { GRU, Recurrent } from 'nodegrad';
 * new GRU(8, 16) instanceof Recurrent; // true
 * ```
 */
export abstract class Recurrent<C extends RecurrentCell = RecurrentCell> extends Layer {
  /** Layer by layer, with two directions first forward, then backward. */
  readonly cells: readonly C[];
  /** Between two layers. */
  readonly dropout: Dropout | null;
  /** Last states of the batch before; empty without `carries`. */
  readonly carried: readonly Buffer[];
  /** How many layers stand on each other. */
  readonly layers: number;
  /** Whether a second set of weights reads the sequence from its end. */
  readonly bidirectional: boolean;
  /** What `forward` gives. */
  readonly returns: 'all' | 'last';
  /** Rows of a batch whose last states are kept; 0: none. */
  readonly carries: number;

  /** @throws {@link ArgumentError} for wrong options. */
  constructor(inFeatures: number, options: Required<RecurrentOptions>, makeCell: (inFeatures: number) => C) {
    super();
    ({ layers: this.layers, bidirectional: this.bidirectional, returns: this.returns, carries: this.carries } = options);
    if (this.bidirectional && this.carries > 0) {
      throw new ArgumentError('`carries` with `bidirectional`: what reads a sequence from its end has no batch before it');
    }
    const cells: C[] = [];
    for (let layer = 0; layer < this.layers; layer++) {
      for (let direction = 0; direction < this.#directions; direction++) {
        cells.push(makeCell(layer === 0 ? inFeatures : this.#directions * cells[0].stateFeatures[0]));
      }
    }
    this.cells = cells;
    this.dropout = options.dropout > 0 && this.layers > 1 ? new Dropout(options.dropout) : null;
    this.carried = this.carries === 0 ? [] : this.#stateShapes(this.carries).map((shape) => new Buffer(shape));
  }

  get #directions(): number {
    return this.bidirectional ? 2 : 1;
  }
  /** Size of the last input dimension. */
  get inFeatures(): number {
    return this.cells[0].inFeatures;
  }
  /** Number of hidden units of a cell. */
  get hiddenFeatures(): number {
    return this.cells[0].hiddenFeatures;
  }
  /** Size of the last output dimension. */
  get outFeatures(): number {
    return this.#directions * this.cells[0].stateFeatures[0];
  }

  #stateShapes(batch: number): number[][] {
    return this.cells[0].stateFeatures.map((size) => [this.cells.length, batch, size]);
  }

  /**
   * The outputs of all steps, or of the last (see `returns`); with `carries` in training from where the last batch ended, else from zeros.
   *
   * @param x - [batch, time, in].
   * @param options - `lengths` or `mask` for examples of different length, and first states.
   * @throws As {@link Recurrent.run}.
   */
  forward(x: Tensor, options?: SequenceOptions): Tensor {
    const { output, state } = this.run(x, options);
    if (this.returns === 'all') return output;
    const [last] = state;
    const top = this.cells.length - this.#directions;
    return this.bidirectional ? concat([cellState(last, top), cellState(last, top + 1)], 1) : cellState(last, top);
  }

  /**
   * The outputs of all steps, and the states that the examples end with.
   *
   * Examples of different length stand in one batch, padded with any finite numbers: in padding the state stays as it is and the output is 0,
   * so that the final state is that of each example's own last step; the backward direction begins there. Nothing flows back into padding.
   *
   * @param x - [batch, time, in].
   * @returns All outputs, and the last states.
   * @throws {@link ShapeError} when a shape does not fit, {@link ArgumentError} for unknown options, lengths outside 0 … time, or lengths
   *   beside a mask.
   * @example
   * ```ts
   * import { LSTM, ones } from 'nodegrad';
   * const net = new LSTM(3, 8, { layers: 2 });
   * const { output, state } = net.run(ones([4, 10, 3]), { lengths: [10, 7, 7, 2] });
   * output.shape; // [4, 10, 8]
   * const next = net.run(ones([4, 10, 3]), { state }); // goes on
   * ```
   */
  run(x: Tensor, options: SequenceOptions = {}): SequenceOutput {
    const given = checkOptions<SequenceOptions>(options, 'options', ['state', 'lengths', 'mask']);
    const input = Tensor.check(x, 'x') as Tensor;
    const { shape } = input;
    if (shape.length !== 3 || shape[2] !== this.inFeatures) {
      throw new ShapeError(
        `[${this.constructor.name}] expected x [batch, time, features] with ${this.inFeatures} features, received shape ${describeShape(shape)}` +
          (shape.length === 2 ? `. One example needs a batch dimension: x.reshape(${describeShape([1, ...shape])})` : ''),
      );
    }
    const [batch, time] = shape;
    const mask = maskOf(given, batch, time);
    const shapes = this.#stateShapes(batch);
    const first = given.state !== undefined ? checkState(given.state, shapes, 'options.state') : this.#carriedStates(batch);
    const ends: Tensor[][] = [];
    let output = input;
    for (let layer = 0; layer < this.layers; layer++) {
      if (layer > 0 && this.dropout !== null) output = this.dropout.forward(output);
      const results: SequenceResult[] = [];
      for (let direction = 0; direction < this.#directions; direction++) {
        const index = layer * this.#directions + direction;
        const own = first === null ? null : first.map((all) => cellState(all, index));
        results.push(this.cells[index].run(output, own, mask, direction === 1));
      }
      ends.push(...results.map(({ state }) => state));
      output =
        results.length === 1
          ? results[0].output
          : concat(
              results.map((result) => result.output),
              2,
            );
    }
    const state = shapes.map((shape, i) => (ends.length === 1 ? reshape(ends[0][i], shape) : stack(ends.map((end) => end[i]))));
    if (this.carries > 0 && this.training && !this.frozen) {
      writeState(state, (ends) => {
        for (const [i, end] of ends.entries()) copyInto(this.carried[i], end);
      });
    }
    return { output, state };
  }

  #carriedStates(batch: number): readonly Tensor[] | null {
    if (this.carries === 0 || !this.training) return null;
    if (batch !== this.carries) {
      throw new ShapeError(
        `[${this.constructor.name}] expected batches of ${this.carries} examples (\`carries\`), received ${batch}: the last states of one batch ` +
          'are the first of the next, row by row',
      );
    }
    return this.carried;
  }

  /** The next batch begins with zeros: for a new epoch, or another text. */
  resetState(): void {
    for (const state of this.carried) fillInPlace(state, 0);
  }

  /** @internal What `config` says of all three. */
  protected ownConfig(): object {
    const { inFeatures, hiddenFeatures, layers, bidirectional, returns, carries } = this;
    return {
      inFeatures,
      hiddenFeatures,
      layers,
      bidirectional,
      dropout: this.dropout?.p ?? 0,
      returns,
      carries,
      bias: this.cells[0].bias !== null,
    };
  }
}

/** That of one cell, out of [cells, batch, features]. */
function cellState(all: Tensor, index: number): Tensor {
  const [cells, ...shape] = all.shape;
  return reshape(cells === 1 ? all : slice(all, index, index + 1), shape);
}

function maskOf({ lengths, mask }: SequenceOptions, batch: number, time: number): AnyTensor | null {
  if (lengths !== undefined && mask !== undefined) throw new ArgumentError('`lengths` and `mask` say the same: give one of them');
  if (lengths !== undefined) {
    const count = Array.isArray(lengths) ? lengths.length : (lengths as AnyTensor).shape?.[0];
    if (count !== batch) throw new ShapeError(`expected ${batch} lengths, one for each example, received ${count}`);
    return sequenceMask(lengths, time);
  }
  if (mask === undefined) return null;
  const given = Tensor.check(mask, 'options.mask') as AnyTensor;
  if ((given.dtype as DType) !== 'uint8') throw new ArgumentError(expected('a tensor of uint8, 1 where a step counts', 'options.mask', mask));
  if (describeShape(given.shape) !== describeShape([batch, time])) {
    throw new ShapeError(`expected a mask of shape ${describeShape([batch, time])}, received ${describeShape(given.shape)}`);
  }
  return given;
}

// The options of the layer, and those of its cells.
function split<T extends Required<RecurrentOptions>>({ layers, bidirectional, dropout, returns, carries, ...cell }: T) {
  return { layer: { layers, bidirectional, dropout, returns, carries }, cell };
}

/**
 * The vanilla recurrent net: `h = f(x·W + h·R + b)` along time, [batch, time, in] → [batch, time, hidden]; f is tanh or ReLU. Gradients vanish or
 * explode over long spans (Bengio, Simard & Frasconi 1994): clip them, or take {@link LSTM} or {@link GRU}. Elman 1990; course rows N01–N05,
 * A45.
 *
 * @example
 * ```ts
 * import { Linear, RNN, Sequential } from 'nodegrad';
 * // Letters in, scores of the next letter out.
 * new Sequential([new RNN(27, 100), new Linear(100, 27)]);
 * ```
 */
export class RNN extends Recurrent<RNNCell> {
  /**
   * @param inFeatures - Size of the last input dimension.
   * @param hiddenFeatures - Number of hidden units.
   * @throws {@link ArgumentError} for sizes below 1 or wrong options.
   */
  constructor(inFeatures: number, hiddenFeatures: number, options: RNNOptions = {}) {
    const { layer, cell } = split(readOptions(options, { ...ownOptions, ...rnnCellOptions }));
    super(inFeatures, layer, (features) => new RNNCell(features, hiddenFeatures, cell));
  }
  override config(): unknown {
    return { ...this.ownConfig(), activation: this.cells[0].activation };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ inFeatures, hiddenFeatures, ...options }: RNNOptions & { inFeatures: number; hiddenFeatures: number }): RNN {
    return new RNN(inFeatures, hiddenFeatures, options);
  }
}

/**
 * Long short-term memory along time, [batch, time, in] → [batch, time, hidden or projected]: the formulas stand at {@link LSTMCell}. Its cell state
 * is changed by additions and gates only, so that gradients reach back over long spans. Hochreiter & Schmidhuber 1997.
 *
 * @example
 * ```ts
 * import { LSTM, Linear, Sequential } from 'nodegrad';
 * // Rows of a picture as a sequence, and one of ten classes out.
 * new Sequential([new LSTM(28, 64, { returns: 'last' }), new Linear(64, 10)]);
 * ```
 */
export class LSTM extends Recurrent<LSTMCell> {
  /**
   * @param inFeatures - Size of the last input dimension.
   * @param hiddenFeatures - Number of hidden units.
   * @throws {@link ArgumentError} for sizes below 1 or wrong options.
   */
  constructor(inFeatures: number, hiddenFeatures: number, options: LSTMOptions = {}) {
    const { layer, cell } = split(readOptions(options, { ...ownOptions, ...lstmCellOptions }));
    super(inFeatures, layer, (features) => new LSTMCell(features, hiddenFeatures, cell));
  }
  override config(): unknown {
    return { ...this.ownConfig(), projection: this.cells[0].projection?.shape[1] ?? 0 };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ inFeatures, hiddenFeatures, ...options }: LSTMOptions & { inFeatures: number; hiddenFeatures: number }): LSTM {
    return new LSTM(inFeatures, hiddenFeatures, options);
  }
}

/**
 * Gated recurrent units along time, [batch, time, in] → [batch, time, hidden]: the formulas stand at {@link GRUCell}. Cho et al. 2014.
 *
 * @example
 * ```ts
 * import { GRU, ones } from 'nodegrad';
 * new GRU(5, 16, { bidirectional: true }).forward(ones([2, 7, 5])).shape; // [2, 7, 32]
 * ```
 */
export class GRU extends Recurrent<GRUCell> {
  /**
   * @param inFeatures - Size of the last input dimension.
   * @param hiddenFeatures - Number of hidden units.
   * @throws {@link ArgumentError} for sizes below 1 or wrong options.
   */
  constructor(inFeatures: number, hiddenFeatures: number, options: GRUOptions = {}) {
    const { layer, cell } = split(readOptions(options, { ...ownOptions, ...gruCellOptions }));
    super(inFeatures, layer, (features) => new GRUCell(features, hiddenFeatures, cell));
  }
  override config(): unknown {
    return { ...this.ownConfig(), resetAfter: this.cells[0].resetAfter };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ inFeatures, hiddenFeatures, ...options }: GRUOptions & { inFeatures: number; hiddenFeatures: number }): GRU {
    return new GRU(inFeatures, hiddenFeatures, options);
  }
}

registerLayers({ RNN, LSTM, GRU });

keepNames({ Recurrent });
