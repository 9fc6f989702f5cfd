// One look at a model: a forward and a backward pass over a few examples, in numbers, which changes nothing that the run depends on.

import type { AnyPair } from '../data/loader.js';
import { isFloat } from '../dtype.js';
import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import { isLoaded } from '../layers/state.js';
import type { Loss } from '../losses/loss.js';
import { noteSkipped } from '../ops/sometimes.js';
import { holdState } from '../ops/state.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import type { GradientNode } from '../ops/destination.js';
import type { Parameter } from '../parameter.js';
import { isSlowOverDenormals } from '../runtime.js';
import { defaultRandom } from '../seed.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { rememberModes, turn } from '../training/modes.js';
import { reachesNothing } from '../training/reach.js';
import { randomsOf } from '../training/run-state.js';
import { type Spread, columnMoments, rootMeanSquare, rowsOf, shareOfDenormals, spreadOf, spreadOfAll } from './measures.js';
import { type LossReading, isActivation, isCurved, isLookup, isWeighted, lastActivation, nodesOf, readingOf } from './tape.js';

/** What an activation put out for the examples of a look. */
export interface ActivationLook {
  /** Path of the layer that it ran in. */
  readonly path: string;
  /** Name of the operation: `relu`, `sigmoid` … */
  readonly name: string;
  /** Units, or channels: the last dimension. */
  readonly units: number;
  /** Share of units that are zero for all examples. */
  readonly dead: number;
  /** Share of numbers within 1 % of an end of the range of sigmoid or tanh; 0 for others. */
  readonly saturated: number;
  /** Mean over the units of the standard deviation over the examples: how much of the input is still there. */
  readonly signal: number;
}

/** A weight (of two dimensions or more) in a look. */
export interface WeightLook {
  /** Path of the parameter. */
  readonly path: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** Root of the mean square of its elements. */
  readonly rms: number;
  /** The same of its gradient. */
  readonly gradient: number;
  /** Whether all its units have the same weights and the same gradient. */
  readonly isSymmetric: boolean;
}

/** What a look saw. */
export interface Look {
  /** The loss, regularization left out. */
  readonly loss: number;
  /** Examples that were looked at. */
  readonly examples: number;
  /** Activation that the prediction comes of; null for none. */
  readonly lastActivation: string | null;
  /** What the loss takes the prediction for. */
  readonly reading: LossReading;
  /** Shape of the prediction. */
  readonly shape: readonly number[];
  /** Its numbers. */
  readonly outputs: Spread;
  /** What enters the first operation with weights, column by column at its largest; null where that looks rows of a table up. */
  readonly entering: (Spread & { readonly largest: number }) | null;
  /** Whether a normalization comes before the second operation with weights. */
  readonly isNormalized: boolean;
  /** Hidden activations, in their order; that of the output is left out. */
  readonly activations: readonly ActivationLook[];
  /** Operations with weights. */
  readonly depth: number;
  /** Whether anything bends between the first and the last of them. */
  readonly isCurved: boolean;
  /** Weights in the order of the model. */
  readonly weights: readonly WeightLook[];
  /** Weights that are not in training, and were not loaded either: these are meant to stay as they are. */
  readonly frozen: readonly string[];
  /** Parameters in training that the loss does not depend on. */
  readonly unreached: readonly string[];
  /** Parameters in training that the optimizer does not hold. */
  readonly notHeld: readonly string[];
  /** Where most numbers are denormal, by their share, and whether this processor is slow over them; null where hardly any are. */
  readonly denormals: { readonly place: string; readonly share: number; readonly isSlow: boolean } | null;
  /** The loss of the same examples in evaluation mode. */
  readonly evaluated: number;
  /** Whether two passes in evaluation mode over the same examples differ. */
  readonly isRandomInEvaluation: boolean;
}

/** What is looked at. */
export interface Subject {
  readonly model: AnyLayer;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
}

