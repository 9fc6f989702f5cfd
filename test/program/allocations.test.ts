// After its warm-up a step costs no memory: no allocation by the addon, no page fault of its threads, no JavaScript memory by the model's size.

import test from 'ava';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { info } from '../../lib/index.js';
import { patience } from '../native/child.js';

const source = fileURLToPath(new URL('../../../test/program/allocations.c', import.meta.url));
const child = fileURLToPath(new URL('./allocations.child.js', import.meta.url));

interface Counts {
  threads: number;
  sawAllocations: boolean;
  allocations: number;
  /** Of each stretch of steps. */
  faults: number[];
  heapPerStep: number;
}

// What counts calls the functions below glibc's malloc. A sanitizer has to be loaded first, and allocates for itself.
// Under an emulator the library would be of another processor.
const serves = process.platform === 'linux' && info().libc.startsWith('glibc') && process.env['LD_PRELOAD'] === undefined && patience === 1;

(serves ? test : test.skip)(
  'a warm step allocates nothing, faults no page, and leaves JavaScript memory that does not grow with the model',
  (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'nodegrad-allocations-'));
    try {
      const library = join(folder, 'allocations.so');
      execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, source, '-ldl']);
      const count = (size: string, mode: string): Counts => {
        const file = join(folder, 'counts');
        writeFileSync(file, new Uint8Array(4096));
        const { stdout, stderr } = spawnSync(
          process.execPath,
          ['--expose-gc', '--max-semi-space-size=64', '--no-flush-bytecode', child, size, mode, file],
          { encoding: 'utf8', env: { ...process.env, LD_PRELOAD: library, ALLOCATIONS_FILE: file }, timeout: 120_000 },
        );
        t.true(stdout.startsWith('{'), stderr);
        return JSON.parse(stdout) as Counts;
      };
      for (const mode of ['sync', 'awaited']) {
        const counts = ['64', '512', 'images'].map((size) => count(size, mode));
        t.log(mode, ...counts.map((one) => JSON.stringify(one)));
        for (const { allocations, sawAllocations, threads, faults } of counts) {
          t.true(sawAllocations, 'what the addon allocates in its warm-up is seen');
          t.is(allocations, 0);
          t.true(threads > 0);
          t.is(Math.min(...faults), 0);
        }
        // Some closures, promises and views; an activation of the large model alone has 256 KiB. A collection in between only lowers it.
        for (const { heapPerStep } of counts) t.true(heapPerStep < 32768, 'bytes of JavaScript memory a step');
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
