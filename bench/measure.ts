// One case from its operands to its figures: same start, same results, then turn by turn.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Probe, Prober } from './calibration.js';
import { type Contestant, contestantNamed, whyNot } from './contestants.js';
import { busySeconds } from './environment.js';
import { ContestantProcess, Skipped } from './process.js';
import { type CaseResult, type ContestantResult, disagreement, emptyResult, summarize, type Turn } from './results.js';
import { maximum } from './statistics.js';
import type { BenchCase, Setup } from './types.js';

/** How a run is made. */
export interface Plan {
  threads: number;
  rounds: number;
  /** Seconds of one turn. */
  seconds: number;
  quick: boolean;
  prober: Prober;
  /** Says what is going on. */
  progress: (text: string) => void;
}

interface Entry {
  result: ContestantResult;
  process: ContestantProcess;
}

const reasonOf = (error: unknown): string =>
  error instanceof Skipped ? error.message : `failed: ${(error instanceof Error ? error.message : String(error)).slice(0, 400)}`;

function setupOf(benchCase: BenchCase, contestant: Contestant, folder: string, threads: number): Setup {
  return { do: 'setup', work: benchCase.work, folder, threads, variant: contestant.variant, chunk: benchCase.chunk };
}

/** Runs one case and returns its figures; contestants that fail are reported, they never end the run. */
export async function measure(benchCase: BenchCase, plan: Plan): Promise<CaseResult> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-bench-'));
  const contestants = benchCase.contestants
    .map(contestantNamed)
    .filter((contestant) => !plan.quick || (contestant.quick && !benchCase.slow?.includes(contestant.name)));
  const result: CaseResult = {
    name: benchCase.name,
    title: benchCase.title,
    unit: benchCase.unit,
    threads: plan.threads,
    inner: benchCase.inner,
    limit: benchCase.limit,
    table: benchCase.table,
    disagreement: '',
    rounds: 0,
    discarded: 0,
    disturbed: false,
    contestants: contestants.map((contestant) => emptyResult(contestant, whyNot(contestant) || undefined)),
  };
  const able = contestants.filter((contestant) => whyNot(contestant) === '');
  const resultOf = (contestant: Contestant): ContestantResult =>
    result.contestants.find((other) => other.name === contestant.name) as ContestantResult;
  try {
    plan.progress('operands');
    benchCase.prepare(folder);
    if (benchCase.start)
      await measureStart(
        benchCase,
        able.map((contestant) => [contestant, resultOf(contestant)]),
        folder,
        result,
        plan,
      );
    else
      await measureSteps(
        benchCase,
        able.map((contestant) => [contestant, resultOf(contestant)]),
        folder,
        result,
        plan,
      );
    summarize(result.contestants, benchCase);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return result;
}

async function measureSteps(
  benchCase: BenchCase,
  able: [Contestant, ContestantResult][],
  folder: string,
  result: CaseResult,
  plan: Plan,
): Promise<void> {
  const entries: Entry[] = able.map(([contestant, of]) => ({
    result: of,
    process: new ContestantProcess(contestant, plan.threads, { TORCHINDUCTOR_CACHE_DIR: join(folder, 'inductor') }),
  }));
  const pace = benchCase.pace ?? 1;
  try {
    plan.progress('starting and checking');
    const checked = await Promise.all(entries.map((entry) => start(benchCase, entry, folder, plan)));
    let running = entries.filter((_, index) => checked[index] !== undefined);
    const values = checked.filter((list) => list !== undefined);
    const parted = running.slice(1).map((entry, index) => [entry.result.name, disagreement(values[0], values[index + 1], benchCase)]);
    result.disagreement = parted
      .filter(([, where]) => where !== '')
      .map(([name, where]) => `${name} differs from ${running[0].result.name}: ${where}`)
      .join('; ');
    if (result.disagreement !== '' || running.length === 0) return;
    for (const entry of running) entry.process.sleep();
    for (const entry of running) {
      plan.progress(`warming up ${entry.result.name}`);
      await attempt(entry, async () => {
        entry.process.wake();
        await entry.process.warm((plan.quick ? 0.5 : 2) * pace);
        entry.process.sleep();
        entry.process.forgetPeak();
      });
    }
    running = running.filter((entry) => entry.result.reason === undefined);
    await rounds(benchCase, running, result, { ...plan, seconds: plan.seconds * pace });
    if (benchCase.memory) for (const entry of running) entry.result.memory = entry.process.memory();
  } finally {
    for (const entry of entries) entry.process.end();
  }
}