/**
 * Runs the model over a batch, forward and backward, and gives numbers; null where the model takes several inputs, gives several outputs,
 * or refuses the batch. Between its parts the event loop has a turn, with everything as it was.
 *
 * @param earlier - A look at the same model: what stays as it is, is not looked for again.
 */
export async function lookAt(
  { model, loss, optimizer }: Subject,
  [inputs, targets, weights]: AnyPair,
  earlier: Look | null = null,
  onRefusal?: (error: unknown) => void,
): Promise<Look | null> {
  if (!(inputs instanceof Tensor)) return null;
  model.prepare();
  const parameters = [...new Set<AnyTensor>([...model.parameters(), ...optimizer.groups.flatMap(({ parameters: list }) => list)])];
  const aside = besides(model);
  try {
    const inEvaluation = aside(() => evaluate(model, inputs, loss, [targets, weights], earlier));
    await turn();
    const pass = aside(() => {
      model.train();
      return forwardOf(model, inputs as Tensor, loss, [targets, weights]);
    });
    if (pass === null) return null;
    await turn();
    const { facts, prediction, reached, hasSkipped, value, total } = pass;
    const gradients = aside(() => {
      model.train();
      return gradientsOf(parameters, total, hasSkipped);
    });
    await turn();
    const all = [...model.namedParameters()];
    const named = all.filter(([, one]) => one.requiresGrad);
    const of = (one: Parameter): AnyTensor | null => gradients.get(one) ?? null;
    return {
      ...facts,
      loss: value,
      examples: inputs.shape[0],
      weights: named.filter(([, { rank }]) => rank >= 2).map(([path, one]) => lookAtWeight(path, one, of(one))),
      frozen: all.filter(([, one]) => !one.requiresGrad && one.rank >= 2 && !isLoaded(one)).map(([path]) => path),
      // What a part left out may be trained by another step.
      unreached: hasSkipped ? [] : named.filter(([, one]) => !reached.has(one)).map(([path]) => path),
      notHeld: named.filter(([, one]) => !optimizer.owns(one)).map(([path]) => path),
      denormals: mostDenormals(
        inputs as Tensor,
        prediction,
        named.map(([path, one]) => [path, of(one)]),
      ),
      ...inEvaluation,
    };
  } catch (error) {
    // What the first step of a run refuses, it says itself.
    onRefusal?.(error);
    return null;
  }
}

/** Runs parts of a look: generators stand where they did when it began, and where they did before the part when it ends; so do modes. */
function besides(model: AnyLayer): <T>(part: () => T) => T {
  const generators = [defaultRandom(), ...randomsOf(model).values()];
  const began = generators.map(({ state }) => state);
  return (part) => {
    const before = generators.map(({ state }) => state);
    const restore = rememberModes(model);
    for (const [i, random] of generators.entries()) random.state = began[i];
    try {
      return part();
    } finally {
      for (const [i, random] of generators.entries()) random.state = before[i];
      restore();
    }
  };
}

type Scored = readonly [targets: AnyPair[1], weights: AnyPair[2]];

function evaluate(
  model: AnyLayer,
  inputs: AnyTensor,
  loss: Loss,
  scored: Scored,
  earlier: Look | null,
): Pick<Look, 'evaluated' | 'isRandomInEvaluation'> {
  return noGrad(() => {
    model.eval();
    // Without rewinding in between: what draws numbers draws others.
    const outputs = (earlier === null ? [0, 1] : [0]).map(() => model.forward(inputs as never) as unknown);
    const isRandomInEvaluation =
      earlier?.isRandomInEvaluation ?? (outputs.every((one) => one instanceof Tensor) && !isEqual(outputs as AnyTensor[]));
    return { evaluated: (loss.forward(outputs[0], ...scored) as Tensor).item(), isRandomInEvaluation };
  });
}

/** What a pass forward gave. */
interface Pass {
  readonly facts: ReturnType<typeof ofTape>;
  readonly prediction: Tensor;
  /** What the loss depends on. */
  readonly reached: ReadonlySet<AnyTensor>;
  /** Whether the model left a part of itself out. */
  readonly hasSkipped: boolean;
  readonly value: number;
  /** The loss, that of outputs beside the prediction included. */
  readonly total: Tensor;
}

