// `node dist/bench/distributed.js`: training in two processes beside torch.distributed on Gloo, in one run, one after the other, round by round.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { Work } from './distributed.child.js';
import { cleanedEnvironment } from './environment.js';
import { median, minimum } from './statistics.js';

const usage = `Usage: node dist/bench/distributed.js [--rounds n] [--compile]      (default 3 rounds; --compile: PyTorch by torch.compile too)
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

const nodegrad = (name: string, processes: number, threads: number, shards: number): Contestant => ({
  name,
  processes,
  threads,
  async runs(task) {
    const folder = mkdtempSync(join(tmpdir(), 'nodegrad-bench-'));
    const store = pathToFileURL(folder).href;
    const work = (rank: number): Work => ({ ...task, rank, size: processes, threads, store, shards });
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
      nodegrad('nodegrad, 2 shards', 2, 1, 2),
      nodegrad('nodegrad, no group', 1, 2, 1),
      ...torches,
      torch('torch, no group', 1, 2, false),
    ]);
  }
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    compile: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(usage);
else await measure(Math.max(1, Number(values.rounds) || 3), values.compile);
