// The sources of Gloo that release builds compile in, as Debian keeps them.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { debianMirror } from './musl.mjs';
import { gloo } from './platforms.mjs';
import { say, StepError } from './steps.mjs';

/** The folder of Gloo's sources: from the cache, where they are put first. */
export function ensureGloo() {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'nodegrad', `gloo-${gloo.version}`);
  if (existsSync(folder)) return folder;
  const stage = `${folder}.tmp`;
  rmSync(stage, { recursive: true, force: true });
  for (const name of ['state/lists/partial', 'cache/archives/partial', 'source']) mkdirSync(join(stage, name), { recursive: true });
  say(`Fetching the source of Gloo (${gloo.version}) from Debian`);
  writeFileSync(join(stage, 'sources'), `deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${debianMirror()} trixie main\n`);
  const settings = { 'Dir::Etc::SourceList': `${stage}/sources`, 'Dir::Etc::SourceParts': '/dev/null', 'Dir::State': `${stage}/state` };
  const all = { ...settings, 'Dir::Cache': `${stage}/cache`, 'APT::Sandbox::User': 'root' };
  const options = Object.entries(all).flatMap((pair) => ['-o', pair.join('=')]);
  const quiet = { cwd: stage, stdio: ['ignore', 'ignore', 'inherit'] };
  execFileSync('apt-get', [...options, '-qq', 'update'], quiet);
  execFileSync('apt-get', [...options, '-qq', 'source', '--tar-only', 'gloo'], quiet);
  const archive = readdirSync(stage).find((name) => name.endsWith('.orig.tar.xz'));
  const sha256 = createHash('sha256')
    .update(readFileSync(join(stage, archive)))
    .digest('hex');
  if (sha256 !== gloo.sha256)
    throw new StepError(`${archive} is not the source of Gloo that scripts/platforms.mjs names: its SHA-256 is ${sha256}`);
  execFileSync('tar', ['-xJf', archive, '-C', 'source'], quiet);
  renameSync(join(stage, 'source'), folder);
  rmSync(stage, { recursive: true });
  return folder;
}
