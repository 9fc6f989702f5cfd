// One look at a model: a forward and a backward pass over a few examples, in numbers, which changes nothing that the run depends on.

import type { AnyPair } from '../data/loader.js';
import { isFloat } from '../dtype.js';
import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import type { Loss } from '../losses/loss.js';
import { noteSkipped } from '../ops/sometimes.js';
import { holdState } from '../ops/state.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import type { GradientNode } from '../ops/destination.js';
import type { Parameter } from '../parameter.js';
import { defaultRandom } from '../seed.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { rememberModes } from '../training/modes.js';
import { randomsOf } from '../training/run-state.js';
import { type Spread, spreadOf } from './data-facts.js';
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
  /** Weights that are not in training. */
  readonly frozen: readonly string[];
  /** Parameters in training that the loss does not depend on. */
  readonly unreached: readonly string[];
  /** Parameters in training that the optimizer does not hold. */
  readonly notHeld: readonly string[];
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
 * or refuses the batch.
 */
export function lookAt(subject: Subject, [inputs, targets, weights]: AnyPair, onRefusal?: (error: unknown) => void): Look | null {
  const { model, loss, optimizer } = subject;
  if (!(inputs instanceof Tensor)) return null;
  model.prepare();
  const parameters = [...new Set<AnyTensor>([...model.parameters(), ...optimizer.groups.flatMap(({ parameters: list }) => list)])];
  const gradients = parameters.map((one) => one.grad?.data.slice() ?? null);
  const generators = [defaultRandom(), ...randomsOf(model).values()].map((random) => [random, random.state] as const);
  const rewind = (): void => {
    for (const [random, state] of generators) random.state = state;
  };
  const restore = rememberModes(model);
  let skipped: ReadonlySet<string> = new Set();
  try {
    // Without rewinding in between: what draws numbers draws others.
    const outputs = noGrad(() => {
      model.eval();
      return [0, 1].map(() => model.forward(inputs as never) as unknown);
    });
    const isRandomInEvaluation = outputs.every((one) => one instanceof Tensor) && !isEqual(outputs as AnyTensor[]);
    const evaluated = noGrad(() => (loss.forward(outputs[0], targets, weights) as Tensor).item());
    rewind();
    model.train();
    for (const one of parameters) if (one.grad !== null) one.grad.data.fill(0);
    const forward = noteSkipped(() => holdState(() => trainingOutputsOf(model, inputs as Tensor)));
    const { result } = forward.result;
    skipped = forward.skipped;
    const [prediction] = result[0];
    if (!(prediction instanceof Tensor)) return null;
    const own = loss.forward(prediction, targets, weights) as Tensor;
    if (own.size !== 1) return null;
    const terms = result.map(([output, factor], i) => (i === 0 ? own : (loss.forward(output, targets, weights) as Tensor).mul(factor)));
    const total = terms.reduce((sum, term) => sum.add(term));
    const facts = ofTape(own, prediction as Tensor, inputs as Tensor);
    const reached = new Set(nodesOf(total).flatMap((node) => node.inputs.filter((input) => input.node === null)));
    const named = [...model.namedParameters()].filter(([, one]) => one.requiresGrad);
    const value = own.item();
    total.backward();
    return {
      ...facts,
      loss: value,
      examples: inputs.shape[0],
      weights: named.filter(([, { rank }]) => rank >= 2).map(([path, one]) => lookAtWeight(path, one)),
      frozen: [...model.namedParameters()].filter(([, one]) => !one.requiresGrad && one.rank >= 2).map(([path]) => path),
      // What a part left out may be trained by another step.
      unreached: skipped.size > 0 ? [] : named.filter(([, one]) => !reached.has(one)).map(([path]) => path),
      notHeld: named.filter(([, one]) => !optimizer.owns(one)).map(([path]) => path),
      evaluated,
      isRandomInEvaluation,
    };
  } catch (error) {
    // What the first step of a run refuses, it says itself.
    onRefusal?.(error);
    return null;
  } finally {
    for (const [i, one] of parameters.entries()) {
      const before = gradients[i];
      // Where steps skip parts, none and zero must not be told apart while a step is recorded.
      if (before === null && skipped.size > 0) one.grad?.data.fill(0);
      else if (before === null) one.grad = null;
      else one.grad?.data.set(before as Float32Array);
    }
    rewind();
    restore();
  }
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
    outputs: spreadOf(prediction.data, 0, 1),
    entering: weighted.length === 0 || isLookup(weighted[0]) ? null : entering(weighted[0].inputs[0]),
    isNormalized: nodes.some(({ op, id }) => op.name.includes('norm') && id < (weighted[1]?.id ?? Number.POSITIVE_INFINITY)),
    activations: between.filter(isActivation).map((node) => lookAtActivation(node, inputs.shape[0])),
    depth: weighted.length,
    isCurved: nodes.some((node) => isCurved(node) && node.id < last),
  };
}

