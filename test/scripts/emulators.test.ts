// The programs that stand for another platform's Node.js: what they pass on, what they give back, and that their children are started the same way.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { root } from '../helpers/sources.js';

interface Emulators {
  launcherOf(platform: string): Promise<string>;
  writeLauncher(path: string, words: readonly string[], options: { environment: Record<string, string>; wine?: string }): string;
}
const { launcherOf, writeLauncher } = (await import(pathToFileURL(join(root, 'scripts/emulators.mjs')).href)) as Emulators;

// A folder whose name every shell trips over that does not quote.
function folderOf(t: ExecutionContext): string {
  const above = mkdtempSync(join(tmpdir(), 'nodegrad-launcher-'));
  t.teardown(() => rmSync(above, { recursive: true }));
  const folder = join(above, "a b's $HOME");
  mkdirSync(folder);
  return folder;
}

const parent = `
  const { execFileSync } = require('node:child_process');
  const said = (program, script) => JSON.parse(execFileSync(program, ['-p', script], { encoding: 'utf8' }));
  const script = 'JSON.stringify([process.execPath, process.env.NODEGRAD_BINARY])';
  console.log(JSON.stringify([process.argv.slice(2), process.execPath, process.env.NODEGRAD_BINARY, said(process.execPath, script)]));
  console.error('and an error');
  process.exitCode = 7;
`;

for (const system of ['its own', 'Wine'])
  test(`a launcher below ${system} passes arguments and the addon on, to children too, and gives back both outputs and the exit code`, (t) => {
    const folder = folderOf(t);
    const [binary, program] = [join(folder, 'nodegrad.node'), join(folder, 'parent.cjs')];
    writeFileSync(program, parent);
    const environment = { NODEGRAD_BINARY: binary };
    const options = system === 'Wine' ? { environment, wine: join(folder, 'wine') } : { environment };
    const launcher = writeLauncher(join(folder, 'node'), [process.execPath, '--no-warnings'], options);
    const { stdout, stderr, status } = spawnSync(launcher, [program, "it's", '$HOME "two words"'], { encoding: 'utf8' });
    t.deepEqual(JSON.parse(stdout), [["it's", '$HOME "two words"'], launcher, binary, [launcher, binary]]);
    t.is(stderr.trim(), 'and an error');
    t.is(status, 7);
  });

test('what nothing here can run is refused, with a list of what can be', async (t) => {
  const error = await t.throwsAsync(launcherOf('freebsd-x64'));
  t.regex(error.message, /^nothing here can run freebsd-x64; linux-x64-gnu, .*win32-x64 can be run$/);
});
