// `nodegrad experiment <name>`: a demonstration of the course on this machine, with its picture.

import { join, resolve } from 'node:path';
import { AbortedError } from '../errors.js';
import { type ExperimentName, describeExperiment, experimentNames, runExperiment } from '../experiments/index.js';
import { writeFileAtomic } from '../io/atomic.js';
import { plotText } from '../pictures/chart.js';
import { Terminal, pairs } from './terminal.js';
import { stopOnSignals } from './train.js';

/** What `experiment` is told. */
export interface ExperimentCommandOptions {
  /** File of the picture. */
  output?: string;
  quick: boolean;
  seed: number;
  json: boolean;
}

/** Without a name, lists the experiments; with one, runs it, writes its picture and says what was seen. */
export async function experimentCommand(name: ExperimentName | undefined, options: ExperimentCommandOptions): Promise<number> {
  const terminal = new Terminal();
  if (name === undefined) {
    const list = experimentNames.map((one) => [one, describeExperiment(one)] as const);
    terminal.print(...(options.json ? [JSON.stringify(Object.fromEntries(list), null, 2)] : pairs(list)));
    return 0;
  }
  const { quick, seed } = options;
  const stopper = stopOnSignals();
  try {
    const onProgress = (what: string): void => void process.stderr.write(`${what} …\n`);
    const report = await runExperiment(name, { quick, seed, onProgress, signal: stopper.signal });
    const path = resolve(options.output ?? join(process.cwd(), `experiment-${name}.svg`));
    await writeFileAtomic(path, [new TextEncoder().encode(report.picture)]);
    if (options.json) {
      const { picture: _, ...rest } = report;
      terminal.print(JSON.stringify({ ...rest, seed, quick, picture: path }, null, 2));
    } else {
      terminal.print(terminal.style('bold', report.title), report.question, '');
      const width = Math.max(20, Math.min(100, terminal.width));
      for (const panel of report.panels.slice(0, 1)) terminal.print(...plotText(panel, width), '');
      terminal.print(
        ...report.lines.map((line) => `• ${line}`),
        '',
        `picture   ${path}`,
        `course    rows ${report.rows.join(', ')} of docs/course.md`,
      );
    }
    return 0;
  } catch (error) {
    if (error instanceof AbortedError && stopper.signal.aborted) return stopper.exitCode();
    throw error;
  } finally {
    stopper.release();
  }
}
