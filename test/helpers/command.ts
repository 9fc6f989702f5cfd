// Runs the command as its users do, and gathers what it says.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

/** What a command said, and how it ended. */
export interface CommandOutcome {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

/** `nodegrad` with these words, in a folder, on one thread. */
export function runCommand(folder: string, words: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<CommandOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...words], { cwd: folder, env: { ...process.env, NODEGRAD_NUM_THREADS: '1', ...more } });
    let [out, error] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      error += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, error }));
  });
}
