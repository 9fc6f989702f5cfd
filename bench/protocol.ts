// The contestant's half of the conversation for contestants written for Node.js: one JSON object a line, on stdin and stdout.

import { createInterface } from 'node:readline';
import type { RoundReply, Setup } from './types.js';

/** What a contestant has made ready for one case. */
export interface Work {
  versions: Record<string, string>;
  note?: string;
  /** The first steps, with numbers that have to agree with every other contestant's: losses, or values picked from a result. */
  check(): number[] | Promise<number[]>;
  /** Runs `steps` steps and returns when all of their results are there. */
  run(steps: number): void | Promise<void>;
}

/** Thrown by a contestant that cannot take part, with the reason. */
export class Skip extends Error {}

/** Steps between two looks at the clock: the case's wish, but at most a quarter of a second, for slow contestants. */
async function fit(work: Work, chunk: number): Promise<number> {
  const start = performance.now();
  await work.run(1);
  const milliseconds = performance.now() - start;
  return Math.max(1, Math.min(chunk, Math.floor(250 / milliseconds)));
}

async function warm(work: Work, chunk: number, seconds: number): Promise<number> {
  const start = performance.now();
  let steps = 0;
  while (steps < 10 || performance.now() - start < seconds * 1000) {
    await work.run(chunk);
    steps += chunk;
    if (performance.now() - start > seconds * 10_000) break;
  }
  return steps;
}

async function round(work: Work, chunk: number, seconds: number): Promise<RoundReply> {
  // The process has just been woken up: its caches are cold and its clock may be low. That is not what is measured.
  const [awake, cpuAwake] = [performance.now(), process.cpuUsage()];
  do await work.run(chunk);
  while (performance.now() - awake < seconds * 50);
  const samples: number[] = [];
  const cpu = process.cpuUsage();
  const start = performance.now();
  let before = start;
  do {
    await work.run(chunk);
    const after = performance.now();
    samples.push((after - before) / chunk);
    before = after;
  } while (before - start < seconds * 1000);
  const since = (then: NodeJS.CpuUsage): number => {
    const used = process.cpuUsage(then);
    return (used.user + used.system) / 1e6;
  };
  return { samples, cpu: since(cpu), awake: since(cpuAwake), wall: (before - start) / 1000, steps: samples.length * chunk };
}

/** Answers the runner until it closes the pipe. */
export async function serve(prepare: (setup: Setup) => Work | Promise<Work>): Promise<void> {
  let work: Work | undefined;
  let chunk = 1;
  const send = (message: object): void => {
    process.stdout.write(`${JSON.stringify(message)}\n`);
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line) as Setup | { do: 'first' | 'check' | 'warm' | 'round'; seconds: number };
    try {
      if (message.do === 'setup') {
        work = await prepare(message);
        chunk = message.chunk;
        send({ versions: work.versions, note: work.note });
      } else if (work === undefined) {
        throw new Error(`'${message.do}' before 'setup'`);
      } else if (message.do === 'first') {
        await work.run(1);
        send({});
      } else if (message.do === 'check') {
        send({ values: await work.check() });
      } else if (message.do === 'warm') {
        await work.run(2);
        chunk = await fit(work, chunk);
        send({ steps: await warm(work, chunk, message.seconds) });
      } else {
        send(await round(work, chunk, message.seconds));
      }
    } catch (error) {
      send(
        error instanceof Skip ? { skip: error.message } : { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
      );
    }
  }
}
