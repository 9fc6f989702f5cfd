// The slices of a gradient that go back through one activation each go back through it together, before they are cut.

import { mapKind } from '../../ops/define.js';
import type { Buffer, Instruction, Slot } from '../record.js';
import { edited, type List, sameGuard, sameSlot, type Uses, usesOf } from './list.js';

/**
 * y = concat(f(a), f(b), …) gives f′(dy, y) whole what it gives its parts: one pass, which the convolution or the pooling that makes dy
 * can take in, and the parts of y need not live until the backward.
 */
export function fuseConcatGradient(list: List): List {
  const uses = usesOf(list);
  const buffers: Buffer[] = [...list.buffers];
  const edits = new Map<number, readonly Instruction[]>();
  for (const [at, { op, operands, ints }] of list.instructions.entries()) {
    if (op.name !== 'concat') continue;
    const [y, ...parts] = operands;
    const cuts = cutsOf(uses, at, y, parts, ints);
    if (cuts === null || cuts.some(({ slice, backward }) => edits.has(slice) || edits.has(backward))) continue;
    const [{ slice, backward }] = cuts;
    const {
      operands: [, upstream],
      guard,
    } = list.instructions[slice];
    const whole: Slot = { buffer: buffers.length, offset: 0, size: upstream.size };
    buffers.push({ ...list.buffers[upstream.buffer] });
    const { op: map, reals } = list.instructions[backward];
    const made: Instruction = {
      op: map,
      operands: [whole, upstream, y],
      writes: 1,
      ints: [],
      reals,
      ...(guard === undefined ? {} : { guard }),
    };
    for (const cut of cuts) {
      const part = list.instructions[cut.slice];
      const cutWhole = { ...part, operands: [list.instructions[cut.backward].operands[0], whole] };
      edits.set(cut.slice, cut.slice === slice ? [made, cutWhole] : [cutWhole]);
      edits.set(cut.backward, []);
    }
  }
  return edited(list, edits, buffers);
}

interface Cut {
  slice: number;
  backward: number;
}

// For each part of y, in its order of execution, the slice of the gradient and the backward that reads it; null unless all have them.
function cutsOf(uses: Uses, at: number, y: Slot, parts: readonly Slot[], [outer, ...inner]: readonly number[]): Cut[] | null {
  const { instructions, buffers } = uses.list;
  const width = inner.reduce((sum, own) => sum + own, 0);
  const cuts: Cut[] = [];
  let begin = 0;
  for (const [i, part] of parts.entries()) {
    const backward = uses
      .between(part, -1, instructions.length)
      .map((use) => use.at)
      .find((reader) => mapKind(instructions[reader].op) === 'backward' && sameSlot(instructions[reader].operands[2], part));
    if (backward === undefined) return null;
    const upstream = instructions[backward].operands[1];
    const slice = uses.between(upstream, -1, backward).find(({ writes }) => writes)?.at;
    if (slice === undefined || uses.soleReader(slice, upstream) !== backward) return null;
    if (!isColumns(instructions[slice], outer, width, begin, inner[i])) return null;
    cuts.push({ slice, backward });
    begin += inner[i];
  }
  cuts.sort((a, b) => a.slice - b.slice);
  const [first] = cuts;
  const dy = instructions[first.slice].operands[1];
  // y has to be there where it is read instead of its parts: made before, and in the same steps.
  if (at > first.slice) return null;
  const alike = cuts.every(
    ({ slice, backward }) =>
      sameGuard(uses, at, slice, backward) &&
      sameSlot(instructions[slice].operands[1], dy) &&
      instructions[backward].op === instructions[first.backward].op &&
      instructions[backward].reals.every((value, i) => value === instructions[first.backward].reals[i]) &&
      // The slice is what its backward gave: nothing may touch that memory before.
      uses.between(instructions[backward].operands[0], -1, backward).length === 0,
  );
  const last = Math.max(...cuts.map(({ backward }) => backward));
  const isWritten = (slot: Slot, from: number): boolean => uses.between(slot, from, last).some(({ writes }) => writes);
  const changed = isWritten(dy, first.slice) || [y, ...parts].some((slot) => isWritten(slot, at));
  const isOwn = buffers[dy.buffer].kind === 'temporary' && !uses.results.has(dy.buffer);
  return alike && !changed && isOwn && y.size === dy.size && new Set(cuts.map(({ slice }) => slice)).size === cuts.length ? cuts : null;
}

// Whether a strided copy takes columns begin … begin + columns of a matrix [rows, width].
function isColumns({ op, ints }: Instruction, rows: number, width: number, begin: number, columns: number): boolean {
  if (op.name !== 'copy_strided' || ints[0] !== begin) return false;
  const rank = ints[1];
  const dims = ints.slice(2, 2 + rank);
  const strides = ints.slice(2 + rank);
  if (rank < 1 || dims[rank - 1] !== columns || strides[rank - 1] !== 1) return false;
  let step = width;
  let count = 1;
  for (let d = rank - 2; d >= 0; d--) {
    if (strides[d] !== step && dims[d] !== 1) return false;
    step *= dims[d];
    count *= dims[d];
  }
  return count === rows;
}
