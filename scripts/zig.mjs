// The compiler of release builds: Zig's clang, which carries glibc of any age, musl, and what macOS and Windows need. It comes from PyPI.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { zigVersion } from './platforms.mjs';
import { runStep } from './steps.mjs';

const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'nodegrad', `zig-${zigVersion}`);
const versionOf = (path) => spawnSync(path, ['version'], { encoding: 'utf8' }).stdout?.trim();

/** The path of a Zig of the wanted version: from PATH, else from the cache, where it is installed first. */
export async function ensureZig() {
  const found = findZig();
  if (found !== undefined) return found;
  await runStep('Making a place for Zig', 'python3', ['-m', 'venv', folder], { hint: 'Python 3 with its venv module is needed.' });
  const args = ['-m', 'pip', 'install', '--disable-pip-version-check', '--only-binary=:all:', `ziglang==${zigVersion}`];
  await runStep(`Installing Zig ${zigVersion} from PyPI`, join(folder, 'bin/python'), args);
  return findZig();
}

/** The same where there is one already, else undefined. */
export function findZig() {
  const library = join(folder, 'lib');
  const versions = existsSync(library) ? readdirSync(library) : [];
  const paths = versions.map((version) => join(library, version, 'site-packages/ziglang/zig'));
  return ['zig', ...paths].find((path) => versionOf(path) === zigVersion);
}
