// Whether backward gives the slopes of the loss: of a few parameters, by differences of the loss itself, in the model's own precision.

import type { AnyPair } from '../data/loader.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import { holdState } from '../ops/state.js';
import type { Parameter } from '../parameter.js';
import { Random } from '../random.js';
import { defaultRandom } from '../seed.js';
import { type Tensor, noGrad } from '../tensor.js';
import { rememberModes } from '../training/modes.js';
import { randomsOf } from '../training/run-state.js';
import { short } from './evidence.js';
import { type Finding, findingOf } from './finding.js';
import type { Subject } from './look.js';

/**
 * Parameters that are looked at; how far they are moved at most, by their norm, and how much the loss is to change by it; how far slopes over two
 * distances may part that are to say anything; how far the gradient may be from them; rounding of a loss, and how far above it a slope must be.
 */
const limits = { parameters: 4, reach: 0.05, change: 0.02, agreement: 0.05, off: 0.2, noise: 4e-6, signal: 20 } as const;

/** A slope of the loss that backward gives, beside the one that was measured. */
interface Slopes {
  readonly path: string;
  readonly given: number;
  readonly measured: number;
}

/**
 * Compares the gradients of a few parameters with slopes of the loss, each along its gradient and along a random direction; a finding where
 * they part, else null. Slopes that depend on how far one goes (a kink, a jump, rounding) say nothing. The model stays as it is. Course row G09.
 */
export function sampleGradients(subject: Subject, pair: AnyPair): Finding | null {
  const slopes = partingSlopes(subject, pair);
  if (slopes === null) return null;
  const { path, given, measured } = slopes;
  return findingOf(
    {
      id: 'wrong-gradient',
      verdict: 'warning',
      seen: `the loss changes with '${path}' by ${short(measured)} for each step of 1, and backward says ${short(given)}`,
      why: 'A gradient that is not that of the loss leads elsewhere (course row G09)',
      advice:
        'Look for values that leave the tape between this parameter and the loss: item(), data, detach(), noGrad(). If that is meant (a gradient that is stopped or turned), all is well',
      change: null,
      confidence: 0.7,
      layer: path,
    },
    0,
    0,
  );
}

function partingSlopes({ model, loss }: Subject, [inputs, targets, weights]: AnyPair): Slopes | null {
  const all = [...model.namedParameters()].filter(([, { requiresGrad, size }]) => requiresGrad && size > 0);
  // Of zeros nobody can say how far is near.
  const sized = all.filter(([, { data }]) => dot(data, data) > 0);
  const place = (i: number): number => Math.floor((i * limits.parameters) / sized.length);
  const some = sized.filter((_, i) => place(i) !== place(i - 1));
  const before = all.map(([, { grad }]) => grad?.data.slice() ?? null);
  const generators = [defaultRandom(), ...randomsOf(model).values()].map((random) => [random, random.state] as const);
  const rewind = (): void => {
    for (const [random, state] of generators) random.state = state;
  };
  const restore = rememberModes(model);
  /** What the step minimizes; the same random numbers each time, and nothing that stays. */
  const total = (): Tensor => {
    rewind();
    const outputs = holdState(() => trainingOutputsOf(model, inputs)).result;
    return outputs
      .map(([output, factor]) => (loss.forward(output, targets, weights) as Tensor).mul(factor))
      .reduce((sum, term) => sum.add(term));
  };
  const value = (): number => noGrad(() => total().item());
  try {
    model.train();
    const [once, again] = [value(), value()];
    // What draws numbers of its own cannot be compared with itself.
    if (!Number.isFinite(once) || once !== again) return null;
    for (const [, { grad }] of all) grad?.data.fill(0);
    total().backward();
    for (const [path, parameter] of some) {
      const gradient = Float64Array.from(parameter.grad?.data ?? new Float64Array(parameter.size));
      const random = new Random(1, path);
      const signs = Float64Array.from(gradient, () => (random.uniform() < 0.5 ? -1 : 1));
      for (const direction of [gradient, signs]) {
        const unit = normalized(direction);
        if (unit === null) continue;
        const given = dot(gradient, unit);
        const slope = slopeAlong(parameter, unit, given, once, value);
        if (slope !== null) return { path, given, measured: slope };
      }
    }
    return null;
  } catch {
    // What the first step of a run refuses, it says itself.
    return null;
  } finally {
    for (const [i, [, parameter]] of all.entries()) {
      const was = before[i];
      if (was === null) parameter.grad = null;
      else parameter.grad?.data.set(was);
    }
    rewind();
    restore();
  }
}

/**
 * The slope of the loss along a direction, where it is clearly another one than backward gives; else null. At a kink the gradient lies between
 * the slopes to both sides.
 */
function slopeAlong(parameter: Parameter, unit: Float64Array, given: number, level: number, value: () => number): number | null {
  const { data } = parameter;
  const kept = data.slice();
  const size = Math.max(Math.abs(level), 1e-3);
  const most = limits.reach * Math.sqrt(dot(kept, kept));
  const far = given === 0 ? most : Math.min(most, (limits.change * size) / Math.abs(given));
  const at = (distance: number): number => {
    for (let i = 0; i < data.length; i++) data[i] = kept[i] + distance * unit[i];
    return value();
  };
  try {
    const [wide, narrow] = [far, far / 4].map((distance) => {
      const [below, above] = [at(-distance), at(distance)];
      return { centred: (above - below) / (2 * distance), left: (level - below) / distance, right: (above - level) / distance };
    });
    const noise = (limits.noise * size) / (far / 4);
    const largest = Math.max(Math.abs(given), Math.abs(wide.centred), Math.abs(narrow.centred));
    const isClear = Math.abs(wide.centred - narrow.centred) <= limits.agreement * largest && largest > limits.signal * noise;
    const room = limits.off * largest + noise;
    const sides = [wide.left, wide.right, narrow.left, narrow.right];
    const isOff = given < Math.min(...sides) - room || given > Math.max(...sides) + room;
    return isClear && isOff ? narrow.centred : null;
  } finally {
    data.set(kept);
  }
}

function normalized(direction: Float64Array): Float64Array | null {
  const norm = Math.sqrt(dot(direction, direction));
  return norm > 0 && Number.isFinite(norm) ? direction.map((one) => one / norm) : null;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
