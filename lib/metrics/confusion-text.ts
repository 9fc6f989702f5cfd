// A confusion matrix as lines of text: a row for each true class, a column for each prediction, and the share of hits at the right.

import { printable } from '../words.js';

/** What a cell of a confusion matrix counts. */
export type CellKind = 'hit' | 'miss' | 'none';

/** The lines; `paint` may colour a cell, whose width stays. */
export function confusionLines(
  matrix: readonly (readonly number[])[],
  given: readonly string[],
  paint: (cell: string, kind: CellKind) => string = (cell) => cell,
): string[] {
  // A model may have more scores than there are names.
  const names = Array.from({ length: Math.max(matrix.length, given.length) }, (_, i) => printable(given[i] ?? String(i)));
  const label = Math.max(...names.map((name) => name.length), 4);
  const cell = Math.max(...matrix.flat().map((count) => String(count).length), ...names.map((name) => name.length)) + 1;
  const lines = [`${'true'.padStart(label)} ${names.map((name) => name.padStart(cell)).join('')}     hits`];
  for (const [t, row] of matrix.entries()) {
    const cells = row.map((count, p) =>
      paint((count === 0 ? '·' : String(count)).padStart(cell), t === p ? 'hit' : count === 0 ? 'none' : 'miss'),
    );
    const total = row.reduce((sum, count) => sum + count, 0);
    const hits = total === 0 ? '-' : `${((100 * row[t]) / total).toFixed(1)} %`;
    lines.push(`${names[t].padStart(label)} ${cells.join('')} ${hits.padStart(8)}`);
  }
  return lines;
}
