// What the sitter's words about one case are worth: whether the case is sick, what was named and when, and whether the advice heals.

import type { Change, FindingId } from '../../lib/sitter/finding.js';
import { CannotApply, apply } from './change.js';
import type { Case } from './cases.js';
import { type Parts, draw } from './data/index.js';
import type { Program } from './program.js';
import { type Seen, type Trial, attempt } from './trial.js';

/** A finding, judged. */
export interface Judged {
  readonly id: FindingId;
  readonly epoch: number;
  readonly text: string;
  /** What the advice would have changed; null where it says nothing that a program can do. */
  readonly change: string | null;
  /** Whether the changed program does as well as the healthy one; null where there was nothing to try. */
  readonly heals: boolean | null;
  /** Score of the changed program. */
  readonly after: number | null;
  /** It names a fault, or its change heals. */
  readonly isRight: boolean;
}

/** A case, judged. */
export interface Verdict {
  readonly id: string;
  readonly truth: Case['truth'];
  readonly faults: readonly string[];
  /** Of several faults those that do most harm alone: one, or more that are alike within 5 %. */
  readonly causes: readonly number[];
  /** Whether the broken program does worse than the healthy one by more than 5 %, or a healthy one has nothing that would make it better by as much. */
  readonly isProven: boolean;
  readonly score: number;
  readonly healthyScore: number | null;
  readonly spoke: boolean;
  /** Whether each fault was named, and whether that was before the second epoch. */
  readonly named: readonly boolean[];
  readonly namedEarly: readonly boolean[];
  readonly findings: readonly Judged[];
  /** Value after all that is advised is done, and what is advised then, up to three times; null where there is nothing to reach. */
  readonly followed: { readonly value: number; readonly heals: boolean } | null;
  readonly error: string | null;
  readonly epochs: number;
  readonly seconds: number;
}

/** How a case is judged. */
export interface JudgeOptions {
  /** Milliseconds that a run may take. */
  readonly limit: number;
  /** False: only whether the case is sick is asked. */
  readonly watches: boolean;
}

const near = 0.95;
const mostChanges = 4;
const mostRounds = 3;

/** Runs a case, its healthy form, and what the findings advise. */
export async function judge(one: Case, { limit, watches }: JudgeOptions): Promise<Verdict> {
  const begin = performance.now();
  const drawn = new Map<string, Promise<Parts>>();
  const partsOf = (program: Program): Promise<Parts> => {
    const key = JSON.stringify(program.data);
    const parts = drawn.get(key) ?? draw(program.data);
    drawn.set(key, parts);
    return parts;
  };
  const run = async (program: Program, watches = false): Promise<Trial> => attempt(program, await partsOf(program), { watches, limit });
  const value = (trial: Trial): number => (one.shows === 'loss' ? trial.likelihood : trial.score);

  const trial = await run(one.program, watches);
  const isHealthy = one.truth === 'healthy';
  const healthy = isHealthy ? trial : one.healthy === null ? null : await run(one.healthy);
  const goal = healthy === null ? null : near * value(healthy);
  const isSick = one.shows === 'report' ? tooGood(trial) : goal === null || !(value(trial) >= goal);
  const isProven = one.truth === 'sick' ? isSick : isHealthy && one.isReal !== true ? await isBest(one.program, trial, run) : true;
  const hasGoal = goal !== null && !isHealthy && one.shows !== 'report';
  const classes = await partsOf(one.program).then((parts) => (parts.targets === 'classes' ? parts.classes : 0));
  const findings: Judged[] = [];
  for (const { id, epoch, text, change } of firstOfEach(trial.findings)) {
    const names = one.faults.some(({ accepts }) => accepts.includes(id));
    const program =
      hasGoal && findings.filter(({ after }) => after !== null).length < mostChanges ? changed(one.program, [change], classes) : null;
    const after = program === null ? null : value(await run(program));
    const heals = after === null ? null : after >= (goal as number);
    findings.push({ id, epoch, text, change: change && JSON.stringify(change), heals, after, isRight: names || heals === true });
  }
  const names = (early: boolean): boolean[] =>
    one.faults.map(({ accepts }) => trial.findings.some(({ id, epoch }) => accepts.includes(id) && (!early || epoch <= 1)));
  return {
    id: one.id,
    truth: one.truth,
    faults: one.faults.map(({ name }) => name),
    causes: watches ? await worst(one, async (program) => value(await run(program))) : [0],
    isProven,
    score: value(trial),
    healthyScore: healthy === null ? null : value(healthy),
    spoke: trial.findings.length > 0,
    named: names(false),
    namedEarly: names(true),
    findings,
    followed: watches && hasGoal ? await follow(one.program, trial, goal, classes, run, value) : null,
    error: trial.error,
    epochs: trial.epochs,
    seconds: (performance.now() - begin) / 1000,
  };
}

type Run = (program: Program, watches?: boolean) => Promise<Trial>;

/** A validation that promises more than the test keeps. */
const tooGood = ({ reported, score }: Trial): boolean => reported !== null && score < near * reported;

/** Whether neither another rate nor more or fewer epochs make a program better by more than 5 %. */
async function isBest(program: Program, { score, likelihood }: Trial, run: Run): Promise<boolean> {
  const { optimizer, epochs } = program;
  const others: Program[] = [
    ...[1 / 3, 3].map((factor) => ({ ...program, optimizer: { ...optimizer, lr: optimizer.lr * factor } })),
    ...[0.5, 2].map((factor) => ({ ...program, epochs: Math.ceil(epochs * factor) })),
  ];
  for (const other of others) {
    const trial = await run(other);
    if (near * trial.score > score || near * trial.likelihood > likelihood) return false;
  }
  return true;
}

/** The faults that do most harm alone. */
async function worst({ parts, faults }: Case, value: (program: Program) => Promise<number>): Promise<number[]> {
  if (parts === undefined) return faults.map((_, i) => i);
  const values: number[] = [];
  for (const program of parts) values.push(await value(program));
  const least = Math.min(...values);
  return values.flatMap((one, i) => (near * one <= least ? [i] : []));
}

/** Does what is advised, watches again, and does what is advised then. */
async function follow(program: Program, trial: Trial, goal: number, classes: number, run: Run, value: (trial: Trial) => number) {
  let [current, last] = [program, trial];
  for (let round = 0; round < mostRounds && !(value(last) >= goal); round++) {
    const next = changed(
      current,
      firstOfEach(last.findings).map(({ change }) => change),
      classes,
    );
    if (next === null) break;
    [current, last] = [next, await run(next, true)];
  }
  return { value: value(last), heals: value(last) >= goal };
}

/** A program after changes, as far as they can be made; null where none can. */
function changed(program: Program, changes: readonly (Change | null)[], classes: number): Program | null {
  let result: Program | null = null;
  for (const change of changes) {
    if (change === null) continue;
    try {
      result = apply(result ?? program, change, classes);
    } catch (error) {
      if (!(error instanceof CannotApply)) throw error;
    }
  }
  return result;
}

/** The first word of each kind, with the first change that comes with it. */
function firstOfEach(findings: readonly Seen[]): Seen[] {
  const first = new Map<FindingId, Seen>();
  for (const finding of findings) {
    const before = first.get(finding.id);
    if (before === undefined) first.set(finding.id, finding);
    else if (before.change === null && finding.change !== null) first.set(finding.id, { ...before, change: finding.change });
  }
  return [...first.values()];
}
