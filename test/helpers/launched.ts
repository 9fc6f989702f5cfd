// Groups of processes for tests: the command on a script that is written for the test, and whether everybody has gone.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

/** What stands above every script: its rank, and a way to wait for others on this machine. */
const above = `
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
const rank = Number(process.env.NODEGRAD_RANK);
const say = (name) => writeFileSync(name, '');
const heard = async (name) => { while (!existsSync(name)) await new Promise((next) => setTimeout(next, 5)); };
appendFileSync('pids', process.pid + '\\n');
`;

export interface Running {
  readonly child: ChildProcess;
  readonly folder: string;
  out: string;
  error: string;
  readonly ended: Promise<number | null>;
}

/** Starts the command on a script, in a folder of its own. */
export function start(
  t: ExecutionContext,
  script: string,
  words: readonly string[],
  { env = {}, after = [] as readonly string[], folder = '' } = {},
): Running {
  const place = folder === '' ? mkdtempSync(join(tmpdir(), 'nodegrad-launch-')) : folder;
  if (folder === '') t.teardown(() => rmSync(place, { recursive: true, force: true }));
  writeFileSync(join(place, 'script.mjs'), above + script);
  const child = spawn(process.execPath, [main, 'launch', ...words, 'script.mjs', ...after], {
    cwd: place,
    env: { ...process.env, NODEGRAD_TOKEN: '', NODEGRAD_NUM_THREADS: '', NODE_OPTIONS: '', ...env },
  });
  const running: Running = { child, folder: place, out: '', error: '', ended: new Promise((done) => child.on('close', done)) };
  t.teardown(() => child.kill('SIGKILL'));
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    running.out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    running.error += text;
  });
  return running;
}

/** Waits until something is so. */
export async function until(t: ExecutionContext, what: string, isSo: () => boolean): Promise<void> {
  const end = Date.now() + 60_000;
  while (!isSo()) {
    if (Date.now() > end) return t.fail(`it never came to this: ${what}`);
    await pause(10);
  }
}

/** Sends a signal to a process, or false where it has ended already. */
export function sendSignal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Whether a process has ended; one that nobody has asked about yet counts. */
export function isGone(pid: number): boolean {
  if (!sendSignal(pid, 0)) return true;
  if (process.platform !== 'linux') return false;
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true; // it has ended between the two, or while its file was being read
  }
}

export const pidsOf = ({ folder }: Running): number[] =>
  existsSync(join(folder, 'pids')) ? readFileSync(join(folder, 'pids'), 'utf8').trim().split('\n').map(Number) : [];

export async function allGone(t: ExecutionContext, running: Running, count: number): Promise<void> {
  t.is(pidsOf(running).length, count);
  await until(t, 'all processes are gone', () => pidsOf(running).every(isGone));
}
