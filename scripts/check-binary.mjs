// Checks what a built addon asks of the machine it will be loaded on: glibc version, libraries, and no transcendental or fma from libm. A release
// build must also be small, show the entries of Node-API alone, and be read-only where it can be.
// `node scripts/check-binary.mjs <file> [<platform>]` does it by hand.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readMachO, readPe } from './binary-headers.mjs';
import { platforms } from './platforms.mjs';

const localGlibc = [2, 35];
/** What the Node.js project's own builds need. */
const releaseGlibc = [2, 28];
const mostBytes = 8e6;
const allowedLibraries = /^(libc|libm|libdl|libpthread|librt|ld-linux-x86-64|ld-linux-aarch64)\.so/;
/** Of Windows 10: the system, and the C library that is part of it. */
const windowsLibraries = /^(kernel32\.dll|ntdll\.dll|api-ms-win-crt-[a-z]+-l1-1-0\.dll)$/i;
// Their last bits differ between C libraries; nodegrad's own are part of its arithmetic. fma should be exact, and is not in all of them; rint and the
// like are.
const transcendental =
  /^(fma|exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sincos|asin|acos|atan|atan2|sinh|cosh|tanh|asinh|acosh|atanh|erf|erfc|tgamma|lgamma|cbrt|hypot)(f|l)?(_finite)?$/;
/** What an addon shows, sorted. */
export const entries = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

/** Throws when `path` needs more than is allowed; gives what it needs. */
export function checkBinary(path, highestGlibc = localGlibc) {
  const { symbols, libraries, faults } = readElf(path, highestGlibc);
  report(path, faults);
  return { glibc: newestGlibc(symbols), libraries };
}

/** The same for a release build, and what else is asked of one; gives what it needs, in words. */
export function checkRelease(platform, path) {
  const { os } = platforms[platform];
  const bytes = statSync(path).size;
  const { faults, exported, needs } = { linux: checkLinux, darwin: checkMac, win32: checkWindows }[os](platform, path);
  if (bytes > mostBytes) faults.push(`${(bytes / 1e6).toFixed(2)} MB, at most ${mostBytes / 1e6} are allowed`);
  if (exported.sort().join() !== entries.join()) faults.push(`it shows ${exported.join(', ')}`);
  report(path, faults);
  return needs;
}

