// What is laid side by side is made where it ends up: convolutions and batch norms write the columns of a concatenation themselves.

import { describedBy, fusedOf, titleOf } from '../../ops/fused.js';
import type { Instruction, Slot } from '../record.js';
import { type Edit, type List, rewrite, sameGuard, type Uses } from './list.js';

/** Place of the groups among a convolution's integers. */
const groupsAt = 15;

/**
 * Concatenations along the channels, all of whose parts are results of such operations that nothing else reads. Behind the passes that take
 * an instruction for the only one to write its output.
 */
export function fuseConcat(list: List): List {
  return rewrite(list, ['concat'], (uses, at) => {
    const { operands, ints } = uses.list.instructions[at];
    const [y, ...parts] = operands;
    return placed(uses, at, y, parts, ints);
  });
}

function placed(uses: Uses, at: number, y: Slot, parts: readonly Slot[], [rows, ...widths]: readonly number[]): Edit | null {
  const { instructions, buffers } = uses.list;
  const row = widths.reduce((sum, width) => sum + width, 0);
  const memory = buffers[y.buffer];
  if (memory.kind !== 'temporary' || y.size !== memory.size || y.size === 0 || uses.between(y, -1, at).length > 0) return null;
  const edit = new Map<number, readonly Instruction[]>([[at, []]]);
  let begin = 0;
  for (const [i, part] of parts.entries()) {
    const maker = uses.between(part, -1, at).find(({ writes }) => writes)?.at;
    if (maker === undefined || edit.has(maker) || uses.soleReader(maker, part) !== at || !sameGuard(uses, at, maker)) return null;
    const instruction = instructions[maker];
    if (buffers[part.buffer].dtype !== memory.dtype || !writesColumns(uses, instruction, rows, widths[i])) return null;
    const to: Slot = { buffer: y.buffer, offset: begin, size: (rows - 1) * row + widths[i] };
    const of = [...(instruction.of ?? [titleOf(instruction)]), ...(i === 0 ? ['concat'] : [])];
    edit.set(maker, [{ ...instruction, ...describedBy(instruction, { row }), operands: [to, ...instruction.operands.slice(1)], of }]);
    begin += widths[i];
  }
  return edit;
}

/** Whether an operation makes a matrix [rows, width] and may leave its rows in a larger one. */
function writesColumns({ list: { buffers } }: Uses, call: Instruction, rows: number, width: number): boolean {
  const { op, operands, ints } = call;
  if (fusedOf(call).row !== undefined) return false;
  if (op.name === 'batch_norm') return ints[0] === rows && ints[1] === width;
  if (op.name !== 'conv2d') return false;
  const [images, , , , height, columns, channels] = ints;
  const isNarrow = operands.some(({ buffer }) => buffers[buffer].dtype === 'bfloat16');
  return !isNarrow && images * height * columns === rows && channels === width && ints[groupsAt] === 1;
}
