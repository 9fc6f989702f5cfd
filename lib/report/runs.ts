// Where the runs of a report come from: logs, folders of logs, and runs that have just ended.

import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { ArgumentError, FileFormatError, checkList, expected } from '../errors.js';
import { checkPath, refusal } from '../io/atomic.js';
import { History } from '../training/history.js';
import { type LoggedRun, emptyRun, readRunLog } from '../training/run-log.js';

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

/** The runs behind a source. */
export function runsOf(source: ReportSource): ReportRun[] {
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

function ofHistory({ epochs, warnings, stopped }: History): ReportRun {
  return {
    ...emptyRun(),
    id: 'run',
    path: '',
    epochs: [...epochs],
    warnings,
    end: { outcome: stopped === null ? 'completed' : 'stopped', stopped },
  };
}

/** The runs of a log. One that went on from a checkpoint of the one before begins with what that had reached. */
function runsOfLog(path: string): ReportRun[] {
  const runs: LoggedRun[] = [];
  for (const run of readRunLog(path).runs) {
    const from = (run.header['resumed'] as { step?: unknown } | undefined)?.step;
    const before = runs.at(-1);
    if (typeof from === 'number' && before !== undefined) runs[runs.length - 1] = joined(before, run, from);
    else runs.push(run);
  }
  return runs.map((run, i) => ({ ...run, id: runId(path, i), path }));
}

function joined(before: LoggedRun, run: LoggedRun, step: number): LoggedRun {
  const firstEpoch = run.epochs[0]?.epoch ?? Infinity;
  const losses = (before.losses ?? []).map((part) => {
    const count = Math.max(0, Math.floor((step - part.step + 1) / part.every));
    return { ...part, losses: part.losses.slice(0, count) };
  });
  const until = <T>(list: readonly T[] | undefined, at: (one: T) => number): T[] => (list ?? []).filter((one) => at(one) <= step);
  return {
    ...run,
    epochs: [...before.epochs.filter(({ epoch }) => epoch < firstEpoch), ...run.epochs],
    losses: [...losses.filter((part) => part.losses.length > 0), ...(run.losses ?? [])],
    observations: [...until(before.observations, (one) => one.step), ...(run.observations ?? [])],
    findings: [...until(before.findings, (one) => Number(one['step'] ?? 0)), ...(run.findings ?? [])],
    warnings: [...(before.warnings ?? []), ...(run.warnings ?? [])],
  };
}
