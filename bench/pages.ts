// Results as they are kept: a file a family of processors, whose rows come from several runs, and the pages that are written from these files.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cases } from './cases/index.js';
import { slugOf } from './families.js';
import { caseTable, details, limitRows, overview, table, threadsText, versions } from './report.js';
import { bestRival, type CaseResult, isTimed } from './results.js';
import type { Calibration } from '../lib/native.js';

/** One call of the bench on one machine, as the pages tell of it. */
export interface Run {
  commit: string;
  date: string;
  machine: [string, string][];
  /** Rounds, seconds, pinning. */
  method: string;
  /** Rates that were seen while it ran, as text. */
  limits: [string, string][];
}

/** A case as one run found it. */
export interface Row extends CaseResult {
  /** Its place in the runs. */
  run: number;
}

/** What is known of one family. */
export interface Family {
  name: string;
  runs: Run[];
  rows: Row[];
}

/** What a run brings. */
export interface Report {
  family: string;
  commit: string;
  date: string;
  machine: [string, string][];
  method: string;
  calibrations: readonly Calibration[];
  results: readonly CaseResult[];
}

/**
 * The family with the rows of a run in the place of those of the same case and number of threads; all others stay, with their runs. What
 * could not be timed replaces nothing, and what was disturbed no row that was not.
 */
export function merged(family: Family, { commit, date, machine, method, calibrations, results }: Report): Family {
  const runs = [...family.runs, { commit, date, machine, method, limits: limitRows(calibrations) }];
  const same = (a: CaseResult, b: CaseResult): boolean => a.name === b.name && a.threads === b.threads;
  const known = (result: CaseResult): boolean => family.rows.some((row) => same(result, row) && !row.disturbed);
  const timed = results
    .filter((result) => result.disagreement === '' && result.contestants.some(isTimed))
    .filter((result) => !(result.disturbed && known(result)));
  const place = ({ name }: Row): number => cases.findIndex((one) => one.name === name);
  const rows = [
    ...family.rows.filter((row) => !timed.some((result) => same(result, row))),
    ...timed.map((result) => ({ ...result, run: runs.length - 1 })),
  ].sort((a, b) => place(a) - place(b) || b.threads - a.threads);
  const used = runs.map((_, run) => run).filter((run) => rows.some((row) => row.run === run));
  return { name: family.name, runs: used.map((run) => runs[run]), rows: rows.map((row) => ({ ...row, run: used.indexOf(row.run) })) };
}

/** As a file: a line a run and a line a row, four digits a figure, no samples. */
export function encode({ name, runs, rows }: Family): string {
  const figure = (key: string, value: unknown): unknown =>
    key === 'turns' || value === null || Number.isNaN(value)
      ? undefined
      : typeof value === 'number' && !Number.isInteger(value)
        ? Number(value.toPrecision(4))
        : value;
  const lines = (list: readonly unknown[]): string => list.map((one) => `\n${JSON.stringify(one, figure)}`).join(',');
  return `{"name":${JSON.stringify(name)},\n"runs":[${lines(runs)}\n],\n"rows":[${lines(rows)}\n]}\n`;
}

/** The family in such a file. */
export function decode(text: string): Family {
  const family = JSON.parse(text) as Family;
  const figures = ['minimum', 'median', 'lowerQuartile', 'upperQuartile', 'cpu'] as const;
  for (const contestant of family.rows.flatMap(({ contestants }) => contestants)) {
    contestant.turns = [];
    for (const figure of figures) contestant[figure] ??= Number.NaN;
  }
  return family;
}

const letter = (run: number): string => String.fromCharCode(65 + run);

/** Of a row, how many times faster than its best rival nodegrad is: by minimum and by median, as far as they are known. */
function ratiosOf(row: CaseResult): number[] {
  const ratios = [bestRival(row, 'minimum')?.ratio?.minimum, bestRival(row, 'median')?.ratio?.median];
  return ratios.filter((ratio) => ratio !== undefined && Number.isFinite(ratio)) as number[];
}

/** The geometric mean of what its rows say: the family in which nodegrad stands worst comes first. */
function standingOf(family: Family): number {
  const ratios = family.rows.flatMap((row) => ratiosOf(row).slice(-1));
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}

/** The families, worst first. */
export function ordered(families: readonly Family[]): Family[] {
  return [...families].sort((a, b) => standingOf(a) - standingOf(b));
}

/** The names of the rows that nodegrad loses by minimum or by median, with both. */
export function losses(family: Family): string[] {
  return family.rows.flatMap((row) => {
    const ratios = ratiosOf(row);
    return Math.min(...ratios) < 0.995 ? [`${row.name} (${ratios.map((ratio) => `${ratio.toFixed(2)}×`).join(' / ')})`] : [];
  });
}

