// Runs one long command with visible progress: a live line on a terminal, plain lines elsewhere, everything in build/bootstrap.log.

import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Where the full output of every step goes. */
export const logPath = join(root, 'build', 'bootstrap.log');

const live = process.stderr.isTTY === true && process.env.TERM !== 'dumb' && !process.env.CI;
let logStarted = false;

/** Prints a line of our own on stderr, so that stdout stays the job's. */
export function say(text = '') {
  process.stderr.write(`${text}\n`);
}

/** Appends to the log; the first call of a run empties it. */
export function log(text) {
  mkdirSync(dirname(logPath), { recursive: true });
  if (!logStarted) writeFileSync(logPath, '');
  logStarted = true;
  appendFileSync(logPath, text);
}

/** A failure that has already been explained to the user. */
export class StepError extends Error {}

/**
 * Runs `command`, showing `title`, the seconds and the tool's current line; throws StepError with the last 40 lines on failure.
 * `percent` reads the share done, 0 to 1, out of an output line, or gives undefined.
 */
export async function runStep(title, command, args, { cwd = root, env = process.env, percent = toolPercent, hint = '' } = {}) {
  const started = Date.now();
  const tail = [];
  const errors = [];
  let current = '';
  let share;
  let pending = '';
  log(`\n== ${title}\n$ ${[command, ...args].join(' ')}\n`);
  const seconds = () => `${((Date.now() - started) / 1000).toFixed(1)} s`;
  const state = () => `${share === undefined ? '' : `${String(Math.round(share * 100)).padStart(3)} %  `}${current}`;
  const draw = () => {
    const width = (process.stderr.columns || 80) - 1;
    process.stderr.write(`\r\x1b[2K${`${title}  ${seconds()}  ${state()}`.slice(0, width)}`);
  };
  if (!live) say(`${title} ...`);
  const timer = live ? setInterval(draw, 200) : setInterval(() => say(`  ${seconds()}  ${state()}`.trimEnd()), 10_000);
  const takeLine = (raw) => {
    const line = raw.replace(/\x1b\[[0-9;]*[A-Za-z]/g, '').trimEnd();
    if (line.trim() === '') return;
    if (errors.length < 8 && /\berror\b/i.test(line)) errors.push(line);
    tail.push(line);
    if (tail.length > 40) tail.shift();
    const now = percent(line);
    // Once a tool counts its steps, only its own lines are shown, not the compiler's remarks in between.
    if (now !== undefined || share === undefined) current = line.trim();
    share = now ?? share;
  };
  const take = (chunk) => {
    log(chunk);
    const lines = (pending + chunk).split(/\r\n|\r|\n/);
    pending = lines.pop();
    for (const line of lines) takeLine(line);
  };
  const outcome = await new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (error) => resolve({ error }));
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  clearInterval(timer);
  takeLine(pending);
  if (live) process.stderr.write('\r\x1b[2K');
  if (outcome.code === 0) {
    say(`${title} done in ${seconds()}`);
    return;
  }
  const why = outcome.error ? outcome.error.message : outcome.signal ? `stopped by ${outcome.signal}` : `exit code ${outcome.code}`;
  say(`${title} failed after ${seconds()} (${why}).`);
  // Some tools say what is wrong first and then print pages of help.
  const early = errors.filter((line) => !tail.includes(line));
  if (early.length > 0) say(`Its first errors:\n\n${early.map((line) => `  ${line}`).join('\n')}\n`);
  say(`Its last lines:\n\n${tail.map((line) => `  ${line}`).join('\n')}`);
  say(`\nThe full log is in ${relative(process.cwd(), logPath) || logPath}`);
  if (hint !== '') say(hint);
  throw new StepError(title);
}

/** Reads `[12/34]` (ninja), `[ 35%]` (make). */
function toolPercent(line) {
  const ninja = /^\[(\d+)\/(\d+)\]/.exec(line);
  if (ninja) return Number(ninja[1]) / Number(ninja[2]);
  const make = /^\[\s*(\d+)%\]/.exec(line);
  return make ? Number(make[1]) / 100 : undefined;
}
