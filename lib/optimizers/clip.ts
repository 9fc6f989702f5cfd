// Gradient clipping between backward() and step(): by the norm of all gradients together, or by value.

import { ArgumentError, checkNumber, checkOptions, expected } from '../errors.js';
import { Layer } from '../layers/layer.js';
import { clipInPlace, div, minimum, scalar, scaleBy, sqrt } from '../ops/elementwise.js';
import { withoutGradients } from '../ops/emit.js';
import { sum } from '../ops/reduce.js';
import { concat, filled } from '../ops/shape.js';
import { sumSquares } from '../ops/statistics.js';
import { materializeAll } from '../parameter.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import { checkLeaves, movingOf, parametersOf, part, segmentsOf, touchGradients } from './memory.js';

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
  const { eps = 1e-6 } = checkOptions<ClipGradNormOptions>(options, 'options', ['eps']);
  checkNumber(eps, 'options.eps', 0);
  checkNumber(maxGradNorm, 'maxGradNorm', 0);
  return withoutGradients(() => {
    const gradients = gradientsOf(target);
    const squares = gradients.map((gradient) => sumSquares(gradient)[0]);
    const norm = squares.length === 0 ? filled([], 0, 'float64') : sqrt(sum(concat(squares)));
    const factor = minimum(div(scalar(maxGradNorm, 'float64'), norm.add(eps)), 1);
    for (const gradient of gradients) scaleBy(gradient, factor);
    return norm;
  });
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

// The gradients of the parameters that move, as few stretches of memory: neighbours in a slab are one.
function gradientsOf(target: ClipTarget): AnyTensor[] {
  if (!(target instanceof Layer || Array.isArray(target)))
    throw new ArgumentError(expected('a model or an array of parameters', 'target', target));
  const parameters = [...new Set(target instanceof Layer ? parametersOf(target) : checkLeaves(target))];
  materializeAll(parameters);
  const moving = movingOf(parameters);
  touchGradients(moving);
  return segmentsOf(moving).map(({ home, begin, end }) => part(home.gradients as Float32Array, begin, end, home.dtype));
}
