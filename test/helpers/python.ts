// A Python that has some modules, for tests that let other tools read what we write; without one they are left out.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';

/** A test that runs a Python with some modules: skipped, and said, where there is none. */
export function testWithPython(modules: string, title: string, body: (t: ExecutionContext, python: Python) => Promise<void>): void {
  const command = [process.env.NODEGRAD_PYTHON, 'python3'].find((candidate) => has(candidate, modules));
  if (command === undefined) {
    console.log(`left out, since Python has no ${modules}: ${title}`);
    test.skip(title, (t) => t.pass());
    return;
  }
  test(title, (t) =>
    body(t, (script, ...given) =>
      execFileSync(command, ['-c', script, ...given], { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] }),
    ),
  );
}

/** Runs a script with arguments; what it prints. */
export type Python = (script: string, ...given: string[]) => string;

function has(command: string | undefined, modules: string): boolean {
  if (command === undefined || (command.startsWith('/') && !existsSync(command))) return false;
  try {
    execFileSync(command, ['-c', `import ${modules}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
