// Model presets for images and vectors: a linear classifier and a multilayer perceptron. Assembly only.

import { ArgumentError, checkInteger, checkOptions, expected } from '../errors.js';
import { ReLU } from '../layers/activations.js';
import type { AnyLayer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { Sequential } from './sequential.js';
import { Flatten } from '../layers/shape.js';

/** Options of {@link linearModel}. */
export interface LinearModelOptions {
  /** Shape of one input; default [28, 28, 1]. */
  readonly inputShape?: readonly number[];
  /** Outputs; default 10. */
  readonly classes?: number;
}

/** Options of {@link mlp}. */
export interface MlpOptions extends LinearModelOptions {
  /** Units of the hidden layers; default [512, 256]. */
  readonly hidden?: readonly number[];
}

/**
 * A linear classifier: one score per class, `x·W + b`.
 *
 * @throws {ArgumentError} for sizes below 1 or unknown options.
 * @example
 * ```ts
 * import { linearModel } from 'nodegrad';
 * linearModel({ inputShape: [28, 28, 1], classes: 10 }).parameterCount(); // 7850
 * ```
 */
export function linearModel(options: LinearModelOptions = {}): Sequential {
  checkOptions(options, 'options', ['inputShape', 'classes']);
  return mlp({ ...options, hidden: [] });
}

/**
 * A multilayer perceptron: fully connected layers with ReLU between them, scores (logits) at the end.
 *
 * @throws {ArgumentError} for sizes below 1 or unknown options.
 * @example
 * ```ts
 * import { mlp } from 'nodegrad';
 * mlp({ hidden: [128] }).summary();
 * ```
 */
export function mlp(options: MlpOptions = {}): Sequential {
  const {
    inputShape = [28, 28, 1],
    classes = 10,
    hidden = [512, 256],
  } = checkOptions<MlpOptions>(options, 'options', ['inputShape', 'classes', 'hidden']);
  if (!Array.isArray(inputShape)) throw new ArgumentError(expected('an array of dimensions', 'options.inputShape', inputShape));
  if (!Array.isArray(hidden)) throw new ArgumentError(expected('an array of numbers of units', 'options.hidden', hidden));
  const features = inputShape.reduce((product: number, dimension: unknown) => product * checkInteger(dimension, 'options.inputShape', 1), 1);
  const sizes = [features, ...hidden.map((units, i) => checkInteger(units, `options.hidden[${i}]`, 1))];
  const layers: AnyLayer[] = [new Flatten()];
  for (let i = 1; i < sizes.length; i++) layers.push(new Linear(sizes[i - 1], sizes[i]), new ReLU());
  layers.push(new Linear(sizes[sizes.length - 1], checkInteger(classes, 'options.classes', 1)));
  return new Sequential(layers, { inputShape });
}
