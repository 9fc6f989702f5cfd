// Installing by right: what the published packages hold, what their declarations ask of a project, what the error without a compiled part names.
// The managers themselves run in scripts/install-matrix.mjs.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import ts from 'typescript';
import { Linear, load, Sequential } from '../../lib/index.js';
import { root } from '../helpers/sources.js';

interface Packed {
  manifest: Record<string, unknown>;
  bytes: number;
  files: string[];
}

let listed: Packed[] | undefined;

function packed(): readonly Packed[] {
  if (listed !== undefined) return listed;
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(root, 'scripts/pack-local.mjs'), '--list'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  listed = JSON.parse(stdout) as Packed[];
  return listed;
}

test('no published package makes a package manager compile or run anything, and the main one can still be built from source (fault F01)', (t) => {
  const packages = packed();
  t.true(packages.length >= 2);
  for (const { manifest, files } of packages) {
    // npm reads `gypfile: false` from a manifest but not from a lock file, pnpm and Yarn not at all; the file itself must be missing.
    t.deepEqual(
      files.filter((path) => path.endsWith('.gyp')),
      [],
      String(manifest['name']),
    );
    const scripts = Object.keys((manifest['scripts'] as object | undefined) ?? {});
    t.deepEqual(
      scripts.filter((name) => /install|prepare|prepack|publish/.test(name)),
      [],
    );
  }
  const main = packages.find(({ manifest }) => manifest['name'] === 'nodegrad');
  if (main === undefined) return t.fail('the main package is not packed');
  t.true(main.bytes < 5e6, 'with the 6.7 MB of linux-x64-gnu, an installation stays below 12 MB');
  t.deepEqual(main.manifest['scripts'], { 'build:native': 'cmake-js build' });
  t.deepEqual(Object.keys(main.manifest['dependencies'] as object), ['bindings']);
  t.deepEqual(Object.keys(main.manifest['devDependencies'] as object), ['cmake-js', 'node-addon-api', 'node-api-headers']);
  const holds = new Set(main.files);
  const named = readFileSync(join(root, 'CMakeLists.txt'), 'utf8').match(/(?<=\$\{CMAKE_SOURCE_DIR\}\/)[\w/]+\.\w+/g) ?? [];
  for (const path of ['CMakeLists.txt', 'native/ops/ops.def', ...named]) t.true(holds.has(path), `the package lacks ${path}`);
  t.is(main.files.filter((path) => path.endsWith('.cc') && !path.startsWith('native/distributed/')).length, countSources());
  // What errors link to, and what `nodegrad explain` prints.
  for (const name of readdirSync(join(root, 'docs/errors'))) t.true(holds.has(`docs/errors/${name}`), name);
  t.true(holds.has('docs/guides/findings.md'));
  t.true(holds.has('lib/report/page/uplot/dist/uPlot.iife.min.js') && holds.has('lib/report/page/uplot/LICENSE'));
  t.true(holds.has('examples/digits.ts') && holds.has('examples/README.md'));
  t.deepEqual(
    main.files.filter((path) => path.startsWith('examples/expected')),
    [],
  );
  t.true(existsSync(join(root, 'binding.gyp')), 'a checkout keeps its binding.gyp');
});

function countSources(): number {
  return spawnSync(process.execPath, [join(root, 'scripts/sources.mjs')], { encoding: 'utf8' })
    .stdout.trim()
    .split('\n').length;
}

interface Platforms {
  readonly platforms: Record<string, { os: string; cpu: string; libc?: string }>;
  readonly distributedPlatforms: readonly string[];
  manifestOf(platform: string, version: string): Record<string, unknown>;
  distributedManifestOf(platform: string, version: string): Record<string, unknown>;
  requireEveryPlatform(states?: Record<string, string>): void;
}
const platformsModule = import(pathToFileURL(join(root, 'scripts/platforms.mjs')).href) as Promise<Platforms>;

test("compiled parts stay outside of Yarn's archives, name the systems that they are for, and the main package names them in its own version (fault F01)", async (t) => {
  const { platforms, manifestOf } = await platformsModule;
  const isExtra = (name: unknown): boolean => String(name).startsWith('@nodegrad/dist-');
  const parts = packed().filter(({ manifest }) => manifest['name'] !== 'nodegrad' && !isExtra(manifest['name']));
  const main = packed().find(({ manifest }) => manifest['name'] === 'nodegrad');
  for (const { manifest, files } of parts) {
    const platform = String(manifest['name']).replace('@nodegrad/', '');
    t.deepEqual(manifest, manifestOf(platform, String(main?.manifest['version'])));
    t.true(files.includes('nodegrad.node'));
  }
  const names = Object.fromEntries(parts.map(({ manifest }) => [manifest['name'], main?.manifest['version']]));
  t.deepEqual(main?.manifest['optionalDependencies'], names);
  const { preferUnplugged, os, cpu, libc, main: entry } = manifestOf('linux-x64-musl', '1.2.3');
  t.deepEqual(
    { preferUnplugged, os, cpu, libc, entry },
    { preferUnplugged: true, os: ['linux'], cpu: ['x64'], libc: ['musl'], entry: 'nodegrad.node' },
  );
  // The loader asks for a package by these three words.
  for (const [name, { os: system, cpu: processor, libc: library }] of Object.entries(platforms))
    t.is(name, [system, processor, ...(library ? [library === 'glibc' ? 'gnu' : library] : [])].join('-'));
});

