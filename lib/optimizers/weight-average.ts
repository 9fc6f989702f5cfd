// Averages of weights over a training.

import { ArgumentError, checkInteger, checkNumber, checkOptions, expected } from '../errors.js';
import { isMap } from '../foreign.js';
import type { AnyLayer, Layer } from '../layers/layer.js';
import { keepNames } from '../names.js';
import { touch, withoutGradients } from '../ops/emit.js';
import { Parameter } from '../parameter.js';
import { refuseInStep } from '../recording.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { areAveraged, markAveraged, parametersOf } from './memory.js';

/** Options of {@link WeightAverage}. */
export interface WeightAverageOptions {
  /** Weight of the old average, for an exponential one that starts at the first weights. Default: all weights count alike. */
  decay?: number;
}

/** What `stateDict` of a weight average gives; `stateTensors` has the averages. */
export interface WeightAverageState {
  /** Updates so far. */
  readonly count: number;
}

/**
 * The average of a model's weights over a training (Polyak & Juditsky 1992; Izmailov et al. 2018 as SWA): after each `update()` it is
 * `a ← a + (w − a)/count`, the mean of all weights seen, or with `decay` `a ← decay·a + (1 − decay)·w`, starting at the first weights. Kept
 * in float64. As a callback of `fit` it takes the weights in after each epoch, and checkpoints keep it; in a loop of your own call `update()`. `swapIn()` puts the average into the model, `swapOut()` brings the
 * trained weights back; no optimizer takes a step in between, which would be lost. Batch-norm statistics belong to other weights then: see {@link reestimateStatistics}. Course row L09.
 *
 * @throws {@link ArgumentError} for a decay outside of 0 … 1.
 * @example
 * ```ts
 * import { Linear, WeightAverage } from 'nodegrad';
 * const model = new Linear(4, 2);
 * const average = new WeightAverage(model, { decay: 0.999 });
 * average.update(); // after each step of the training
 * average.swapIn();
 * average.swapOut();
 * ```
 */
export class WeightAverage {
  /** Weight of the old average; null where all weights count alike. */
  readonly decay: number | null;
  readonly #parameters: readonly AnyTensor[];
  #averages: Tensor<'float64'>[] = [];
  #trained: Tensor<'float64'>[] | null = null;
  #count = 0;

  constructor(model: Layer<never, unknown>, options: WeightAverageOptions = {}) {
    const { decay } = checkOptions<WeightAverageOptions>(options, 'options', ['decay']);
    this.decay = decay === undefined ? null : checkNumber(decay, 'options.decay', 0, 1);
    if (typeof (model as Partial<AnyLayer> | null)?.parameters !== 'function') throw new ArgumentError(expected('a model', 'model', model));
    this.#parameters = parametersOf(model);
  }

  /** Updates so far. */
  get count(): number {
    return this.#count;
  }

  /** Whether the model has the average at the moment. */
  get isSwappedIn(): boolean {
    return this.#trained !== null;
  }

  /** As a callback of `fit`: takes in the weights of each epoch. A run that goes on from a checkpoint has the average of all its epochs. */
  onEpochEnd(): void {
    this.update();
  }

  /** Takes the model's weights into the average. */
  update(): void {
    refuseInStep('a weight average was updated', 'Call update() between two steps');
    if (areAveraged(this.#parameters)) throw new ArgumentError('the model has its average: call swapOut() before update()');
    const rate = this.#count === 0 ? 1 : this.decay === null ? 1 / (this.#count + 1) : 1 - this.decay;
    const now = copies(this.#parameters);
    this.#averages =
      this.#count === 0 ? now : this.#averages.map((average, i) => average.add(now[i].sub(average).mul(rate)) as Tensor<'float64'>);
    this.#count += 1;
  }

  /** Puts the average into the model. */
  swapIn(): void {
    refuseInStep('a weight average was swapped in', 'Call swapIn() between two steps');
    if (this.#count === 0) throw new ArgumentError('there is no average yet: call update() first');
    if (this.#trained !== null) return;
    if (areAveraged(this.#parameters)) throw new ArgumentError('the model has another average: call its swapOut() before swapIn()');
    const trained = copies(this.#parameters);
    write(this.#parameters, this.#averages);
    this.#trained = trained;
    markAveraged(this.#parameters, true);
  }

  /** Brings the trained weights back. */
  swapOut(): void {
    refuseInStep('a weight average was swapped out', 'Call swapOut() between two steps');
    if (this.#trained === null) return;
    write(this.#parameters, this.#trained);
    this.#trained = null;
    markAveraged(this.#parameters, false);
  }

  /** How many weights the average has seen, beside {@link stateTensors}. */
  stateDict(): WeightAverageState {
    return { count: this.#count };
  }

  /** The averages in float64 by the paths of parameters; none before the first update. {@link encodeSafetensors} takes them. */
  stateTensors(): Map<string, AnyTensor> {
    return new Map(this.#averages.map((average, i) => [nameOf(this.#parameters[i], i), average.clone()]));
  }

  /** Continues where `stateDict` and `stateTensors` were taken. Nothing changes when they do not fit. */
  loadStateDict(state: unknown, tensors: ReadonlyMap<string, AnyTensor>): void {
    const count = checkInteger((state as Partial<WeightAverageState> | null)?.count, 'state.count', 0);
    if (!isMap(tensors)) throw new ArgumentError(expected('a Map of tensors by name', 'tensors', tensors));
    const averages = (count === 0 ? [] : this.#parameters).map((parameter, i) => {
      const average = tensors.get(nameOf(parameter, i));
      if (!(average instanceof Tensor) || average.dtype !== 'float64' || String(average.shape) !== String(parameter.shape))
        throw new ArgumentError(`the state has no fitting tensor '${nameOf(parameter, i)}'`);
      return average.clone() as Tensor<'float64'>;
    });
    [this.#count, this.#averages] = [count, averages];
  }
}

const nameOf = (parameter: AnyTensor, i: number): string =>
  parameter instanceof Parameter && parameter.path !== '' ? parameter.path : String(i);

function copies(parameters: readonly AnyTensor[]): Tensor<'float64'>[] {
  return withoutGradients(() => parameters.map((one) => (one as Tensor).clone().to('float64')));
}

function write(parameters: readonly AnyTensor[], values: readonly Tensor<'float64'>[]): void {
  for (const [i, parameter] of parameters.entries()) {
    parameter.data.set(values[i].data as never);
    touch(parameter);
  }
}

keepNames({ WeightAverage });
