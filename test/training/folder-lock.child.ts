// Takes a lock again and again, for whoever watches: arguments are the folder and how often. Every other time it dies with it.

import { closeSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { BusyError } from '../../lib/index.js';
import { FolderLock } from '../../lib/training/folder-lock.js';

if (!isMainThread) {
  await FolderLock.take(workerData as string);
  parentPort?.postMessage('taken');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
} else {
  const [dir, times] = process.argv.slice(2);
  const inside = join(dir, 'inside');
  for (let i = 0; i < Number(times); ) {
    try {
      const lock = await FolderLock.take(dir);
      closeSync(openSync(inside, 'wx')); // fails where another is inside
      await new Promise((resolve) => setImmediate(resolve));
      if (!(await lock.isHeld())) throw new Error('lost');
      unlinkSync(inside);
      i += 1;
      process.stdout.write('.');
      if (i === Number(times)) process.kill(process.pid, 'SIGKILL');
      await lock.release();
    } catch (error) {
      if (!(error instanceof BusyError)) throw error;
    }
  }
}
