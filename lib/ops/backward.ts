// Reverse-mode differentiation: walks the tape back from a loss and adds gradients to its leaves.

import { context, within } from '../context.js';
import type { DType, FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, describeShape } from '../errors.js';
import { walks } from '../recording.js';
import type { AnyTensor, Tensor } from '../tensor/core.js';
import { sameShape } from './broadcast.js';
import { accumulateOp, add } from './elementwise.js';
import type { GradientNode } from './destination.js';
import { emitInPlace, inLayer, outdatedOf, withOutdated, withoutGradients } from './emit.js';
import { cast, copy, filled } from './shape.js';

type FloatTensor = Tensor<FloatDType>;

/** All nodes from number `since` on that `root` depends on, latest first. */
function tapeOf(root: AnyTensor, since: number): GradientNode[] {
  const seen = new Set<GradientNode>();
  const stack: GradientNode[] = [];
  const visit = (tensor: AnyTensor): void => {
    const node = tensor.node;
    if (node !== null && node.id >= since && !seen.has(node)) {
      seen.add(node);
      stack.push(node);
    }
  };
  visit(root);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    walks(node.id);
    if (node.released) {
      throw new ArgumentError(
        `backward() has already used this part of the tape (operation '${node.op.name}'${inLayer(node)}): run the forward pass again`,
      );
    }
    for (const input of node.inputs) visit(input);
  }
  return [...seen].sort((a, b) => b.id - a.id);
}

/** Where the gradient of a leaf is added up; null where it has none yet. */
const targetOf = (leaf: AnyTensor): AnyTensor | null => context.leafGradients?.get(leaf) ?? leaf.gradientTarget();

/** Adds to the gradient of a leaf, in place when it has one. */
function addToLeaf(leaf: AnyTensor, gradient: AnyTensor): void {
  const target = targetOf(leaf);
  if (target === null) leaf.grad = copy(gradient);
  else emitInPlace(accumulateOp, [target], [gradient], undefined);
}

export function backward(root: AnyTensor, upstream?: AnyTensor): void {
  if (!root.requiresGrad) {
    throw new ArgumentError(
      'backward() was called on a tensor that depends on nothing with `requiresGrad`: was it computed under noGrad(), or detached?',
    );
  }
  if (upstream === undefined && root.size !== 1) {
    throw new ShapeError(
      `backward() without an upstream gradient needs one element, received shape ${describeShape(root.shape)}. Reduce it with .mean() or .sum()`,
    );
  }
  if (upstream !== undefined && (!sameShape(upstream.shape, root.shape) || upstream.dtype !== root.dtype)) {
    throw new ShapeError(
      `expected an upstream gradient of shape ${describeShape(root.shape)} and dtype ${root.dtype}, received ${describeShape(upstream.shape)} ${upstream.dtype}`,
    );
  }
  withoutGradients(() => {
    const given = upstream ?? filled(root.shape, 1, root.dtype);
    const seed = (root.dtype as DType) === 'bfloat16' ? cast(given, 'float32') : given;
    if (root.node === null) return addToLeaf(root, seed);
    walk(root, 0, new Map([[root, seed]]));
  });
}

/** Goes back along the nodes from number `since` on. */
function walk(root: AnyTensor, since: number, gradients: Map<AnyTensor, AnyTensor>): void {
  for (const node of tapeOf(root, since)) {
    const upstreams = takeUpstreams(node, gradients);
    const { remake } = node.op;
    if (upstreams !== null && remake !== undefined) {
      const remade = remake(node);
      gradients.set(remade.output, upstreams[0] as AnyTensor);
      walk(remade.output, remade.since, gradients);
    } else if (upstreams !== null) propagate(node, upstreams, gradients);
    // Lets go of the activations while the walk goes on.
    node.released = true;
    node.inputs = [];
    node.outputs = [];
  }
}

/** What has come to the outputs of a node; null where nothing has come to any. */
function takeUpstreams({ op, outputs }: GradientNode, gradients: Map<AnyTensor, AnyTensor>): (AnyTensor | null)[] | null {
  const count = op.differentiable ?? 1;
  let found: (AnyTensor | null)[] | null = null;
  for (let i = 0; i < count; i++) {
    const dy = gradients.get(outputs[i]);
    if (dy === undefined) continue;
    gradients.delete(outputs[i]);
    if (count === 1) return [dy];
    found ??= Array.from({ length: count }, () => null);
    found[i] = dy;
  }
  return found;
}

function propagate(node: GradientNode, upstreams: readonly (AnyTensor | null)[], gradients: Map<AnyTensor, AnyTensor>): void {
  const { op, inputs, outputs, attributes } = node;
  if (op.gradient === 'none') return;
  const needs = inputs.map((input) => input.requiresGrad);
  const rule = op.gradient;
  // A rule may add straight into a leaf's gradient; it then returns null for that input.
  const target = (i: number): AnyTensor | null => (inputs[i].node === null ? targetOf(inputs[i]) : null);
  const upstream = upstreams[0] as AnyTensor;
  const run = (): (AnyTensor | null)[] => rule({ inputs, outputs, attributes, upstream, upstreams, needs, target });
  const outdated = outdatedOf(node);
  const results = within('place', node.place, outdated === null ? run : () => withOutdated(node, outdated, run));
  for (let i = 0; i < inputs.length; i++) {
    const gradient = results[i];
    if (!needs[i] || gradient === null || gradient === undefined) continue;
    const input = inputs[i];
    if (input.node === null) addToLeaf(input, gradient);
    else {
      const before = gradients.get(input);
      gradients.set(input, before === undefined ? gradient : add(before as FloatTensor, gradient as FloatTensor));
    }
  }
}
