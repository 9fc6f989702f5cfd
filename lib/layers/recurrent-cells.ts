// Recurrent cells: what one step of an RNN, LSTM or GRU does, and the weights that all steps share.

import { ArgumentError, ShapeError, checkInteger, describeShape, expected } from '../errors.js';
import type { FloatDType } from '../dtype.js';
import { Zeros } from '../initializers/constant.js';
import { Initializer, initializer } from '../initializers/initializer.js';
import { Uniform } from '../initializers/uniform.js';
import { Xavier } from '../initializers/xavier.js';
import { keepNames } from '../names.js';
import { linear, matmul } from '../ops/matmul.js';
import { type Sequence, type SequenceResult, gru, lstm, rnn } from '../ops/recurrent.js';
import { concat, filled, reshape } from '../ops/shape.js';
import { type OptionList, choice, flag, integer, readOptions } from '../options.js';
import { Parameter } from '../parameter.js';
import type { Random } from '../random.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { Layer } from './layer.js';
import { registerLayers } from './registry.js';

/** Options of {@link RNNCell}, {@link LSTMCell} and {@link GRUCell}. */
export interface RecurrentCellOptions {
  /** Whether to add biases. Default true. */
  bias?: boolean;
  /** First weights of the input. Default {@link Xavier}. */
  init?: Initializer;
  /** First weights of the state. Default {@link Uniform} from −1/√hidden to 1/√hidden. */
  recurrentInit?: Initializer;
  /** First biases. Default zeros; in an LSTM 1 for the forget gate. */
  biasInit?: Initializer;
}

/** Options of {@link RNNCell}. */
export interface RNNCellOptions extends RecurrentCellOptions {
  /** Default `'tanh'`: course row A45. */
  activation?: 'tanh' | 'relu';
}

/** Options of {@link LSTMCell}. */
export interface LSTMCellOptions extends RecurrentCellOptions {
  /** Size of what a projection makes of the hidden state, at most the hidden units (Sak, Senior & Beaufays 2014); 0 for none. Default 0. */
  projection?: number;
}

/** Options of {@link GRUCell}. */
export interface GRUCellOptions extends RecurrentCellOptions {
  /**
   * Whether the reset gate works behind the product of the state, as in PyTorch, cuDNN and Keras, or before it as in the original paper. Default
   * true.
   */
  resetAfter?: boolean;
}

const cellOptions = {
  bias: [true, flag],
  init: [new Xavier(), initializer],
  recurrentInit: [undefined, initializer],
  biasInit: [undefined, initializer],
} satisfies OptionList<RecurrentCellOptions>;

/** @internal */
export const rnnCellOptions = { ...cellOptions, activation: ['tanh', choice(['tanh', 'relu'])] } satisfies OptionList<RNNCellOptions>;
/** @internal */
export const lstmCellOptions = { ...cellOptions, projection: [0, integer(0)] } satisfies OptionList<LSTMCellOptions>;
/** @internal */
export const gruCellOptions = { ...cellOptions, resetAfter: [true, flag] } satisfies OptionList<GRUCellOptions>;

/** Zeros, and 1 for the forget gate: it begins by remembering. Gers, Schmidhuber & Cummins 2000; Jozefowicz, Zaremba & Sutskever 2015. */
class ForgetGateOpen extends Initializer {
  values<D extends FloatDType>(shape: readonly number[], dtype: D, _random: Random): Tensor<FloatDType> {
    const quarter = [shape[0] / 4];
    const parts = [0, 1, 0, 0].map((value) => filled(quarter, value, dtype) as Tensor<FloatDType>);
    return concat(parts);
  }
}

/**
 * One step of a recurrent net, `state = f(x, state)`, by one set of weights for all steps. Course rows N01, N05.
 *
 * A cell has one bias per gate: where PyTorch keeps two that are added, their sum is what counts.
 *
 * @example
 * ```ts
 * import { GRUCell, ones } from 'nodegrad';
 * const cell = new GRUCell(8, 16);
 * let state = cell.forward(ones([4, 8])); // from zeros: [h]
 * state = cell.forward(ones([4, 8]), state);
 * state[0].shape; // [4, 16]
 * ```
 */
export abstract class RecurrentCell extends Layer<Tensor, Tensor[]> {
  /** Shape [in, gates · hidden]. */
  readonly inputWeight: Parameter;
  /** Shape [output size, gates · hidden]. */
  readonly recurrentWeight: Parameter;
  /** Shape [gates · hidden], or null without biases. */
  readonly bias: Parameter | null;
  /** Size of the last input dimension. */
  readonly inFeatures: number;
  /** Number of hidden units. */
  readonly hiddenFeatures: number;

