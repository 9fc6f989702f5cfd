// Runs ava over dist/test and sums it up: tests, course rows covered, time, and `N passed, M failed` alone on the last line.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { courseRows } from './course.mjs';
import { root } from './steps.mjs';

// ava's options that take a value as the next word.
const valued = new Set(['--match', '-m', '--timeout', '-T', '--concurrency', '-c', '--node-arguments']);

/** Turns `relu`, `test/relu.test.ts` and `test/ops` into what ava wants: compiled files, or globs of them. */
function toAvaArguments(args) {
  const result = [];
  for (let index = 0; index < args.length; index++) {
    const word = args[index];
    if (word.startsWith('-')) {
      result.push(word);
      if (valued.has(word) && index + 1 < args.length) result.push(args[++index]);
      continue;
    }
    const path = relative(root, join(process.cwd(), word)).replaceAll('\\', '/');
    if (path.endsWith('.ts')) result.push(`dist/${path.replace(/\.ts$/, '.js')}`);
    else if (path.startsWith('dist/') || word.includes('*')) result.push(word);
    else if (existsSync(join(root, path))) result.push(`dist/${path}/**/*.test.js`);
    else result.push(`dist/test/**/${word}.test.js`);
  }
  return result;
}

/** Whatever stopped a test counts as a failure; a crash that ava counts in several ways counts once. */
function countFailures(stats) {
  const crashes = stats.uncaughtExceptions + stats.unhandledRejections + stats.internalErrors;
  return stats.failedTests + stats.failedHooks + Math.max(stats.remainingTests, crashes, stats.failedWorkers);
}

const started = Date.now();
const folder = mkdtempSync(join(tmpdir(), 'nodegrad-test-'));
const reportPath = join(folder, 'report.json');
const colour = process.stdout.isTTY && !process.env.NO_COLOR ? { FORCE_COLOR: process.env.FORCE_COLOR ?? '1' } : {};
const entry = join(root, 'node_modules/ava/entrypoints/cli.mjs');
const child = spawn(process.execPath, [entry, '--config', join(root, 'scripts/ava.config.mjs'), ...toAvaArguments(process.argv.slice(2))], {
  cwd: root,
  env: { ...process.env, ...colour, NODEGRAD_TEST_REPORT: reportPath },
  stdio: ['inherit', 'pipe', 'inherit'],
});
process.on('SIGINT', () => {});
// ava announces the observer as an experiment and the configuration file by name; neither tells the user anything.
createInterface({ input: child.stdout }).on('line', (line) => {
  if (!/Using configuration from|Experiments are enabled/.test(line)) process.stdout.write(`${line}\n`);
});

child.on('close', (code, signal) => {
  let report = { passedTitles: [], stats: undefined, complete: false };
  try {
    report = JSON.parse(readFileSync(reportPath, 'utf8'));
  } catch {
    // ava did not get as far as a run: the exit code says so below.
  }
  rmSync(folder, { recursive: true, force: true });
  const { stats } = report;
  const passed = stats ? stats.passedTests + stats.passedKnownFailingTests : 0;
  const skipped = stats ? stats.skippedTests + stats.todoTests : 0;
  let failed = stats ? countFailures(stats) : 0;
  if (failed === 0 && (code !== 0 || !report.complete || passed === 0)) {
    failed = 1;
    console.log(`\nNo test failed, but the run did: ${signal ?? `exit code ${code}`}${passed === 0 ? ', no test passed' : ''}.`);
  }
  const rows = [...new Set(report.passedTitles.flatMap(courseRows))].sort();
  console.log(`\n  Tests         ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped or to do` : ''}`);
  console.log(`  Course rows   ${rows.length} covered${rows.length > 0 ? `: ${rows.join(' ')}` : ''}`);
  console.log(`  Time          ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
});
