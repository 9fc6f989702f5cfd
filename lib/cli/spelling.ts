// What somebody may have meant who typed a word that is none of those that are there.

import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { nearest } from '../words.js';

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
