// The page of results: shares with the figures to beat beside them, which fault was called what, and every miss.

import type { Change, FindingId } from '../../lib/sitter/finding.js';
import { namesHealing } from './alone.js';
import type { Outcome } from './crew.js';
import type { Judged, Verdict } from './judge.js';

/** A part of the bench, done. */
export interface PartResults {
  readonly part: string;
  readonly file: string;
  readonly when: string;
  readonly outcomes: readonly Outcome[];
}

/** By program: the changes that heal it alone. */
export type Healing = Readonly<Record<string, readonly Change[]>>;

const percent = (count: number, of: number): string => (of === 0 ? '–' : `${((100 * count) / of).toFixed(0)} % (${count} of ${of})`);
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const row = (...cells: string[]): string => `| ${cells.map(cell).join(' | ')} |`;
const table = (head: readonly string[], rows: readonly string[][]): string[] => [
  row(...head),
  row(...head.map(() => '---')),
  ...rows.map((cells) => row(...cells)),
];

/** Verdicts by what they count for. */
export function sorted(outcomes: readonly Outcome[]) {
  const verdicts = outcomes.flatMap(({ verdict }) => (verdict === null ? [] : [verdict]));
  const sick = verdicts.filter(({ truth, isProven }) => truth === 'sick' && isProven);
  return {
    sick,
    singles: sick.filter(({ faults }) => faults.length === 1),
    pairs: sick.filter(({ faults }) => faults.length > 1),
    healthy: verdicts.filter(({ truth, isProven }) => truth === 'healthy' && isProven),
    leftOut: verdicts.filter(({ truth, isProven }) => truth !== 'doubtful' && !isProven),
    doubtful: verdicts.filter(({ truth }) => truth === 'doubtful'),
    failures: outcomes.filter(({ failure }) => failure !== null),
  };
}

/** The shares that the sitter is judged by: what, figure, and what it must reach. */
export function figures(outcomes: readonly Outcome[], healing: Healing | null = null): [what: string, figure: string, target: string][] {
  const { sick, singles, pairs, healthy } = sorted(outcomes);
  const count = (list: readonly Verdict[], is: (verdict: Verdict) => boolean): number => list.filter(is).length;
  const findings = [...sick, ...healthy].flatMap((verdict) => verdict.findings);
  const isRight = ({ isRight }: Judged): boolean => isRight;
  const right = sick.flatMap((verdict) => verdict.findings.filter(isRight));
  // Of two faults, what is advised against one leaves the other.
  const advised = singles.flatMap((verdict) => verdict.findings.filter((finding) => finding.isRight && finding.heals !== null));
  const curable = sick.filter(({ healthyScore }) => healthyScore !== null);
  const isHealing = (verdict: Verdict): boolean => verdict.findings.some(({ heals }) => heals === true);
  const alarms = healthy.flatMap((verdict) => verdict.findings).length;
  return [
    [
      'speaks about a sick run',
      percent(
        count(sick, ({ spoke }) => spoke),
        sick.length,
      ),
      '≥ 95 %',
    ],
    [
      'names a single fault in the first epoch',
      percent(
        count(singles, ({ namedEarly }) => namedEarly[0]),
        singles.length,
      ),
      '≥ 95 %',
    ],
    [
      'names a single fault at all',
      percent(
        count(singles, ({ named }) => named[0]),
        singles.length,
      ),
      '–',
    ],
    [
      'names the cause where there are several faults',
      percent(
        count(pairs, ({ named, causes }) => causes.some((i) => named[i])),
        pairs.length,
      ),
      '≥ 85 %',
    ],
    [
      'names one of several faults',
      percent(
        count(pairs, ({ named }) => named.includes(true)),
        pairs.length,
      ),
      '–',
    ],
    ['advises something that heals when changed alone, as given', percent(count(curable, isHealing), curable.length), '–'],
    ...(healing === null ? [] : ofAlone(curable, healing, isHealing)),
    ['findings that are right', percent(right.length, findings.length), '≥ 0.9'],
    ['findings in healthy runs', `${alarms} in ${healthy.length} runs`, '≤ 2 in 80'],
    [
      'silent on healthy runs',
      percent(
        count(healthy, ({ spoke }) => !spoke),
        healthy.length,
      ),
      '≥ 95 %',
    ],
    ['advice against a single fault that heals as given', percent(advised.filter(({ heals }) => heals).length, advised.length), '≥ 80 %'],
    [
      'sick runs that are healed by up to three rounds of advice',
      percent(
        count(sick, ({ followed }) => followed?.heals === true),
        count(sick, ({ followed }) => followed !== null),
      ),
      '–',
    ],
  ];
}

/** Causes that heal when changed alone, by whatever number: of all programs, and of those that any single change heals. */
function ofAlone(curable: readonly Verdict[], healing: Healing, isHealing: (verdict: Verdict) => boolean): [string, string, string][] {
  const can = curable.filter((verdict) => isHealing(verdict) || (healing[verdict.id]?.length ?? 0) > 0);
  const named = can.filter((verdict) => isHealing(verdict) || verdict.findings.some(({ id }) => namesHealing(id, healing[verdict.id] ?? [])));
  return [
    ['names a cause that heals when changed alone', percent(named.length, curable.length), '≥ 85 %'],
    ['the same, of those that some single change heals', percent(named.length, can.length), '–'],
  ];
}

