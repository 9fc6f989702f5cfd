// Training, evaluation and prediction as functions of any layer; a Model has them as methods.

import type { AnyDataset } from '../data/dataset.js';
import type { AnyLayer } from '../layers/layer.js';
import { checkLayer } from '../layers/check.js';
import { refuseInStep } from '../recording.js';
import type { AnyTensor } from '../tensor.js';
import type { TensorTree } from '../tree.js';
import { type EvaluateOptions, type PredictOptions, evaluate as evaluateLayer, predict as predictLayer } from './evaluate.js';
import type { FitOptions } from './fit-options.js';
import { fit as fitLayer } from './fit.js';
import type { History, Scores } from './history.js';
import { warnInTraining } from './under-way.js';

/**
 * {@link Model.fit} for a layer that is no model: trains it, epoch after epoch.
 *
 * @throws what {@link Model.fit} throws.
 * @example
 * ```ts
 * import { Linear, MSELoss, SGD, TensorDataset, fit, tensor } from 'nodegrad';
 * const line = new Linear(1, 1);
 * const data = new TensorDataset(tensor([[0], [1]]), tensor([[1], [3]]));
 * await fit(line, data, { loss: new MSELoss(), optimizer: new SGD(line, { lr: 0.1 }), epochs: 100 });
 * ```
 */
export function fit(model: AnyLayer, data: AnyDataset, options: FitOptions): Promise<History> {
  refuseInStep('fit() was called', 'Call it outside of the step');
  return fitLayer(model, data, options);
}

/**
 * {@link Model.evaluate} for a layer that is no model: loss and metrics over a data set, in evaluation mode.
 *
 * @throws what {@link Model.evaluate} throws.
 * @example
 * ```ts
 * import { Linear, MSELoss, TensorDataset, evaluate, tensor } from 'nodegrad';
 * const data = new TensorDataset(tensor([[0], [1]]), tensor([[1], [3]]));
 * const { loss } = await evaluate(new Linear(1, 1), data, { loss: new MSELoss() });
 * ```
 */
export function evaluate(model: AnyLayer, data: AnyDataset, options: EvaluateOptions): Promise<Scores> {
  refuseInStep('evaluate() was called', 'Call it between two steps');
  return checked(model, (layer) => {
    warnInTraining(layer, 'evaluate()');
    return evaluateLayer(layer, data, options);
  });
}

/**
 * {@link Model.predict} for a layer that is no model: its outputs, in evaluation mode, batch by batch.
 *
 * @throws what {@link Model.predict} throws.
 * @example
 * ```ts
 * import { Linear, ones, predict } from 'nodegrad';
 * (await predict(new Linear(3, 2), ones([1000, 3]))).shape; // [1000, 2]
 * ```
 */
export function predict(model: AnyLayer, inputs: TensorTree | AnyDataset, options?: PredictOptions): Promise<AnyTensor>;
export function predict<P extends TensorTree>(model: AnyLayer, inputs: TensorTree | AnyDataset, options?: PredictOptions): Promise<P>;
export function predict(model: AnyLayer, inputs: TensorTree | AnyDataset, options?: PredictOptions): Promise<TensorTree> {
  refuseInStep('predict() was called', 'Call it between two steps, or use forward()');
  return checked(model, (layer) => predictLayer(layer, inputs, options));
}

// What is wrong with an argument is an error of the promise, as for the others.
async function checked<R>(model: AnyLayer, body: (model: AnyLayer) => Promise<R>): Promise<R> {
  return body(checkLayer(model));
}
