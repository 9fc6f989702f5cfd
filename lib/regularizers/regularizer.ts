// What keeps weights small beside the loss: penalties that are added to it, and bounds that hold after each update.

import { ArgumentError, checkList, checkNumber, checkOptions, expected } from '../errors.js';
import { ours } from '../foreign.js';
import { Layer } from '../layers/layer.js';
import { keepNames } from '../names.js';
import { abs, add, div, minimum, mul, scalar, sqrt } from '../ops/elementwise.js';
import { sum } from '../ops/reduce.js';
import { checkAxes, copyInto } from '../ops/shape.js';
import { checkLeaves, parametersOf } from '../optimizers/memory.js';
import { type AnyTensor, type Tensor, noGrad } from '../tensor.js';

/** What a regularizer looks at: the weights of a layer or a model (parameters of two axes or more: no biases, no norms), or the parameters of a list. */
export type RegularizerTarget = Layer<never, unknown> | readonly AnyTensor[];

/**
 * Base class of what keeps weights small: `fit({ regularizers: [...] })` adds each `penalty` to the loss that is minimized, and calls
 * `constrain` after each update. In a step of your own, do the same by hand. One regularizer is for one layer, one model, or one group of
 * parameters: a model may have several. The losses that `fit` reports are those of the data alone.
 *
 * @example
 * ```ts
 * import { L2Regularizer, Linear, MSELoss, SGD, compileStep, type Tensor } from 'nodegrad';
 * const model = new Linear(4, 1);
 * const optimizer = new SGD(model, { lr: 0.1 });
 * const regularizer = new L2Regularizer(model, 1e-3);
 * const step = compileStep((x: Tensor, y: Tensor) => {
 *   const loss = new MSELoss().forward(model.forward(x), y);
 *   optimizer.zeroGrad();
 *   loss.add(regularizer.penalty()).backward();
 *   optimizer.step();
 *   return loss;
 * });
 * ```
 */
export abstract class Regularizer {
  /** The parameters that it looks at. */
  readonly parameters: readonly AnyTensor[];

  /** @throws {@link ArgumentError} for a target that is no layer and no list of parameters, or that has none. */
  constructor(target: RegularizerTarget) {
    this.parameters = Object.freeze([...new Set(weightsOf(target))]);
    if (this.parameters.length === 0)
      throw new ArgumentError(expected('a layer with weights (parameters of two axes or more), or a list of parameters', 'target', target));
  }

  /** What is added to the loss, a rank-0 tensor; null for nothing. */
  penalty(): Tensor | null {
    return null;
  }

  /** What is done to the parameters after each update; frozen ones stay as they are. */
  constrain(): void {}
}

function weightsOf(target: RegularizerTarget): readonly AnyTensor[] {
  if (target instanceof Layer) return parametersOf(target).filter((parameter) => parameter.rank >= 2);
  return checkLeaves(checkList<AnyTensor>(target, 'target', 'a layer or a list of parameters'));
}

/** The sum over all parameters of a measure of each. */
const total = (parameters: readonly AnyTensor[], measure: (w: Tensor) => Tensor): Tensor =>
  parameters.map((parameter) => measure(parameter as Tensor)).reduce((before, one) => add(before, one));

const ofSquares = (w: Tensor): Tensor => sum(mul(w, w));
const ofSizes = (w: Tensor): Tensor => sum(abs(w));

/**
 * L2: `λ·Σ w²`, which prefers small and even weights. Its gradient is **`2λ·w`**: the `weightDecay` d of an optimizer adds `d·w`, so λ = d/2
 * is the same for plain SGD, where weight decay costs no pass over the weights. Course rows F01, F03, F04, P34.
 *
 * @example
 * ```ts
 * import { L2Regularizer, Parameter, Zeros } from 'nodegrad';
 * const w = new Parameter([4], { init: new Zeros() });
 * w.data.set([1, 0, 0, 0]);
 * new L2Regularizer([w], 0.1).penalty().item(); // 0.1
 * ```
 */
export class L2Regularizer extends Regularizer {
  /** @param lambda - Factor of the squares, at least 0. */
  constructor(
    target: RegularizerTarget,
    readonly lambda: number,
  ) {
    super(target);
    checkNumber(lambda, 'lambda', 0);
  }

  override penalty(): Tensor {
    return mul(total(this.parameters, ofSquares), this.lambda);
  }
}

