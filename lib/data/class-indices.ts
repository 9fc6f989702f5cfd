// Classes as targets: indices that count from 0, and their names.

import { ArgumentError, checkInteger, countFromZero, expected } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { TensorTree } from '../tree.js';

/** @internal Names of classes, given as such or as their number. */
export function classNames(classes: readonly string[] | number): readonly string[] {
  if (typeof classes === 'number')
    return Object.freeze(Array.from({ length: checkInteger(classes, 'options.classes', 1, 1 << 24) }, (_, i) => String(i)));
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every((name) => typeof name === 'string')) {
    throw new ArgumentError(expected('a number of classes or an array of names', 'options.classes', classes));
  }
  return Object.freeze([...classes]);
}

/** @internal Whether targets are class indices: whole numbers, one for each example. */
export function isClassIndices(targets: TensorTree): targets is Tensor<'int32'> | Tensor<'uint8'> {
  if (!(targets instanceof Tensor)) return false;
  const { dtype, rank } = targets as AnyTensor;
  return (dtype === 'int32' || dtype === 'uint8') && rank === 1;
}

/** @internal Refuses class indices that are none, but for a label that does not count. */
export function checkLabels(labels: Int32Array | Uint8Array, classes = Infinity, ignored: number | null = null): void {
  let lowest = Infinity;
  let highest = -Infinity;
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === ignored) continue;
    if (labels[i] < lowest) lowest = labels[i];
    if (labels[i] > highest) highest = labels[i];
  }
  if (lowest >= 0 && highest < classes) return;
  const at = labels.findIndex((label) => (label < 0 || label >= classes) && label !== ignored);
  let hint = '';
  if (lowest >= 1 && highest === classes) hint = `; labels count from 0: subtract 1, ${countFromZero('targets')}`;
  else if (lowest < 0)
    hint = `; class indices count from 0, numbers to be fitted are float32, and a label that does not count is { ignoreIndex: ${labels[at]} }, here and in the loss`;
  else if (classes !== Infinity) hint = `; a label that does not count is { ignoreIndex: ${labels[at]} }, here and in the loss`;
  const range = classes === Infinity ? 'of at least 0' : `from 0 to ${classes - 1}`;
  throw new ArgumentError(`expected class indices ${range} for \`targets\`, received ${labels[at]} at row ${at}${hint}`);
}
