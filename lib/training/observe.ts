// Observed steps: a training step that also says what its layers put out, and how far gradients and updates go against the weights.

import { zeros } from '../create.js';
import { isFloat } from '../dtype.js';
import { ArgumentError, checkFlag, checkInteger, checkOptions, expected } from '../errors.js';
import { type ForwardObserver, observeForward } from '../layers/forward.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { homeOf, movingOf, part } from '../optimizers/memory.js';
import { Optimizer } from '../optimizers/optimizer.js';
import { sizeOf, withoutGradients } from '../ops/emit.js';
import { concat, copy } from '../ops/shape.js';
import { sampleOf, sampledCopy, statistics, statisticsBins, statisticsLength, sumSquares, sumSquaresDifference } from '../ops/statistics.js';
import type { Parameter } from '../parameter.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { Observation } from './observation.js';

/** Where some numbers of an {@link ObservedNumbers} come from. */
export interface ObservedPlace {
  /** Path in the model. */
  readonly path: string;
  /** Class of the layer; `'Parameter'` for parameters. */
  readonly type: string;
  /** Shape of the output or the parameter. */
  readonly shape: readonly number[];
  /** How many of its elements were measured: all, or a sample. */
  readonly measured: number;
}

/** What {@link observed} gives. */
export interface ObservedStep<R> {
  /** What `forwardAndBackward` gave. */
  readonly result: R;
  /** What was measured. */
  readonly observation: ObservedNumbers;
}

/** What {@link observed} measured: tensors that a compiled step can return. {@link decodeObservation} reads them. */
export interface ObservedNumbers {
  /** Layers, in the order of their forwards. */
  readonly layers: readonly ObservedPlace[];
  /** Parameters that the optimizer moves. */
  readonly parameters: readonly ObservedPlace[];
  /** Six numbers a layer, then four a parameter. */
  readonly numbers: Tensor<'float64'>;
  /** 256 counts a layer. */
  readonly counts: Tensor<'int32'>;
}

/** Squared norm of a gradient, its elements that are not finite, squared norms of the update and of the weights. */
const parameterLength = 4;

/** Options of {@link observed}. */
export interface ObservedOptions {
  /**
   * Measure what costs little, as `fit` does: of a tensor with 32,768 elements or more 16,384 from all over it, and not the outputs
   * that a compiled step does not write to memory otherwise: those of normalizations, and of layers that an activation layer follows. Default
   * false: all of everything.
   */
  readonly isLight?: boolean;
}

/**
 * Runs one training step in two halves and measures it on the way: the output of every layer, the gradient of every parameter after the
 * first half, and how far the second half moves the weights. The step computes what it computes without being observed, bit for bit.
 * Only operations are used, so the same lines work eagerly and inside {@link compileStep}: one program for plain steps, one for every
 * tenth, costs little enough to leave on.
 *
 * Layers that put out something else than one float tensor are left out, a container that hands on its last layer's output as well; a
 * layer that is called twice appears twice. Frozen parameters are left out.
 *
 * @param model - The model.
 * @param optimizer - The optimizer that `update` steps.
 * @param forwardAndBackward - Forward, loss and `backward()`; its result is handed on.
 * @param update - `clipGradNorm(…)` if wanted, `optimizer.step()`; gradients are measured before it.
 * @param options - How much is measured.
 * @throws {@link ArgumentError} for arguments of other kinds, or when the optimizer moves no parameter of the model.
 * @example
 * ```ts
 * import { Adam, Tensor, compileStep, crossEntropy, decodeObservation, describeObservation, mlp, observed, ones, zeros } from 'nodegrad';
 * const model = mlp();
 * const optimizer = new Adam(model, { lr: 1e-3 });
 * const gradients = (x: Tensor, y: Tensor<'int32'>) => {
 *   optimizer.zeroGrad();
 *   const loss = crossEntropy(model.forward(x), y);
 *   loss.backward();
 *   return loss;
 * };
 * const step = compileStep((x: Tensor, y: Tensor<'int32'>) => observed(model, optimizer, () => gradients(x, y), () => optimizer.step()));
 * const { result, observation } = await step(ones([32, 28, 28, 1]), zeros([32], { dtype: 'int32' }));
 * console.log(result.item(), describeObservation(decodeObservation(observation, optimizer.steps)));
 * ```
 */
