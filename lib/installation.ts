// Where this copy of nodegrad is installed: its folder, what its package.json says, and the files that come with it.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** What nodegrad's own package.json says. */
export interface Manifest {
  readonly version: string;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

/** The folder with nodegrad's package.json. It is looked for: code that was bundled lies at another depth, or outside of any package of ours. */
export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; folder !== dirname(folder); folder = dirname(folder)) {
    if (read(folder)?.name === 'nodegrad') return folder;
  }
  return resolve(start, '..', '..');
}

/** What the package.json in a folder says of version and platform packages; `unknown` where there is none of ours. */
export function manifestOf(root: string): Manifest {
  return { version: 'unknown', optionalDependencies: {}, ...read(root) };
}

/** The URL of a file of the package: `packageFile('docs/errors/ERR_SHAPE.md')`. */
export function packageFile(path: string): URL {
  return pathToFileURL(join(packageRoot(), path));
}

function read(folder: string): (Manifest & { name?: string }) | undefined {
  const file = join(folder, 'package.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Manifest & { name?: string }) : undefined;
}