  /** @throws {@link ArgumentError} for sizes below 1 or wrong options. */
  constructor(
    inFeatures: number,
    hiddenFeatures: number,
    options: RecurrentCellOptions & { bias: boolean; init: Initializer },
    gates: number,
    outFeatures: number,
    bias: Initializer,
  ) {
    super();
    this.inFeatures = checkInteger(inFeatures, 'inFeatures', 1, 2 ** 24 - 1);
    this.hiddenFeatures = checkInteger(hiddenFeatures, 'hiddenFeatures', 1, 2 ** 24 - 1);
    const width = gates * hiddenFeatures;
    const bound = 1 / Math.sqrt(hiddenFeatures);
    this.inputWeight = new Parameter([inFeatures, width], { init: options.init });
    this.recurrentWeight = new Parameter([outFeatures, width], { init: options.recurrentInit ?? new Uniform({ low: -bound, high: bound }) });
    this.bias = options.bias ? new Parameter([width], { init: options.biasInit ?? bias }) : null;
  }

  /** Shapes of one example's states: the output first. */
  abstract get stateFeatures(): readonly number[];

  /** @internal The steps of a whole sequence, from what the input gives to the gates. */
  protected abstract steps(pre: Tensor, state: readonly (Tensor | null)[], mask: AnyTensor | null, sizes: Sequence): SequenceResult;

  /**
   * One step.
   *
   * @param x - [batch, in].
   * @param state - What the step before gave; default zeros. `[h]`, for an LSTM `[h, c]`.
   * @returns The new state; its first tensor is the output.
   * @throws {@link ShapeError} when a shape does not fit.
   */
  forward(x: Tensor, state?: readonly Tensor[]): Tensor[] {
    const input = Tensor.check(x, 'x') as Tensor;
    if (input.shape.length !== 2) throw this.#refusal('[batch, in]', input);
    return this.run(reshape(input, [input.shape[0], 1, input.shape[1]]), state ?? null, null, false).state;
  }

  /** @internal All steps of x [batch, time, in], from `state` on, where the mask allows. */
  run(x: Tensor, state: readonly Tensor[] | null, mask: AnyTensor | null, reversed: boolean): SequenceResult {
    const [batch, time, features] = x.shape;
    if (x.shape.length !== 3 || features !== this.inFeatures) throw this.#refusal('[batch, time, in]', x);
    const { inputWeight, bias, hiddenFeatures: hidden } = this;
    const width = inputWeight.shape[1];
    const pre =
      bias !== null ? linear(x, inputWeight, bias) : reshape(matmul(reshape(x, [batch * time, features]), inputWeight), [batch, time, width]);
    const sizes = this.stateFeatures;
    const first =
      state === null
        ? sizes.map(() => null)
        : checkState(
            state,
            sizes.map((size) => [batch, size]),
          );
    return this.steps(pre, first, mask, { batch, time, hidden, reversed });
  }

  #refusal(wanted: string, { shape }: AnyTensor): ShapeError {
    return new ShapeError(
      `[${this.constructor.name}] expected x ${wanted} with ${this.inFeatures} input features (the last axis), received shape ${describeShape(shape)}`,
    );
  }
}

/** The states if they are tensors of these shapes. */
export function checkState(state: readonly Tensor[], shapes: readonly (readonly number[])[], argument = 'state'): readonly Tensor[] {
  const wanted = `[${shapes.map(describeShape).join(', ')}]`;
  if (!Array.isArray(state) || state.length !== shapes.length)
    throw new ArgumentError(expected(`a list of ${shapes.length} tensors`, argument, state));
  for (const [i, part] of state.entries()) {
    const { shape } = Tensor.check(part, `${argument}[${i}]`);
    if (describeShape(shape) !== describeShape(shapes[i])) {
      throw new ShapeError(`expected states of shapes ${wanted}, received ${describeShape(shape)} as ${argument}[${i}]`);
    }
  }
  return state;
}

/**
 * `h = f(x·W + h·R + b)`, the vanilla recurrent cell; f is tanh or ReLU. Elman 1990; course rows N01–N05, A45.
 *
 * @example
 * ```ts
 * import { RNNCell, Tensor, zeros } from 'nodegrad';
 * const cell = new RNNCell(10, 20, { activation: 'relu' });
 * const [h] = cell.forward(zeros([3, 10]), [zeros([3, 20])]); // [3, 20]
 * ```
 */
export class RNNCell extends RecurrentCell {
  /** What f is. */
  readonly activation: 'tanh' | 'relu';

  /**
   * @param inFeatures - Size of the last input dimension.
   * @param hiddenFeatures - Number of hidden units.
   * @throws {@link ArgumentError} for sizes below 1 or wrong options.
   */
  constructor(inFeatures: number, hiddenFeatures: number, options: RNNCellOptions = {}) {
    const given = readOptions(options, rnnCellOptions);
    super(inFeatures, hiddenFeatures, given, 1, hiddenFeatures, new Zeros());
    this.activation = given.activation;
  }

  get stateFeatures(): readonly number[] {
    return [this.hiddenFeatures];
  }
  /** @internal */
  protected steps(pre: Tensor, state: readonly (Tensor | null)[], mask: AnyTensor | null, sizes: Sequence): SequenceResult {
    return rnn(pre, this.recurrentWeight, state, mask, sizes, this.activation === 'relu');
  }
  override config(): unknown {
    const { inFeatures, hiddenFeatures, activation } = this;
    return { inFeatures, hiddenFeatures, bias: this.bias !== null, activation };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ inFeatures, hiddenFeatures, ...options }: RNNCellOptions & { inFeatures: number; hiddenFeatures: number }): RNNCell {
    return new RNNCell(inFeatures, hiddenFeatures, options);
  }
}

