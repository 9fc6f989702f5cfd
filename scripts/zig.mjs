// The compiler of release builds: Zig's clang, which carries glibc of any age, musl, and what macOS and Windows need. It comes from PyPI.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { zigVersion } from './platforms.mjs';
import { runStep } from './steps.mjs';

const versionOf = (path) => spawnSync(path, ['version'], { encoding: 'utf8' }).stdout?.trim();

/** The path of a Zig of the wanted version: from PATH, else from the cache, where it is installed first. */
export async function ensureZig() {
  if (versionOf('zig') === zigVersion) return 'zig';
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'nodegrad', `zig-${zigVersion}`);
  if (zigIn(folder) === undefined) {
    await runStep('Making a place for Zig', 'python3', ['-m', 'venv', folder], { hint: 'Python 3 with its venv module is needed.' });
    const args = ['-m', 'pip', 'install', '--disable-pip-version-check', '--only-binary=:all:', `ziglang==${zigVersion}`];
    await runStep(`Installing Zig ${zigVersion} from PyPI`, join(folder, 'bin/python'), args);
  }
  return zigIn(folder);
}

function zigIn(folder) {
  const library = join(folder, 'lib');
  const versions = existsSync(library) ? readdirSync(library) : [];
  const paths = versions.map((version) => join(library, version, 'site-packages/ziglang/zig'));
  return paths.find((path) => versionOf(path) === zigVersion);
}
