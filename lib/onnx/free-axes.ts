// Axes that stay free in a file, besides that of the examples: which they are, and the sizes that a model is traced with to find out what depends on them.

import { ArgumentError, NodegradError, describe, expected } from '../errors.js';
import { isPlainObject } from '../foreign.js';
import type { DynamicAxes } from './export.js';
import type { Forward, Incoming } from './forward.js';

/** An axis of an input, in nodegrad's order, examples first. */
interface Place {
  readonly input: number;
  readonly axis: number;
}

/** An axis whose size stays free, and its size in each pass. */
export interface FreeAxis {
  readonly name: string;
  readonly places: readonly Place[];
  readonly sizes: readonly number[];
}

/** Names of axes that a list may hold, and what they stand for. */
const listed: Readonly<Record<string, number>> = { time: 1, height: 1, width: 2 };

interface Inputs {
  readonly names: readonly string[];
  /** Shapes of one example. */
  readonly given: readonly Incoming[];
}

/**
 * The axes that `options.dynamicAxes` names, with their sizes in `options.inputShape` or the example.
 *
 * @throws {ArgumentError} for an axis that does not exist, or one name for two sizes.
 */
export function freeAxesOf(given: DynamicAxes | undefined, inputs: Inputs): FreeAxis[] {
  if (given === undefined) return [];
  const places = Array.isArray(given) ? listedPlaces(given, inputs) : namedPlaces(given as Exclude<DynamicAxes, readonly unknown[]>, inputs);
  return [...places].map(([name, list]) => {
    const sizes = new Set(list.map(({ input, axis }) => inputs.given[input].shape[axis - 1]));
    if (sizes.size > 1)
      throw new ArgumentError(expected('axes of one size under one name', `options.dynamicAxes: ${describe(name)}`, [...sizes]));
    return { name, places: list, sizes: [...sizes] };
  });
}

function listedPlaces(names: readonly unknown[], { given }: Inputs): Map<string, Place[]> {
  const places = new Map<string, Place[]>();
  for (const name of names) {
    if (typeof name !== 'string' || !Object.hasOwn(listed, name))
      throw new ArgumentError(expected(`'time', 'height' or 'width', or axes by input`, 'options.dynamicAxes', names));
    const axis = listed[name];
    const isImages = name !== 'time';
    const fits = ({ shape }: Incoming): boolean => (isImages ? shape.length === 3 : shape.length === 1 || shape.length === 2);
    const first = given.find(fits);
    if (first === undefined) {
      const wanted = isImages ? 'images, [height, width, channels]' : 'sequences, [time] or [time, features]';
      throw new ArgumentError(expected(`an input of ${wanted}`, `options.dynamicAxes: ${describe(name)}`, given[0].shape));
    }
    // A mask beside sequences has as many steps as they have.
    const hasIt = (one: Incoming): boolean => fits(one) && one.shape[axis - 1] === first.shape[axis - 1];
    places.set(
      name,
      given.flatMap((one, input) => (hasIt(one) ? [{ input, axis }] : [])),
    );
  }
  return places;
}

function namedPlaces(axes: Exclude<DynamicAxes, readonly unknown[]>, { names, given }: Inputs): Map<string, Place[]> {
  const places = new Map<string, Place[]>();
  if (!isPlainObject(axes)) throw new ArgumentError(expected('a list of names, or axes by input', 'options.dynamicAxes', axes));
  for (const [input, own] of Object.entries(axes)) {
    const at = names.indexOf(input);
    if (at < 0)
      throw new ArgumentError(
        `options.dynamicAxes: the model has no input ${describe(input)}, but ${names.map((name) => describe(name)).join(', ')}`,
      );
    if (!isPlainObject(own)) throw new ArgumentError(expected('names by axis', `options.dynamicAxes.${input}`, own));
    for (const [key, name] of Object.entries(own)) {
      const axis = Number(key);
      if (!Number.isInteger(axis) || axis < 1 || axis > given[at].shape.length)
        throw new ArgumentError(
          expected(`an axis from 1 to ${given[at].shape.length}: axis 0 counts examples, and is free`, `options.dynamicAxes.${input}`, key),
        );
      if (typeof name !== 'string' || !/^[A-Za-z_]\w*$/.test(name) || name === 'batch')
        throw new ArgumentError(expected(`a name of letters and digits other than 'batch'`, `options.dynamicAxes.${input}[${key}]`, name));
      places.set(name, [...(places.get(name) ?? []), { input: at, axis }]);
    }
  }
  return places;
}

