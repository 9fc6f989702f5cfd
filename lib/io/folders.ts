// Makes folders, with an answer from every file system.

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it that are missing, and says whether there was anything to make. `recursive` of Node.js does the same, but
 * never returns where a folder that is there answers that it is not, as those of `/proc` do.
 */
export function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    // Some systems refuse the root, or a share, with another word than that it is there.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return false;
    const above = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === path) throw error;
    makeFolder(above);
  }
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process was quicker.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
  return true;
}