/** Inputs of rows and columns have columns of their own sizes; of others, the last dimension stands for channels. */
function entering({ data, shape, dtype }: AnyTensor): Look['entering'] {
  if (!isFloat(dtype) || data.length === 0) return null;
  const width = shape.at(-1) ?? 1;
  const columns = width <= 4096 ? Array.from({ length: width }, (_, j) => spreadOf(data, j, width).rms) : [];
  const all = spreadOf(data, 0, 1);
  return { ...all, largest: Math.max(all.rms, ...columns) };
}

/** Most numbers of an activation, and of a weight, that a look reads. */
const mostNumbers = 1 << 16;

function lookAtActivation({ op, place, outputs: [output] }: GradientNode, examples: number): ActivationLook {
  const path = place?.path ?? '';
  const { data, shape, size } = output;
  const units = shape.at(-1) ?? 1;
  const rows = Math.max(1, size / units);
  // Some units of all rows, and of images with many pixels some rows.
  const stride = Math.max(1, Math.ceil(size / mostNumbers));
  const unitStride = rows <= examples ? stride : 1;
  const rowStride = rows <= examples ? 1 : stride;
  const ends = op.name === 'sigmoid' ? [0.01, 0.99] : op.name === 'tanh' ? [-0.99, 0.99] : [-Infinity, Infinity];
  let [looked, dead, outside, numbers, signal] = [0, 0, 0, 0, 0];
  for (let unit = 0; unit < units; unit += unitStride) {
    let [sum, squares, count, isZero] = [0, 0, 0, true];
    for (let row = 0; row < rows; row += rowStride) {
      const value = data[row * units + unit];
      sum += value;
      squares += value * value;
      count += 1;
      if (value !== 0) isZero = false;
      if (value < ends[0] || value > ends[1]) outside += 1;
    }
    looked += 1;
    numbers += count;
    if (isZero) dead += 1;
    const mean = sum / count;
    signal += Math.sqrt(Math.max(0, squares / count - mean * mean));
  }
  return { path, name: op.name, units, dead: dead / looked, saturated: outside / numbers, signal: signal / looked };
}

function lookAtWeight(path: string, parameter: Parameter): WeightLook {
  const { shape, size, data } = parameter;
  const gradient = parameter.grad?.data ?? new Float32Array(0);
  const units = shape.at(-1) ?? 1;
  const rms = (values: { readonly length: number; readonly [index: number]: number }): number => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
    return values.length === 0 ? 0 : Math.sqrt(sum / values.length);
  };
  // Sums of equal numbers may differ in their last bits from one register to the next.
  const same = (values: { readonly length: number; readonly [index: number]: number }, room: number): boolean => {
    for (let i = 0; i < values.length; i++) if (!(Math.abs(values[i] - values[i - (i % units)]) <= room)) return false;
    return true;
  };
  const [weightRms, gradientRms] = [rms(data), rms(gradient)];
  const isSymmetric = units > 1 && size > units && same(data, 0) && same(gradient, 1e-5 * gradientRms);
  return { path, shape, rms: weightRms, gradient: gradientRms, isSymmetric };
}
