// The runner's half of the conversation: one contestant, one process, asleep whenever it is not its turn.

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Contestant } from './contestants.js';
import { allowedCpus, cleanedEnvironment } from './environment.js';
import type { RoundReply, Setup, SetupReply } from './types.js';

const alive = new Set<ContestantProcess>();
const works = (program: string): boolean => process.platform === 'linux' && spawnSync(program, ['--version']).status === 0;
const canPin = works('taskset');
// Even when the runner is killed, no stopped process stays behind.
const leash = works('setpriv') ? ['setpriv', '--pdeathsig', 'KILL'] : [];

/** Whether contestants are held on their CPUs; elsewhere their own thread counts have to do. */
export const pinned = canPin;

/** Bytes of a process that are in memory; NaN where the system does not say. */
export interface ResidentMemory {
  /** Its libraries and operands, before the first step. */
  ready: number;
  /** The most during the timed rounds. */
  peak: number;
}

/** The contestant cannot take part, and says why. */
export class Skipped extends Error {}

/** A running contestant. */
export class ContestantProcess {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  private errors = '';
  private ended: string | undefined;
  private ready = Number.NaN;
  private forgotten = false;

  constructor(
    readonly contestant: Contestant,
    threads: number,
    extra: Record<string, string> = {},
  ) {
    // Thread pools count the CPUs they may use (XLA has no other knob that works), so all contestants are held on the same ones.
    const pin = canPin ? ['taskset', '-c', allowedCpus().slice(0, threads).join(',')] : [];
    const [program, ...args] = [...leash, ...pin, ...contestant.command];
    // A process group of its own, so that helpers which a contestant starts sleep and end with it.
    this.child = spawn(program, args, { detached: true, env: cleanedEnvironment(threads, { ...contestant.environment, ...extra }) });
    alive.add(this);
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      if (line.startsWith('{')) this.waiting.shift()?.resolve(line);
    });
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-2000);
    });
    this.child.stdin.on('error', () => {});
    const end = (how: string): void => {
      this.ended ??= how;
      alive.delete(this);
      const last = this.errors.trim().split('\n').slice(-3).join(' | ');
      for (const request of this.waiting.splice(0)) request.reject(new Error(`${how}${last === '' ? '' : `: ${last}`}`));
    };
    this.child.on('error', (error) => end(error.message));
    this.child.on('close', (code, signal) => end(`ended with ${signal ?? `code ${code}`}`));
  }

  private signal(name: NodeJS.Signals): void {
    if (this.child.pid === undefined || this.ended !== undefined) return;
    try {
      process.kill(-this.child.pid, name);
    } catch {
      // It ended in this moment: the next request says so.
    }
  }

  /** Stops every thread of it: a pool that spins for a while after its work would take time from the next contestant. */
  sleep(): void {
    this.signal('SIGSTOP');
  }

  /** Lets it go on. */
  wake(): void {
    this.signal('SIGCONT');
  }

  private async ask<Reply extends object>(message: object, seconds: number): Promise<Reply> {
    if (this.ended !== undefined) throw new Error(this.ended);
    const line = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.end();
        reject(new Error(`no answer to ${JSON.stringify(message).slice(0, 40)}… within ${seconds} s`));
      }, seconds * 1000);
      this.waiting.push({
        resolve: (text) => {
          clearTimeout(timer);
          resolve(text);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.child.stdin.write(`${JSON.stringify(message)}\n`);
    });
    const reply = JSON.parse(line) as Reply & { skip?: string; error?: string };
    if (reply.skip !== undefined) throw new Skipped(reply.skip);
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  }

  /** Hands over the case. */
  async setup(setup: Setup): Promise<SetupReply> {
    const reply = await this.ask<SetupReply>(setup, 300);
    this.ready = this.resident('VmRSS');
    return reply;
  }

  /** One step. */
  first(): Promise<object> {
    return this.ask({ do: 'first' }, 300);
  }

  /** The numbers that all contestants have to agree on; compilers may take minutes for a large network while others start beside them. */
  async check(): Promise<number[]> {
    return (await this.ask<{ values: number[] }>({ do: 'check' }, 1800)).values;
  }

  /** Steps until caches, compilers and clocks have settled. */
  warm(seconds: number): Promise<{ steps: number }> {
    return this.ask({ do: 'warm', seconds }, 300);
  }

  /** A turn: awake, a timed round, asleep again. */
  async turn(seconds: number): Promise<RoundReply> {
    this.wake();
    try {
      return await this.ask({ do: 'round', seconds }, 60 + 10 * seconds);
    } finally {
      this.sleep();
    }
  }

  private resident(what: 'VmRSS' | 'VmHWM'): number {
    try {
      const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
      return Number(new RegExp(`^${what}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024;
    } catch {
      return Number.NaN;
    }
  }

  /** Starts a new peak of its memory, so that reading, compiling and warming up are not part of it. */
  forgetPeak(): void {
    try {
      writeFileSync(`/proc/${this.child.pid}/clear_refs`, '5');
      this.forgotten = true;
    } catch {
      // Not a Linux, or not allowed: there is no figure then.
    }
  }

  /** What it held before the first step, and the most since `forgetPeak`. */
  memory(): ResidentMemory {
    return { ready: this.ready, peak: this.forgotten ? this.resident('VmHWM') : Number.NaN };
  }

  /** Ends it and everything it started. */
  end(): void {
    this.signal('SIGKILL');
    alive.delete(this);
  }
}

// A stopped process would outlive us and wait for ever.
process.on('exit', () => {
  for (const contestant of alive) contestant.end();
});
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => process.exit(130));
