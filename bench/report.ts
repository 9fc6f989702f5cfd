// The tables: on the terminal after every case, and the parts of the pages of results.

import type { Calibration } from '../lib/native.js';
import { bestRival, type CaseResult, type ContestantResult, isTimed, ours } from './results.js';
import { median } from './statistics.js';

const scales = { ms: 1, µs: 1e3, ns: 1e6 };

function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value >= 1 ? value.toFixed(2) : value.toPrecision(3);
}

function time(milliseconds: number, result: CaseResult): string {
  return digits(milliseconds * scales[result.unit]);
}

const percent = (value: number | undefined): string => (value === undefined ? '–' : `${Math.round(value * 100)} %`);
const times = (value: number | undefined): string => (value === undefined ? '–' : `${value.toFixed(2)}×`);

const megabytes = (bytes: number | undefined): string => (bytes === undefined ? '–' : digits(bytes / 1e6));
const hasMemory = (result: CaseResult): boolean => result.contestants.some((contestant) => contestant.memory !== undefined);

const header = (result: CaseResult): string[] => [
  'contestant',
  `min ${result.unit}`,
  `median ${result.unit}`,
  'quartiles',
  `CPU ${result.unit}`,
  'nodegrad is faster by min',
  'by median',
  'of the limit, min',
  'median',
  ...(result.inner === undefined ? [] : ['a step of it: min µs', 'median µs']),
  ...(hasMemory(result) ? ['peak memory MB', 'before the first step MB'] : []),
];

function cells(contestant: ContestantResult, result: CaseResult): string[] {
  if (!isTimed(contestant)) return [contestant.name, contestant.reason ?? 'not timed'];
  return [
    contestant.name,
    time(contestant.minimum, result),
    time(contestant.median, result),
    `${time(contestant.lowerQuartile, result)} … ${time(contestant.upperQuartile, result)}`,
    time(contestant.cpu, result),
    times(contestant.ratio?.minimum),
    times(contestant.ratio?.median),
    percent(contestant.fraction?.minimum),
    percent(contestant.fraction?.median),
    ...(result.inner === undefined
      ? []
      : [contestant.minimum, contestant.median].map((milliseconds) => digits((milliseconds * 1e3) / (result.inner ?? 1)))),
    ...(hasMemory(result) ? [megabytes(contestant.memory?.peak), megabytes(contestant.memory?.ready)] : []),
  ];
}

function status(result: CaseResult): string {
  const parts: string[] = [];
  if (result.disagreement !== '') parts.push(`NOT TIMED, the contestants disagree: ${result.disagreement}`);
  else if (result.rounds > 0)
    parts.push(`${result.rounds} rounds${result.discarded > 0 ? `, ${result.discarded} more discarded (a core was missing or shared)` : ''}`);
  if (result.disturbed) parts.push('DISTURBED: a core was missing or shared in every round, so all rounds are shown');
  if (result.rate !== undefined) parts.push(`limit ${digits(result.rate)} ${result.limit === 'fma' ? 'GFLOP/s' : `GB/s (${result.limit})`}`);
  return parts.join('; ');
}

/** The table of one case for the terminal. */
export function terminalTable(result: CaseResult): string {
  const rows = [header(result), ...result.contestants.map((contestant) => cells(contestant, result))];
  const full = rows.filter((row) => row.length > 2);
  const widths = rows[0].map((_, column) =>
    Math.max(column === 0 ? Math.max(...rows.map((row) => row[0].length)) : 0, ...full.map((row) => row[column].length)),
  );
  const lines = rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : row.length === 2 ? cell : cell.padStart(widths[column]))).join('  '),
  );
  return [`${result.name} (${threadsText(result.threads)}): ${result.title}`, `  ${status(result)}`, ...lines.map((line) => `  ${line}`)].join(
    '\n',
  );
}

/** "2 threads". */
export const threadsText = (threads: number): string => (threads === 1 ? '1 thread' : `${threads} threads`);
const row = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
/** A table in markdown, numbers to the right. */
export const table = (head: readonly string[], body: readonly (readonly string[])[]): string[] => [
  row(head),
  row(head.map((_, index) => (index === 0 ? '---' : '---:'))),
  ...body.map(row),
];

