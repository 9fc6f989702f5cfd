// Runs a compiled script in a process of its own and says how it ended: a crash must be a failed test, not the end of the tests.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** By how much longer all may take than on a machine that is not emulated. */
export const patience = Number(process.env['NODEGRAD_PATIENCE'] ?? 1);

/** How a child process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly env?: Record<string, string>;
  readonly args?: readonly string[];
  /** Node flags. */
  readonly flags?: readonly string[];
  /** The Node.js to run. Default: this one. */
  readonly node?: string;
  readonly cwd?: string;
  /** Killed after this many milliseconds, by default two minutes, times `NODEGRAD_PATIENCE`; the ending then has the signal SIGKILL. */
  readonly limit?: number;
}

/** Path of a compiled script beside the given module. */
export function beside(module: string, name: string): string {
  return fileURLToPath(new URL(name, module));
}

/** Starts `script`. Variables that would change what the child computes are taken out of its environment. */
export function start(script: string, { env = {}, args = [], flags = [], node = process.execPath, cwd }: ChildOptions = {}): ChildProcess {
  const clean: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (!/^(NODEGRAD_(ISA|NUM_THREADS|GEMM)|NODE_OPTIONS|NODE_V8_COVERAGE)$/.test(name)) clean[name] = value;
  }
  return spawn(node, [...flags, script, ...args], { env: { ...clean, ...env }, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Runs `script` to its end. */
export function ending(script: string, options: ChildOptions = {}): Promise<Ending> {
  const child = start(script, options);
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (data: Buffer) => {
      stdout += String(data);
    });
    child.stderr?.on('data', (data: Buffer) => {
      stderr += String(data);
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), (options.limit ?? 120_000) * patience);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** Runs `script`, which must end well, and reads the JSON on its standard output. */
export async function result<T>(script: string, options: ChildOptions = {}): Promise<T> {
  const { code, signal, stdout, stderr } = await ending(script, options);
  if (code !== 0) throw new Error(`the child process ended with ${signal ?? `code ${code}`}\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`);
  return JSON.parse(stdout) as T;
}
