// What the tape of a forward pass tells: which activation made the prediction, what the loss makes of it, and the activations in between.

import type { GradientNode } from '../ops/destination.js';
import type { AnyTensor } from '../tensor.js';

/** Operations that change a tensor's shape or its element type alone, or what dropout leaves of it. */
const handedOn: ReadonlySet<string> = new Set(['reshape', 'cast', 'copy_strided', 'slice', 'dropout']);

/** Operations that are straight lines in what passes; any other bends it. */
const straight: ReadonlySet<string> = new Set([
  ...handedOn,
  ...['add', 'sub', 'neg', 'sum', 'concat', 'embed', 'gather_rows', 'scale_by', 'select', 'pad2d', 'interpolate2d'],
  ...['avg_pool2d', 'adaptive_avg_pool2d'],
]);

/** The nodes that `root` depends on, in the order in which they ran. */
export function nodesOf(root: AnyTensor): GradientNode[] {
  const seen = new Set<GradientNode>();
  const stack: GradientNode[] = root.node === null ? [] : [root.node];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const { node: before } of node.inputs) if (before !== null) stack.push(before);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/** The operation that a tensor comes of, behind those that only hand it on; null for a leaf. */
export function makerOf(tensor: AnyTensor): GradientNode | null {
  let { node } = tensor;
  while (node !== null && handedOn.has(node.op.name) && node.inputs[0].node !== null) node = node.inputs[0].node;
  return node;
}

/** The activation that a prediction comes of; null where another operation made it. */
export function lastActivation(prediction: AnyTensor): string | null {
  const maker = makerOf(prediction);
  return maker !== null && isActivation(maker) ? maker.op.name : null;
}

/** Whether an operation bends what passes: recurrent layers do, products of weights with what passes do not. */
export function isCurved({ op, inputs }: GradientNode): boolean {
  if (['lstm', 'gru', 'rnn'].includes(op.name)) return true;
  if (op.name === 'mul' || op.name === 'div') return inputs.every(({ node }) => node !== null);
  return op.products === undefined && !straight.has(op.name);
}

/** Whether an operation is an activation: it bends one tensor, and keeps its size. */
export const isActivation = (node: GradientNode): boolean =>
  node.inputs.length === 1 && node.outputs.length === 1 && node.outputs[0].size === node.inputs[0].size && isCurved(node);

/** Whether an operation multiplies by weights. */
export const isWeighted = (node: GradientNode): boolean => node.op.products !== undefined || isLookup(node);

/** Whether it looks rows of a table up. */
export const isLookup = ({ op }: GradientNode): boolean => op.name === 'embed' || op.name === 'gather_rows';

/** What a loss takes predictions for: class scores, binary scores, probabilities, log-probabilities, or plain numbers. */
export type LossReading = 'scores of classes' | 'scores of yes and no' | 'probabilities' | 'log-probabilities' | 'numbers';

const readings: Readonly<Record<string, LossReading>> = {
  cross_entropy: 'scores of classes',
  cross_entropy_dense: 'scores of classes',
  softmax: 'scores of classes',
  log_softmax: 'scores of classes',
  binary_cross_entropy: 'scores of yes and no',
  sigmoid: 'scores of yes and no',
  softplus: 'scores of yes and no',
  log: 'probabilities',
  pick: 'log-probabilities',
};

/**
 * What the operations of a loss take the prediction for, by the first that says so: a logarithm takes probabilities, a softmax scores.
 *
 * @param loss - On the tape.
 * @param prediction - What it was computed from.
 */
export function readingOf(loss: AnyTensor, prediction: AnyTensor): LossReading {
  const reached = new Set<AnyTensor>([prediction]);
  for (const node of nodesOf(loss)) {
    if (!node.inputs.some((input) => reached.has(input))) continue;
    const reading = readings[node.op.name];
    if (reading !== undefined) return reading;
    for (const output of node.outputs) reached.add(output);
  }
  return 'numbers';
}
