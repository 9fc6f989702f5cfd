// The course's experiment on first weights: unit normal inputs through many equal layers, and what becomes of activations and gradients.

import { ArgumentError, checkInteger, checkList, checkNumber, checkOptions, expected } from '../errors.js';
import { He } from '../initializers/he.js';
import { Initializer } from '../initializers/initializer.js';
import { Xavier } from '../initializers/xavier.js';
import { type ActivationName, activation as byName } from '../ops/activation.js';
import { normalTensor } from '../ops/random.js';
import { Random } from '../random.js';
import { type Tensor, noGrad } from '../tensor.js';

/** Options of {@link activationExperiment}. */
export interface ActivationExperimentOptions {
  /** Number of layers; default 10. */
  readonly layers?: number;
  /** Units of each layer, and inputs of the first; default 500. */
  readonly features?: number;
  /** Number of unit normal inputs; default 1000. */
  readonly examples?: number;
  /** What follows each matrix product; default `'tanh'`. */
  readonly activation?: ActivationName;
  /** First weights; default: Xavier by inputs before tanh and sigmoid, He before others (course rows C14, C16). */
  readonly init?: Initializer;
  /** Decides weights and inputs; default 0. */
  readonly seed?: number;
  /** Bins of the histograms; default 30. */
  readonly bins?: number;
  /** Where the first bin begins and the last one ends; default [−1, 1]. */
  readonly range?: readonly [number, number];
}

/** One layer of an {@link ActivationExperiment}. */
export interface ActivationLayer {
  /** Mean of its outputs. */
  readonly mean: number;
  /** Population standard deviation of its outputs. */
  readonly std: number;
  /** Root mean square of its outputs. */
  readonly rms: number;
  /** How many outputs are in each bin. */
  readonly histogram: readonly number[];
  /** How many outputs are beyond the bins. */
  readonly outside: number;
  /** Share of outputs of magnitude above 0.99, where tanh is saturated. */
  readonly saturated: number;
  /** Median of the activation's slope, 1 − h² for tanh. */
  readonly medianSlope: number;
  /** Root mean square of the gradient that reaches its inputs, when a unit normal one arrives at the outputs of the last layer. */
  readonly gradientRms: number;
  /** Root mean square of its weights' gradient in that. */
  readonly weightGradientRms: number;
  /** Norm of its weights' gradient when a unit normal gradient arrives at its own sums, the same for every layer (course row C09). */
  readonly ownWeightGradientNorm: number;
}

/** What {@link activationExperiment} measured. */
export interface ActivationExperiment {
  /** Name of the activation. */
  readonly activation: ActivationName;
  /** Number of units of each layer. */
  readonly features: number;
  /** Number of inputs. */
  readonly examples: number;
  /** Where the first bin begins and the last one ends. */
  readonly range: readonly [number, number];
  /** Mean and standard deviation of the inputs. */
  readonly input: Pick<ActivationLayer, 'mean' | 'std'>;
  /** Layer after layer. */
  readonly layers: readonly ActivationLayer[];
}

/**
 * Sends unit normal inputs through equal layers without biases, `h ← f(h·W)`, and a unit normal gradient back (course rows C06 to C16, C27). Weights
 * that are too small let activations and gradients die out, too large ones saturate tanh; the right ones keep their size.
 *
 * @returns Numbers per layer; {@link activationPicture} draws them.
 * @throws {@link ArgumentError} for options outside their range.
 * @example
 * ```ts
 * import { Normal, activationExperiment } from 'nodegrad';
 * const { layers } = activationExperiment({ activation: 'tanh', init: new Normal({ std: 0.01 }) });
 * layers.map(({ std }) => std); // 0.21, 0.048, 0.011 … 3e-7
 * ```
 */
