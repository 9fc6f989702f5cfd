// How a broadcasting operation walks over an input: along rows and columns of its output.

import type { Instruction } from '../record.js';

/** How an input of a broadcasting operation is walked: rows and columns of the output, and the input's step along each. */
export interface Walk {
  rows: number;
  columns: number;
  rowStride: number;
  columnStride: number;
}

/** The walk of input `i` by the attributes of a broadcasting operation; null where it takes more than rows and columns. */
export function walkOf({ ints }: Instruction, i: number): Walk | null {
  const rank = ints[0];
  if (rank > 2) return null;
  const dims = ints.slice(1, 1 + rank);
  const strides = ints.slice(1 + rank * (1 + i), 1 + rank * (2 + i));
  if (rank === 2) return { rows: dims[0], columns: dims[1], rowStride: strides[0], columnStride: strides[1] };
  const columns = dims[0] ?? 1;
  const columnStride = strides[0] ?? 0;
  return { rows: 1, columns, rowStride: columnStride === 0 ? 0 : columns, columnStride };
}

/** Whether a walk visits each element of the output's size once, in order. */
export function isWhole({ rows, columns, rowStride, columnStride }: Walk): boolean {
  return (columnStride === 1 || columns === 1) && (rowStride === columns || rows === 1);
}
