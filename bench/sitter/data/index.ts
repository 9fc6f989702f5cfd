// Data of the fault bench: drawn by a seed, cut into parts, broken where a program says so, scaled and put into data sets.

import { Draw, type DataSpec, type MakeSource, type Source } from './source.js';
import { functions } from './functions.js';
import { images, wellKnown } from './images.js';
import { sequences } from './sequences.js';
import { tables } from './tables.js';

export type { DataSpec } from './source.js';

/** All generators that need no file. */
export const sources: Readonly<Record<string, MakeSource>> = { ...tables, ...functions, ...images, ...sequences };

/** Rows of inputs and targets, one after the other. */
export interface Part {
  readonly rows: number;
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** Data in three parts: what is trained on, what the user sees beside it, and what tells the bench the truth. */
export interface Parts extends Omit<Source, 'row' | 'rows'> {
  readonly train: Part;
  /** No rows for a truth table. */
  readonly validation: Part;
  readonly test: Part;
}

/** Draws the parts of a data set. */
export async function draw(spec: DataSpec): Promise<Parts> {
  const generator = new Draw(spec.seed);
  const source = sources[spec.kind]?.(generator, spec) ?? (await wellKnown(spec, generator));
  if (source === null) throw new Error(`there is no data set '${spec.kind}'`);
  const { row, rows: usual, ...rest } = source;
  const rows = source.isTable ? usual : (spec.rows ?? usual);
  let next = 0;
  const part = (count: number): Part => {
    const all = Array.from({ length: count }, () => source.row(next++));
    return { rows: count, x: flat(all.map(([x]) => x)), y: flat(all.map(([, y]) => y)) };
  };
  const train = part(rows);
  if (source.isTable) return { ...rest, train, validation: part(0), test: train };
  return { ...rest, train, validation: part(Math.ceil(rows / 4)), test: part(Math.max(100, Math.ceil(rows / 2))) };
}

function flat(rows: readonly ArrayLike<number>[]): Float32Array {
  const width = rows[0]?.length ?? 0;
  const all = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) all.set(row, i * width);
  return all;
}
