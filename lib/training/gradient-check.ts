// Gradient check of a whole model: what backward gives, beside differences of the loss.

import type { AnyLayer, Layer } from '../layers/layer.js';
import { ArgumentError, checkFlag, checkInteger, checkNumber, checkOptions, expected } from '../errors.js';
import { checkLayer } from '../layers/check.js';
import { inMode } from '../layers/costs.js';
import type { Parameter } from '../parameter.js';
import { Random } from '../random.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';

/** Options of {@link gradCheck}. */
export interface GradCheckOptions {
  /** Makes one number of the output. Default: the sum of the outputs, each times a fixed random number, so that every output counts. */
  loss?: (output: Tensor<'float64'>) => Tensor<'float64'>;
  /** How far a parameter is moved to each side. Default 1e-5. */
  step?: number;
  /** How many elements of each parameter are checked, chosen at random where it has more. Default 100. */
  samples?: number;
  /** Whether the model is in training mode. Default false: a layer that draws numbers cannot be checked in it. */
  training?: boolean;
}

/** What {@link gradCheck} found of one parameter. */
export interface ParameterGradCheck {
  /** Path of the parameter. */
  readonly path: string;
  /** How many of its elements were checked. */
  readonly checked: number;
  /** Largest difference between gradient and centred difference, relative to the larger of the two largest magnitudes; kinks are left out. */
  readonly error: number;
  /** Flat index of the element with the largest difference. */
  readonly worst: number;
  /** Flat indices of the elements at a kink: there the slopes to both sides differ, and the gradient is one of them or lies between. */
  readonly kinks: readonly number[];
}

/** What {@link gradCheck} found. */
export interface GradCheckReport {
  /** By parameter, in the order of `namedParameters()`. */
  readonly parameters: readonly ParameterGradCheck[];
  /** The largest error of all. Below 1e-7 where everything is smooth: the gradient is right. Above 1e-4: it is wrong. */
  readonly error: number;
}

interface Probe {
  readonly loss: () => number;
  readonly step: number;
}

/** Slopes of the loss to the left and right of an element, and through both. */
function slopes({ loss }: Probe, data: Float64Array, at: number, step: number): { left: number; right: number; centred: number } {
  const value = data[at];
  const middle = loss();
  data[at] = value + step;
  const above = loss();
  data[at] = value - step;
  const below = loss();
  data[at] = value;
  return { left: (middle - below) / step, right: (above - middle) / step, centred: (above - below) / (2 * step) };
}

/** Whether the slopes to both sides differ by more than a curve's would: those of a curve come together with the step, those of a kink do not. */
function isKink(probe: Probe, data: Float64Array, at: number, gradient: number, scale: number): boolean {
  const [wide, narrow] = [probe.step, probe.step / 16].map((step) => slopes(probe, data, at, step));
  const gap = Math.abs(wide.right - wide.left);
  if (gap < 1e-4 * scale) return false;
  // A kink beside the element is out of reach of the narrow step: there the gradient is right.
  if (Math.abs(narrow.centred - gradient) < 1e-4 * scale) return true;
  const [low, high] = [Math.min(narrow.left, narrow.right), Math.max(narrow.left, narrow.right)];
  return high - low > 0.5 * gap && gradient > low - 1e-4 * scale && gradient < high + 1e-4 * scale;
}

function checkParameter(
  probe: Probe,
  path: string,
  data: Float64Array,
  gradient: Float64Array,
  samples: number,
  floor: number,
): ParameterGradCheck {
  const random = new Random(1, path);
  const indices = Array.from({ length: Math.min(samples, data.length) }, (_, i) =>
    data.length <= samples ? i : Math.floor(random.uniform() * data.length),
  );
  const centred = indices.map((at) => slopes(probe, data, at, probe.step).centred);
  const scale = Math.max(floor, ...indices.map((at) => Math.abs(gradient[at])), ...centred.map(Math.abs));
  const kinks: number[] = [];
  let [error, worst] = [0, indices[0] ?? -1];
  for (const [i, at] of indices.entries()) {
    const off = Math.abs(gradient[at] - centred[i]) / scale;
    if (!(off > error)) {
      if (!Number.isNaN(off)) continue;
    } else if (off > 1e-7 && isKink(probe, data, at, gradient[at], scale)) {
      kinks.push(at);
      continue;
    }
    [error, worst] = [off, at];
  }
  return { path, checked: indices.length, error, worst, kinks };
}