test('nothing is published while a platform is missing or was built from other sources: the refusal names each, and the command', async (t) => {
  const { platforms, requireEveryPlatform } = await platformsModule;
  const all = Object.fromEntries(Object.keys(platforms).map((name) => [name, 'current']));
  t.notThrows(() => requireEveryPlatform(all));
  const { message = '' } = t.throws(() => requireEveryPlatform({ ...all, 'linux-x64-musl': 'missing', 'darwin-arm64': 'stale' })) ?? {};
  t.regex(message, /linux-x64-musl is missing, darwin-arm64 is stale; run npm run build:platform -- linux-x64-musl darwin-arm64/);
  t.throws(() => requireEveryPlatform({}), { message: /linux-x64-gnu is missing/ });
});

interface Publish {
  orderOf(packages: { manifest: Record<string, unknown> }[], version: string): { manifest: Record<string, unknown> }[];
}

test('tarballs are published with the main package last, and only when every platform is there in the version that it names', async (t) => {
  const { orderOf } = (await import(pathToFileURL(join(root, 'scripts/publish.mjs')).href)) as Publish;
  const { platforms, manifestOf, distributedPlatforms, distributedManifestOf } = await platformsModule;
  const names = Object.keys(platforms);
  const optionalDependencies = Object.fromEntries(names.map((name) => [`@nodegrad/${name}`, '1.2.3']));
  const main = { manifest: { name: 'nodegrad', version: '1.2.3', optionalDependencies } };
  const extra = distributedPlatforms.map((name) => ({ manifest: distributedManifestOf(name, '1.2.3') }));
  const all = [main, ...extra, ...names.map((name) => ({ manifest: manifestOf(name, '1.2.3') }))];
  t.deepEqual(
    orderOf(all, '1.2.3').map(({ manifest }) => manifest['name']),
    [...names.map((name) => `@nodegrad/${name}`), '@nodegrad/dist-linux-x64-gnu', 'nodegrad'],
  );
  const { name, main: entry, os, cpu, libc } = extra[0].manifest;
  t.deepEqual(
    { name, entry, os, cpu, libc },
    { name: '@nodegrad/dist-linux-x64-gnu', entry: 'nodegrad_distributed.node', os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
  );
  t.throws(() => orderOf(all.slice(0, -1), '1.2.3'), { message: /nothing is published, because there is no tarball of @nodegrad\// });
  t.throws(() => orderOf(all, '1.2.4'), { message: /because of nodegrad 1\.2\.3/ });
  const loose = { manifest: { ...main.manifest, optionalDependencies: { ...optionalDependencies, [`@nodegrad/${names[0]}`]: '^1.2.3' } } };
  t.throws(() => orderOf([loose, ...all.slice(1)], '1.2.3'), { message: /does not name @nodegrad\/\S+ in version 1\.2\.3/ });
});

interface ThirdParty {
  linkedParts(map: string): string[];
  problemsOf(parts: readonly string[], text: string): string[];
}

test("what the linker's map says is inside of a compiled part must stand in THIRD-PARTY.md, and nothing unknown may be inside", async (t) => {
  const { linkedParts, problemsOf } = (await import(pathToFileURL(join(root, 'scripts/third-party.mjs')).href)) as ThirdParty;
  const map = [
    '   4afb0    4afb0        b    16         CMakeFiles/nodegrad.dir/native/binding/addon.cc.o:(.text.init)',
    '   4b000    4b000       20    16         /cache/o/12/libc++.a(/cache/o/34/string.o):(.text.f)',
    '   4b020    4b020       20    16         /cache/o/56/libsurprise.a(/cache/o/78/s.o):(.text.g)',
    'ld.lld -shared -o nodegrad.node /cache/o/12/libc++.a /cache/o/90/liboffered.a',
  ].join('\n');
  const parts = linkedParts(map);
  t.deepEqual(parts, ['libc++.a', 'libsurprise.a']);
  const list = ['[  0] linker synthesized', '[  1] CMakeFiles/nodegrad.dir/native/binding/addon.cc.o', '[  2] /cache/o/12/libc++.a(string.o)'];
  t.deepEqual(linkedParts([...list, '[ 13] /cache/o/34/c++abi.lib', '[104] /cache/o/5/kernel32.lib', '# Sections:'].join('\n')), [
    'c++abi.lib',
    'libc++.a',
  ]);
  const text = readFileSync(join(root, 'THIRD-PARTY.md'), 'utf8');
  t.deepEqual(problemsOf(parts, text), ['libsurprise.a is linked in, and nobody has looked at its licence']);
  t.deepEqual(problemsOf(['libc++.a'], 'nothing'), ['libc++ is linked in, and THIRD-PARTY.md does not name it']);
});

test.serial("a model is saved where file handles cannot sync, as under Yarn's Plug'n'Play (fault F01)", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-handles-'));
  const handle = await open(join(folder, 'any'), 'w');
  const prototype = Object.getPrototypeOf(handle) as { sync: unknown; datasync: unknown };
  await handle.close();
  const { sync, datasync } = prototype;
  prototype.sync = prototype.datasync = () => {
    throw new Error('Method not implemented.');
  };
  try {
    const model = new Sequential([new Linear(2, 1)]);
    await model.save(join(folder, 'model.safetensors'));
    const again = await load(join(folder, 'model.safetensors'));
    t.deepEqual([...again.parameters()[0].data], [...model.parameters()[0].data]);
  } finally {
    Object.assign(prototype, { sync, datasync });
    rmSync(folder, { recursive: true });
  }
});

/** A program of a user, with what the declarations say of streams, signals and `using`. */
const program = `
  import { type CompiledStep, type FitOptions, readIdx, type Tensor } from 'nodegrad';
  export const options = { progress: { write: (text: string) => text.length } } satisfies Partial<FitOptions>;
  export function dispose(step: CompiledStep<[Tensor], Tensor>): void {
    step[Symbol.dispose]();
  }
  export const dimensions: readonly number[] = readIdx(new Uint8Array(16)).shape;
`;

/** What TypeScript says of the program in a project with these libraries, declarations checked too. */
function complaints(settings: ts.CompilerOptions, text = program): string[] {
  const path = join(root, 'dist', 'user.mts');
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    paths: { nodegrad: [join(root, 'dist', 'lib', 'index.d.ts')] },
    ...settings,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  // A user's project has none of our development packages: sharp is an optional peer.
  const installed = (name: string) => !/\/node_modules\/(?!typescript\/|@types\/node\/|undici-types\/)/.test(name);
  host.getCurrentDirectory = () => root;
  host.fileExists = (name) => name === path || (installed(name) && fileExists(name));
  host.readFile = (name) => (name === path ? text : readFile(name));
  host.getSourceFile = (name, version, ...rest) =>
    name === path ? ts.createSourceFile(name, text, version, true) : getSourceFile(name, version, ...rest);
  const compiled = ts.createProgram([path], options, host);
  return ts.getPreEmitDiagnostics(compiled).map(({ file, messageText }) => {
    return `${file?.fileName.slice(root.length + 1)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

const nodeNext = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
const bundler = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };

test('the declarations need no other package, neither Node.js types nor those of the DOM, and no library after ES2018 (fault F24)', (t) => {
  t.deepEqual(complaints({ ...nodeNext, types: [], lib: ['lib.es2018.d.ts'] }), []);
  t.deepEqual(complaints({ ...bundler, types: [], lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'] }), []);
});

test('the declarations agree with the types of Node.js where a project has them, `using` included (fault F24)', (t) => {
  const careful = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
  const signal = `${program}
    import { compileStep } from 'nodegrad';
    export const stopped = { signal: AbortSignal.timeout(10), progress: process.stderr } satisfies Partial<FitOptions>;
    export const shape = readIdx(new URL('file:///data/images')).shape;
    using step = compileStep((x: Tensor) => ({ x }));
    export const text = step.describe;
  `;
  t.deepEqual(complaints({ ...nodeNext, ...careful, types: ['node'], lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'] }, signal), []);
});

test('the declarations are checked at all: a wrong call is an error in a project without types (fault F24)', (t) => {
  const wrong =
    "import { readIdx, type FitOptions } from 'nodegrad';\nreadIdx(5);\nexport const options: Partial<FitOptions> = { signal: 5, progress: {} };";
  const found = complaints({ ...nodeNext, types: [], lib: ['lib.es2022.d.ts'] }, wrong);
  t.is(found.length, 3, found.join('\n'));
});

test('declarations give typed arrays no type arguments, which TypeScript before 5.7 does not know (fault F24)', (t) => {
  const seen = new Set<string>();
  const queue = [join(root, 'dist', 'lib', 'index.d.ts')];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const text = readFileSync(path, 'utf8');
    t.notRegex(text.replace(/\/\*[\s\S]*?\*\//g, ''), /\b(?:(?:Int|Uint|Float|BigInt|BigUint)\d+(?:Clamped)?Array|DataView)</, path);
    for (const [, name] of text.matchAll(/(?:from |import |import\()'(\.[^']+)'/g))
      queue.push(join(dirname(path), name.replace(/\.js$/, '.d.ts')));
  }
  t.true(seen.size > 50);
});
