// `npm run bench`: times nodegrad and its rivals side by side on this machine and writes the table of results.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadCalibrate, Prober } from './calibration.js';
import { cases, groups } from './cases/index.js';
import { root } from './contestants.js';
import { allowedCpus, commit, machineDescription, processorFamily } from './environment.js';
import { measure, type Plan } from './measure.js';
import { pinned } from './process.js';
import { keep, type Report, writePages } from './pages.js';
import { terminalTable } from './report.js';
import type { CaseResult } from './results.js';
import type { BenchCase } from './types.js';

const usage = `Usage: npm run bench -- [options]
  --quick              a first look: few rounds, only the rivals that start fast; keeps nothing
  --only a,b           only the cases whose names begin so (--list shows them), or a group: ${Object.keys(groups).join(', ')}
  --threads n,m        thread counts, one after the other (default: the CPUs this process may use)
  --rounds n           interleaved rounds a case (default 9, quick 3)
  --seconds s          seconds of one contestant's turn (default 1, quick 0.3)
  --write              keeps the rows although the run is quick or partial: in bench/families, from which bench/RESULTS*.md are written
  --from a.json,b.json takes the rows of earlier runs (files of bench/results) into the pages, in that order; measures nothing
  --list               names the cases and ends
Environment: NODEGRAD_BENCH_PYTHON (a Python with torch, jax, optax), NODEGRAD_BENCH_NODE_MODULES (a node_modules with tfjs); see bench/README.md.`;

function positive(text: string | undefined, fallback: number, name: string): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) fatal(`--${name} expects a number above 0, received '${text}'`);
  return value;
}

function fatal(message: string): never {
  process.stderr.write(`${message}\n${usage}\n`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        threads: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        write: { type: 'boolean', default: false },
        from: { type: 'string' },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    fatal(error instanceof Error ? error.message : String(error));
  }
}

function chosen(only: string | undefined): BenchCase[] {
  const prefixes = only?.split(',').filter((prefix) => prefix !== '');
  const wanted = prefixes?.flatMap((prefix) => groups[prefix] ?? [prefix]);
  const found = cases.filter((benchCase) => wanted === undefined || wanted.some((prefix) => benchCase.name.startsWith(prefix)));
  if (found.length === 0) fatal(`--only '${only}' names no case; there are ${cases.map((benchCase) => benchCase.name).join(', ')}`);
  return found;
}

function threadCounts(text: string | undefined): number[] {
  const available = allowedCpus().length;
  const counts = (text ?? String(available)).split(',').map(Number);
  for (const count of counts) {
    if (!Number.isInteger(count) || count < 1 || count > available)
      fatal(`--threads expects numbers from 1 to ${available}, received '${text}'`);
  }
  return counts;
}

/** A line that replaces itself on a terminal and stays silent elsewhere. */
function progressLine(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`);
}

/** The rows of earlier runs; without any, the pages are only written anew. */
function takeIn(files: readonly string[]): void {
  let pages = writePages(join(root, 'bench'));
  for (const file of files) if (file !== '') pages = keep(join(root, 'bench'), JSON.parse(readFileSync(file, 'utf8')) as Report);
  process.stdout.write(`wrote ${pages.join(', ')}\n`);
}

async function main(): Promise<void> {
  const options = parse();
  if (options.help) return void process.stdout.write(`${usage}\n`);
  if (options.list) return void process.stdout.write(`${cases.map((one) => `${one.name.padEnd(16)} ${one.title}`).join('\n')}\n`);
  if (options.from !== undefined) return takeIn(options.from.split(','));
  const selected = chosen(options.only);
  const counts = threadCounts(options.threads);
  const rounds = Math.ceil(positive(options.rounds, options.quick ? 3 : 9, 'rounds'));
  const seconds = positive(options.seconds, options.quick ? 0.3 : 1, 'seconds');
  const { calibrate, reason } = await loadCalibrate();
  if (reason !== '') process.stderr.write(`not calibrated: ${reason}\n`);
  const machine = machineDescription();
  const results: CaseResult[] = [];
  const probers = counts.map((threads) => new Prober(calibrate, threads));
  const begin = performance.now();
  for (const [index, threads] of counts.entries()) {
    const prober = probers[index];
    prober.full(1);
    for (const [at, benchCase] of selected.entries()) {
      const minutes = (): string => `${((performance.now() - begin) / 60_000).toFixed(1)} min`;
      const progress: Plan['progress'] = (text) => progressLine(`[${minutes()}] ${benchCase.name} (${at + 1} of ${selected.length}): ${text}`);
      results.push(await measure(benchCase, { threads, rounds, seconds, quick: options.quick, prober, progress }));
      prober.full(options.quick ? 0.5 : 1);
      progressLine('');
      process.stdout.write(`${terminalTable(results[results.length - 1])}\n\n`);
    }
  }
  const method =
    `${rounds} interleaved rounds, ${seconds} s a turn, one process a contestant and case, ` +
    `${pinned ? 'held on the same CPUs' : 'not held on CPUs (no taskset)'}, stopped while others run.`;
  const report: Report = {
    family: processorFamily(),
    commit: commit(root),
    date: new Date().toISOString().slice(0, 10),
    machine,
    method,
    calibrations: probers.flatMap((prober) => prober.record),
    results,
  };
  mkdirSync(join(root, 'bench/results'), { recursive: true });
  const file = join(root, 'bench/results', `${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.json`);
  writeFileSync(file, JSON.stringify({ arguments: process.argv.slice(2), ...report }));
  process.stdout.write(`every sample: ${file}\n`);
  if (options.write || (!options.quick && options.only === undefined)) {
    process.stdout.write(`wrote ${keep(join(root, 'bench'), report).join(', ')}\n`);
    const disturbed = results.filter((result) => result.disturbed).map(({ name }) => name);
    if (disturbed.length > 0) process.stdout.write(`disturbed, and kept only where nothing better was known: ${disturbed.join(', ')}\n`);
  }
}

await main();
process.exit(0);