function forwardOf(model: AnyLayer, inputs: Tensor, loss: Loss, scored: Scored): Pass | null {
  const { result: held, skipped } = noteSkipped(() => holdState(() => trainingOutputsOf(model, inputs)));
  const { result } = held;
  const [prediction] = result[0];
  if (!(prediction instanceof Tensor)) return null;
  const own = loss.forward(prediction, ...scored) as Tensor;
  if (own.size !== 1) return null;
  const terms = result.map(([output, factor], i) => (i === 0 ? own : (loss.forward(output, ...scored) as Tensor).mul(factor)));
  const total = terms.reduce((sum, term) => sum.add(term));
  const facts = ofTape(own, prediction as Tensor, inputs);
  const reached = new Set(nodesOf(total).flatMap((node) => node.inputs.filter((input) => input.node === null)));
  const value = own.item();
  if (!total.requiresGrad) throw reachesNothing(model);
  return { facts, prediction: prediction as Tensor, reached, hasSkipped: skipped.size > 0, value, total };
}

/** Gradients of `total` by parameter; those that were there are there again. */
function gradientsOf(parameters: readonly AnyTensor[], total: Tensor, hasSkipped: boolean): ReadonlyMap<AnyTensor, AnyTensor> {
  const before = parameters.map((one) => one.grad?.data.slice() ?? null);
  for (const one of parameters) one.grad?.data.fill(0);
  const gradients = new Map<AnyTensor, AnyTensor>();
  try {
    total.backward();
  } finally {
    for (const [i, one] of parameters.entries()) {
      const [was, { grad }] = [before[i], one];
      if (grad === null) continue;
      // Where steps skip parts, none and zero must not be told apart while a step is recorded.
      const stays = was !== null || hasSkipped;
      gradients.set(one, stays ? Tensor.wrap(grad.data.slice() as never, grad.shape, grad.dtype) : grad);
      if (was !== null) grad.data.set(was as Float32Array);
      else if (stays) grad.data.fill(0);
      else one.grad = null;
    }
  }
  return gradients;
}

function isEqual([one, other]: readonly AnyTensor[]): boolean {
  return one.data.every((value: number, i: number) => Object.is(value, other.data[i]));
}

function ofTape(
  loss: Tensor,
  prediction: Tensor,
  inputs: Tensor,
): Pick<Look, 'lastActivation' | 'reading' | 'shape' | 'outputs' | 'entering' | 'isNormalized' | 'activations' | 'depth' | 'isCurved'> {
  const nodes = nodesOf(prediction);
  const weighted = nodes.filter(isWeighted);
  const [first, last] = [weighted[0]?.id ?? 0, weighted.at(-1)?.id ?? 0];
  const between = nodes.filter(({ id }) => id > first && id < last);
  return {
    lastActivation: lastActivation(prediction),
    reading: readingOf(loss, prediction),
    shape: prediction.shape,
    outputs: spreadOfAll(prediction),
    entering: weighted.length === 0 || isLookup(weighted[0]) ? null : entering(weighted[0].inputs[0]),
    isNormalized: nodes.some(({ op, id }) => op.name.includes('norm') && id < (weighted[1]?.id ?? Number.POSITIVE_INFINITY)),
    activations: between.filter(isActivation).map((node) => lookAtActivation(node, inputs.shape[0])),
    depth: weighted.length,
    isCurved: nodes.some((node) => isCurved(node) && node.id < last),
  };
}

/** Denormal numbers that are worth a word, in one tensor. */
const fewestDenormals = 100;

