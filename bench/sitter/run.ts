// `npm run bench:sitter`: tries the sitter on sick and healthy programs and writes bench/RESULTS-sitter.md.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Change } from '../../lib/sitter/finding.js';
import type { Case } from './cases.js';
import { type Outcome, judgeAll } from './crew.js';
import { casesOf } from './faults.js';
import { ownForm } from './program.js';
import { real } from './real/index.js';
import { type Healing, type PartResults, figures, page, sorted } from './report.js';

const usage = `Usage: npm run bench:sitter -- [options]      (default: the tuning half)
  --real           the 48 real programs, with the losses that they had, and again with nodegrad's own
  --held-out       the half that no rule may be tuned on: to be run once, at the end
  --draw n         other seeds: a half that was run is looked at, and no longer held out (default 1)
  --only text      runs whose name has this in it; writes nothing
  --alone          with --real: no sitter; which single changes heal each of them, as sitter/real/alone.json
  --prove          no sitter: only whether sick runs are sick and healthy ones healthy
  --workers n      processes (default 2)
  --limit s        seconds that a training may take (default 15)`;

const { values } = parseArgs({
  options: {
    real: { type: 'boolean', default: false },
    'held-out': { type: 'boolean', default: false },
    draw: { type: 'string', default: '1' },
    only: { type: 'string' },
    alone: { type: 'boolean', default: false },
    prove: { type: 'boolean', default: false },
    workers: { type: 'string', default: '2' },
    limit: { type: 'string', default: '15' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(`${usage}\n`);
  process.exit();
}

function whole(name: 'workers' | 'limit' | 'draw'): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  process.stderr.write(`--${name} expects a whole number above 0, received '${values[name]}'\n${usage}\n`);
  process.exit(2);
}

const [workers, limit, drawn] = [whole('workers'), 1000 * whole('limit'), whole('draw')];
const asOwn = (one: Case): Case => ({ ...one, program: ownForm(one.program), healthy: one.healthy && ownForm(one.healthy) });

const parts: readonly [part: string, file: string, cases: readonly Case[]][] = values.real
  ? [
      ['Real programs, with the losses that they had', 'real', real],
      ['Real programs, with losses of nodegrad', 'real-own', real.map(asOwn)],
    ]
  : values['held-out']
    ? [[`The half that no rule was tuned on (draw ${drawn})`, 'held-out', casesOf('held-out', drawn)]]
    : [[`The half that rules were tuned on (draw ${drawn})`, 'tuning', casesOf('tuning', drawn)]];

const here = (path: string): string => fileURLToPath(new URL(`../../../bench/${path}`, import.meta.url));
const folderOfBench = here('');
const folder = here('results');

/** Which single changes heal the programs of a part; null where nobody has asked. */
function healingOf(file: string): Healing | null {
  const path = here('sitter/real/alone.json');
  return existsSync(path) ? ((JSON.parse(readFileSync(path, 'utf8')) as Record<string, Healing>)[file] ?? null) : null;
}

/** The commit that is tried; a dash where git does not know. */
function commit(): string {
  const { stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: folderOfBench, encoding: 'utf8' });
  return stdout?.trim() || '–';
}

function say({ one, verdict, failure, healing }: Outcome, done: number, of: number): void {
  if (healing !== undefined) {
    process.stdout.write(`${done}/${of} ${one.id}: ${healing.map((change) => JSON.stringify(change)).join(' ') || 'none'}\n`);
    return;
  }
  const words =
    verdict === null ? `no verdict: ${failure}` : verdict.findings.map((finding) => `${finding.isRight ? '' : '✗ '}${finding.id}`).join(', ');
  const scores = verdict === null ? '' : `${verdict.score.toFixed(3)} / ${verdict.healthyScore?.toFixed(3) ?? '–'}`;
  const state = verdict === null ? '?' : verdict.isProven ? one.truth : 'left out';
  process.stdout.write(`${String(done).padStart(3)}/${of} ${state.padEnd(8)} ${scores.padEnd(14)} ${one.id}: ${words || '–'}\n`);
}

/** By part and program: the changes that heal it alone. */
const alone: Record<string, Record<string, readonly Change[]>> = {};

for (const [part, file, all] of parts) {
  if (values.alone) {
    const sick = all.filter(({ truth, id }) => truth === 'sick' && id.includes(values.only ?? ''));
    const options = { workers, limit, watches: false, asksAlone: true };
    const asked = await judgeAll(sick, { ...options, onOutcome: (outcome, done) => say(outcome, done, sick.length) });
    alone[file] = Object.fromEntries(asked.flatMap(({ one, healing }) => (healing === undefined ? [] : [[one.id, healing]])));
    continue;
  }
  const cases = values.only === undefined ? all : all.filter(({ id }) => id.includes(values.only as string));
  const outcomes = await judgeAll(cases, {
    workers,
    limit,
    watches: !values.prove,
    onOutcome: (outcome, done) => say(outcome, done, cases.length),
  });
  const { sick, healthy, leftOut } = sorted(outcomes);
  process.stdout.write(`\n${part}: ${sick.length} sick, ${healthy.length} healthy, ${leftOut.length} left out\n`);
  if (values.prove) continue;
  for (const [what, figure, target] of figures(outcomes, healingOf(file)))
    process.stdout.write(`${what.padEnd(58)} ${figure.padEnd(22)} target ${target}\n`);
  if (values.only !== undefined) continue;
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    `${folder}/sitter-${file}.json`,
    JSON.stringify({
      part,
      file,
      when: `${new Date().toISOString().slice(0, 10)}, with the rules of ${commit()}`,
      outcomes,
    } satisfies PartResults),
  );
}

if (values.alone && values.only === undefined) writeFileSync(here('sitter/real/alone.json'), `${JSON.stringify(alone, null, 1)}\n`);

if (!values.alone && !values.prove && values.only === undefined) {
  const order = ['tuning', 'held-out', 'real', 'real-own'];
  const found = new Set(readdirSync(folder));
  const done = order.filter((file) => found.has(`sitter-${file}.json`));
  const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
  const explanations = here('sitter/explanations.json');
  const texts = existsSync(explanations) ? (read(explanations) as Record<string, string>) : {};
  writeFileSync(
    here('RESULTS-sitter.md'),
    page(
      done.map((file) => read(`${folder}/sitter-${file}.json`) as PartResults),
      texts,
      healingOf,
    ),
  );
}
