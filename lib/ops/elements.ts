// Which element of which tensor an error is about: training and evaluation find the example by it.

import type { AnyTensor } from '../tensor.js';

/** An element of a tensor, by its place in memory. */
export interface ElementPlace {
  readonly tensor: AnyTensor;
  readonly position: number;
}

const places = new WeakMap<object, ElementPlace>();

/** `error`, which says what is wrong with an element. */
export function aboutElement<E extends Error>(error: E, tensor: AnyTensor, position: number): E {
  places.set(error, { tensor, position });
  return error;
}

/** The element that an error is about; undefined for other errors. */
export function elementOf(error: unknown): ElementPlace | undefined {
  return typeof error === 'object' && error !== null ? places.get(error) : undefined;
}
