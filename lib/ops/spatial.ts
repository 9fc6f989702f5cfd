// What operations on images [N, H, W, C] share: pairs of sizes, and the check of the tensor.

import type { FloatDType } from '../dtype.js';
import { ArgumentError, ShapeError, checkInteger, describeShape, expected } from '../errors.js';
import { Tensor } from '../tensor.js';
import { requireFloat } from './elementwise.js';

/** A size along rows and columns: one number for both, or [rows, columns]. */
export type Size2d = number | readonly [number, number];

const most = 2 ** 31 - 1;

/** Both numbers of a size. */
export function checkSize2d(value: unknown, argument: string, least: number): [number, number] {
  if (!Array.isArray(value)) {
    const both = checkInteger(value, argument, least, most);
    return [both, both];
  }
  if (value.length !== 2) throw new ArgumentError(expected('a number or a pair [rows, columns]', argument, value));
  return [checkInteger(value[0], `${argument}[0]`, least, most), checkInteger(value[1], `${argument}[1]`, least, most)];
}

/** A tensor of images, channels last. */
export function checkImages<D extends FloatDType>(op: string, x: unknown): Tensor<D> {
  const input = Tensor.check(x, 'x') as Tensor<D>;
  requireFloat(op, [input]);
  if (input.shape.length !== 4) {
    throw new ShapeError(`[${op}] expected images of shape [N, H, W, C], received shape ${describeShape(input.shape)}`);
  }
  return input;
}
