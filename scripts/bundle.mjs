// What is published of dist/lib: a few files of JavaScript in the place of more than four hundred. Node.js takes half a millisecond for
// each file that it imports, which was most of the time before a program's first training step. Of packages that we use a small part of, that
// part goes into the bundle: installed, they are larger than nodegrad.

import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildSync } from 'esbuild';
import { root } from './steps.mjs';

/** Dependencies of a checkout that are none of the package's: what is used of them is inside. */
export const bundled = ['@bufbuild/protobuf', 'commander', 'csv-parse', 'uplot', 'yaml'];

/** What reports take of uPlot: a tenth of it. */
const ofUPlot = ['LICENSE', 'dist/uPlot.iife.min.js', 'dist/uPlot.min.css'];

/** Files that somebody asks for by name: the package's exports, its command, and what worker threads and processes begin with. */
const entries = ['index.js', 'cli/main.js', 'cli/search-objective.js', 'search/worker.js', 'distributed/lifeline.js'];

/** Puts bundles in the place of the JavaScript of `folder`, a copy of dist/lib; declarations stay. Entries keep their places, and share what they share. */
export function bundleInPlace(folder) {
  const before = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.js(\.map)?$/.test(name));
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: folder,
    entryPoints: entries,
    outbase: folder,
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external: outside(),
    nodePaths: [join(root, 'node_modules')],
    // For Node.js yaml is CommonJS, of which `import()` out of a bundle gives `default` alone; its ES modules are the same source.
    alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') },
    // commander is CommonJS, and asks for modules of Node.js by a function that no ES module has.
    banner: { js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);" },
    keepNames: true, // of two functions with one name the bundle renames one
    // A quarter less to install. Names stay, and lines are short, since Node.js prints the one that an error comes from.
    minifyWhitespace: true,
    lineLimit: 160,
    chunkNames: 'chunks/[name]-[hash]',
    write: false,
    metafile: true,
    logLevel: 'warning',
  });
  refuseNameless(metafile);
  for (const name of before) rmSync(join(folder, name));
  for (const { path, contents } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
}

/** Refuses `import()` of CommonJS: in a checkout Node.js finds the names of its exports, of a bundle it gives `default` alone. */
export function refuseNameless({ inputs }) {
  for (const [from, { imports }] of Object.entries(inputs))
    for (const { kind, path } of imports)
      if (kind === 'dynamic-import' && inputs[path]?.format === 'cjs')
        throw new Error(`${from} imports ${path} when it runs, which is CommonJS: its names would be missing; bundle its ES modules`);
}

/** Puts what reports take of uPlot into `folder`, a copy of lib/report/page. */
export function addUPlot(folder) {
  for (const name of ofUPlot) cpSync(join(root, 'node_modules/uplot', name), join(folder, 'uplot', name));
}

function outside() {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.keys({ ...dependencies, ...peerDependencies }).filter((name) => !bundled.includes(name));
}

/** Adds to a list of licences those of what is inside of the bundle. */
export function appendLicences(path) {
  for (const name of bundled) {
    const folder = join(root, 'node_modules', name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const text = existsSync(join(folder, 'LICENSE')) ? readFileSync(join(folder, 'LICENSE'), 'utf8').trim() : 'Its licences are above.';
    appendFileSync(path, `\n## ${name} ${version}: ${license}\n\n${text.replace(/^/gm, '> ').replace(/ +$/gm, '')}\n`);
  }
}