/** By how much sizes differ: three near ones tell all remainders, a far one what a division leaves the same. */
const patterns = [
  [0, 1, 2, 3],
  [0, 2, 3, 1],
  [0, 3, 1, 2],
];
/** What a network divides sizes by; one with a way around that joins again takes multiples only. */
const strides = [1, 2, 4, 8, 16, 32];
const farUp = 128;

/** Sizes around those that are given, larger ones first: tables of positions may have an end. */
function* triedSizes(axes: readonly FreeAxis[], markers: readonly number[]): Iterable<readonly FreeAxis[]> {
  for (const stride of strides) {
    for (const sign of [1, -1]) {
      const tried = axes.map(({ sizes: [size], ...axis }, i) => {
        const near = patterns[i % patterns.length].map((steps) => size + sign * steps * stride);
        const half = size - stride * Math.max(1, Math.floor(size / 2 / stride)) - (i % 2) * stride;
        return { ...axis, sizes: [...near, sign > 0 ? size + farUp * (1 + i) : half] };
      });
      const isTold = (size: number): boolean => size >= 1 && markers.every((marker) => size % marker !== 0);
      if (tried.every(({ sizes }) => sizes.every(isTold))) yield tried;
    }
  }
}

/** Shapes of one example in a pass. */
export function shapesIn(given: readonly Incoming[], axes: readonly FreeAxis[], pass: number): Incoming[] {
  return given.map(({ shape, dtype }, input) => {
    const sizes = [...shape];
    for (const { places, sizes: own } of axes) for (const place of places) if (place.input === input) sizes[place.axis - 1] = own[pass];
    return { shape: sizes, dtype };
  });
}

/**
 * Passes with several sizes of the axes, which do the same operations. The first is `first`, with the sizes that are given.
 *
 * @param trace - Runs a pass with other shapes of one example.
 * @param markers - Numbers that stand for any number of examples, which no size may be taken for.
 * @throws {ArgumentError} when a layer takes one size alone, or the operations are others.
 */
export function passesOf(
  first: Forward,
  axes: readonly FreeAxis[],
  given: readonly Incoming[],
  trace: (given: readonly Incoming[]) => Forward,
  markers: readonly number[],
): { passes: Forward[]; axes: readonly FreeAxis[] } {
  const named = axes.map(({ name }) => `'${name}'`).join(' and ');
  let reason: NodegradError | null = null;
  for (const tried of triedSizes(axes, markers)) {
    try {
      const others = [1, 2, 3, 4].map((pass) => trace(shapesIn(given, tried, pass)));
      for (const other of others) checkSameSteps(first, other);
      return { passes: [first, ...others], axes: tried };
    } catch (error) {
      if (!(error instanceof NodegradError)) throw error;
      reason ??= error;
    }
  }
  const why = reason?.message.replace(/^the model cannot be exported: /, '') ?? 'the sizes that are given are too small to try others';
  throw new ArgumentError(`the model cannot be exported with a free ${named}: ${why}`, { cause: reason ?? undefined });
}

function checkSameSteps(first: Forward, other: Forward): void {
  const at = first.steps.findIndex(({ op }, i) => other.steps[i]?.op !== op);
  if (at < 0 && first.steps.length === other.steps.length) return;
  const { path } = first.steps[at] ?? other.steps[first.steps.length] ?? first.steps[first.steps.length - 1];
  throw new ArgumentError(`${path === '' ? 'forward()' : `layer '${path}'`} does other operations for other sizes`);
}
