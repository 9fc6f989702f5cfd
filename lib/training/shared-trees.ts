// What one process of a group tells all others: plain data with tensors in it.

import { TextDecoder, TextEncoder } from 'node:util';
import type { ProcessGroup } from '../distributed/process-group.js';
import type { DType } from '../dtype.js';
import { isPlainObject } from '../foreign.js';
import { filled } from '../ops/shape.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { leavesOf } from '../tree.js';
import { decodeState, encodeState } from './checkpoint-file.js';

/** What stands in the text for a tensor. */
interface TensorForm {
  readonly $tensor: readonly [dtype: DType, shape: readonly number[]];
}

const isTensor = (value: unknown): boolean => value instanceof Tensor;
const isForm = (value: unknown): boolean => isPlainObject(value) && Array.isArray(value['$tensor']);

/** Tells all other processes `value`: what JSON can hold, any numbers, and tensors. They call {@link hear} meanwhile, and all have come: it holds up this thread. */
export function tell(group: ProcessGroup, value: unknown): void {
  const { leaves, structure } = leavesOf<AnyTensor>(value, isTensor);
  const forms = leaves.map(({ dtype, shape }): TensorForm => ({ $tensor: [dtype, shape] }));
  const text = new TextEncoder().encode(encodeState(structure.rebuild(forms)));
  group.broadcast(Tensor.from(Float64Array.of(text.length)), group.rank);
  group.broadcast(Tensor.from(text), group.rank);
  if (leaves.length > 0) group.broadcastAll(leaves, group.rank);
}

/** What the process `from` tells. */
export function hear<T>(group: ProcessGroup, from: number): T {
  const length = Tensor.from(new Float64Array(1));
  group.broadcast(length, from);
  const text = filled([length.item()], 0, 'uint8');
  group.broadcast(text, from);
  const { leaves, structure } = leavesOf<TensorForm>(decodeState(new TextDecoder().decode(text.data)), isForm);
  const tensors = leaves.map(({ $tensor: [dtype, shape] }) => filled(shape, 0, dtype));
  if (tensors.length > 0) group.broadcastAll(tensors, from);
  return structure.rebuild(tensors) as T;
}
