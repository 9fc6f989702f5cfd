// Checks once, on the first loss of a run, that what the loss depends on and what the optimizer updates are the same parameters.

import { ArgumentError, type NodegradError } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import type { GradientNode } from '../ops/destination.js';
import { innerLeaves } from '../ops/sometimes.js';
import { Parameter } from '../parameter.js';
import type { AnyTensor } from '../tensor.js';
import { type TensorTree, tensorsOf } from '../tree.js';

/**
 * Walks the tape behind `loss`.
 *
 * @param skipped - Paths of layers that left a part of themselves out: what is below them may be trained by another step.
 * @throws {ArgumentError} naming the parameter when the loss reaches one that the optimizer does not update, or does not reach one that is
 *   to be trained
 */
export function checkReach(
  loss: AnyTensor,
  inputs: TensorTree,
  model: AnyLayer,
  optimizer: Optimizer,
  skipped: ReadonlySet<string> = new Set(),
): void {
  const leaves = leavesOf(loss);
  for (const input of tensorsOf(inputs, 'inputs').leaves) leaves.delete(input);
  const parameters = model.namedParameters();
  const paths = new Map<AnyTensor, string>([...parameters].map(([path, parameter]) => [parameter, path]));
  if (leaves.size === 0) throw reachesNothing(model);
  for (const [leaf, layer] of leaves) {
    if (optimizer.owns(leaf)) continue;
    const path = paths.get(leaf);
    throw new ArgumentError(
      path === undefined
        ? `a ${leaf instanceof Parameter ? 'parameter' : 'tensor'} of shape [${leaf.shape.join(', ')}] in layer '${layer}' is in training, but neither model nor optimizer know it: ${
            leaf instanceof Parameter
              ? 'layers find their parameters in public fields, also in arrays, objects, Maps and Sets of them, not in #private ones'
              : 'what a layer learns is a Parameter in a field, such as w = new Parameter([4], { init: new Zeros() })'
          }`
        : `the optimizer does not update parameter '${path}': make it with the model, or freeze() what is not to be trained`,
    );
  }
  for (const [path, parameter] of parameters) {
    if (!parameter.requiresGrad || leaves.has(parameter)) continue;
    if ([...skipped].some((layer) => layer === '' || path.startsWith(`${layer}.`))) continue;
    throw new ArgumentError(
      `parameter '${path}' gets no gradient: the loss does not depend on it. Use it in forward() or, if only training needs it, in trainingOutputs(); or freeze() it`,
    );
  }
}

/** What is said of a loss that depends on nothing that is in training. */
export function reachesNothing(model: AnyLayer): NodegradError {
  const stored = model.parameters().find(({ isWidened }) => isWidened);
  if (stored !== undefined) return stored.untrainable;
  return new ArgumentError(
    isFrozen(model)
      ? 'there is nothing to train: all parameters are frozen. unfreeze() takes them into training again'
      : 'the loss depends on no parameter of the model: was it computed under noGrad(), or from detached tensors?',
  );
}

/** Whether no parameter of a model is in training. */
export const isFrozen = (model: AnyLayer): boolean => model.parameters().every(({ requiresGrad }) => !requiresGrad);

/** Leaves with a gradient that a result depends on, each with the path of a layer that uses it. */
function leavesOf(root: AnyTensor): Map<AnyTensor, string> {
  const leaves = new Map<AnyTensor, string>();
  const seen = new Set<GradientNode>();
  const inner = new Set<AnyTensor>();
  const stack: GradientNode[] = root.node === null ? [] : [root.node];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const leaf of innerLeaves(node)) inner.add(leaf);
    for (const input of node.inputs) {
      if (input.node !== null) stack.push(input.node);
      else if (input.requiresGrad && !inner.has(input) && !leaves.has(input)) leaves.set(input, node.place?.path ?? '');
    }
  }
  return leaves;
}