/** Programs that no single change heals, and single changes that do, beside what was named. */
function aloneTable(outcomes: readonly Outcome[], healing: Healing): string[] {
  const rows = sorted(outcomes).sick.filter(({ healthyScore }) => healthyScore !== null);
  const words = (changes: readonly Change[]): string =>
    [...new Set(changes.map(({ kind }) => kind))].join(', ') || 'none of some sixty that were tried';
  return table(
    ['program', 'single changes that heal it', 'named', 'as advised'],
    rows.map(({ id, findings }) => [
      id,
      words(healing[id] ?? []),
      findings.map((finding) => finding.id).join(', ') || 'silence',
      findings.some(({ heals }) => heals === true) ? 'heals' : '–',
    ]),
  );
}

/** Which fault was called what: runs of each single fault, and in how many of them each finding was made. */
function confusion(outcomes: readonly Outcome[]): string[] {
  const rows = new Map<string, { runs: number; ids: Map<FindingId, number> }>();
  for (const { faults, findings } of sorted(outcomes).singles) {
    const entry = rows.get(faults[0]) ?? { runs: 0, ids: new Map() };
    entry.runs++;
    for (const { id } of findings) entry.ids.set(id, (entry.ids.get(id) ?? 0) + 1);
    rows.set(faults[0], entry);
  }
  return table(
    ['fault', 'runs', 'findings (runs)'],
    [...rows].map(([fault, { runs, ids }]) => [
      fault,
      String(runs),
      [...ids]
        .sort(([, a], [, b]) => b - a)
        .map(([id, count]) => `${id} ${count}`)
        .join(', ') || 'none',
    ]),
  );
}

const score = (value: number | null): string => (value === null ? '–' : value.toFixed(3));

/** What was not said of a sick run; '' where all was. */
function missedIn({ faults, causes, named, namedEarly }: Verdict): string {
  if (faults.length > 1) return causes.some((i) => named[i]) ? '' : `cause not named (${causes.map((i) => faults[i]).join(', ')})`;
  if (!named[0]) return 'not named';
  return namedEarly[0] ? '' : 'named late';
}

/** Every case that was not as it should be: a sick one without its name, a healthy one that was spoken about, a word that was wrong. */
function misses(outcomes: readonly Outcome[], explanations: Readonly<Record<string, string>>): string[] {
  const { sick, healthy, failures } = sorted(outcomes);
  const rows: string[][] = [];
  for (const verdict of sick) {
    const { id, findings } = verdict;
    const wrong = findings.filter(({ isRight }) => !isRight).map((finding) => finding.id);
    const missed = missedIn(verdict);
    if (missed === '' && wrong.length === 0) continue;
    const what = [missed, wrong.length > 0 ? `wrong: ${wrong.join(', ')}` : ''].filter((part) => part !== '').join('; ');
    rows.push([
      id,
      `${score(verdict.score)} for ${score(verdict.healthyScore)}`,
      what,
      findings.map((finding) => finding.id).join(', ') || 'silence',
      explanations[id] ?? '',
    ]);
  }
  for (const { id, findings, score: value } of healthy)
    if (findings.length > 0) rows.push([id, score(value), 'healthy', findings.map((finding) => finding.id).join(', '), explanations[id] ?? '']);
  for (const { one, failure } of failures) rows.push([one.id, '–', `no verdict: ${failure?.split('\n')[0]}`, '–', explanations[one.id] ?? '']);
  return rows.length === 0
    ? ['None.']
    : table(['run', 'score, and that of the healthy form', 'what went wrong', 'findings', 'explanation'], rows);
}

function section({ part, when, outcomes }: PartResults, explanations: Readonly<Record<string, string>>, healing: Healing | null): string[] {
  const { sick, singles, pairs, healthy, leftOut, doubtful } = sorted(outcomes);
  const groups = [
    `${sick.length} sick runs (${singles.length} with one fault, ${pairs.length} with more)`,
    `${healthy.length} healthy ones`,
    ...(doubtful.length > 0
      ? [
          `${doubtful.length} doubtful ones, which count for nothing: ${doubtful.map(({ id, findings }) => `${id} (${findings.map((f) => f.id).join(', ') || 'silence'})`).join('; ')}`,
        ]
      : []),
  ];
  return [
    `## ${part}`,
    '',
    `${when}. ${groups.join(', ')}.`,
    '',
    ...table(['', 'figure', 'target'], figures(outcomes, healing)),
    '',
    ...(healing === null ? [] : ['### What heals alone', '', ...aloneTable(outcomes, healing), '']),
    '### Which fault was called what',
    '',
    ...confusion(outcomes),
    '',
    '### Misses and wrong words',
    '',
    ...misses(outcomes, explanations),
    '',
    ...(leftOut.length === 0
      ? []
      : [
          '### Left out',
          '',
          'Faults that did no harm, within 5 %, and healthy programs to which another rate or other epochs do good by more than that: they count for nothing.',
          '',
          ...leftOut.map(({ id, score: value, healthyScore }) => `- ${id}: ${score(value)} for ${score(healthyScore)}`),
          '',
        ]),
  ];
}

/** The page. */
export function page(
  parts: readonly PartResults[],
  explanations: Readonly<Record<string, string>>,
  healingOf: (file: string) => Healing | null = () => null,
): string {
  return [
    '# The sitter on sick and healthy runs',
    '',
    'Written by `npm run bench:sitter`; [README.md](sitter/README.md) says how runs are made and judged.',
    '',
    ...parts.flatMap((part) => section(part, explanations, healingOf(part.file))),
  ].join('\n');
}
