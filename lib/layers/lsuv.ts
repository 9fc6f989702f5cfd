// LSUV: first weights that give every layer of a model an output of variance 1, measured on a batch.

import { ArgumentError, ShapeError, checkInteger, checkNumber, checkOptions } from '../errors.js';
import { Orthogonal } from '../initializers/orthogonal.js';
import { withoutGradients } from '../ops/emit.js';
import type { Parameter } from '../parameter.js';
import { Random } from '../random.js';
import { getSeed } from '../seed.js';
import { refuseInStep } from '../recording.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { checkLayer } from './check.js';
import { observeForward } from './forward.js';
import type { AnyLayer } from './layer.js';

/** Options of {@link lsuv}. */
export interface LsuvOptions {
  /** How far the variance may be from 1; default 0.02. */
  readonly tolerance?: number;
  /** Most times that one layer's weights are scaled; default 20. */
  readonly rounds?: number;
  /** Whether weights begin orthonormal, as the paper has it; default true. Without it those that are there are scaled. */
  readonly orthogonal?: boolean;
}

/** What {@link lsuv} did to one layer. */
export interface LsuvLayer {
  /** Path of the layer. */
  readonly path: string;
  /** Times that its weights were scaled. */
  readonly rounds: number;
  /** Variance of its output on the batch, before the activation. */
  readonly variance: number;
}

/**
 * Layer-sequential unit-variance initialization (Mishkin and Matas, "All you need is a good init", 2016; course row C25): weights begin
 * orthonormal, then, layer by layer in the order of the forward pass, they are divided by the standard deviation of the layer's output on
 * `batch`, until its variance is within `tolerance` of 1. Layers with a `weight` of two axes and more are meant: linear and convolutional ones;
 * norms, biases and activations stay. The model is in evaluation mode meanwhile. Numbers come from streams of
 * the weights' own, so that two models of one seed begin with different ones.
 *
 * @param model - A model that has not been trained.
 * @param batch - Some examples, as training has them, the more the better; after the model's preprocessing, as for `forward`.
 * @returns A record per layer.
 * @throws {@link ArgumentError} for wrong options, a model without such a layer, and a layer whose output does not vary on the batch.
 * @example
 * ```ts
 * import { datasets, lsuv, smallConvNet } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const { inputs } = train.batch(Int32Array.from({ length: 256 }, (_, i) => i));
 * const model = smallConvNet();
 * lsuv(model, inputs).map(({ path, variance }) => [path, variance]);
 * ```
 */
export function lsuv(model: AnyLayer, batch: AnyTensor, options: LsuvOptions = {}): LsuvLayer[] {
  refuseInStep('weights were initialized', 'Call lsuv() before the first step');
  checkLayer(model);
  const {
    tolerance = 0.02,
    rounds = 20,
    orthogonal = true,
  } = checkOptions<LsuvOptions>(options, 'options', ['tolerance', 'rounds', 'orthogonal']);
  checkNumber(tolerance, 'options.tolerance', 0);
  checkInteger(rounds, 'options.rounds', 1);
  if (typeof orthogonal !== 'boolean') throw new ArgumentError('expected true or false for `options.orthogonal`');
  if (Tensor.check(batch, 'batch').rank === 0 || batch.size === 0) throw new ShapeError('lsuv() expects a batch of examples');
  for (const parameter of model.parameters()) if (parameter.isWidened) parameter.refuseTraining();
  const training = [...model.namedLayers().values()].map((layer) => [layer, layer.training] as const);
  model.eval();
  try {
    return noGrad(() => {
      const order = weighted(model, batch);
      if (order.length === 0) throw new ArgumentError('the model has no layer with weights for lsuv() to scale');
      if (orthogonal) {
        const init = new Orthogonal();
        for (const [path, { weight }] of order) {
          const { seed, stream } = (weight as Parameter).origin ?? { seed: getSeed(), stream: path };
          set(weight, init.values(weight.shape, weight.dtype as 'float32', new Random(seed, `lsuv/${stream}`)).data as Float32Array);
        }
      }
      return order.map(([path, layer]) => scale(model, batch, path, layer, tolerance, rounds));
    });
  } finally {
    for (const [layer, mode] of training) if (layer.training !== mode) layer.train(mode);
  }
}

type Weighted = AnyLayer & { readonly weight: AnyTensor };

/** The layers with weights, in the order of the forward pass. */
function weighted(model: AnyLayer, batch: AnyTensor): [path: string, layer: Weighted][] {
  const found = new Map<AnyLayer, string>();
  observeForward(
    (layer, path) => {
      const weight = (layer as unknown as AnyLayer).ownParameters().get('weight');
      if (weight !== undefined && weight.rank >= 2 && !found.has(layer as unknown as AnyLayer)) found.set(layer as unknown as AnyLayer, path);
    },
    () => model.forward(batch),
  );
  return [...found].map(([layer, path]) => [path, layer as Weighted]);
}

function scale(model: AnyLayer, batch: AnyTensor, path: string, layer: Weighted, tolerance: number, most: number): LsuvLayer {
  let variance = varianceOf(model, batch, layer);
  let round = 0;
  for (; Math.abs(variance - 1) > tolerance && round < most; round++) {
    if (!(variance > 0) || variance === Number.POSITIVE_INFINITY)
      throw new ArgumentError(
        `the output of layer '${path}' has variance ${variance} on the batch: there is nothing to scale. Are its inputs all 0?`,
      );
    const deviation = Math.sqrt(variance);
    set(
      layer.weight,
      (layer.weight.data as Float32Array).map((value) => value / deviation),
    );
    variance = varianceOf(model, batch, layer);
  }
  return { path, rounds: round, variance };
}

/** Population variance of a layer's output, in float64. */
function varianceOf(model: AnyLayer, batch: AnyTensor, wanted: AnyLayer): number {
  let variance = Number.NaN;
  observeForward(
    (layer, _path, output) => {
      if ((layer as unknown) !== wanted || !Number.isNaN(variance)) return;
      const { data } = Tensor.check(output, "the layer's output");
      let [mean, squares] = [0, 0];
      for (let i = 0; i < data.length; i++) mean += data[i] / data.length;
      for (let i = 0; i < data.length; i++) squares += (data[i] - mean) * (data[i] - mean);
      variance = squares / data.length;
    },
    () => model.forward(batch),
  );
  return variance;
}

function set(weight: AnyTensor, values: Float32Array): void {
  withoutGradients(() => (weight.data as Float32Array).set(values));
}
