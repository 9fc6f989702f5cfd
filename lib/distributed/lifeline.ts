// What every process of `nodegrad launch` begins with: it ends when its launcher is gone, however that ended, and tells that it lives, and when it failed.

import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

/** Milliseconds between two signs of life: the launcher notices whether a process is stopped, see there. */
const beatMilliseconds = 2000;

/** How the thread below is told from those of the program, which begin with this file too. */
const key = 'nodegradLifeline';

if (isMainThread) hold(process.env.NODEGRAD_LIFELINE);
else if (typeof workerData === 'object' && workerData !== null && key in workerData) watch(Number(workerData[key]));

/** Watches the pipe from a thread of its own: the main one may be busy computing, or hang. */
function hold(pipe: string | undefined): void {
  // A process that this one starts has another pipe there, or none.
  delete process.env.NODEGRAD_LIFELINE;
  if (!/^\d+$/.test(pipe ?? '')) return;
  new Worker(new URL(import.meta.url), { workerData: { [key]: pipe }, execArgv: [] }).unref();
  process.on('exit', (code) => {
    try {
      // Of several that fail, the launcher names the one that was first.
      if (code !== 0) writeSync(Number(pipe), `${process.hrtime.bigint()} ${code}\n`);
    } catch {
      // The launcher is gone.
    }
  });
}

function watch(pipe: number): void {
  const end = (): void => {
    try {
      process.kill(-process.pid, 'SIGKILL'); // with all that this process has started
    } catch {
      process.kill(process.pid, 'SIGKILL');
    }
  };
  const socket = new Socket({ fd: pipe, readable: true, writable: true }).on('error', end).on('close', end).resume();
  setInterval(() => socket.write('alive\n'), beatMilliseconds).unref();
}