/**
 * Long short-term memory: `c = σ(f)·c + σ(i)·tanh(g)`, `h = σ(o)·tanh(c)`, where `i, f, g, o = x·W + h·R + b` stand side by side in this order,
 * that of PyTorch and Keras; then `h·projection` where there is one. Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000.
 *
 * @example
 * ```ts
 * import { LSTMCell, ones } from 'nodegrad';
 * const cell = new LSTMCell(10, 20);
 * const [h, c] = cell.forward(ones([3, 10]));
 * const next = cell.forward(ones([3, 10]), [h, c]);
 * ```
 */
export class LSTMCell extends RecurrentCell {
  /** Shape [hidden, projected], or null without a projection. */
  readonly projection: Parameter | null;

  /**
   * @param inFeatures - Size of the last input dimension.
   * @param hiddenFeatures - Number of hidden units.
   * @throws {@link ArgumentError} for sizes below 1 or wrong options.
   */
  constructor(inFeatures: number, hiddenFeatures: number, options: LSTMCellOptions = {}) {
    const given = readOptions(options, lstmCellOptions);
    const projected = checkInteger(given.projection, 'options.projection', 0, checkInteger(hiddenFeatures, 'hiddenFeatures', 1, 2 ** 24 - 1));
    super(inFeatures, hiddenFeatures, given, 4, projected || hiddenFeatures, new ForgetGateOpen());
    this.projection = projected === 0 ? null : new Parameter([hiddenFeatures, projected], { init: given.init });
  }

  get stateFeatures(): readonly number[] {
    return [this.recurrentWeight.shape[0], this.hiddenFeatures];
  }
  /** @internal */
  protected steps(pre: Tensor, state: readonly (Tensor | null)[], mask: AnyTensor | null, sizes: Sequence): SequenceResult {
    return lstm(pre, this.recurrentWeight, this.projection, state, mask, sizes);
  }
  override config(): unknown {
    const { inFeatures, hiddenFeatures } = this;
    return { inFeatures, hiddenFeatures, bias: this.bias !== null, projection: this.projection?.shape[1] ?? 0 };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ inFeatures, hiddenFeatures, ...options }: LSTMCellOptions & { inFeatures: number; hiddenFeatures: number }): LSTMCell {
    return new LSTMCell(inFeatures, hiddenFeatures, options);
  }
}

/**
 * Gated recurrent unit: `h = (1 − z)·n + z·h` with `r, z = σ(x·W + h·R + b)` and the candidate `n = tanh(x·W + b + r·(h·R + recurrentBias))`,
 * or with `resetAfter: false`, as published, `n = tanh(x·W + b + (r·h)·R)`. The gates stand side by side in the order r, z, n: that of PyTorch.
 * Cho et al. 2014. The papers call z what others call 1 − z; here a z of 1 keeps the state.
 *
 * @example
 * ```ts
 * import { GRUCell, ones } from 'nodegrad';
 * const [h] = new GRUCell(10, 20, { resetAfter: false }).forward(ones([3, 10])); // [3, 20]
 * ```
 */
export class GRUCell extends RecurrentCell {
  /** Shape [hidden]: what is added to the candidate's product of the state; null without biases or with `resetAfter: false`. */
  readonly recurrentBias: Parameter | null;
  /** Whether the reset gate works behind the product of the state. */
  readonly resetAfter: boolean;

  /**
   * @param inFeatures - Size of the last input dimension.
   * @param hiddenFeatures - Number of hidden units.
   * @throws {@link ArgumentError} for sizes below 1 or wrong options.
   */
  constructor(inFeatures: number, hiddenFeatures: number, options: GRUCellOptions = {}) {
    const given = readOptions(options, gruCellOptions);
    super(inFeatures, hiddenFeatures, given, 3, hiddenFeatures, new Zeros());
    this.resetAfter = given.resetAfter;
    const has = this.bias !== null && this.resetAfter;
    this.recurrentBias = has ? new Parameter([hiddenFeatures], { init: given.biasInit ?? new Zeros() }) : null;
  }

  get stateFeatures(): readonly number[] {
    return [this.hiddenFeatures];
  }
  /** @internal */
  protected steps(pre: Tensor, state: readonly (Tensor | null)[], mask: AnyTensor | null, sizes: Sequence): SequenceResult {
    return gru(pre, this.recurrentWeight, this.recurrentBias, state, mask, sizes, this.resetAfter);
  }
  override config(): unknown {
    const { inFeatures, hiddenFeatures, resetAfter } = this;
    return { inFeatures, hiddenFeatures, bias: this.bias !== null, resetAfter };
  }
  /** The layer that `config()` describes. */
  static fromConfig({ inFeatures, hiddenFeatures, ...options }: GRUCellOptions & { inFeatures: number; hiddenFeatures: number }): GRUCell {
    return new GRUCell(inFeatures, hiddenFeatures, options);
  }
}

registerLayers({ RNNCell, LSTMCell, GRUCell });

keepNames({ RecurrentCell });
