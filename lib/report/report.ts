// The report of runs: a page that needs nothing else, or the same as data.

import { join, dirname, basename, resolve } from 'node:path';
import { ArgumentError, checkOptions, expected } from '../errors.js';
import type { WhatIfReport } from '../sitter/what-if.js';
import { History } from '../training/history.js';
import { writeFileAtomic } from '../io/atomic.js';
import { pageOf } from './page.js';
import { type ReportRun, type ReportSource, runsOf } from './runs.js';

/** Options of {@link runReport} and {@link reportData}. */
export interface ReportOptions {
  /** What {@link whatIf} gave for findings of the run, which is then one: shown beside them. What it wrote into a log is shown anyway. Default: nothing. */
  readonly tried?: readonly WhatIfReport[];
}

/**
 * A page about one run, or several side by side: curves with the findings beside the place where they were seen, layers over time, updates and
 * gradients, what the model takes for what, settings and machine. One HTML document that loads nothing and asks nobody, light or dark,
 * for a phone or a desktop, for keyboard and screen reader; each picture has its numbers as a table, and {@link reportData} gives all of them.
 *
 * What a run's log holds is shown: losses by step always; layers, updates and gradients where a callback observed them or the run was asked
 * for a report; single examples where it was asked for a report (`fit({ report: true })`). Course rows J20, J21, J28.
 *
 * @param source - The path of a log or of a folder with logs, what `fit` gave, or an array of such.
 * @param options - What else is shown.
 * @throws {@link ArgumentError} where there is no run; {@link FileFormatError} for a file that is no log.
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs';
 * import { runReport } from 'nodegrad';
 * writeFileSync('report.html', runReport('runs')); // all runs of the folder, side by side
 * ```
 */
export function runReport(source: ReportSource, options: ReportOptions = {}): string {
  return pageOf(runsOf(source, triedOf(options)), false).html;
}

/** What a report shows, as data. */
export interface ReportData {
  /** The runs, by their `id`. */
  readonly runs: readonly ReportRun[];
}

/**
 * The data behind every picture of {@link runReport}, as plain objects that JSON can hold: runs by their `id`. NaN and infinities are the texts
 * `'NaN'`, `'Infinity'` and `'-Infinity'`, as in the log. Course rows J28, O07.
 *
 * @param source - As for `runReport`.
 * @param options - The same.
 * @throws what `runReport` throws.
 * @example
 * ```ts
 * import { reportData } from 'nodegrad';
 * for (const { id, epochs } of reportData('runs').runs) console.log(id, epochs.map(({ validation }) => validation?.loss));
 * ```
 */
export function reportData(source: ReportSource, options: ReportOptions = {}): ReportData {
  return { runs: runsOf(source, triedOf(options)) };
}

function triedOf(options: ReportOptions): readonly WhatIfReport[] {
  const { tried = [] } = checkOptions<ReportOptions>(options, 'options', ['tried']);
  const isReport = (one: WhatIfReport | null): boolean => typeof one === 'object' && typeof one?.text === 'string';
  if (!Array.isArray(tried) || !tried.every(isReport))
    throw new ArgumentError(expected('an array of what whatIf() gave', 'options.tried', tried));
  return tried;
}

/** Writes the report of the last run of a log; `to` as in the options of fit. */
export async function writeReport(log: string, to: string | boolean): Promise<void> {
  const history = new History();
  history.log = log;
  await writeFileAtomic(reportFile(log, to), [Buffer.from(runReport(history))]);
}

/** Where a report goes: beside a log, `report.html`; where several logs lie in a folder, the log's name with another ending. */
export function reportFile(log: string, to: string | boolean = true): string {
  if (typeof to === 'string') return resolve(to);
  const name = basename(log);
  return join(dirname(log), name === 'log.jsonl' ? 'report.html' : `${name.replace(/\.jsonl$/, '')}.html`);
}
