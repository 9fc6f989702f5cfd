// Starts the processes of a group, and gathers what each of them says.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { distributedBinding } from '../../lib/distributed/addon.js';
import type { Errand, Outcome } from '../distributed/group.child.js';

/** Whether the second native part is there: it is built where Gloo is. */
export const hasGroups = ((): boolean => {
  try {
    distributedBinding();
    return true;
  } catch (error) {
    if (process.env['CI'] !== undefined && process.platform === 'linux') throw error;
    console.log(`tests of process groups are left out: ${(error as Error).message}`);
    return false;
  }
})();

const child = fileURLToPath(new URL('../distributed/group.child.js', import.meta.url));

/** What a process printed, and how it ended. */
export interface Said {
  readonly outcomes: Readonly<Record<string, Outcome>>;
  readonly error: string | null;
  readonly code: string | null;
  readonly signal: string | null;
  readonly seconds: number;
}

/** Runs the processes of a group of `size`; 0: one without a group. `of`: what is said to one of them beside what all are told. */
export async function runGroup(
  size: number,
  errand: Pick<Errand, 'kinds'> & Partial<Errand>,
  {
    of = () => ({}),
    env = {},
    started,
  }: { of?: (rank: number) => Partial<Errand>; env?: NodeJS.ProcessEnv; started?: (processes: ChildProcess[]) => void } = {},
): Promise<Said[]> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-group-'));
  const processes: ChildProcess[] = [];
  const start = (rank: number): Promise<Said> =>
    new Promise((resolve) => {
      const began = performance.now();
      const said: Errand = { rank, size, store: pathToFileURL(folder).href, ...errand, ...of(rank) };
      const running = spawn(process.execPath, [child, JSON.stringify(said)], {
        env: { ...process.env, NODEGRAD_NUM_THREADS: '1', NODEGRAD_RUNS: 'off', ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      processes.push(running);
      let out = '';
      running.stdout?.on('data', (chunk) => {
        out += chunk;
      });
      running.on('close', (_, signal) => {
        const { error = null, code = null, ...outcomes } = out === '' ? {} : JSON.parse(out);
        resolve({ outcomes, error, code, signal, seconds: (performance.now() - began) / 1000 });
      });
    });
  try {
    const all = Array.from({ length: Math.max(1, size) }, (_, rank) => start(rank));
    started?.(processes);
    return await Promise.all(all);
  } finally {
    for (const one of processes) one.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}
