// `npm run test:asan`: builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer into build-asan/ and runs the suite on it.
// Arguments go to the test runner. ava runs in processes, not threads: the sanitizer's reports then name the right one.

import { execFileSync, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { root, runStep, StepError } from './steps.mjs';

const compiler = process.env.CXX ?? 'g++';
const out = join(root, 'build-asan');
const cmakeJs = join(root, 'node_modules/cmake-js/bin/cmake-js');
const options = ['build', '--out', out, '--CDNODEGRAD_SANITIZE=ON', '-p', String(availableParallelism())];
try {
  await runStep('Building the native part with sanitizers', process.execPath, [cmakeJs, ...options]);
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  process.exit(1);
}

// Node itself is not instrumented, so the run-time library has to be loaded before it.
const library = execFileSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
const { status } = spawnSync(
  process.execPath,
  [join(root, 'scripts/test.mjs'), '--no-worker-threads', '--timeout', '20m', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      LD_PRELOAD: library,
      NODEGRAD_BINARY: join(out, 'Release/nodegrad.node'),
      // V8 reclaims nothing at exit, so leak reports would be about Node. Its guard pages and signal handling are its own affair.
      ASAN_OPTIONS: `detect_leaks=0:halt_on_error=1:abort_on_error=1:handle_segv=1:${process.env.ASAN_OPTIONS ?? ''}`,
      UBSAN_OPTIONS: `print_stacktrace=1:halt_on_error=1:${process.env.UBSAN_OPTIONS ?? ''}`,
    },
  },
);
process.exitCode = status ?? 1;
