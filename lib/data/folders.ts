// Where data sets lie: the folders that are searched, and the one that nodegrad writes to.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { variable } from '../environment.js';

/** Where downloads and decoded images go: `$NODEGRAD_CACHE`, or `$XDG_CACHE_HOME/nodegrad`, or `~/.cache/nodegrad`. */
export function cacheFolder(): string {
  return resolve(variable('NODEGRAD_CACHE') ?? join(variable('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'nodegrad'));
}

/** Where a data set is looked for when nobody says where: `$NODEGRAD_DATA/<name>`, then the cache, to which downloads go. */
export function dataFolders(name: string): string[] {
  const folder = variable('NODEGRAD_DATA');
  return [...(folder === undefined ? [] : [resolve(folder, name)]), join(cacheFolder(), name)];
}