export function activationExperiment(options: ActivationExperimentOptions = {}): ActivationExperiment {
  const given = checkOptions<ActivationExperimentOptions>(options, 'options', [
    'layers',
    'features',
    'examples',
    'activation',
    'init',
    'seed',
    'bins',
    'range',
  ]);
  const { activation = 'tanh', range = [-1, 1] as const } = given;
  const f = byName(activation);
  const count = checkInteger(given.layers ?? 10, 'options.layers', 1, 1000);
  const features = checkInteger(given.features ?? 500, 'options.features', 1, 2 ** 14);
  const examples = checkInteger(given.examples ?? 1000, 'options.examples', 1, 2 ** 20);
  const bins = checkInteger(given.bins ?? 30, 'options.bins', 1, 10_000);
  const init = given.init ?? (activation === 'tanh' || activation === 'sigmoid' ? new Xavier({ mode: 'fanIn' }) : new He());
  if (!(init instanceof Initializer)) throw new ArgumentError(expected('an Initializer, such as new He()', 'options.init', init));
  const [low, high] = checkList<number>(range, 'options.range', 'where the bins begin and end, such as [-1, 1]').map((end) =>
    checkNumber(end, 'options.range'),
  );
  if (!(low < high) || range.length !== 2) throw new ArgumentError(expected('two ascending numbers', 'options.range', range));
  const seed = checkInteger(given.seed ?? 0, 'options.seed');
  const normal = (rows: number, name: string): Tensor =>
    normalTensor([rows, features], 0, 1, 'float32', new Random(seed, `activations/${name}`)) as Tensor;
  const inputs: Tensor[] = [normal(examples, 'input')];
  const [weights, slopes]: [Tensor[], Tensor[]] = [[], []];
  for (let layer = 0; layer < count; layer++) {
    weights.push(init.values([features, features], 'float32', new Random(seed, `activations/${layer}`)) as Tensor);
    const sums = noGrad(() => inputs[layer].matmul(weights[layer]));
    sums.requiresGrad = true;
    const outputs = f(sums);
    outputs.sum().backward();
    slopes.push((sums.grad as Tensor).detach());
    inputs.push(outputs.detach());
  }
  return noGrad(() => {
    const layers: ActivationLayer[] = [];
    const own = normal(examples, 'own gradient');
    let upstream = normal(examples, 'gradient');
    for (let layer = count - 1; layer >= 0; layer--) {
      const back = upstream.mul(slopes[layer]);
      const weightGradient = inputs[layer].matmul(back, { transposeA: true });
      const ownGradient = inputs[layer].matmul(own, { transposeA: true });
      upstream = back.matmul(weights[layer], { transposeB: true });
      const slope = slopes[layer].data.slice().sort();
      layers.unshift({
        ...moments(inputs[layer + 1].data),
        ...countBins(inputs[layer + 1].data, bins, low, high),
        saturated: shareOf(inputs[layer + 1].data, (value) => Math.abs(value) > 0.99),
        medianSlope: slope[slope.length >> 1],
        gradientRms: moments(upstream.data).rms,
        weightGradientRms: moments(weightGradient.data).rms,
        ownWeightGradientNorm: moments(ownGradient.data).rms * features,
      });
    }
    const { mean, std } = moments(inputs[0].data);
    return { activation, features, examples, range: [low, high], input: { mean, std }, layers };
  });
}

/** Mean, population standard deviation and root mean square, in float64. */
function moments(values: Float32Array): { mean: number; std: number; rms: number } {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < values.length; i++) sum += values[i];
  const mean = sum / values.length;
  for (let i = 0; i < values.length; i++) squares += (values[i] - mean) * (values[i] - mean);
  const variance = squares / values.length;
  return { mean, std: Math.sqrt(variance), rms: Math.sqrt(variance + mean * mean) };
}

function countBins(values: Float32Array, bins: number, low: number, high: number): { histogram: number[]; outside: number } {
  const histogram = new Array<number>(bins).fill(0);
  let outside = 0;
  for (let i = 0; i < values.length; i++) {
    if (!(values[i] >= low && values[i] <= high)) outside += 1;
    else histogram[Math.min(bins - 1, Math.floor(((values[i] - low) / (high - low)) * bins))] += 1;
  }
  return { histogram, outside };
}

function shareOf(values: Float32Array, has: (value: number) => boolean): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if (has(values[i])) count += 1;
  return count / values.length;
}
