// `nodegrad report` and `nodegrad watch`: the page about runs, as a file or while they go on.

import { resolve } from 'node:path';
import { writeFileAtomic } from '../io/atomic.js';
import { watchRuns } from '../report/live.js';
import { reportData, reportFile, runReport } from '../report/report.js';
import { logsOf } from '../report/runs.js';
import { plainNumbers } from '../training/run-log.js';
import { Terminal } from './terminal.js';

/** What `report` is told. */
export interface ReportCommandOptions {
  output?: string;
  json: boolean;
}

/** What `watch` is told. */
export interface WatchCommandOptions {
  port?: number;
}

/** Writes the report of runs, or prints its data. */
export async function reportCommand(paths: readonly string[], { output, json }: ReportCommandOptions): Promise<number> {
  const terminal = new Terminal();
  if (json) {
    terminal.print(JSON.stringify(reportData(paths), plainNumbers, 2));
    return 0;
  }
  const html = runReport(paths);
  const logs = paths.flatMap(logsOf);
  const file = resolve(output ?? (logs.length === 1 ? reportFile(logs[0]) : 'report.html'));
  await writeFileAtomic(file, [Buffer.from(html)]);
  terminal.print(`report: ${file}`);
  return 0;
}

/** Shows runs until Ctrl-C. */
export async function watchCommand(path: string, options: WatchCommandOptions): Promise<number> {
  const view = await watchRuns(path, options);
  new Terminal().print(`live view: ${view.url}`, 'Ctrl-C ends it');
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => done());
  });
  await view.close();
  return 0;
}
