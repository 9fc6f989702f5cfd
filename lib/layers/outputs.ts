// What a model puts out: the layer that it ends in, and what a training step scores: the prediction, and outputs beside it that count in the loss alone.

import type { Tensor } from '../tensor.js';
import type { TensorTree } from '../tree.js';
import type { AnyLayer } from './layer.js';

/** An output, a tensor or a tree of them, and the factor of its loss. */
export type ScoredOutput<T extends TensorTree = Tensor> = readonly [output: T, factor: number];

/**
 * A model with outputs that only training needs, such as auxiliary classifiers: `fit` minimizes `Σ factor·loss(output, target)` and
 * reports the loss of the first one, the prediction. Course rows M10, P41.
 *
 * @example
 * ```ts
 * import { type HasTrainingOutputs, Layer, Linear, type ScoredOutput, type Tensor, relu } from 'nodegrad';
 * class TwoHeads extends Layer implements HasTrainingOutputs {
 *   readonly body = new Linear(4, 8);
 *   readonly first = new Linear(8, 3);
 *   readonly second = new Linear(8, 3);
 *   forward(x: Tensor): Tensor {
 *     return this.first.forward(relu(this.body.forward(x)));
 *   }
 *   trainingOutputs(x: Tensor): ScoredOutput[] {
 *     const inner = relu(this.body.forward(x));
 *     return [[this.first.forward(inner), 1], [this.second.forward(inner), 0.3]];
 *   }
 * }
 * ```
 */
export interface HasTrainingOutputs {
  /** What a training step makes of its inputs; the first output is the prediction. */
  // biome-ignore lint/suspicious/noExplicitAny: what a model takes is its own to say.
  trainingOutputs(x: any): readonly ScoredOutput<TensorTree>[];
}

/** @internal What a training step of `model` scores: `forward(x)` where the model does not say more. */
export function trainingOutputsOf(model: AnyLayer, x: TensorTree): readonly ScoredOutput<TensorTree>[] {
  const { trainingOutputs } = model as Partial<HasTrainingOutputs>;
  return typeof trainingOutputs === 'function' ? trainingOutputs.call(model, x) : [[model.forward(x as never) as TensorTree, 1]];
}

/** The last layer that has parameters, and its path: what a model ends in, such as the scores of classes. */
export function headOf(model: AnyLayer): readonly [path: string, layer: AnyLayer] {
  let head: readonly [string, AnyLayer] = ['', model];
  for (const one of model.namedLayers()) if (one[1].ownParameters().size > 0) head = one;
  return head;
}
