// Where the values and gradients of parameters lie, and which of them are neighbours that one native call can walk through.

import { type FloatDType, type TypedArrayOf, isFloat } from '../dtype.js';
import { ArgumentError, checkList } from '../errors.js';
import type { Layer } from '../layers/layer.js';
import { holdsWhile, touch } from '../ops/emit.js';
import { Parameter } from '../parameter.js';
import { isWatched } from '../recording.js';
import { type AnyTensor, Tensor } from '../tensor.js';

/** Memory that parameters share: a slab, or a tensor that stands alone. */
export interface Home {
  readonly values: TypedArrayOf<FloatDType>;
  /** null before the first gradient. */
  readonly gradients: TypedArrayOf<FloatDType> | null;
  /** The gradients' memory, where there may be anything to clear. */
  readonly toClear: TypedArrayOf<FloatDType> | null;
  readonly dtype: FloatDType;
}

/** A stretch of one home, with the parameters that lie in it. */
export interface Segment {
  readonly home: Home;
  readonly begin: number;
  end: number;
  /** The first of its parameters. */
  readonly first: AnyTensor;
}

const homes = new WeakMap<object, Home>();

/** The home of a parameter, and where in it the parameter begins. */
export function homeOf(parameter: AnyTensor): { home: Home; begin: number } {
  const place = parameter instanceof Parameter ? parameter.place : null;
  const key = place?.slab ?? parameter;
  let home = homes.get(key);
  if (home === undefined) {
    const leaf = parameter as Tensor<FloatDType>;
    home =
      place === null
        ? {
            dtype: leaf.dtype,
            get values() {
              return leaf.memory;
            },
            get gradients() {
              return leaf.grad?.memory ?? null;
            },
            get toClear() {
              return leaf.grad?.memory ?? null;
            },
          }
        : {
            dtype: leaf.dtype,
            values: place.slab.values,
            get gradients() {
              return place.slab.hasGradients ? place.slab.gradients : null;
            },
            get toClear() {
              // A recording may come before the first gradient, and is replayed after it.
              return place.slab.holdsGradients || isWatched() ? place.slab.gradients : null;
            },
          };
    homes.set(key, home);
  }
  return { home, begin: place?.offset ?? 0 };
}

/**
 * The parameters as stretches of memory, neighbours merged where `together` allows it. In the order of homes, then of places. Those that are stored as
 * bfloat16 are left out: they have no gradient and do not change.
 */
export function segmentsOf(parameters: readonly AnyTensor[], together: (left: AnyTensor, right: AnyTensor) => boolean = () => true): Segment[] {
  const all = parameters
    .filter(({ isWidened }) => !isWidened)
    .map((parameter): Segment => {
      const { home, begin } = homeOf(parameter);
      return { home, begin, end: begin + parameter.size, first: parameter };
    });
  const order = new Map<Home, number>();
  for (const { home } of all) if (!order.has(home)) order.set(home, order.size);
  all.sort((a, b) => (order.get(a.home) as number) - (order.get(b.home) as number) || a.begin - b.begin);
  const merged: Segment[] = [];
  for (const segment of all) {
    const last = merged[merged.length - 1];
    // The gap between neighbours is padding to the next 64-byte boundary: zeros that stay zeros.
    if (
      last !== undefined &&
      last.home === segment.home &&
      segment.begin >= last.end &&
      segment.begin - last.end < 64 / last.home.values.BYTES_PER_ELEMENT &&
      together(last.first, segment.first)
    ) {
      last.end = segment.end;
    } else merged.push(segment);
  }
  return merged;
}

/** Elements [begin, end) of an array as a tensor on the same memory. */
export function part(array: TypedArrayOf<FloatDType>, begin: number, end: number, dtype: FloatDType): AnyTensor {
  return Tensor.wrap(array.subarray(begin, end) as Float32Array, [end - begin], dtype as 'float32');
}

/** The parameters that a step moves: those that are frozen or have no gradient are left out. */
export function movingOf(parameters: readonly AnyTensor[]): AnyTensor[] {
  return parameters.filter((parameter) => {
    if (!parameter.requiresGrad) return false;
    return parameter instanceof Parameter ? parameter.place.slab.hasGradients && !parameter.isWithoutGradient : parameter.grad !== null;
  });
}

const averaged = new WeakSet<AnyTensor>();

/** Notes that parameters hold an average of their weights, or hold them no more: the trained ones come back later, over whatever stands there. */
export function markAveraged(parameters: readonly AnyTensor[], isAveraged: boolean): void {
  for (const parameter of parameters) isAveraged ? averaged.add(parameter) : averaged.delete(parameter);
}

/** Whether one of the parameters holds an average. */
export function areAveraged(parameters: readonly AnyTensor[]): boolean {
  return parameters.some((parameter) => averaged.has(parameter));
}

/** Refuses to move parameters that hold an average: swapOut() would lose it. A recording holds while they do not. */
export function refuseAveraged(parameters: readonly AnyTensor[]): void {
  if (areAveraged(parameters))
    throw new ArgumentError('the model has the average of a WeightAverage, and swapOut() would lose this step: call swapOut() before training');
  holdsWhile(() => !areAveraged(parameters));
}

/** Notes that the gradients of parameters are changed in place. */
export function touchGradients(parameters: readonly AnyTensor[]): void {
  for (const parameter of parameters) {
    const gradient = parameter instanceof Parameter ? parameter.heldGradient : parameter.grad;
    if (gradient !== null) touch(gradient);
  }
}

/** All parameters of a layer but those that are stored as bfloat16, which are not trained, with places and values; an error where all are stored so. */
export function parametersOf(layer: Layer<never, unknown>): AnyTensor[] {
  layer.prepare();
  const parameters = layer.parameters();
  const trained = parameters.filter(({ isWidened }) => !isWidened);
  if (trained.length === 0) parameters[0]?.refuseTraining();
  return trained;
}

/** Checks that a list holds float leaves only. */
export function checkLeaves(list: readonly unknown[]): AnyTensor[] {
  return Array.from(checkList(list, 'parameters', 'an array of parameters'), (item, i) => {
    const leaf = Tensor.check(item, `parameters[${i}]`);
    if (leaf.node !== null || !isFloat(leaf.dtype)) {
      throw new ArgumentError(`\`parameters[${i}]\` is not a float leaf: optimizers update parameters, not results`);
    }
    return leaf;
  });
}