/**
 * L1: `λ·Σ |w|`, which drives weights that are of no use to 0. Its gradient is `λ·sign(w)`, 0 at 0. Course rows F02, F03.
 *
 * @example
 * ```ts
 * import { L1Regularizer, mlp } from 'nodegrad';
 * const model = mlp();
 * new L1Regularizer(model, 1e-5).penalty().item(); // 1e-5 times the sizes of all weights
 * ```
 */
export class L1Regularizer extends Regularizer {
  /** @param lambda - Factor of the absolute values, at least 0. */
  constructor(
    target: RegularizerTarget,
    readonly lambda: number,
  ) {
    super(target);
    checkNumber(lambda, 'lambda', 0);
  }

  override penalty(): Tensor {
    return mul(total(this.parameters, ofSizes), this.lambda);
  }
}

/** Options of {@link ElasticNetRegularizer}. */
export interface ElasticNetOptions {
  /** Factor of the absolute values, at least 0. */
  readonly l1: number;
  /** Factor of the squares, at least 0. */
  readonly l2: number;
}

/**
 * Elastic net: `l1·Σ |w| + l2·Σ w²` (Zou and Hastie, 2005). Course row F25.
 *
 * @example
 * ```ts
 * import { ElasticNetRegularizer, Linear } from 'nodegrad';
 * new ElasticNetRegularizer(new Linear(4, 2), { l1: 1e-5, l2: 1e-4 }).penalty().item();
 * ```
 */
export class ElasticNetRegularizer extends Regularizer {
  /** Factor of the absolute values. */
  readonly l1: number;
  /** Factor of the squares. */
  readonly l2: number;

  constructor(target: RegularizerTarget, options: ElasticNetOptions) {
    super(target);
    const { l1, l2 } = checkOptions<ElasticNetOptions>(options, 'options', ['l1', 'l2']);
    this.l1 = checkNumber(l1, 'options.l1', 0);
    this.l2 = checkNumber(l2, 'options.l2', 0);
  }

  override penalty(): Tensor {
    return total(this.parameters, (w) => add(mul(ofSizes(w), this.l1), mul(ofSquares(w), this.l2)));
  }
}

/** Options of {@link MaxNormConstraint}. */
export interface MaxNormOptions {
  /** Axes of a weight that make up one vector; default: all but the last, which are the weights into one unit or channel. */
  readonly axes?: readonly number[];
}

/**
 * Max-norm: after each update, the weights into each unit are scaled down so that their norm is at most `limit`: `w·min(1, limit/‖w‖)`. Weights
 * within it keep their bits, and so do frozen ones (Srebro, Rennie and Jaakkola, 2004).
 *
 * @example
 * ```ts
 * import { Linear, MaxNormConstraint } from 'nodegrad';
 * const layer = new Linear(100, 10);
 * new MaxNormConstraint(layer, 0.5).constrain();
 * ```
 */
export class MaxNormConstraint extends Regularizer {
  /** Axes of a weight that make up one vector; null for all but the last. */
  readonly axes: readonly number[] | null;

  /** @param limit - Largest norm, above 0. */
  constructor(
    target: RegularizerTarget,
    readonly limit: number,
    options: MaxNormOptions = {},
  ) {
    super(target);
    checkNumber(limit, 'limit', Number.MIN_VALUE);
    const { axes } = checkOptions<MaxNormOptions>(options, 'options', ['axes']);
    this.axes = axes === undefined ? null : Object.freeze([...checkList<number>(axes, 'options.axes', 'a list of axes')]);
    if (axes !== undefined) for (const { rank } of this.parameters) checkAxes(axes, rank, 'options.axes');
  }

  override constrain(): void {
    noGrad(() => {
      for (const parameter of this.parameters) {
        if (!parameter.requiresGrad) continue;
        const w = parameter as Tensor;
        const axes = this.axes ?? w.shape.slice(1).map((_, axis) => axis);
        const norms = sqrt(sum(mul(w, w), axes, { keepDims: true }));
        const factors = minimum(div(scalar(this.limit, w.dtype), norms), 1);
        copyInto(parameter, mul(w, factors));
      }
    });
  }
}

/** The list of regularizers of a run. */
export function checkRegularizers(value: unknown): readonly Regularizer[] {
  const all = checkList<Regularizer>(value ?? [], 'options.regularizers', 'a list of regularizers, such as [new L2Regularizer(model, 1e-4)]');
  for (const one of all)
    if (!(one instanceof Regularizer))
      throw new ArgumentError(expected('a regularizer, such as new L2Regularizer(model, 1e-4)', 'options.regularizers', one));
  return [...all];
}

keepNames({ Regularizer, L1Regularizer, L2Regularizer, ElasticNetRegularizer, MaxNormConstraint });

ours(Regularizer);
