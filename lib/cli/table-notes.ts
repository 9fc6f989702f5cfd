// What `train` says of a table and its columns: which rows are left out, which columns, and what looks like a slip of the pen.

import { type Column, countPresent, whyNoCategories } from '../data/columns.js';
import { type Table, placeOfRow } from '../data/table.js';
import type { ColumnTransform } from '../preprocessing/column-transform.js';
import { columnWord } from './flags.js';
import { formatCount } from './terminal.js';

/** Of rows that do not fit so many are named beside the first one. */
const mostLines = 10;

/** How many rows of a file do not fit, and where. */
export function badRowsNote(table: Table): string {
  const {
    badRows: [{ line, reason }, ...others],
    badRowCount: count,
  } = table;
  const [unit] = placeOfRow(table, 0).split(' ');
  const lines = others.slice(0, mostLines).map((row) => row.line);
  const more = count - 1 - lines.length;
  const also = lines.length === 0 ? '' : `; then ${lines.join(', ')}${more > 0 ? ` and ${formatCount(more)} more` : ''}`;
  return `${formatCount(count)} ${count === 1 ? 'row does not fit and is' : 'rows do not fit and are'} left out, the first in ${unit} ${line}: ${reason}${also}`;
}

/**
 * Whether whole numbers only count rows: each is larger than the one before, and no more of them are skipped than rows are left out, or one in
 * twenty, which somebody has deleted.
 */
function countsRows(values: Float64Array, leftOut: number): boolean {
  if (values.length < 3 || !values.every((value, i) => Number.isInteger(value) && (i === 0 || value > values[i - 1]))) return false;
  const skipped = values[values.length - 1] - values[0] + 1 - values.length;
  return skipped <= leftOut + values.length / 20;
}

/** Categories that differ in their capitals alone, a line for each pair: the rarer one may be a slip of the pen. */
export function capitalNotes(table: Table, column: Column): string[] {
  const { categories = [], values, name } = column;
  const counts = new Int32Array(categories.length);
  for (const value of values) if (!Number.isNaN(value)) counts[value] += 1;
  const commonest = new Map<string, number>();
  for (const [code, category] of categories.entries()) {
    const key = category.toLowerCase();
    const best = commonest.get(key);
    if (best === undefined || counts[code] > counts[best]) commonest.set(key, code);
  }
  return categories.flatMap((category, code) => {
    const common = commonest.get(category.toLowerCase()) as number;
    if (common === code || counts[code] === 0) return [];
    const rows =
      counts[code] === 1
        ? placeOfRow(table, values.indexOf(code))
        : `${formatCount(counts[code])} rows, the first of them ${placeOfRow(table, values.indexOf(code))}`;
    return [`${name}: '${category}' (${rows}) differs from '${categories[common]}' only in capitals, and counts as a category of its own`];
  });
}

/** A line about numbers that are further from those of training than these are from each other, of which a model knows nothing; null where there are none. */
export function farNote(table: Table, transform: ColumnTransform): string | null {
  const far = table
    .outside(transform)
    .find(({ value, range: [least, greatest] }) => Math.max(least - value, value - greatest) > greatest - least);
  if (far === undefined) return null;
  const { row, column, value, range } = far;
  return `column '${column}' is ${value} in ${placeOfRow(table, row)}, and in training it was from ${range[0]} to ${range[1]}: what the model says of such rows is a guess`;
}

/** Why a column says nothing about others; null for one that may. So many rows of the file are left out. */
export function uselessness(column: Column, leftOut: number): string | null {
  const { name, kind, values } = column;
  const whyNot = whyNoCategories(column);
  const present = values.filter((value) => !Number.isNaN(value));
  if (present.length === 0) return 'no value';
  if (present.every((value) => value === present[0]) && present.length === values.length) return 'the same in every row';
  const keeps = `--columns ${columnWord(name, kind)} keeps it`;
  if (kind === 'category') return whyNot === null ? null : `${whyNot}; ${keeps}`;
  return countsRows(values, leftOut) ? `it only counts the rows; ${keeps}` : null;
}

/** What is done to a column. */
export function treatment(column: Column): string {
  const gaps = countPresent(column) < column.values.length;
  if (column.kind === 'category') return `one-hot${gaps ? ', a missing one zeros' : ''}`;
  return `standardized${gaps ? ', missing values become the median' : ''}`;
}