export function observed<R>(
  model: AnyLayer,
  // biome-ignore lint/suspicious/noExplicitAny: options of the optimizer do not matter here.
  optimizer: Optimizer<any>,
  forwardAndBackward: () => R,
  update: () => void,
  options: ObservedOptions = {},
): ObservedStep<R> {
  checkLayer(model);
  const isLight = checkFlag(checkOptions<ObservedOptions>(options, 'options', ['isLight']).isLight ?? false, 'options.isLight');
  if (!(optimizer instanceof Optimizer)) throw new ArgumentError(expected('an optimizer', 'optimizer', optimizer));
  for (const [argument, value] of Object.entries({ forwardAndBackward, update })) {
    if (typeof value !== 'function') throw new ArgumentError(expected('a function', argument, value));
  }
  const layers: ObservedPlace[] = [];
  const [numbers, counts]: [Tensor<'float64'>[], Tensor<'int32'>[]] = [[], []];
  const take = (x: AnyTensor): AnyTensor => (isLight ? sampleOf(x) : x);
  const measure = ({ layer, path, output }: LayerOutput): void => {
    const measured = take(output);
    layers.push(Object.freeze({ path, type: layer.constructor.name, shape: Object.freeze([...output.shape]), measured: measured.size }));
    const [some, histogram] = statistics(measured);
    numbers.push(some);
    counts.push(histogram);
  };
  const seen = new Set<unknown>();
  /** The latest output, as long as the layer behind it may be an activation. */
  let latest: LayerOutput | null = null;
  const look: ForwardObserver = (layer, path, output, inputs) => {
    const isTaken = isLight && isActivation(layer as AnyLayer) && inputs[0] === latest?.output;
    if (latest !== null && !isTaken) measure(latest);
    latest = null;
    if (!(output instanceof Tensor) || !isFloat(output.dtype) || seen.has(output)) return;
    seen.add(output);
    if (isLight && isNormalization(layer as AnyLayer)) return;
    latest = { layer, path, output };
  };
  const result = observeForward(look, forwardAndBackward);
  if (latest !== null) measure(latest);
  const moving = movingParameters(model, optimizer);
  const gradients = moving.map(([, parameter]) => sumSquares(take(gradientOf(parameter))));
  const before = withoutGradients(() => moving.map(([, parameter]) => (isLight ? sampledCopy(parameter) : copy(parameter))));
  update();
  moving.forEach(([, parameter], i) => {
    numbers.push(...gradients[i], ...sumSquaresDifference(take(parameter), before[i]));
  });
  const parameters = moving.map(
    ([path, { shape }], i): ObservedPlace =>
      Object.freeze({ path, type: 'Parameter', shape: Object.freeze([...shape]), measured: before[i].size }),
  );
  return {
    result,
    observation: {
      layers: Object.freeze(layers),
      parameters: Object.freeze(parameters),
      numbers: concat(numbers),
      counts: counts.length > 0 ? concat(counts) : zeros([0], { dtype: 'int32' }),
    },
  };
}

/** The output of a layer. */
interface LayerOutput {
  readonly layer: object;
  readonly path: string;
  readonly output: AnyTensor;
}

/** Whether a layer's output has the mean and the spread that its own parameters say. */
const isNormalization = (layer: AnyLayer): boolean => layer.initializerHint === 'through' && layer.parameters().length > 0;

/** Whether a layer is an elementwise function, which a product before it takes in. */
const isActivation = ({ initializerHint: hint }: AnyLayer): boolean => hint !== null && hint !== 'through';

function movingParameters(model: AnyLayer, optimizer: Optimizer): [string, Parameter][] {
  const owned = [...model.namedParameters()].filter(([, parameter]) => optimizer.owns(parameter));
  const moving = new Set(movingOf(owned.map(([, parameter]) => parameter)));
  if (moving.size === 0) {
    throw new ArgumentError(
      'there is nothing to observe: the optimizer moves no parameter of the model. Does `forwardAndBackward` call backward()?',
    );
  }
  return owned.filter(([, parameter]) => moving.has(parameter));
}

function gradientOf(parameter: Parameter): AnyTensor {
  const { home, begin } = homeOf(parameter);
  return part(home.gradients as Float32Array, begin, begin + parameter.size, home.dtype);
}

/**
 * Reads what {@link observed} measured.
 *
 * @param observation - What `observed` gave, directly or as the result of a compiled step.
 * @param step - The step that was observed, for the record: `optimizer.steps` after it.
 * @throws {@link ArgumentError} for anything else.
 * @example
 * ```ts
 * import { Linear, SGD, decodeObservation, observed, ones } from 'nodegrad';
 * const model = new Linear(4, 2);
 * const optimizer = new SGD(model, { lr: 0.1 });
 * const { observation } = observed(model, optimizer, () => model.forward(ones([8, 4])).sum().backward(), () => optimizer.step());
 * decodeObservation(observation, 1).parameters[0].updateRatio;
 * ```
 */
export function decodeObservation(observation: ObservedNumbers, step: number): Observation {
  const { layers, parameters, numbers, counts } = checkNumbers(observation);
  checkInteger(step, 'step', 0);
  const all = counts.data;
  return {
    step,
    layers: layers.map((layer, i) => {
      const [nonFinite, zeroCount, mean, std, min, max] = numbers.data.subarray(i * statisticsLength, (i + 1) * statisticsLength);
      const histogram = new Array<number>(statisticsBins);
      for (let bin = 0; bin < statisticsBins; bin++) histogram[bin] = all[i * statisticsBins + bin];
      const { path, type, shape, measured } = layer;
      return { path, type, shape, mean, std, min, max, zeros: zeroCount / Math.max(1, measured), nonFinite, histogram };
    }),
    parameters: parameters.map(({ path, shape, measured }, i) => {
      const share = Math.sqrt(measured / Math.max(1, sizeOf(shape)));
      const at = layers.length * statisticsLength + i * parameterLength;
      const [gradient, gradientNonFinite, update, weights] = numbers.data.subarray(at, at + parameterLength);
      const [weightNorm, gradientNorm, updateNorm] = [weights, gradient, update].map((sum) => Math.sqrt(sum) / share);
      return { path, shape, weightNorm, gradientNorm, updateNorm, updateRatio: updateNorm / weightNorm, gradientNonFinite };
    }),
  };
}

function checkNumbers(value: ObservedNumbers): ObservedNumbers {
  const { layers, parameters, numbers, counts } = (typeof value === 'object' && value !== null ? value : {}) as Partial<ObservedNumbers>;
  const places = (list: unknown): list is readonly ObservedPlace[] =>
    Array.isArray(list) && list.length < 2 ** 16 && Array.from(list).every((place) => Array.isArray(place?.shape));
  const known = places(layers) && places(parameters) && numbers instanceof Tensor && counts instanceof Tensor;
  const fits =
    known &&
    numbers.data.length === layers.length * statisticsLength + parameters.length * parameterLength &&
    counts.data.length === layers.length * statisticsBins;
  if (!fits) throw new ArgumentError(expected('what observed() measured', 'observation', value));
  return value;
}
