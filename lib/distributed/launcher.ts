// Starts the processes of a group on this machine, and sees to it that they end together.

import { Buffer } from 'node:buffer';
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { packageFile } from '../installation.js';
import { Guardian } from './guardian.js';
import { LabelledLines, type Sink } from './labelled-lines.js';

/** What is started. */
export interface LaunchPlan {
  readonly script: string;
  readonly words: readonly string[];
  /** Of each process, by rank: what stands in its environment beside what is there. */
  readonly processes: readonly { readonly rank: number; readonly variables: Readonly<Record<string, string>> }[];
}

/** Where output goes. */
export interface LaunchOutput {
  readonly out: Sink;
  readonly error: Sink;
  /** What stands before the lines of a process, by the stream that they go to. */
  label(rank: number, to: 'out' | 'error'): string;
  /** Tells the user something. */
  say(text: string): void;
}

/** Milliseconds that processes have to end themselves when one has failed. */
const grace = 5000;

/** Milliseconds in which others may fail of the same cause before they are told to end: the one that was first is named. */
const window = 100;

/** Milliseconds after the end of a process in which the rest of its output must come. */
const outputPatience = 2000;

/** What comes again so soon is the same wish: npm passes Ctrl-C on that the terminal has sent already, a shell the end of its terminal. */
export const sameWishMilliseconds = 1000;

/** Milliseconds between two looks at whether the last ones give signs of life, and looks without one, after which a process is taken to be stopped. */
const [lookMilliseconds, mostMissed] = [5000, 6];

/** How many last lines of a process are shown again. */
const lastLines = 20;

/** What ends a launcher, and all that it has started. */
export const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type StopSignal = (typeof signals)[number];

/** How the processes of a plan ended. */
export interface LaunchOutcome {
  /** 0, that of the process that failed first, or 128 + the number of the signal that ended it or the launcher. */
  readonly code: number;
  /** What failed first; null where all went well, and where a signal or `stop` ended them. */
  readonly failure: LaunchFailure | null;
}

/** How others have a part in a launch. */
export interface LaunchControl {
  /** Ends the processes, as those are ended that are left when one has failed. */
  readonly stop?: AbortSignal;
  /** Hears which process failed first while the others are being ended. */
  readonly onFailure?: (failure: LaunchFailure) => void;
}

/** How the process ended that failed first. */
export interface LaunchFailure {
  readonly rank: number;
  /** Such as `failed with exit code 1`. */
  readonly how: string;
  /** Its last lines, as they came. */
  readonly lines: readonly string[];
}

/** One of the processes. */
interface Member {
  readonly rank: number;
  readonly child: ChildProcess;
  readonly lines: string[];
  /** What it said itself before it ended: a launcher that is busy sees the ends of several at once. */
  told: Pick<Ending, 'code' | 'at'> | null;
  ended: Ending | null;
  /** Looks since its last sign of life. */
  missed: number;
}

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it could not be started. */
  readonly refused: string | null;
  /** On the clock that all processes of the machine share. */
  readonly at: bigint;
}

/**
 * Runs the processes of a plan to their end, and hands on SIGINT, SIGTERM and SIGHUP; a second one kills. When one fails, the others are told to end and are
 * killed after five seconds.
 */
export async function launch(plan: LaunchPlan, output: LaunchOutput, control: LaunchControl = {}): Promise<LaunchOutcome> {
  const group = new Group(plan, output, control);
  const release = group.listen();
  try {
    return await group.run();
  } finally {
    release();
    group.guardian.release();
  }
}

/** Says which process failed, and shows its last lines again. */
export async function tellFailure({ rank, how, lines }: LaunchFailure, { say, label, error }: LaunchOutput): Promise<void> {
  say(`the process of rank ${rank} ${how}${lines.length === 0 ? '; it had written nothing' : '. Its last lines:'}`);
  const again = new LabelledLines(label(rank, 'error'));
  for (const line of lines) await error.write(again.push(Buffer.from(`${line}\n`, 'latin1')));
}

