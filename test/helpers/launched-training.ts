// A training for launched processes, which writes checkpoints and says what it ends with.

import type { ExecutionContext } from 'ava';
import { type Running, start } from './launched.js';

/** Milliseconds that a process waits for another. */
export const timeout = 10_000;

const index = new URL('../../lib/index.js', import.meta.url).href;
const problem = new URL('../helpers/training.js', import.meta.url).href;

/** A training of 96 steps with a checkpoint after every third. FAIL is a step in which rank 1 throws; PACE, how many milliseconds a step waits. */
const training = `
import { createHash } from 'node:crypto';
const { Adam, BatchNorm1d, CrossEntropyLoss, Dropout, Linear, ProcessGroup, ReLU, Sequential, fit, setSeed } = await import('${index}');
const { points } = await import('${problem}');
console.log('pid', process.pid);
if (process.env.FAIL) process.on('SIGTERM', () => {}); // rank 0 has the time to write what it would
const group = await ProcessGroup.fromEnvironment({ timeout: ${timeout} });
try {
  setSeed(7);
  const model = new Sequential([new Linear(2, 16), new BatchNorm1d(16), new ReLU(), new Dropout(0.2), new Linear(16, 4)]);
  await fit(model, points(256), {
    loss: new CrossEntropyLoss(), optimizer: new Adam(model, { lr: 0.01 }), epochs: 12, batchSize: 32, shards: 16, seed: 5,
    checkpoint: { dir: 'checkpoints', every: 3 }, resume: true, group, progress: false, log: false,
    callbacks: [{
      onTrainBegin: (run) => console.log('begins at', run.step),
      onBatchEnd(_, run) {
        if (rank === 1 && run.step === Number(process.env.FAIL)) throw new Error('step ' + run.step + ' went wrong');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(process.env.PACE ?? 10));
      },
    }],
  });
  const hash = createHash('sha256');
  for (const [path, { data }] of model.stateDict()) hash.update(path).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  console.log('digest', hash.digest('hex'));
} finally {
  await group.close();
}
console.log('left');
`;
const environment = { NODEGRAD_RUNS: 'off', NODEGRAD_NUM_THREADS: '1' };
export const train = (t: ExecutionContext, words: readonly string[], more: { env?: Record<string, string>; folder?: string } = {}): Running =>
  start(t, training, words, { ...more, env: { ...environment, ...more.env } });
export const digestsOf = ({ out }: Running): string[] => [...out.matchAll(/^\[\d\] digest (\w+)$/gm)].map(([, digest]) => digest);
export const begins = ({ out }: Running): number[] => [...out.matchAll(/^\[0\] begins at (\d+)$/gm)].map(([, step]) => Number(step));

let alone: Promise<string> | undefined;
/** What one process trains that nobody disturbs. */
export async function undisturbed(t: ExecutionContext): Promise<string> {
  alone ??= (async () => {
    const running = train(t, ['--processes', '1']);
    t.is(await running.ended, 0, running.error);
    return digestsOf(running)[0];
  })();
  return alone;
}