/** Setup and first steps; undefined when the contestant cannot take part. */
async function start(benchCase: BenchCase, entry: Entry, folder: string, plan: Plan): Promise<number[] | undefined> {
  let values: number[] | undefined;
  await attempt(entry, async () => {
    const reply = await entry.process.setup(setupOf(benchCase, entry.process.contestant, folder, plan.threads));
    entry.result.versions = reply.versions ?? {};
    entry.result.note = reply.note;
    values = await entry.process.check();
  });
  return values;
}

async function attempt(entry: Entry, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    entry.result.reason = reasonOf(error);
    entry.result.turns = [];
    entry.process.end();
  }
}

/** CPUs' worth of work by others (steal included) during a turn that is still taken for an undisturbed one. */
const toleratedOthers = 0.15;

/** Interleaved rounds A B C, B C A, …; a round in which the machine lacked a core is done again, a bounded number of times. */
async function rounds(benchCase: BenchCase, entries: Entry[], result: CaseResult, plan: Plan): Promise<void> {
  const kept: { turns: Turn[]; probes: (Probe | undefined)[]; others: number }[] = [];
  const good = (): typeof kept =>
    kept.filter((round) => !(round.others > toleratedOthers) && !round.probes.some((probe) => plan.prober.lostCore(probe)));
  const most = plan.rounds + Math.max(3, plan.rounds);
  let running = entries;
  for (let made = 0; good().length < plan.rounds && made < most && running.length > 0; made++) {
    plan.progress(`round ${good().length + 1} of ${plan.rounds}${made > good().length ? `, ${made - good().length} discarded` : ''}`);
    const order = running.map((_, index) => (index + made) % running.length);
    const turns: Turn[] = [];
    const probes = [plan.prober.probe(benchCase.limit)];
    let others = 0;
    for (const index of order) {
      await attempt(running[index], async () => {
        const [busy, from] = [busySeconds(), performance.now()];
        const reply = await running[index].process.turn(plan.seconds);
        const wall = (performance.now() - from) / 1000;
        others = Math.max(others, (busySeconds() - busy - reply.awake) / wall);
        turns[index] = { samples: reply.samples, cpu: (reply.cpu * 1000) / reply.steps };
      });
      probes.push(plan.prober.probe(benchCase.limit));
      const { avx2 } = running[index].process.contestant;
      const limit = avx2 && benchCase.limit === 'fma' ? 'fma-avx2' : benchCase.limit;
      if (turns[index] !== undefined) turns[index].rate = better(limit, probes[probes.length - 2], probes[probes.length - 1]);
    }
    const left = running.filter((entry) => entry.result.reason === undefined);
    if (left.length < running.length) {
      // Somebody ended in mid-run: the others' turns stay in step.
      for (const round of kept) round.turns = round.turns.filter((_, index) => left.includes(running[index]));
      running = left;
    } else {
      kept.push({ turns, probes, others });
    }
  }
  const rounds = good().length > 0 ? good() : kept;
  result.rounds = rounds.length;
  result.discarded = kept.length - rounds.length;
  result.disturbed = good().length === 0 && kept.length > 0;
  for (const [index, entry] of running.entries()) entry.result.turns = rounds.map((round) => round.turns[index]);
  const rates = rounds.flatMap((round) => round.turns.map((turn) => turn.rate)).filter((rate) => rate !== undefined);
  if (rates.length > 0) result.rate = maximum(rates);
}

function better(limit: BenchCase['limit'], before: Probe | undefined, after: Probe | undefined): number | undefined {
  if (limit === undefined) return undefined;
  const [first, second] = [before?.rates[limit], after?.rates[limit]];
  return first === undefined || second === undefined ? undefined : Math.max(first, second);
}

/** Every turn is a new process: from its start to the answer that its first step is done. */
async function measureStart(
  benchCase: BenchCase,
  able: [Contestant, ContestantResult][],
  folder: string,
  result: CaseResult,
  plan: Plan,
): Promise<void> {
  result.rounds = plan.quick ? 2 : Math.min(5, plan.rounds);
  for (let round = 0; round < result.rounds; round++) {
    plan.progress(`round ${round + 1} of ${result.rounds}`);
    for (const [contestant, of] of able) {
      if (of.reason !== undefined) continue;
      const before = performance.now();
      const cache = mkdtempSync(join(folder, 'cache-'));
      const entry: Entry = { result: of, process: new ContestantProcess(contestant, plan.threads, { TORCHINDUCTOR_CACHE_DIR: cache }) };
      await attempt(entry, async () => {
        const [reply] = await Promise.all([entry.process.setup(setupOf(benchCase, contestant, folder, plan.threads)), entry.process.first()]);
        of.versions = reply.versions ?? {};
        of.note = reply.note;
        of.turns.push({ samples: [performance.now() - before], cpu: Number.NaN });
      });
      entry.process.end();
    }
  }
}
