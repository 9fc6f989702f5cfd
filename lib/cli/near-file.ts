// The file that somebody meant who mistyped its name.

import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A file of the same folder whose name has the same letters, but for capitals and two of them. */
export function nearFile(path: string): string | null {
  const [folder, wanted] = [dirname(path), basename(path).toLowerCase()];
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const found = names.find((name) => isNear(name.toLowerCase(), wanted));
  return found === undefined ? null : join(folder, found);
}

/** Whether two words are alike but for one stretch of at most two letters. */
function isNear(one: string, other: string): boolean {
  let [begin, end] = [0, 0];
  const shorter = Math.min(one.length, other.length);
  while (begin < shorter && one[begin] === other[begin]) begin += 1;
  while (end < shorter - begin && one.at(-1 - end) === other.at(-1 - end)) end += 1;
  return Math.max(one.length, other.length) - begin - end <= 2 && begin + end >= 3;
}