function checkLinux(platform, path) {
  const { cpu, libc } = platforms[platform];
  const elf = readElf(path, libc === 'glibc' ? releaseGlibc : [0, 0]);
  const faults = elf.faults;
  for (const [what, pattern] of Object.entries({ RELRO: /GNU_RELRO/, BIND_NOW: /BIND_NOW|Flags:.*NOW/, NODELETE: /NODELETE/ }))
    if (!pattern.test(elf.headers)) faults.push(`it lacks ${what}`);
  if (!elf.headers.includes(cpu === 'arm64' ? 'AArch64' : 'X86-64')) faults.push(`it is not for ${cpu}`);
  // A kernel of arm64 may have pages of 64 KiB, and loads nothing whose parts do not begin with one.
  if (cpu === 'arm64' && / LOAD .* 0x[0-9a-f]{1,4}$/m.test(elf.headers)) faults.push('it cannot be loaded where pages have 64 KiB');
  // One symbol of it brings its memcpy and mathematics too, which then hide the C library's.
  const map = join(dirname(path), 'nodegrad.map');
  if (existsSync(map) && /compiler_rt[^:]*:\(\.text/.test(readFileSync(map, 'utf8'))) faults.push("parts of Zig's compiler_rt are in it");
  return { faults, exported: elf.exported, needs: libc === 'glibc' ? `glibc ${newestGlibc(elf.symbols)}` : elf.libraries.join(', ') };
}

function checkMac(platform, path) {
  const { cpu, target } = platforms[platform];
  const { processor, imports, ofLoader, exported, system, signed } = readMachO(readFileSync(path));
  const faults = [];
  if (processor !== (cpu === 'arm64' ? 0x0100000c : 0x01000007)) faults.push(`it is not for ${cpu}`);
  if (!target.endsWith(`macos.${system}`)) faults.push(`it is for macOS ${system} and newer, not as ${target}`);
  if (cpu === 'arm64' && !signed) faults.push('it is not signed, and such a processor runs nothing without');
  const foreign = Object.keys(imports).filter((library) => library !== '/usr/lib/libSystem.B.dylib');
  if (foreign.length > 0) faults.push(`libraries that a plain system may lack: ${foreign.join(', ')}`);
  faults.push(...wrongNames(ofLoader, Object.values(imports).flat()));
  return { faults, exported, needs: `macOS ${system}` };
}

function checkWindows(_, path) {
  const { machine, imports, exported, randomAddress, noExecutableData, system } = readPe(readFileSync(path));
  const faults = [];
  if (machine !== 0x8664) faults.push('it is not for x64');
  if (!randomAddress) faults.push('it cannot be loaded at an address that nobody knows before');
  if (!noExecutableData) faults.push('its data may be executed');
  const foreign = Object.keys(imports).filter((library) => !windowsLibraries.test(library));
  if (foreign.length > 0) faults.push(`libraries that a plain system may lack: ${foreign.join(', ')}`);
  faults.push(...wrongNames([], Object.values(imports).flat()));
  return { faults, exported, needs: `Windows ${system}, ${Object.keys(imports).join(', ')}` };
}

/** Node gives Node-API and nothing else, and from the C library comes no transcendental function. */
function wrongNames(ofLoader, ofSystem) {
  const [strange, fromLibm] = [
    ofLoader.filter((name) => !/^(napi|node_api)_/.test(name)),
    ofSystem.filter((name) => transcendental.test(name)),
  ];
  return [
    ...(strange.length > 0 ? [`names that Node.js may lack: ${strange.join(', ')}`] : []),
    ...(fromLibm.length > 0 ? [`transcendental functions or fma of the system: ${fromLibm.join(', ')}`] : []),
  ];
}

function readElf(path, highestGlibc) {
  const readelf = (...args) => execFileSync('readelf', [...args, '-W', path], { encoding: 'utf8', maxBuffer: 64 << 20 });
  const table = readelf('--dyn-syms')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => /^\d+:$/.test(words[0]) && words.length >= 8);
  const symbols = table.filter((words) => words[6] === 'UND').map((words) => words[7]);
  const exported = table.filter((words) => words[6] !== 'UND' && words[4] !== 'LOCAL').map((words) => words[7].split('@')[0]);
  const headers = readelf('-h', '-d', '-l');
  const libraries = [...headers.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1]);
  const faults = [];
  const tooNew = symbols.filter((symbol) => versionsOf(symbol).some((version) => compare(version, highestGlibc) > 0));
  if (tooNew.length > 0) faults.push(`symbols newer than glibc ${highestGlibc.join('.')}: ${tooNew.join(', ')}`);
  const fromLibm = symbols.map((symbol) => symbol.split('@')[0]).filter((name) => transcendental.test(name));
  if (fromLibm.length > 0) faults.push(`transcendental functions or fma from libm: ${fromLibm.join(', ')}`);
  const foreign = libraries.filter((library) => !allowedLibraries.test(library));
  if (foreign.length > 0) faults.push(`libraries that a plain system may lack: ${foreign.join(', ')}`);
  return { symbols, exported: exported.sort(), headers, libraries, faults };
}

const compare = ([a, b], [c, d]) => a - c || b - d;

function versionsOf(symbol) {
  return [...symbol.matchAll(/@GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [Number(major), Number(minor)]);
}

function newestGlibc(symbols) {
  return (symbols.flatMap(versionsOf).sort(compare).at(-1) ?? [2, 0]).join('.');
}

function report(path, faults) {
  if (faults.length > 0) throw new Error(`${path} cannot be given to others:\n  ${faults.join('\n  ')}`);
}

if (process.argv[1] === resolve(import.meta.filename)) {
  const [path, platform] = process.argv.slice(2);
  if (platform) console.log(`${path} needs ${checkRelease(platform, path)}`);
  else {
    const { glibc, libraries } = checkBinary(path);
    console.log(`${path} needs glibc ${glibc} or newer and ${libraries.join(', ')}`);
  }
}