const detailsPage = (family: Family): string => `RESULTS-${slugOf(family.name)}.md`;

/** The columns behind a row's figures: where they come from. */
const origin = (family: Family, link: string) => ({
  head: ['commit', 'date', 'run'],
  of: (row: CaseResult): string[] => {
    const { run } = row as Row;
    const { commit, date } = family.runs[run];
    return [commit, date, `[${letter(run)}](${link}#run-${letter(run).toLowerCase()})`];
  },
});

function familyTables(family: Family, page: string, link: string): string[] {
  const alone = family.rows.filter((row) => row.table === undefined);
  const inTables = family.rows.filter((row) => row.table !== undefined);
  const titles = [...new Set(inTables.map((row) => `${row.table}, ${threadsText(row.threads)}`))];
  const lost = losses(family);
  return [
    lost.length === 0 ? 'No row is lost.' : `Lost, by min / by median: ${lost.join(', ')}.`,
    '',
    ...overview(alone, page, origin(family, link)),
    ...titles.flatMap((title) => [
      '',
      `**${title}**, shares of the limit by min / by median; for contestants that are held on AVX2, of the AVX2 peak:`,
      '',
      ...caseTable(
        inTables.filter((row) => `${row.table}, ${threadsText(row.threads)}` === title),
        origin(family, link),
      ),
    ]),
  ];
}

const explained = [
  '"Faster" is the other contestant\'s time over nodegrad\'s: above 1, nodegrad is faster.',
  'By minimum: the best chunk of all rounds of each; by median: the middle of the ratios of the medians, round by round.',
  '"Of the limit" is the time that the arithmetic (or the bytes) would take at the rate calibrated around the same turn, over the time taken.',
];

/** `RESULTS.md`: a table a family. */
export function resultsPage(families: readonly Family[]): string {
  return [
    '# Results',
    '',
    'Written by `npm run bench`; [README.md](README.md) says how it measures. A table a family of processors, the one in which nodegrad stands worst first; rows that',
    'it loses stay in. A run replaces the rows that it measured on the family of its machine: each row says of which commit, day and run it is. The page of a family has',
    'all contestants, and the machines.',
    '',
    ...explained,
    ...ordered(families).flatMap((family) => [
      '',
      `## ${family.name}`,
      '',
      `[All contestants](${detailsPage(family)}).`,
      ...familyTables(family, detailsPage(family), detailsPage(family)),
    ]),
    '',
  ].join('\n');
}

/** The page of one family: the same table, every contestant of every case, and the machines. */
export function familyPage(family: Family): string {
  const alone = family.rows.filter((row) => row.table === undefined);
  return [
    `# Results on ${family.name}`,
    '',
    'Written by `npm run bench`, as [all results](RESULTS.md) are; [README.md](README.md) says how it measures.',
    ...explained,
    '',
    ...familyTables(family, '', ''),
    '',
    '## Runs',
    ...family.runs.flatMap(({ commit, date, machine, method, limits }, run) => [
      '',
      `### Run ${letter(run)}`,
      '',
      ...table(['', ''], [['nodegrad commit', commit], ['Date', date], ...machine]),
      '',
      method,
      ...(limits.length === 0 ? [] : ['', ...table(['limit', 'seen during the run'], limits)]),
    ]),
    '',
    '## Contestants',
    '',
    ...versions(family.rows),
    '',
    '## Cases',
    ...alone.flatMap((row) => details(row, `run ${letter(row.run)}`)),
    '',
  ].join('\n');
}

/** The families of a folder of such files. */
export function families(folder: string): Family[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => decode(readFileSync(join(folder, name), 'utf8')));
}

/** Takes a run into the files of `bench/families`, and writes the pages anew; gives the names of the files that it wrote. */
export function keep(bench: string, report: Report): string[] {
  const folder = join(bench, 'families');
  const known = families(folder);
  const before = known.find(({ name }) => name === report.family) ?? { name: report.family, runs: [], rows: [] };
  const after = merged(before, report);
  writeFileSync(join(folder, `${slugOf(after.name)}.json`), encode(after));
  return writePages(bench);
}

/** Writes the pages of the files of `bench/families`; gives their names. */
export function writePages(bench: string): string[] {
  const known = families(join(bench, 'families'));
  const pages = [['RESULTS.md', resultsPage(known)], ...known.map((family) => [detailsPage(family), familyPage(family)])];
  for (const [name, text] of pages) writeFileSync(join(bench, name), text);
  return pages.map(([name]) => name);
}
