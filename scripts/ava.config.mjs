// ava's configuration under `npm test`: that of package.json, plus an observer that counts and writes a report for scripts/test.mjs.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

const { ava } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

async function observeRun({ events }) {
  const report = { passedTitles: [], stats: undefined, complete: false };
  const path = process.env.NODEGRAD_TEST_REPORT;
  if (path) process.once('exit', () => writeFileSync(path, JSON.stringify(report)));
  for await (const event of events) {
    if (event.type === 'stats') report.stats = { ...event.stats, byFile: undefined };
    else if (event.type === 'test-passed') report.passedTitles.push(event.title);
    else if (event.type === 'end') report.complete = true;
  }
}

export default { ...ava, nonSemVerExperiments: { observeRunsFromConfig: true }, observeRun };
