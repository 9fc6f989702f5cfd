// What somebody may have meant who typed a word that is none of those that are there.

import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** How many letters have to be put in, taken out, exchanged or swapped with their neighbour to make one word the other. */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const steps = [rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)];
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) steps.push(rows[i - 2][j - 2] + 1);
      rows[i][j] = Math.min(...steps);
    }
  }
  return rows[a.length][b.length];
}

/** The word that is nearly `word`; undefined where none is. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(word.length / 4));
  const found = known
    .map((one) => ({ one, steps: distance(word.toLowerCase(), one.toLowerCase()) }))
    .filter(({ steps }) => steps <= most)
    .sort((a, b) => a.steps - b.steps);
  return found[0]?.one;
}

/** The path of what lies beside a path that leads to nothing, and is called nearly so. */
export function nearestPath(path: string): string | undefined {
  try {
    const name = nearest(
      basename(path),
      readdirSync(dirname(path)).filter((one) => !one.startsWith('.')),
    );
    return name === undefined ? undefined : join(dirname(path), name);
  } catch {
    return undefined;
  }
}
