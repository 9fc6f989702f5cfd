// What is published of dist/lib: a few files of JavaScript in the place of more than four hundred. Node.js takes half a millisecond for
// each file that it imports, which was most of the time before a program's first training step.

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildSync } from 'esbuild';

/** Files that somebody asks for by name: the package's exports, its command, and what worker threads begin with. */
const entries = ['index.js', 'cli/main.js', 'cli/search-objective.js', 'search/worker.js'];

/** Puts bundles in the place of the JavaScript of `folder`, a copy of dist/lib; declarations stay. Entries keep their places, and share what they share. */
export function bundleInPlace(folder) {
  const before = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.js(\.map)?$/.test(name));
  const { outputFiles } = buildSync({
    absWorkingDir: folder,
    entryPoints: entries,
    outbase: folder,
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    keepNames: true, // of two functions with one name the bundle renames one
    chunkNames: 'chunks/[name]-[hash]',
    write: false,
    logLevel: 'warning',
  });
  for (const name of before) rmSync(join(folder, name));
  for (const { path, contents } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
}
