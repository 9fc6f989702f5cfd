// Drives worker threads that train: arguments are the mode, the number of rounds, and a seed. Prints how many workers ended in which way.
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Seeded } from '../helpers/seeded.js';

const [mode, rounds, seed] = process.argv.slice(2);
const random = new Seeded(Number(seed));
const count = 8;
const script = new URL('workers.worker.js', import.meta.url);
const ends = { terminated: 0, failed: 0, early: 0 };

function begin(workerData: { throwAfter?: number } = {}): { worker: Worker; ready: Promise<void>; gone: Promise<void> } {
  const worker = new Worker(script, { workerData });
  const ready = new Promise<void>((resolve) => worker.once('message', () => resolve()));
  const gone = new Promise<void>((resolve) => {
    worker.once('error', (error) => {
      ends.failed++;
      if (!/on purpose/.test(String(error))) {
        console.error(error);
        process.exitCode = 3;
      }
    });
    worker.once('exit', () => resolve());
  });
  return { worker, ready, gone };
}

// The library on this thread too, computing while others are terminated; or on worker threads alone, which then load and unload it.
const lib = mode === 'workers-only' ? undefined : await import('../../lib/index.js');
const compute = (): void => {
  if (lib === undefined) return;
  const sum = lib
    .ones([300, 300])
    .matmul(lib.ones([300, 300]))
    .sum()
    .item();
  if (sum !== 300 ** 3) {
    console.error(`a product on the main thread is ${sum}`);
    process.exitCode = 4;
  }
};

if (mode === 'terminate' || mode === 'workers-only') {
  for (let round = 0; round < Number(rounds); round++) {
    const workers = Array.from({ length: count }, () => begin());
    // Every fifth round also while they load.
    if (round % 5 !== 4) await Promise.race(workers.map(({ ready }) => ready));
    else ends.early++;
    await Promise.all(
      workers.map(async ({ worker, ready }) => {
        if (round % 5 !== 4) await ready;
        await delay(random.integer(25));
        if (random.integer(4) === 0) compute();
        await worker.terminate();
        ends.terminated++;
      }),
    );
  }
} else if (mode === 'throw') {
  for (let round = 0; round < Number(rounds); round++) {
    await Promise.all(Array.from({ length: count }, () => begin({ throwAfter: random.integer(10) }).gone));
    compute();
  }
} else {
  // exit, main-throws: the process ends while all are busy.
  const workers = Array.from({ length: count }, () => begin());
  await Promise.all(workers.map(({ ready }) => ready));
  compute();
  await delay(random.integer(40));
  if (mode === 'main-throws') throw new Error('thrown on purpose');
  process.exit(7);
}
console.log(JSON.stringify(ends));
