// `npm run build:platform -- linux-x64-gnu …`: the release build of the addon for a platform, on any machine, into build-platforms/<platform>/.
// `--all` builds every platform, `--list` says which there are and which builds are current, `--force` builds what is current once more.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checkRelease } from './check-binary.mjs';
import { ensureGloo } from './gloo.mjs';
import { linkedByLld } from './link-mac.mjs';
import { placesOf, platforms, releaseHash, stateOf } from './platforms.mjs';
import { logPath, root, runStep, StepError, say } from './steps.mjs';
import { writeStamp } from './stamps.mjs';
import { ensureZig } from './zig.mjs';

const systems = { linux: 'Linux', darwin: 'Darwin', win32: 'Windows' };

/** Builds one platform into `folder`; gives the path of the addon. Sources are taken from `source`. */
export async function buildPlatform(platform, { folder = join(root, placesOf(platform).folder), source = root } = {}) {
  const zig = await ensureZig();
  const { os, target, compiler, distributed } = platforms[platform];
  const cmakeFolder = join(folder, 'cmake');
  mkdirSync(cmakeFolder, { recursive: true });
  const toolchain = join(folder, 'toolchain.cmake');
  writeFileSync(
    toolchain,
    `set(CMAKE_SYSTEM_NAME ${systems[os]})
set(CMAKE_SYSTEM_PROCESSOR ${target.split('-')[0]})
${compiler ? compiledBy(compiler, zig, target, folder) : `set(CMAKE_CXX_COMPILER ${JSON.stringify(zig)} c++ -target ${target})`}
# No path of this machine, no debug information, no time: two builds are the same file. -O3 here too, because Zig builds its C++ runtime anew for
# other settings, of CMake's own trials for example.
${os === 'win32' ? `set(CMAKE_RC_COMPILER ${JSON.stringify(zig)}) # asked for, not called: there are no resources\n` : ''}set(CMAKE_CXX_FLAGS_INIT "\\"-ffile-prefix-map=${source}=.\\" -g0 -O3 -fPIC")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-s")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "-s${os === 'linux' ? ' -Wl,--print-map' : ''}")
`,
  );
  const settings = [`-DCMAKE_TOOLCHAIN_FILE=${toolchain}`, '-DCMAKE_BUILD_TYPE=Release'];
  if (compiler) settings.push('-DNODEGRAD_SMALL_SCALAR=ON');
  settings.push(`-DNODEGRAD_GLOO=${distributed ? ensureGloo() : 'none'}`);
  if (os === 'win32') settings.push(`-DCMAKE_JS_LIB=${nodeApiOfHost(zig, target, folder)}`);
  if (os === 'darwin') {
    // After CMake's own rules for macOS, which a toolchain file comes before.
    const rules = join(folder, 'rules.cmake');
    writeFileSync(rules, await linkedByLld(zig, target, join(folder, 'lld'), join(folder, 'nodegrad.map')));
    settings.push(`-DCMAKE_PROJECT_INCLUDE=${rules}`);
  }
  await runStep(`${platform}: preparing (CMake)`, 'cmake', ['-S', source, '-B', cmakeFolder, ...settings]);
  // The linker writes its map when it links, so it must link.
  const names = ['nodegrad.node', ...(distributed ? ['nodegrad_distributed.node'] : [])];
  for (const name of names) rmSync(join(cmakeFolder, 'Release', name), { force: true });
  const before = existingLength(logPath);
  const env = { ...process.env, ZIG_VERBOSE_LINK: '1' };
  const targets = names.map((name) => name.replace('.node', ''));
  await runStep(`${platform}: compiling`, 'cmake', ['--build', cmakeFolder, '--target', ...targets, '-j', String(availableParallelism())], {
    env,
  });
  const said = readFileSync(logPath, 'utf8').slice(before);
  const map = { linux: mapOf, win32: linkedIn, darwin: () => undefined }[os](said);
  if (map !== undefined) writeFileSync(join(folder, 'nodegrad.map'), map);
  for (const name of names) renameSync(join(cmakeFolder, 'Release', name), join(folder, name));
  return join(folder, 'nodegrad.node');
}

/** The map that LLVM's linker printed. */
const mapOf = (said) => said.slice(said.search(/^ +VMA +LMA /m)).replace(/^\[.*$/gm, '');

/** For Windows Zig lets it write none: what it was given, in the form of a map for macOS. */
function linkedIn(said) {
  const words = /^lld-link .*$/m.exec(said)?.[0].split(' ');
  if (words === undefined) throw new StepError('Zig does not say what it links');
  const files = words.filter((word) => /^[^-].*\.(lib|obj|a)$/.test(word));
  return files.map((file, index) => `[${String(index).padStart(3)}] ${file}\n`).join('');
}

/** GCC compiles, and Zig links against its copy of the old glibc: the symbols of the system's own glibc would be the newest ones. */
function compiledBy(compiler, zig, target, folder) {
  const archive = (name) => execFileSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  // What libstdc++ asks a newer glibc: whether the process has one thread. It has several, so atomic instructions count references.
  const threads = join(folder, 'single_threaded.c');
  writeFileSync(threads, 'char __libc_single_threaded = 0;\n');
  // libunwind stands in for libgcc_eh, whose unwinder needs glibc 2.35.
  const quoted = (path) => `\\"${path}\\"`;
  const parts = [quoted(threads), '<OBJECTS>', quoted(archive('libstdc++.a')), quoted(archive('libgcc.a')), '-lunwind', '<LINK_LIBRARIES>'];
  return `set(CMAKE_CXX_COMPILER ${compiler})
set(CMAKE_CXX_CREATE_SHARED_MODULE "${quoted(zig)} cc -target ${target} -shared <LINK_FLAGS> -o <TARGET> ${parts.join(' ')}")`;
}

/**
 * An object that takes Node-API from the program that loads the addon, whatever its name: an import from node.exe would fail in Electron, in Bun and in a
 * Node.js that somebody renamed. Each function is a jump through a place that is filled when the addon is loaded.
 */
function nodeApiOfHost(zig, target, folder) {
  const { symbols } = createRequire(import.meta.url)('node-api-headers');
  const { js_native_api_symbols: language, node_api_symbols: node } = symbols.v9;
  const names = [...language, ...node];
  const [source, object] = ['node_api.c', 'node_api.obj'].map((name) => join(folder, name));
  const jumps = names.map((name, index) => `  ".globl ${name}\\n${name}: jmp *places + ${8 * index}(%rip)\\n"`);
  writeFileSync(
    source,
    `#include <windows.h>
__attribute__((used)) FARPROC places[${names.length}];
__asm__(".text\\n"
${jumps.join('\n')}
);
__attribute__((constructor)) static void find(void) {
  static const char* const names[] = {${names.map((name) => `"${name}"`).join(', ')}};
  const HMODULE host = GetModuleHandleA(0);
  for (int i = 0; i < ${names.length}; ++i) places[i] = GetProcAddress(host, names[i]);
}
`,
  );
  execFileSync(zig, ['cc', '-target', target, '-O2', '-g0', '-c', source, '-o', object]);
  return object;
}

const existingLength = (path) => {
  try {
    return readFileSync(path, 'utf8').length;
  } catch {
    return 0;
  }
};

async function main() {
  const options = { all: { type: 'boolean' }, list: { type: 'boolean' }, force: { type: 'boolean' } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.list) {
    for (const [name, { title }] of Object.entries(platforms)) console.log(`${name.padEnd(18)} ${stateOf(name).padEnd(8)} ${title}`);
    return;
  }
  const wanted = values.all ? Object.keys(platforms) : positionals;
  const unknown = wanted.filter((name) => !(name in platforms));
  if (wanted.length === 0 || unknown.length > 0) {
    const problem = unknown.length > 0 ? `there is no platform ${unknown.join(', ')}; ` : '';
    throw new StepError(`${problem}say which: ${Object.keys(platforms).join(', ')}, or --all`);
  }
  for (const platform of wanted) {
    const { stamp } = placesOf(platform);
    if (!values.force && stateOf(platform) === 'current') {
      say(`${platform}: current`);
      continue;
    }
    rmSync(join(root, stamp), { force: true });
    const hash = releaseHash(platform); // of what is there now: sources may change meanwhile
    const binary = await buildPlatform(platform);
    const built = [binary, ...(platforms[platform].distributed ? [join(root, placesOf(platform).distributed)] : [])];
    const needs = built.map((path) => checkRelease(platform, path));
    writeStamp(stamp, hash);
    for (const [i, path] of built.entries()) say(`${platform}: ${path}, ${(statSync(path).size / 1e6).toFixed(2)} MB, needs ${needs[i]}`);
  }
}

if (process.argv[1] === resolve(import.meta.filename)) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
