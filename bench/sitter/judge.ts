// What the sitter's words about one case are worth: whether the case is sick, what was named and when, and whether the advice heals.

import type { FindingId } from '../../lib/sitter/finding.js';
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
  /** Of several faults the one that does most harm alone. */
  readonly cause: number;
  /** Whether the broken program does worse than the healthy one by more than 5 %. */
  readonly isSick: boolean;
  readonly score: number;
  readonly healthyScore: number | null;
  readonly spoke: boolean;
  /** Whether each fault was named, and whether that was before the second epoch. */
  readonly named: readonly boolean[];
  readonly namedEarly: readonly boolean[];
  readonly findings: readonly Judged[];
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
  const isSick = one.truth === 'sick' && (one.shows === 'report' ? tooGood(trial) : goal === null || !(value(trial) >= goal));
  const said = firstOfEach(trial.findings);
  const findings: Judged[] = [];
  for (const finding of said) {
    const names = one.faults.some(({ accepts }) => accepts.includes(finding.id));
    const canTry = goal !== null && !isHealthy && one.shows !== 'report' && findings.filter(({ after }) => after !== null).length < mostChanges;
    const changed = canTry ? await tried(one, finding, partsOf, run) : null;
    const heals = changed === null ? null : value(changed) >= (goal as number);
    findings.push({
      id: finding.id,
      epoch: finding.epoch,
      text: finding.text,
      change: finding.change === null ? null : JSON.stringify(finding.change),
      heals,
      after: changed === null ? null : value(changed),
      isRight: names || heals === true,
    });
  }
  const names = (early: boolean): boolean[] =>
    one.faults.map(({ accepts }) => trial.findings.some(({ id, epoch }) => accepts.includes(id) && (!early || epoch <= 1)));
  return {
    id: one.id,
    truth: one.truth,
    faults: one.faults.map(({ name }) => name),
    cause:
      one.parts === undefined || one.parts.length < 2 || !watches ? 0 : await worst(one.parts, async (program) => value(await run(program))),
    isSick,
    score: value(trial),
    healthyScore: healthy === null ? null : value(healthy),
    spoke: trial.findings.length > 0,
    named: names(false),
    namedEarly: names(true),
    findings,
    error: trial.error,
    epochs: trial.epochs,
    seconds: (performance.now() - begin) / 1000,
  };
}

/** A validation that promises more than the test keeps. */
const tooGood = ({ reported, score }: Trial): boolean => reported !== null && score < near * reported;

async function worst(programs: readonly Program[], value: (program: Program) => Promise<number>): Promise<number> {
  const values: number[] = [];
  for (const program of programs) values.push(await value(program));
  return values.indexOf(Math.min(...values));
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

async function tried(
  one: Case,
  { change }: Seen,
  partsOf: (program: Program) => Promise<Parts>,
  run: (program: Program) => Promise<Trial>,
): Promise<Trial | null> {
  if (change === null) return null;
  const parts = await partsOf(one.program);
  // Of one label, two classes.
  const classes = parts.targets === 'classes' ? parts.classes : 0;
  try {
    return await run(apply(one.program, change, classes));
  } catch (error) {
    if (error instanceof CannotApply) return null;
    throw error;
  }
}