class Group {
  readonly guardian = new Guardian();
  readonly #members: Member[] = [];
  #wish: StopSignal | null = null;
  #wished = Number.NEGATIVE_INFINITY;
  /** When they were told to end. */
  #stopped: bigint | null = null;
  #isFailing = false;
  #killing: NodeJS.Timeout | undefined;
  #looking: NodeJS.Timeout | undefined;

  constructor(
    readonly plan: LaunchPlan,
    readonly output: LaunchOutput,
    readonly control: LaunchControl,
  ) {}

  /** Hands signals on; gives what ends that. */
  listen(): () => void {
    const handlers = signals.map((name) => [name, () => this.#signal(name)] as const);
    for (const [name, handler] of handlers) process.on(name, handler);
    const stop = (): void => this.#endAll();
    this.control.stop?.addEventListener('abort', stop);
    return () => {
      // A signal that comes once more is the same wish, also when all have ended and this process is about to.
      if (this.#wish === null) for (const [name, handler] of handlers) process.off(name, handler);
      this.control.stop?.removeEventListener('abort', stop);
    };
  }

  async run(): Promise<LaunchOutcome> {
    const following = this.plan.processes.map((one) => this.#follow(one.rank, one.variables));
    if (this.control.stop?.aborted) this.#endAll();
    await Promise.all(following);
    clearTimeout(this.#killing);
    clearInterval(this.#looking);
    const culprit = this.#culprit();
    if (this.#wish !== null) return { code: 128 + constants.signals[this.#wish], failure: null };
    if (culprit === null || (this.control.stop?.aborted && this.#isAfterStop(culprit))) return { code: 0, failure: null };
    const { code, signal } = culprit.ended as Ending;
    return { code: signal === null ? (code ?? 1) : 128 + constants.signals[signal], failure: failureOf(culprit) };
  }

  /** Starts a process and follows it to its end. */
  async #follow(rank: number, variables: Readonly<Record<string, string>>): Promise<void> {
    const { script, words } = this.plan;
    const preload = packageFile('dist/lib/distributed/lifeline.js').href;
    const child = spawn(process.execPath, [...process.execArgv, '--import', preload, script, ...words], {
      env: { ...process.env, ...variables, NODEGRAD_LIFELINE: '3' },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // A group of its own: what it starts ends with it, and Ctrl-C comes from here alone.
      detached: process.platform !== 'win32',
    });
    if (child.pid !== undefined) this.guardian.watch(child.pid);
    const member: Member = { rank, child, lines: [], told: null, ended: null, missed: 0 };
    this.#members.push(member);
    const [, out, error, lifeline] = child.stdio as Readable[];
    const outputs = [this.#forward(member, out, 'out'), this.#forward(member, error, 'error'), this.#listen(member, lifeline)];
    const ended = await this.#end(child);
    member.ended = ended;
    this.#send(member, 'SIGKILL'); // what it has left behind
    if (child.pid !== undefined) this.guardian.forget(child.pid);
    // Whoever went away to be on its own may still hold the other end.
    await Promise.race([Promise.all(outputs), pause(outputPatience, undefined, { ref: false })]);
    if (member.told !== null) member.ended = { ...ended, ...member.told, signal: null };
    if (isFailure(member.ended) && this.#wish === null) await this.#fail(member);
    else this.#looking ??= setInterval(() => this.#look(), lookMilliseconds);
  }

  /** When one has done its work, a process that is stopped keeps nobody waiting who would notice: it is a failure, too. */
  #look(): void {
    for (const member of this.#running()) {
      member.missed += 1;
      if (member.missed < mostMissed) continue;
      this.output.say(
        `the process of rank ${member.rank} gives no sign of life since the others have ended: it is stopped (SIGSTOP), or hangs, and is killed`,
      );
      this.#send(member, 'SIGKILL');
    }
  }

  #end(child: ChildProcess): Promise<Ending> {
    return new Promise((done) => {
      const over = (code: number | null, signal: NodeJS.Signals | null, refused: string | null): void =>
        done({ code, signal, refused, at: process.hrtime.bigint() });
      child.once('exit', (code, signal) => over(code, signal, null));
      child.once('error', (error: NodeJS.ErrnoException) => {
        if (child.pid === undefined) over(null, null, `could not be started: ${error.code ?? error.message}`);
      });
    });
  }

  async #forward(member: Member, source: Readable | null, to: 'out' | 'error'): Promise<void> {
    const lines = new LabelledLines(this.output.label(member.rank, to), (line) => {
      member.lines.push(line.slice(0, 2000));
      if (member.lines.length > lastLines) member.lines.shift();
    });
    try {
      for await (const piece of source ?? []) await this.output[to].write(lines.push(piece as Uint8Array));
    } catch {
      // Half an output is what there is.
    }
    await this.output[to].write(lines.end());
  }

  /** What a process says when it has failed: when, and with which exit code. */
  #listen(member: Member, lifeline: Readable | null): Promise<void> {
    return new Promise((done) => {
      if (lifeline === null) return done();
      lifeline.on('error', () => {}).on('close', done);
      lifeline.on('data', (piece: Uint8Array) => {
        member.missed = 0;
        const [, at, code] = /^(\d{1,19}) (\d{1,3})\n/m.exec(String(piece)) ?? [];
        if (at !== undefined) member.told ??= { at: BigInt(at), code: Number(code) };
      });
    });
  }

  /** One has failed: the others are told to end. */
  async #fail({ rank }: Member): Promise<void> {
    if (this.#isFailing || this.#stopped !== null) return;
    this.#isFailing = true;
    await pause(window);
    const first = this.#culprit();
    if (first !== null) this.control.onFailure?.(failureOf(first));
    const others = this.#running();
    if (others.length === 0) return;
    this.output.say(`the process of rank ${rank} has failed: ending the other ${others.length === 1 ? 'one' : others.length}`);
    this.#endAll();
  }

  /** All that run are told to end, and then made to. */
  #endAll(): void {
    if (this.#killing !== undefined) return;
    this.#tell('SIGTERM');
    this.#killing = setTimeout(() => this.#tell('SIGKILL'), grace);
  }

  #signal(name: StopSignal): void {
    const isAgain = this.#wish !== null;
    // The end of a terminal is never an impatient user.
    if (isAgain && (name === 'SIGHUP' || performance.now() - this.#wished < sameWishMilliseconds)) return;
    this.#wish ??= name;
    this.#wished = performance.now();
    if (isAgain) this.#tell('SIGKILL');
    else {
      this.output.say(`${name} is handed on to ${this.#running().length} processes; once more kills them`);
      this.#tell(name);
    }
  }

  #running(): Member[] {
    return this.#members.filter(({ ended }) => ended === null);
  }

  #tell(signal: NodeJS.Signals): void {
    this.#stopped ??= process.hrtime.bigint();
    for (const member of this.#running()) this.#send(member, signal);
  }

  /** Sends a signal to a process and to what it has started. */
  #send({ child }: Member, signal: NodeJS.Signals): void {
    if (child.pid === undefined) return;
    try {
      if (process.platform === 'win32') child.kill(signal);
      else process.kill(-child.pid, signal);
    } catch {
      // It has just ended.
    }
  }

  /** Who failed first, of those who were not told to end. A crash comes before errors of others, which it may be the cause of; then the clock counts. */
  #culprit(): Member | null {
    const order = (member: Member): [number, number, bigint] => {
      const { at, signal } = member.ended as Ending;
      return [Number(this.#isAfterStop(member)), Number(signal === null), at];
    };
    const [first] = this.#members
      .filter(({ ended }) => ended !== null && isFailure(ended))
      .sort((one, other) => {
        const [a, b] = [order(one), order(other)];
        return a[0] - b[0] || a[1] - b[1] || Number(a[2] - b[2]);
      });
    return first ?? null;
  }

  #isAfterStop({ ended }: Member): boolean {
    return this.#stopped !== null && ended !== null && ended.at >= this.#stopped;
  }
}

function failureOf({ rank, ended, lines }: Member): LaunchFailure {
  const { code, signal, refused } = ended as Ending;
  return { rank, how: refused ?? (signal === null ? `failed with exit code ${code}` : `was ended by ${signal}`), lines };
}

const isFailure = ({ code, signal }: Ending): boolean => signal !== null || code !== 0; // null where it could not be started
