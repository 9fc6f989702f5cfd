// Gradient clipping between backward() and step(): by the norm of all gradients together, or by value.

import { ArgumentError, checkNumber, checkOptions, expected } from '../errors.js';
import { type AnyLayer, Layer } from '../layers/layer.js';
import { clipInPlace, div, minimum, scalar, scaleBy, sqrt } from '../ops/elementwise.js';
import { withoutGradients } from '../ops/emit.js';
import type { Channel, OwnedRange } from '../ops/group.js';
import { sum } from '../ops/reduce.js';
import { concat, filled } from '../ops/shape.js';
import { type Stretch, sumSquares, sumSquaresOverGroup } from '../ops/statistics.js';
import { materializeAll } from '../parameter.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import { type Segment, checkLeaves, movingOf, parametersOf, part, segmentsOf, touchGradients } from './memory.js';
import type { StateMemory } from './state-memory.js';

/** Of {@link ClipGradNormOptions.eps}. */
const defaultEps = 1e-6;

/** Whose gradients are clipped: a model, or parameters. */
export type ClipTarget = Layer<never, unknown> | readonly AnyTensor[];

/** Options of {@link clipGradNorm}. */
export interface ClipGradNormOptions {
  /** Added to the norm before it divides. Default 1e-6. */
  eps?: number;
}

/**
 * Scales all gradients together so that their norm is at most `maxGradNorm`: `g *= min(1, maxGradNorm / (‖g‖ + eps))`, where ‖g‖ is the root of
 * the sum of squares over the gradients of all parameters, added in float64. Call it between `backward()` and `optimizer.step()`, also
 * inside {@link compileStep}. The directions of the gradients stay; one huge batch cannot throw the weights away.
 *
 * Frozen parameters and those without a gradient do not count and stay as they are. What is not finite shows: a NaN makes the norm and all
 * gradients NaN; an infinite element makes the norm infinite, itself NaN, and the others 0, as in PyTorch.
 *
 * @param target - The model, or its parameters.
 * @param maxGradNorm - Above 0, or 0, which sets finite gradients to 0. A recorded step keeps the number it was recorded with.
 * @returns The norm before clipping, rank 0.
 * @throws {@link ArgumentError} for a target that is neither, a negative `maxGradNorm` or `eps`, an unknown option.
 * @example
 * ```ts
 * import { Linear, SGD, clipGradNorm, ones } from 'nodegrad';
 * const model = new Linear(4, 2);
 * const optimizer = new SGD(model, { lr: 0.1 });
 * model.forward(ones([8, 4])).sum().backward();
 * const norm = clipGradNorm(model, 1);
 * optimizer.step();
 * norm.item(); // before clipping
 * ```
 */
export function clipGradNorm(target: ClipTarget, maxGradNorm: number, options: ClipGradNormOptions = {}): Tensor<'float64'> {
  const { eps = defaultEps } = checkOptions<ClipGradNormOptions>(options, 'options', ['eps']);
  checkNumber(eps, 'options.eps', 0);
  checkNumber(maxGradNorm, 'maxGradNorm', 0);
  return withoutGradients(() => {
    const gradients = gradientsOf(target);
    return scaleToNorm(gradients, gradients.map((gradient) => sumSquares(gradient)[0]), maxGradNorm, eps); // biome-ignore format: one line
  });
}

/**
 * @internal {@link clipGradNorm} of a model whose gradients processes have shared out: each has those of the weights that it updates. Norm and gradients
 * have the same bits.
 */
export function clipSharedGradNorm(model: AnyLayer, maxGradNorm: number, memory: StateMemory, channel: Channel): void {
  withoutGradients(() => {
    const own: AnyTensor[] = [];
    const squares = segmentsToClip(model).map(({ home, begin, end }) => {
      const gradient = part(home.gradients as Float32Array, begin, end, home.dtype);
      const stretches = withGaps(memory.ownersOf(home, begin, end) ?? [], begin, end);
      for (const one of stretches)
        if (one.owner === null || one.owner === channel.rank)
          own.push(part(home.gradients as Float32Array, begin + one.begin, begin + one.end, home.dtype));
      return sumSquaresOverGroup(gradient, stretches, channel);
    });
    scaleToNorm(own, squares, maxGradNorm, defaultEps);
  });
}

/** Ranges of the elements `begin` to `end` − 1, counted from there, and what lies between them, which all processes have. */
function withGaps(ranges: readonly OwnedRange[], begin: number, end: number): Stretch[] {
  const stretches: Stretch[] = [];
  let at = begin;
  const add = (from: number, to: number, owner: number | null): void => {
    if (from < to) stretches.push({ begin: from - begin, end: to - begin, owner });
  };
  for (const range of ranges) {
    add(at, range.begin, null);
    add(range.begin, range.end, range.owner);
    at = range.end;
  }
  add(at, end, null);
  return stretches;
}

function scaleToNorm(
  gradients: readonly AnyTensor[],
  squares: readonly Tensor<'float64'>[],
  maxGradNorm: number,
  eps: number,
): Tensor<'float64'> {
  const norm = squares.length === 0 ? filled([], 0, 'float64') : sqrt(sum(concat(squares)));
  const factor = minimum(div(scalar(maxGradNorm, 'float64'), norm.add(eps)), 1);
  for (const gradient of gradients) scaleBy(gradient, factor);
  return norm;
}

/**
 * Cuts every element of every gradient to [−limit, limit]. NaN stays NaN. Unlike {@link clipGradNorm} this turns the direction of the
 * step. Call it between `backward()` and `optimizer.step()`, also inside {@link compileStep}.
 *
 * @param target - The model, or its parameters; frozen ones stay as they are.
 * @param limit - Largest magnitude. A recorded step keeps the number it was recorded with.
 * @throws {@link ArgumentError} for a target that is neither, or a negative limit.
 * @example
 * ```ts
 * import { Linear, clipGradValue, ones } from 'nodegrad';
 * const model = new Linear(4, 2);
 * model.forward(ones([8, 4])).sum().backward();
 * clipGradValue(model, 0.5);
 * ```
 */
export function clipGradValue(target: ClipTarget, limit: number): void {
  checkNumber(limit, 'limit', 0);
  withoutGradients(() => {
    for (const gradient of gradientsOf(target)) clipInPlace(gradient, -limit, limit);
  });
}

function gradientsOf(target: ClipTarget): AnyTensor[] {
  return segmentsToClip(target).map(({ home, begin, end }) => part(home.gradients as Float32Array, begin, end, home.dtype));
}

// The parameters that move, as few stretches of memory: neighbours in a slab are one.
function segmentsToClip(target: ClipTarget): Segment[] {
  if (!(target instanceof Layer || Array.isArray(target)))
    throw new ArgumentError(expected('a model or an array of parameters', 'target', target));
  const parameters = [...new Set(target instanceof Layer ? parametersOf(target) : checkLeaves(target))];
  materializeAll(parameters);
  const moving = movingOf(parameters);
  touchGradients(moving);
  return segmentsOf(moving);
}
