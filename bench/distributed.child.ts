// A process of bench/distributed.ts: sums over the group, or training steps, timed. Rank 0 prints what it measured as JSON.

import {
  CrossEntropyLoss,
  type FitOptions,
  ProcessGroup,
  SGD,
  Tensor,
  TensorDataset,
  cifarResnet,
  fit,
  openStore,
  resnet18,
  setNumThreads,
} from '../lib/index.js';

/** What a process is to do. */
export interface Work {
  readonly rank: number;
  readonly size: number;
  readonly threads: number;
  readonly store: string;
  /** Where the others reach this process; default: on this machine. */
  readonly host?: string;
  readonly kind: 'sum' | 'resnet20' | 'resnet18';
  /** Floats of a sum, or examples of a batch. */
  readonly count: number;
  readonly repeats: number;
  readonly shards: number;
  /** Whether each process updates a part of the weights alone. */
  readonly shardOptimizer: boolean;
}

async function main(work: Work): Promise<number[]> {
  const { rank, size, threads, store: address, host, kind, count, repeats } = work;
  setNumThreads(threads);
  const group = size === 1 ? undefined : await ProcessGroup.open({ rank, size, store: await openStore(address), ...(host && { host }) });
  const times = group !== undefined && kind === 'sum' ? await sums(group, count, repeats) : await steps(group, work);
  await group?.close();
  return times;
}

/** Milliseconds of each sum. */
async function sums(group: ProcessGroup, count: number, repeats: number): Promise<number[]> {
  const x = Tensor.from(new Float32Array(count).fill(1e-3));
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    await group.barrier();
    const start = performance.now();
    group.allReduce(x);
    times.push(performance.now() - start);
  }
  return times;
}

/** Milliseconds of a step, by epoch; the first one compiles. */
async function steps(group: ProcessGroup | undefined, { kind, count: batch, repeats, shards, shardOptimizer }: Work): Promise<number[]> {
  const [model, side] = kind === 'resnet20' ? [cifarResnet({ depth: 20 }), 32] : [resnet18({ imageSize: 64, classes: 10 }), 64];
  const perEpoch = 8;
  const examples = perEpoch * batch;
  const pixels = Tensor.from(Float32Array.from({ length: examples * side * side * 3 }, (_, i) => ((i * 7919) % 1000) / 500 - 1));
  const classes = Tensor.from(Int32Array.from({ length: examples }, (_, i) => i % 10));
  const data = new TensorDataset(pixels.reshape([examples, side, side, 3]), classes, { classes: 10 });
  const options: FitOptions = {
    loss: new CrossEntropyLoss(),
    optimizer: new SGD(model, { lr: 0.01, momentum: 0.9 }),
    epochs: 1 + repeats,
    batchSize: batch,
    shards,
    progress: false,
    log: false,
    sitter: false,
    ...(group && { group, shardOptimizer }),
  };
  const { epochs } = await fit(model, data, options);
  return epochs.slice(1).map(({ seconds }) => (seconds / perEpoch) * 1e3);
}

const work = JSON.parse(process.argv[2]) as Work;
const times = await main(work);
if (work.rank === 0) console.log(JSON.stringify(times));
