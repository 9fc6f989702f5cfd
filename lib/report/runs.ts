// Where the runs of a report come from: logs, folders of logs, and runs that have just ended.

import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { ArgumentError, FileFormatError, checkList, expected } from '../errors.js';
import { checkPath, refusal } from '../io/atomic.js';
import type { WhatIfReport } from '../sitter/what-if.js';
import { History } from '../training/history.js';
import { type LoggedRun, emptyRun, readRunLog } from '../training/run-log.js';
import { goneOn, joined } from './resumed.js';

/** A run as a report shows it. */
export interface ReportRun extends LoggedRun {
  /** Tells the runs of a report apart: the name of the folder or log, with `#2` for the second run of a log. */
  readonly id: string;
  /** Its log; empty for a run without one. */
  readonly path: string;
}

/** Logs of a folder that are read at most: the newest ones. */
const mostLogs = 100;

/** The logs behind a path: itself, `log.jsonl` in it, or those in a folder of runs, the newest last. */
export function logsOf(path: string): string[] {
  const place = resolve(checkPath(path, 'path', 'the path of a log, or of a folder of runs'));
  if (!statusOf(place, path).isDirectory()) return [place];
  const own = join(place, 'log.jsonl');
  if (isFile(own)) return [own];
  const found = readdirSync(place, { withFileTypes: true }).flatMap((entry) => {
    const inside = join(place, entry.name);
    if (entry.name.endsWith('.jsonl')) return isFile(inside) ? [inside] : [];
    return isFile(join(inside, 'log.jsonl')) ? [join(inside, 'log.jsonl')] : [];
  });
  const timed = found.map((file) => ({ file, time: statSync(file).mtimeMs }));
  return timed
    .sort((a, b) => a.time - b.time)
    .slice(-mostLogs)
    .map(({ file }) => file);
}

function statusOf(place: string, given: string): { isDirectory(): boolean } {
  try {
    return statSync(place);
  } catch (error) {
    throw refusal('the path of a log, or of a folder of runs', given, error);
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false; // nothing, something below a file, or a folder of somebody else's
  }
}

/** What the `index`-th run of a log is called. */
export function runId(log: string, index: number): string {
  const name = basename(log) === 'log.jsonl' ? basename(dirname(log)) : basename(log).replace(/\.jsonl$/, '');
  return index === 0 ? name : `${name}#${index + 1}`;
}

/** What {@link runReport} makes a report of: the path of a log or of a folder with logs, what `fit` gave, or a list of such. */
export type ReportSource = string | History | readonly (string | History)[];

/** The runs behind a source; one run with what was tried of it beside what its log says. */
export function runsOf(source: ReportSource, tried: readonly WhatIfReport[] = []): ReportRun[] {
  const runs = allRunsOf(source);
  if (tried.length === 0) return runs;
  if (runs.length > 1) {
    const hint = 'Make a report of that run alone, or let whatIf() write into its log: whatIf(run, finding, { log })';
    throw new ArgumentError(`what was tried belongs to one run, and there are ${runs.length}. ${hint}`);
  }
  return [{ ...runs[0], tried: [...(runs[0].tried ?? []), ...tried] }];
}

function allRunsOf(source: ReportSource): ReportRun[] {
  const list = typeof source === 'string' || source instanceof History ? [source] : checkList<string | History>(source, 'source', sources);
  const runs = list.flatMap((one): ReportRun[] => {
    if (one instanceof History) return one.log === null ? [ofHistory(one)] : runsOfLog(one.log).slice(-1);
    if (typeof one !== 'string') throw new ArgumentError(expected(sources, 'source', one));
    const logs = logsOf(one);
    const isChosen = logs.length === 1;
    return logs.flatMap((log) => {
      try {
        return runsOfLog(log);
      } catch (error) {
        // Beside logs there may be other files of such names.
        if (isChosen || !(error instanceof FileFormatError)) throw error;
        return [];
      }
    });
  });
  if (runs.length === 0) throw new ArgumentError(`there is no run in ${list.length === 1 ? String(list[0]) : 'the source'}`);
  const taken = new Map<string, number>();
  return runs.map((run) => {
    const count = (taken.get(run.id) ?? 0) + 1;
    taken.set(run.id, count);
    return count === 1 ? run : { ...run, id: `${run.id} (${count})` };
  });
}

const sources = 'the path of a log or of a folder of runs, what fit() gave, or an array of such';

function ofHistory({ epochs, warnings, findings, fixes, stopped }: History): ReportRun {
  return {
    ...emptyRun(),
    id: 'run',
    path: '',
    epochs: [...epochs],
    warnings,
    ...(findings.length > 0 && { findings: findings as never }),
    ...(fixes.length > 0 && { fixes }),
    end: { outcome: stopped === null ? 'completed' : 'stopped', stopped },
  };
}

/** The runs of a log. One that went on from a checkpoint of the one before begins with what that had reached. */
function runsOfLog(path: string): ReportRun[] {
  const runs: LoggedRun[] = [];
  for (const run of readRunLog(path).runs) {
    const first = goneOn(runs.at(-1), run.header);
    if (first === null) runs.push(run);
    else runs[runs.length - 1] = joined(first, run);
  }
  return runs.map((run, i) => ({ ...run, id: runId(path, i), path }));
}
