// `node dist/bench/distributed.js`: training in two processes beside torch.distributed on Gloo, in one run, one after the other, round by round.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { Work } from './distributed.child.js';
import { cleanedEnvironment } from './environment.js';
import { median, minimum } from './statistics.js';

const usage = `Usage: node dist/bench/distributed.js [--rounds n] [--compile] [--network]
  default 3 rounds; --compile: PyTorch by torch.compile too; --network: sums and steps over links of 1 and 10 Gbit/s between two network namespaces
  (root, iproute2)
Environment: NODEGRAD_BENCH_PYTHON (a Python with torch).`;

const here = dirname(fileURLToPath(import.meta.url));
const rivals = join(here, '..', '..', 'bench', 'rivals');
const python = process.env.NODEGRAD_BENCH_PYTHON ?? 'python3';

type Task = Pick<Work, 'kind' | 'count' | 'repeats'>;

interface Contestant {
  readonly name: string;
  readonly processes: number;
  readonly threads: number;
  readonly runs: (task: Task) => Promise<number[]>;
}

/** Runs the processes of a group, and gives what rank 0 printed. */
async function together(size: number, threads: number, commandOf: (rank: number) => readonly string[]): Promise<number[]> {
  const outputs = await Promise.all(
    Array.from(
      { length: size },
      (_, rank) =>
        new Promise<string>((resolve, reject) => {
          const [command, ...words] = commandOf(rank);
          const started = spawn(command, words, { env: cleanedEnvironment(threads), stdio: ['ignore', 'pipe', 'pipe'], cwd: rivals });
          let [out, error] = ['', ''];
          started.stdout.on('data', (chunk) => (out += chunk));
          started.stderr.on('data', (chunk) => (error += chunk));
          started.on('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`${command} ended with ${code}:\n${error}`))));
        }),
    ),
  );
  return JSON.parse(outputs[0].trim().split('\n').at(-1) as string) as number[];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const nodegrad = (name: string, processes: number, threads: number, shards: number, shardOptimizer = false): Contestant => ({
  name,
  processes,
  threads,
  async runs(task) {
    const folder = mkdtempSync(join(tmpdir(), 'nodegrad-bench-'));
    const store = pathToFileURL(folder).href;
    const work = (rank: number): Work => ({ ...task, rank, size: processes, threads, store, shards, shardOptimizer });
    try {
      return await together(processes, threads, (rank) => [process.execPath, join(here, 'distributed.child.js'), JSON.stringify(work(rank))]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
});

const torch = (name: string, processes: number, threads: number, compile: boolean): Contestant => ({
  name,
  processes,
  threads,
  async runs(task) {
    const port = await freePort();
    const work = (rank: number): object => ({ ...task, rank, size: processes, threads, port, compile });
    return together(processes, threads, (rank) => [python, join(rivals, 'torch_distributed.py'), JSON.stringify(work(rank))]);
  },
});

async function measure(rounds: number, compiles: boolean): Promise<void> {
  const torches = [torch('torch.distributed', 2, 1, false), ...(compiles ? [torch('torch.distributed, compiled', 2, 1, true)] : [])];
  const table = async (title: string, task: Task, contestants: readonly Contestant[]): Promise<void> => {
    const seen = new Map(contestants.map((one) => [one, [] as number[]]));
    for (let round = 0; round < rounds; round++) for (const one of contestants) seen.get(one)?.push(...(await one.runs(task)));
    const [[, own]] = [...seen];
    for (const [{ name, processes, threads }, times] of seen)
      console.log(
        `| ${title} | ${name}, ${processes} × ${threads} | ${minimum(times).toFixed(2)} / ${median(times).toFixed(2)} ms | ${(minimum(times) / minimum(own)).toFixed(2)} / ${(median(times) / median(own)).toFixed(2)} |`,
      );
  };
  console.log('| task | who, processes × threads | minimum / median | in times of the first row |\n|---|---|---|---|');
  for (const megabytes of [1, 25, 100]) {
    const task: Task = { kind: 'sum', count: megabytes * 250_000, repeats: megabytes === 1 ? 100 : 20 };
    await table(`sum of ${megabytes} MB`, task, [nodegrad('nodegrad', 2, 1, 2), torches[0]]);
  }
  for (const [kind, count] of [
    ['resnet20', 128],
    ['resnet18', 32],
  ] as const) {
    await table(`${kind}, batch ${count}`, { kind, count, repeats: 3 }, [
      nodegrad('nodegrad, 16 shards', 2, 1, 16),
      nodegrad('nodegrad, 16 shards, shardOptimizer', 2, 1, 16, true),
      nodegrad('nodegrad, 2 shards', 2, 1, 2),
      nodegrad('nodegrad, 2 shards, shardOptimizer', 2, 1, 2, true),
      nodegrad('nodegrad, no group', 1, 2, 1),
      ...torches,
      torch('torch, no group', 1, 2, false),
    ]);
  }
}

/** Milliseconds that a sum takes at least: each process sends and takes 2·(P−1)/P of the bytes, and each half travels once. */
const predicted = (bytes: number, processes: number, gigabits: number, latency: number): number =>
  ((2 * (processes - 1)) / processes) * ((bytes * 8) / (gigabits * 1e6)) + 2 * latency;

/** What backward takes of a step. */
const ofBackward = 2 / 3;

/**
 * Milliseconds of a step that computes so long in `parts` shards, and sums gradients meanwhile: those of the last layers, which have most of the weights,
 * are there when backward of the last part begins.
 */
const beside = (computing: number, parts: number, sum: number): number => computing + sum - Math.min(sum, (ofBackward * computing) / parts);

const milliseconds = (times: readonly number[]): string => `${minimum(times).toFixed(1)} / ${median(times).toFixed(1)} ms`;

/** Sums, and steps of ResNet-18, between two network namespaces, whose link is as slow as a token bucket makes it. */
async function overNetwork(): Promise<void> {
  const run = (line: string): void => void execFileSync('sh', ['-c', line], { stdio: ['ignore', 'ignore', 'inherit'] });
  const spaces = ['nodegrad-a', 'nodegrad-b'];
  const clear = (): void => {
    for (const space of spaces) run(`ip netns delete ${space} 2>/dev/null || true`);
  };
  const inSpaces = async (task: Task, shards: number): Promise<number[]> => {
    const folder = mkdtempSync(join(tmpdir(), 'nodegrad-bench-'));
    const store = pathToFileURL(folder).href;
    const work = (rank: number): Work => ({
      ...task,
      rank,
      size: 2,
      threads: 1,
      store,
      host: `10.77.0.${rank + 1}`,
      shards,
      shardOptimizer: false,
    });
    const child = join(here, 'distributed.child.js');
    try {
      return await together(2, 1, (rank) => ['ip', 'netns', 'exec', spaces[rank], process.execPath, child, JSON.stringify(work(rank))]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  const steps: Task = { kind: 'resnet18', count: 32, repeats: 3 };
  clear();
  try {
    for (const space of spaces) run(`ip netns add ${space} && ip netns exec ${space} ip link set lo up`);
    run(`ip link add veth-a netns ${spaces[0]} type veth peer name veth-b netns ${spaces[1]}`);
    for (const [i, end] of ['a', 'b'].entries())
      run(`ip netns exec ${spaces[i]} sh -c 'ip address add 10.77.0.${i + 1}/24 dev veth-${end} && ip link set veth-${end} up'`);
    const free = await inSpaces(steps, 16);
    console.log('| link | sum of | measured, minimum / median | predicted | by prediction |\n|---|---|---|---|---|');
    const ofSteps: string[] = [];
    for (const gigabits of [1, 10]) {
      for (const [i, end] of ['a', 'b'].entries())
        run(`ip netns exec ${spaces[i]} tc qdisc replace dev veth-${end} root tbf rate ${gigabits}gbit burst ${gigabits}mb latency 50ms`);
      for (const megabytes of [1, 25, 100]) {
        const times = await inSpaces({ kind: 'sum', count: megabytes * 250_000, repeats: megabytes === 1 ? 50 : 10 }, 2);
        const expected = predicted(megabytes * 1e6, 2, gigabits, 0.1);
        const ratio = (median(times) / expected).toFixed(2);
        console.log(`| ${gigabits} Gbit/s | ${megabytes} MB | ${milliseconds(times)} | ${expected.toFixed(1)} ms | ${ratio} |`);
      }
      const times = await inSpaces(steps, 16);
      const [computing, sum] = [minimum(free), predicted(44.7e6, 2, gigabits, 0.1)];
      const expected = `${(computing + sum).toFixed(0)} ms | ${beside(computing, 1, sum).toFixed(0)} ms`;
      ofSteps.push(`| ${gigabits} Gbit/s | ${milliseconds(free)} | ${milliseconds(times)} | ${expected} |`);
    }
    console.log(
      '\n| link | step without a limit | measured | predicted, one after the other | predicted, beside backward |\n|---|---|---|---|---|',
    );
    for (const row of ofSteps) console.log(row);
    console.log('');
  } finally {
    clear();
  }
}

/** Milliseconds of a step of ResNet-50 with 256 images of 224 × 224 on one machine with two cores of Zen 5: eight times what 32 take. */
const aloneFor256Images = 14_560;

/**
 * What a step of ResNet-50 takes on so many machines, of whose gradients 102 MB travel, where one machine takes `alone` milliseconds for the batch. There
 * are 16 shards, or as many as machines.
 */
function onPaper(alone: number): void {
  const counts = [1, 2, 4, 8, 16, 32, 64];
  console.log(`| machines | ${counts.join(' | ')} |\n|---|${'---|'.repeat(counts.length)}`);
  for (const gigabits of [1, 10]) {
    const cells = counts.map((machines) => {
      const sum = machines === 1 ? 0 : predicted(102.2e6, machines, gigabits, 0.1);
      const step = beside(alone / machines, Math.max(16 / machines, 1), sum);
      return `${step.toFixed(0)} ms, ${(alone / step).toFixed(1)} ×`;
    });
    console.log(`| ${gigabits} Gbit/s | ${cells.join(' | ')} |`);
  }
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    compile: { type: 'boolean', default: false },
    network: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(usage);
else if (values.network) {
  await overNetwork();
  onPaper(aloneFor256Images);
} else await measure(Math.max(1, Number(values.rounds) || 3), values.compile);