/** The model in float64: itself where it is that already, else a copy. */
function inFloat64(model: AnyLayer): AnyLayer {
  return model.parameters().every(({ dtype }) => (dtype as string) === 'float64') ? model : (model.clone() as Layer).to('float64');
}

/**
 * Checks the gradients of a model: for each parameter, what `backward` gives beside the centred difference `(L(w + h) − L(w − h)) / 2h`, in float64.
 * The model stays as it is. Course row G09.
 *
 * The error is relative to the parameter's largest gradient, or to a thousandth of the largest of all where that is more. At a kink (ReLU at 0, a maximum with two winners) a difference means nothing; such
 * elements are named and left out.
 *
 * @param model - A layer whose class is registered, or one in float64.
 * @param input - A batch, after the model's preprocessing, as for `forward`; floats become float64.
 * @throws {@link ArgumentError} when two passes give different numbers, the loss is not one number, or options are wrong.
 * @example
 * ```ts
 * import { Linear, Sequential, Tanh, gradCheck, tensor } from 'nodegrad';
 * const model = new Sequential([new Linear(2, 4), new Tanh(), new Linear(4, 1)]);
 * gradCheck(model, tensor([[0.5, -1], [2, 0.25]])).error; // about 1e-10
 * ```
 */
export function gradCheck(model: AnyLayer, input: AnyTensor, options: GradCheckOptions = {}): GradCheckReport {
  const given = checkOptions<GradCheckOptions>(options, 'options', ['loss', 'step', 'samples', 'training']);
  const step = checkNumber(given.step ?? 1e-5, 'options.step', 1e-12, 1);
  const samples = checkInteger(given.samples ?? 100, 'options.samples', 1);
  const training = checkFlag(given.training ?? false, 'options.training');
  if (given.loss !== undefined && typeof given.loss !== 'function') throw new ArgumentError(expected('a function', 'options.loss', given.loss));
  const x = Tensor.check(input, 'input') as AnyTensor;
  const batch = (x.dtype === 'float32' ? x.to('float64') : x).detach();
  const twin = inFloat64(checkLayer(model));
  return inMode(twin, training, () => {
    const parameters = [...twin.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad) as unknown as [
      string,
      Parameter<'float64'>,
    ][];
    const before = parameters.map(([, { grad }]) => grad);
    const state = [...twin.namedBuffers().values()].map((buffer) => [buffer.data, buffer.data.slice()] as const);
    const forward = lossOf(twin, batch, given.loss);
    const probe: Probe = { loss: () => noGrad(() => forward().item()), step };
    const [once, again] = [probe.loss(), probe.loss()];
    if (once !== again && !Number.isNaN(once))
      throw new ArgumentError(
        '[gradCheck] the model gives other numbers for the same input: it draws random ones. Check it in evaluation mode',
      );
    for (const [, parameter] of parameters) parameter.grad = null;
    forward().backward();
    const gradients = parameters.map(([, { grad, size }]) => Float64Array.from(grad?.data ?? new Float64Array(size)));
    // A gradient that is zero for a reason, such as that of a bias before batch norm, is beside the rounding errors of differences.
    const floor = Math.max(1e-12, 1e-3 * gradients.reduce((most, values) => values.reduce((a, b) => Math.max(a, Math.abs(b)), most), 0));
    const found = parameters.map(([path, parameter], i) =>
      checkParameter(probe, path, parameter.data as Float64Array, gradients[i], samples, floor),
    );
    for (const [i, [, parameter]] of parameters.entries()) parameter.grad = before[i];
    for (const [data, values] of state) data.set(values as never);
    return { parameters: found, error: Math.max(0, ...found.map(({ error }) => error)) };
  });
}

function lossOf(model: AnyLayer, batch: AnyTensor, own: GradCheckOptions['loss']): () => Tensor<'float64'> {
  let weights: Tensor<'float64'> | undefined;
  return () => {
    const output = model.forward(batch) as Tensor<'float64'>;
    if (own === undefined) {
      const random = new Random(1, 'gradCheck');
      weights ??= Tensor.from(
        Float64Array.from({ length: output.size }, () => random.uniform() + 0.5),
        [...output.shape],
      ) as Tensor<'float64'>;
      return output.mul(weights).sum();
    }
    const loss = Tensor.check(own(output), 'the loss') as Tensor<'float64'>;
    if (loss.size !== 1) throw new ArgumentError(expected('a loss of one number', 'options.loss', loss));
    return loss;
  };
}
