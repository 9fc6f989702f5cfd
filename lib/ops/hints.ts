// Ways out of a shape or of labels that do not fit, as code, where it is certain what was meant: the end of an error's message, or nothing.

import type { DType } from '../dtype.js';
import { describeShape } from '../errors.js';
import { sameShape } from './broadcast.js';
import { sizeOf } from './emit.js';

/** `. The numbers fit: target.reshape([-1, 1])`, where that keeps examples whole: axes of 1 come or go, axes behind the first merge or split. */
export function reshapeHint(argument: string, received: readonly number[], wanted: readonly number[]): string {
  if (sizeOf(received) !== sizeOf(wanted) || sizeOf(wanted) === 0) return '';
  const [from, to] = [received, wanted].map((shape) => shape.filter((dimension) => dimension !== 1));
  if (!sameShape(from, to) && !(received[0] === wanted[0] && isRegrouped(from, to))) return '';
  // −1: the same line serves a batch and the whole data set.
  const shape = wanted.length === 0 ? [] : [-1, ...wanted.slice(1)];
  return `. The numbers fit: ${argument}.reshape(${describeShape(shape)})`;
}

/** Whether neighbouring axes of one shape, as they stand, make up single axes of the other. */
function isRegrouped(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    let [left, right] = [a[i++], b[j++]];
    const [alone, other] = [i, j];
    while (left !== right) {
      if (left < right && i < a.length) left *= a[i++];
      else if (right < left && j < b.length) right *= b[j++];
      else return false;
    }
    if (i > alone && j > other) return false;
  }
  return true;
}

/** What makes rows of `features` numbers of what a layer was given. */
export function featuresHint(features: number, shape: readonly number[]): string {
  if (shape.length > 2 && sizeOf(shape.slice(1)) === features)
    return `. Its ${describeShape(shape.slice(1))} per example flatten to ${features}: put a Flatten layer before this one`;
  if (shape.length > 1 && sizeOf(shape) === features) return `. One example needs a batch dimension: x.reshape([1, ${features}])`;
  return shape.length === 1 && features === 1 ? '. One feature for each number: x.reshape([-1, 1])' : '';
}

/** What makes images [N, H, W, C] of images without a batch or channel axis, or of rows of pixels. */
export function imagesHint(channels: number, shape: readonly number[]): string {
  const [a, b, c] = shape;
  if (shape.length === 3) {
    if (c === channels) return `. One image needs a batch dimension: x.reshape(${describeShape([1, ...shape])})`;
    if (channels === 1) return `. Images of one channel need it as their last dimension: x.reshape([-1, ${b}, ${c}, 1])`;
    return a === channels ? `. Is it one image [C, H, W]? x.transpose([1, 2, 0]).reshape(${describeShape([1, b, c, a])})` : '';
  }
  if (shape.length !== 2 || channels !== 1) return '';
  const side = Math.sqrt(b);
  const image = `. One image of ${a} × ${b}: x.reshape([1, ${a}, ${b}, 1])`;
  if (!Number.isInteger(side) || side < 4) return image;
  return `. Rows that are images of ${side} × ${side}: x.reshape([-1, ${side}, ${side}, 1])${a === b ? image : ''}`;
}

/** What makes images of so many channels of others, or a network that takes these. */
export function channelsHint(channels: number, shape: readonly number[]): string {
  const received = shape[3];
  if (shape[1] === channels) return '. Is it [N, C, H, W]? nodegrad keeps channels last: x.transpose([0, 2, 3, 1]).';
  // Of layers further in nobody knows what was meant.
  if (![channels, received].every((count) => count === 1 || count === 3)) return '';
  return `. A network for ${received === 3 ? 'colours' : 'grey images'} is made with \`channels: ${received}\``;
}

/** What makes class targets for scores [..., classes] of one-hot rows in an integer type, or of indices in another shape. */
export function classTargetHint(received: readonly number[], scores: { readonly shape: readonly number[]; readonly dtype: DType }): string {
  return sameShape(received, scores.shape)
    ? `. One-hot rows are probabilities: target.to('${scores.dtype}')`
    : reshapeHint('target', received, scores.shape.slice(0, -1));
}

/** How a model tells two classes apart, for those who gave it one output. */
export const twoOutputs = 'Two classes are two outputs (such as Linear(…, 2)) with class indices and CrossEntropyLoss';
