// Judges many cases in child processes, each with one thread and a time limit.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Change } from '../../lib/sitter/finding.js';
import type { Case } from './cases.js';
import type { Answer, Order } from './child.js';
import type { JudgeOptions, Verdict } from './judge.js';

/** What became of a case: a verdict, or why there is none. */
export interface Outcome {
  readonly one: Case;
  readonly verdict: Verdict | null;
  readonly failure: string | null;
  /** Where it was asked: the single changes that heal it. */
  readonly healing?: readonly Change[];
}

/** How the crew works. */
export interface CrewOptions extends JudgeOptions {
  readonly workers: number;
  readonly asksAlone?: boolean;
  readonly onOutcome: (outcome: Outcome, done: number) => void;
}

const path = fileURLToPath(new URL('./child.js', import.meta.url));
/** A case is given this many times the limit of one run: nine runs, on a busy machine. */
const runsOfCase = 36;
/** Likewise for single changes, of which there are some sixty. */
const changesOfCase = 250;

/** Outcomes in the order of the cases. */
export async function judgeAll(cases: readonly Case[], { workers, onOutcome, asksAlone = false, ...options }: CrewOptions): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    let child: ChildProcess | null = null;
    while (next < cases.length) {
      const index = next++;
      child ??= fork(path, { env: { ...process.env, NODEGRAD_NUM_THREADS: '1' }, serialization: 'advanced' });
      const answer = await ask(child, { one: cases[index], options, asksAlone }, options.limit * (asksAlone ? changesOfCase : runsOfCase));
      if ('verdict' in answer) outcomes[index] = { one: cases[index], verdict: answer.verdict, failure: null };
      else if ('healing' in answer) outcomes[index] = { one: cases[index], verdict: null, failure: null, healing: answer.healing };
      else outcomes[index] = { one: cases[index], verdict: null, failure: answer.failure };
      if ('isGone' in answer) child = null;
      onOutcome(outcomes[index], ++done);
    }
    child?.disconnect();
  };
  await Promise.all(Array.from({ length: workers }, work));
  return outcomes;
}

type Reply = Answer | { readonly failure: string; readonly isGone: true };

function ask(child: ChildProcess, order: Order, limit: number): Promise<Reply> {
  return new Promise((resolve) => {
    const end = (reply: Reply): void => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit);
      resolve(reply);
    };
    const onMessage = (answer: Answer): void => end(answer);
    const onExit = (code: number | null, signal: string | null): void =>
      end({ failure: `the process ended (${signal ?? code})`, isGone: true });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      end({ failure: `no answer in ${limit / 1000} s`, isGone: true });
    }, limit);
    child.on('message', onMessage).on('exit', onExit);
    child.send(order);
  });
}
