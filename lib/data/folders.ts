// Where data sets lie: the folders that are searched, and the one that nodegrad writes to.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where downloads and decoded images go: `$NODEGRAD_CACHE`, or `$XDG_CACHE_HOME/nodegrad`, or `~/.cache/nodegrad`. */
export function cacheFolder(): string {
  const { NODEGRAD_CACHE, XDG_CACHE_HOME } = process.env;
  return resolve(NODEGRAD_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'nodegrad'));
}

/** Where a data set is looked for when nobody says where: `$NODEGRAD_DATA/<name>`, then the cache, to which downloads go. */
export function dataFolders(name: string): string[] {
  const { NODEGRAD_DATA } = process.env;
  return [...(NODEGRAD_DATA ? [resolve(NODEGRAD_DATA, name)] : []), join(cacheFolder(), name)];
}
