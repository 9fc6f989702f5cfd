// The check of everything that takes a model.

import { ArgumentError, expected } from '../errors.js';
import { type AnyLayer, Layer } from './layer.js';

/** @internal Checks that `value` is a layer. */
export function checkLayer(value: unknown, argument = 'model'): AnyLayer {
  if (!(value instanceof Layer)) throw new ArgumentError(expected('a Layer', argument, value));
  return value as AnyLayer;
}