/** The rates that calibrations saw, from the lowest to the highest. */
export function limitRows(record: readonly Calibration[]): [string, string][] {
  if (record.length === 0) return [];
  const range = (pick: (calibration: Calibration) => number): string => {
    const values = record.map(pick);
    return digits(median(values)) === '0.00' ? '–' : `${digits(Math.min(...values))} … ${digits(Math.max(...values))}`;
  };
  return [
    ['FMA peak AVX2, one thread, GFLOP/s', range((one) => one.fmaPeak.avx2[0])],
    ['FMA peak AVX2, all threads', range((one) => one.fmaPeak.avx2[1])],
    ['FMA peak AVX-512, one thread', range((one) => one.fmaPeak.avx512[0])],
    ['FMA peak AVX-512, all threads', range((one) => one.fmaPeak.avx512[1])],
    ['copy, GB/s', range((one) => one.copyBandwidth)],
    ['read', range((one) => one.readBandwidth)],
    ['triad', range((one) => one.triadBandwidth)],
    ['in-place update (2 reads, 1 write)', range((one) => one.updateBandwidth)],
    ['in-place update (4 reads, 3 writes)', range((one) => one.stateBandwidth)],
  ];
}

/** Our figures, the best rivals', how much faster we are, and our share of the limit: each by minimum and by median. */
function standing(result: CaseResult): string[] {
  const own = ours(result);
  const [byMinimum, byMedian] = [bestRival(result, 'minimum'), bestRival(result, 'median')];
  const name = (rival: ContestantResult | undefined, by: 'minimum' | 'median'): string =>
    rival === undefined ? '–' : Number.isFinite(rival[by]) ? `${rival.name}, ${time(rival[by], result)} ${result.unit}` : rival.name;
  const which = own === undefined || own.name === 'nodegrad' ? '' : `${own.name.replace('nodegrad ', '')}: `;
  const known = own !== undefined && Number.isFinite(own.minimum);
  const figures = known ? `${which}${time(own.minimum, result)} / ${time(own.median, result)} ${result.unit}` : (own?.reason ?? '–');
  const limit = own?.fraction === undefined ? '–' : `${percent(own.fraction.minimum)} / ${percent(own.fraction.median)}`;
  return [
    result.disagreement === '' ? figures : 'contestants disagree',
    name(byMinimum, 'minimum'),
    name(byMedian, 'median'),
    times(byMinimum?.ratio?.minimum),
    times(byMedian?.ratio?.median),
    limit,
  ];
}

/** Columns behind the figures of a row. */
export interface MoreColumns {
  head: readonly string[];
  of: (result: CaseResult) => string[];
}

/** A row a case; `page` is the one that has them in full. */
export function overview(results: readonly CaseResult[], page: string, more: MoreColumns): string[] {
  return table(
    [
      'case',
      'threads',
      'nodegrad min / median',
      'best rival by min',
      'best rival by median',
      'faster by min',
      'by median',
      'of the limit, min / median',
      ...more.head,
    ],
    results.map((result) => [
      `[${result.name}](${page}#${result.name}-${result.threads})${result.disturbed ? ', disturbed' : ''}`,
      String(result.threads),
      ...standing(result),
      ...more.of(result),
    ]),
  );
}

/** A table whose rows are cases: shares of the limit by contestant, and how nodegrad stands with its best rival. */
export function caseTable(results: readonly CaseResult[], more: MoreColumns): string[] {
  const names = [...new Set(results.flatMap((result) => result.contestants.map((contestant) => contestant.name)))];
  const share = (result: CaseResult, name: string): string => {
    const found = result.contestants.find((contestant) => contestant.name === name);
    if (found === undefined) return '';
    if (!isTimed(found)) return found.reason ?? 'not timed';
    return `${percent(found.fraction?.minimum)} / ${percent(found.fraction?.median)}`;
  };
  return table(
    ['case', ...names, 'nodegrad min / median', 'best rival by min', 'best rival by median', 'faster by min', 'by median', ...more.head],
    results.map((result) => [
      `${result.name}${result.disturbed ? ', disturbed' : ''}`,
      ...names.map((name) => share(result, name)),
      ...standing(result).slice(0, 5),
      ...more.of(result),
    ]),
  );
}

/** Who took part, with versions. */
export function versions(results: readonly CaseResult[]): string[] {
  const seen = new Map<string, string>();
  for (const contestant of results.flatMap((result) => result.contestants)) {
    const text = Object.entries(contestant.versions).map(([name, version]) => `${name} ${version}`);
    if (contestant.note !== undefined) text.push(contestant.note);
    if (text.length > 0) seen.set(contestant.name, text.join(', '));
    else if (!seen.has(contestant.name)) seen.set(contestant.name, contestant.reason ?? '–');
  }
  return table(['contestant', 'versions'], [...seen]);
}

/** One case with all its contestants; `whence` says which run it is of. */
export function details(result: CaseResult, whence: string): string[] {
  return [
    '',
    `### ${result.name} <a id="${result.name}-${result.threads}"></a>`,
    '',
    `${result.title}. ${threadsText(result.threads)}; ${[status(result), whence].filter((part) => part !== '').join('; ')}.`,
    '',
    ...table(
      header(result),
      result.contestants.map((contestant) => Object.assign(Array<string>(header(result).length).fill(''), cells(contestant, result))),
    ),
  ];
}
