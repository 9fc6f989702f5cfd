// A process of a group in which something goes wrong between two lines, for the tests: says what it saw as one line of JSON.

import { readdirSync } from 'node:fs';
import { Worker, isMainThread, parentPort, threadId, workerData } from 'node:worker_threads';
import { CrossEntropyLoss, ProcessGroup, SGD, Tensor, fit, openStore } from '../../lib/index.js';
import { makeModel, points } from '../helpers/training.js';

/** What a process of the tests does. */
export interface HostileErrand {
  readonly kind: 'leaves' | 'half' | 'large' | 'exits' | 'reopens' | 'workers';
  readonly rank: number;
  readonly size: number;
  readonly store: string;
  readonly timeout: number;
}

const said: Record<string, unknown> = {};
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, milliseconds));
const counts = (): { descriptors: number; threads: number } => ({
  descriptors: readdirSync('/proc/self/fd').length,
  threads: readdirSync('/proc/self/task').length,
});

/** Who has closed a group has not heard yet that its thread is gone, and requests to the store have connections for a few seconds more. */
async function settled(before: ReturnType<typeof counts>): Promise<void> {
  const isMore = ({ threads, descriptors } = counts()): boolean => threads > before.threads || descriptors > before.descriptors;
  for (let looks = 0; looks < 100 && isMore(); looks++) await pause(100);
}

/** Trains without end; after this many batches, in the middle of an epoch, `when` is called. */
async function train(group: ProcessGroup, batches: number, when: () => void): Promise<void> {
  const model = makeModel();
  const callbacks = [{ onBatchEnd: (_: unknown, { step }: { step: number }) => void (step === batches && when()) }];
  const options = {
    loss: new CrossEntropyLoss(),
    optimizer: new SGD(model, { lr: 0.05 }),
    epochs: 100_000,
    progress: false,
    log: false,
  } as const;
  await fit(model, points(700), { ...options, batchSize: 32, group, callbacks });
}

const kinds: Record<HostileErrand['kind'], (errand: HostileErrand) => Promise<void>> = {
  // Each of them leaves as soon as it has the sum, with nothing read after it.
  async leaves({ rank, size, timeout, store }) {
    const sums: number[] = [];
    for (let round = 0; round < 10; round++) {
      const group = await ProcessGroup.open({ rank, size, timeout, store: await openStore(store), name: `round-${round}` });
      const tensor = Tensor.from(new Float32Array(1 << 22).fill(rank + 1));
      group.allReduce(tensor);
      group.close();
      sums.push(tensor.data[0], tensor.data[(1 << 22) - 1]);
    }
    said['sums'] = sums;
  },
  // 160 MB in pieces of 1 MiB.
  async large({ rank, size, timeout, store }) {
    const group = await ProcessGroup.open({ rank, size, timeout, store: await openStore(store) });
    const tensor = Tensor.from(Float32Array.from({ length: 4e7 }, (_, i) => (rank + 1) * (i % 1000)));
    group.allReduce(tensor);
    said['neighbours'] = group.neighbours;
    said['wrong'] = tensor.data.reduce((count, value, i) => count + Number(value !== 3 * (i % 1000)), 0);
    await group.close();
  },
  // One dies while the others have a part of what it sends.
  async half({ rank, size, timeout, store }) {
    const group = await ProcessGroup.open({ rank, size, timeout, store: await openStore(store) });
    if (rank === 0) new Worker(`setTimeout(() => process.kill(${process.pid}, 'SIGKILL'), 300)`, { eval: true });
    for (;;) group.broadcast(Tensor.from(new Float32Array(1 << 26)));
  },
  // One does not answer, and the other has enough while its driver thread waits.
  async exits({ rank, size, timeout, store }) {
    const group = await ProcessGroup.open({ rank, size, timeout, store: await openStore(store) });
    await train(group, 30, () => {
      if (rank === 1) process.kill(process.pid, 'SIGSTOP');
      else setTimeout(() => process.exit(7), 500);
    });
  },
  // Both processes of a group in one, which open it and leave it again and again.
  async reopens({ timeout, store }) {
    const opened = await openStore(store);
    const once = async (name: string): Promise<void> => {
      const groups = await Promise.all([0, 1].map((rank) => ProcessGroup.open({ rank, size: 2, timeout, store: opened, name })));
      for (const group of groups) group.close();
    };
    for (let round = 0; round < 10; round++) await once(`first-${round}`);
    const before = { ...counts(), bytes: process.memoryUsage().rss };
    for (let round = 0; round < 100; round++) await once(`round-${round}`);
    await settled(before);
    said['before'] = before;
    said['after'] = { ...counts(), bytes: process.memoryUsage().rss };
  },
  // A group of worker threads, which end in the middle of a step.
  async workers(errand) {
    if (!isMainThread) {
      const { rank, size, timeout, store } = workerData as HostileErrand;
      const group = await ProcessGroup.open({
        rank,
        size,
        timeout,
        store: await openStore(store),
        name: `workers-${Math.floor((threadId - 1) / 2)}`,
      });
      return train(group, 30, () => {
        parentPort?.postMessage('trains');
        // The other one waits in the next step.
        if (rank === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, timeout);
      });
    }
    let before = counts();
    for (let round = 0; round < 3; round++) {
      if (round === 1) before = counts(); // the first ones leave what later ones use again
      const workers = [0, 1].map((rank) => new Worker(new URL(import.meta.url), { workerData: { ...errand, rank, size: 2 } }));
      await Promise.all(workers.map((worker) => new Promise((resolve) => void worker.once('message', resolve))));
      await pause(200);
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
    await settled(before);
    said['before'] = before;
    said['after'] = counts();
  },
};

const errand = (isMainThread ? JSON.parse(process.argv[2] ?? 'null') : workerData) as HostileErrand | null;
if (errand !== null) {
  try {
    await kinds[errand.kind](errand);
  } catch (error) {
    said['error'] = (error as Error).message;
    said['code'] = (error as { code?: string }).code;
  }
  if (isMainThread) console.log(JSON.stringify(said));
}
