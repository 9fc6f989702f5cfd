// What a maker of a layer of Keras is, and how it reads settings.

import type { AnyLayer } from '../layers/layer.js';
import type { KerasLayer } from './keras-file.js';

/** The configuration of a layer, out of a file: nothing in it is certain. */
export type Settings = Readonly<Record<string, unknown>>;

/** A layer of ours with its weights, or an operation: what stands at one place of a chain. */
export interface KerasPart {
  /** A layer, and whose weights it gets; null for one without. */
  readonly layer?: AnyLayer;
  readonly weights?: KerasLayer;
  /** Name of an operation of {@link KerasModel}; default: the layer is called. */
  readonly op?: string;
  readonly options?: Settings;
  /** Whether the layer is not trained, whatever the file says. */
  readonly isFixed?: boolean;
}

/** What a maker knows of a layer. */
export interface Given {
  readonly settings: Settings;
  /** Axes of the first input. */
  readonly rank: number;
  /** What the file has for it. */
  readonly weights: readonly KerasLayer[];
  /** What it is called with beside tensors. */
  readonly call: Settings;
  /** Ends with an error that names the layer. */
  refuse(what: string): never;
}

/** What a layer becomes, and how many axes its output has, where that differs from its input. */
export interface Made {
  readonly parts: readonly KerasPart[];
  readonly rank?: number;
}
export type Maker = (given: Given) => Made;

/** Refuses settings that have another value than these. */
export function only(given: Given, wanted: Settings): void {
  for (const [name, value] of Object.entries(wanted)) {
    const own = given.settings[name];
    if (own !== undefined && JSON.stringify(own) !== JSON.stringify(value)) given.refuse(`${name}=${JSON.stringify(own)}`);
  }
}

export const channelsLast = { data_format: 'channels_last' };

/** A number, or one for rows and one for columns. */
export function pair(given: Given, name: string, fallback: number): [number, number] {
  const value = given.settings[name] ?? fallback;
  const list = Array.isArray(value) ? value : [value, value];
  const isPair = list.length === 2 && list.every((one) => Number.isInteger(one) && one > 0);
  return isPair ? (list as [number, number]) : given.refuse(`${name}=${JSON.stringify(value)}`);
}

/** The one set of weights of a layer, with so many axes of its first array. */
export function weightsOf(given: Given, rank: number, at = 0): { weights: KerasLayer; shape: readonly number[] } {
  const weights = given.weights[at];
  const shape = weights?.weights[0]?.shape;
  return shape === undefined || shape.length !== rank ? given.refuse('a layer without its weights') : { weights, shape };
}

export function paddingOf(given: Given): 'same' | 0 {
  const { padding = 'valid' } = given.settings;
  return padding === 'same' ? 'same' : padding === 'valid' ? 0 : given.refuse(`padding=${JSON.stringify(padding)}`);
}

/** Axis of the features: the last one, or a number that is it. */
export function lastAxis(given: Given): void {
  const { axis = -1 } = given.settings;
  const value = Array.isArray(axis) && axis.length === 1 ? axis[0] : axis;
  if (value !== -1 && value !== given.rank - 1) given.refuse(`axis=${JSON.stringify(axis)}`);
}

export const eps = (given: Given): number => Number(given.settings.epsilon ?? 1e-3);

/** Numbers around an image, or a number for all sides: [[top, bottom], [left, right]]. */
export function frame(given: Given, name: string): [[number, number], [number, number]] {
  const value = given.settings[name];
  const rows = Array.isArray(value) ? value : [value, value];
  const sides = rows.map((one) => (Array.isArray(one) ? one : [one, one]));
  const isFrame = sides.length === 2 && sides.every((side) => side.length === 2 && side.every((one) => Number.isInteger(one) && one >= 0));
  return isFrame ? (sides as [[number, number], [number, number]]) : given.refuse(`${name}=${JSON.stringify(value)}`);
}

export function whole(given: Given, name: string): number[] {
  const value = given.settings[name];
  return Array.isArray(value) && value.every(Number.isInteger) ? (value as number[]) : given.refuse(`${name}=${JSON.stringify(value)}`);
}

export const operation =
  (op: string, options?: Settings): Maker =>
  () => ({ parts: [{ op, ...(options !== undefined && { options }) }] });

export const axisOf = (given: Given): Settings => ({ axis: Number(given.settings.axis ?? -1) });
export const layerOf =
  (make: (given: Given) => AnyLayer, rank?: number): Maker =>
  (given) => ({ parts: [{ layer: make(given) }], ...(rank !== undefined && { rank }) });
export const rate = ({ settings }: Given): number => Number(settings.rate ?? settings.stddev);