/** Among the inputs, the outputs of activations and the gradients. */
function mostDenormals(
  inputs: AnyTensor,
  prediction: AnyTensor,
  gradients: readonly (readonly [string, AnyTensor | null])[],
): Look['denormals'] {
  const activations = nodesOf(prediction).filter(isActivation);
  // A few of a small tensor cost nothing.
  const at = (place: string, tensor: AnyTensor | null): { place: string; share: number } => {
    const share = shareOfDenormals(tensor);
    return { place, share: share * (tensor?.size ?? 0) < fewestDenormals ? 0 : share };
  };
  const places = [
    at('the inputs', inputs),
    ...activations.map(({ place, outputs: [output] }) => at(`the output of '${place?.path ?? ''}'`, output)),
    ...gradients.map(([path, gradient]) => at(`the gradient of '${path}'`, gradient)),
  ];
  const worst = places.reduce((a, b) => (b.share > a.share ? b : a));
  return worst.share === 0 ? null : { ...worst, isSlow: isSlowOverDenormals() };
}

/** Inputs of rows and columns have columns of their own sizes; of others, the last dimension stands for channels. */
function entering(tensor: AnyTensor): Look['entering'] {
  const { data, shape, size, dtype } = tensor;
  if (!isFloat(dtype) || size === 0) return null;
  const width = shape.at(-1) ?? 1;
  const all = spreadOfAll(tensor);
  let largest = all.rms;
  if (width <= 4096) {
    const { mean, variance } = columnMoments(rowsOf(tensor, width));
    for (let j = 0; j < width; j++) {
      const square = mean[j] * mean[j] + variance[j];
      // What is not finite is left out.
      largest = Math.max(largest, Number.isFinite(square) ? Math.sqrt(square) : spreadOf(data, j, width).rms);
    }
  }
  return { ...all, largest };
}

/** Most numbers of an activation of several places, such as pixels, that a look reads. */
const mostNumbers = 1 << 16;

function lookAtActivation({ op, place, outputs: [output] }: GradientNode, examples: number): ActivationLook {
  const path = place?.path ?? '';
  const units = output.shape.at(-1) ?? 1;
  if (output.size === 0) return { path, name: op.name, units, dead: Number.NaN, saturated: Number.NaN, signal: Number.NaN };
  // All examples; of images and sequences places from all over them.
  const rows = rowsOf(output, units, output.size / units <= examples ? undefined : mostNumbers);
  const [high, low] = noGrad(() => [rows.max(0).data, rows.min(0).data]);
  const { variance } = columnMoments(rows);
  let [dead, signal] = [0, 0];
  for (let unit = 0; unit < units; unit++) {
    if (high[unit] === 0 && low[unit] === 0) dead += 1;
    signal += Math.sqrt(variance[unit]);
  }
  return { path, name: op.name, units, dead: dead / units, saturated: saturatedOf(op.name, rows.data), signal: signal / units };
}

/** Share of numbers within 1 % of an end of the range of sigmoid or tanh. */
function saturatedOf(name: string, values: Float32Array): number {
  if (name !== 'sigmoid' && name !== 'tanh') return 0;
  const [low, high] = name === 'sigmoid' ? [0.01, 0.99] : [-0.99, 0.99];
  let outside = 0;
  for (let i = 0; i < values.length; i++) if (values[i] < low || values[i] > high) outside += 1;
  return outside / values.length;
}

function lookAtWeight(path: string, parameter: Parameter, grad: AnyTensor | null): WeightLook {
  const { shape, size, data } = parameter;
  const gradient = grad?.data ?? new Float32Array(0);
  const units = shape.at(-1) ?? 1;
  // Sums of equal numbers may differ in their last bits from one register to the next.
  const same = (values: { readonly length: number; readonly [index: number]: number }, room: number): boolean => {
    for (let i = 0; i < values.length; i++) if (!(Math.abs(values[i] - values[i - (i % units)]) <= room)) return false;
    return true;
  };
  const [weightRms, gradientRms] = [rootMeanSquare(parameter), rootMeanSquare(grad)];
  const isSymmetric = units > 1 && size > units && same(data, 0) && same(gradient, 1e-5 * gradientRms);
  return { path, shape, rms: weightRms, gradient: gradientRms, isSymmetric };
}
