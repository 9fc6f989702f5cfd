// Runs the tests that look for lost work at full length: those of test/faults, and what kills runs again and again; more words go to ava.
//
// A test that has a long form reads NODEGRAD_HOSTILE, or the variable that says how often, and needs no line here if it lies in test/faults.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './steps.mjs';

const environment = { NODEGRAD_HOSTILE: '1', NODEGRAD_LONG: '1', NODEGRAD_KILLS: '200' };
const files = [
  'test/faults',
  'test/training/checkpoint-kill.test.ts',
  'test/distributed/process-group.test.ts',
  'test/distributed/restarts.test.ts',
  'test/training/folder-lock.test.ts',
  'test/search/kill.test.ts',
];
const words = process.argv.slice(2);
const child = spawn(process.execPath, [join(root, 'scripts/test.mjs'), ...(words.length > 0 ? words : files), '--timeout', '60m'], {
  cwd: root,
  env: { ...environment, ...process.env },
  stdio: 'inherit',
});
child.on('close', (code) => {
  process.exitCode = code ?? 1;
});
