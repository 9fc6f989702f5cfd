// Commands and files of Debian's packages that release builds and emulators need beside what the build itself needs.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { runStep, say, StepError } from './steps.mjs';

/** Installs what is missing of `needs`: packages by the command or the file, a path from the root, that each is asked for. */
export async function ensureDebian(needs) {
  const there = (name) => (name.startsWith('/') ? existsSync(name) : spawnSync(name, ['--version']).error === undefined);
  const packages = Object.keys(needs)
    .filter((name) => !there(name))
    .map((name) => needs[name]);
  if (packages.length === 0) return;
  const words = ['apt-get', 'install', '--yes', '--no-install-recommends', ...packages];
  if (process.getuid?.() !== 0) {
    say(`Missing: ${packages.join(', ')}. On Debian and Ubuntu: sudo ${words.join(' ')}`);
    throw new StepError('tools');
  }
  await runStep(`Installing ${packages.join(', ')}`, words[0], words.slice(1));
}
