// Finds and loads the native addon: NODEGRAD_BINARY, then the platform package, then a local build; a failure says what to do.

import { types } from 'node:util';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { NativeError } from './errors.js';
import { manifestOf, packageRoot } from './installation.js';

/** The version of the agreement between lib and the native code that this lib speaks; `binding.abi` must equal it. */
export const expectedAbi = 2;

/** A loaded addon and where it came from. */
export interface LoadedBinding {
  /** The addon's exports. */
  binding: unknown;
  /** `NODEGRAD_BINARY`, `platform package` or `local build`. */
  origin: string;
  /** Absolute path of the file that was loaded. */
  path: string;
}

interface Attempt {
  place: string;
  why: string;
}

const require = createRequire(import.meta.url);

/**
 * Loads the native addon. `NODEGRAD_BINARY` is taken at its word: when it is set, nothing else is tried.
 *
 * @throws {@link NativeError} when no addon could be loaded (the message lists every place, this machine and the command that helps)
 *   or when the one found belongs to another version of lib.
 * @example
 * ```ts
 * import { info } from 'nodegrad';
 *
 * console.log(info().binary); // where the loaded addon came from
 * ```
 */
export function loadBinding(): LoadedBinding {
  const root = packageRoot();
  const attempts: Attempt[] = [];

  const forced = process.env['NODEGRAD_BINARY'];
  if (forced !== undefined && forced !== '') {
    const loaded = attempt('NODEGRAD_BINARY', resolve(forced), attempts);
    if (loaded) return checked(loaded, root);
    throw new NativeError(failureText(root, attempts, 'Set NODEGRAD_BINARY to a nodegrad.node of this version, or unset it.'));
  }
  attempts.push({ place: 'NODEGRAD_BINARY', why: 'not set' });

  const platformPath = resolvePlatformPackage(attempts);
  const packaged = platformPath === undefined ? undefined : attempt('platform package', platformPath, attempts);
  if (packaged) return checked(packaged, root);

  const localPath = resolveLocalBuild(root, attempts);
  const local = localPath === undefined ? undefined : attempt('local build', localPath, attempts);
  if (local) return checked(local, root);

  throw new NativeError(failureText(root, attempts, ''));
}

/** The name of the prebuilt package for this machine, for example `@nodegrad/linux-x64-gnu`. */
export function platformPackageName(): string {
  const libc = process.platform === 'linux' ? `-${glibcVersion() === undefined ? 'musl' : 'gnu'}` : '';
  return `@nodegrad/${process.platform}-${process.arch}${libc}`;
}

function attempt(origin: string, path: string, attempts: Attempt[]): LoadedBinding | undefined {
  try {
    return { binding: require(path) as unknown, origin, path };
  } catch (error) {
    attempts.push({ place: `${origin} ${path}`, why: existsSync(path) ? firstLine(error) : 'no such file' });
    return undefined;
  }
}

function resolvePlatformPackage(attempts: Attempt[]): string | undefined {
  const name = platformPackageName();
  try {
    return require.resolve(`${name}/nodegrad.node`);
  } catch (error) {
    const missing = (error as { code?: string }).code === 'MODULE_NOT_FOUND';
    attempts.push({ place: `platform package ${name}`, why: missing ? 'not installed' : firstLine(error) });
    return undefined;
  }
}

function resolveLocalBuild(root: string, attempts: Attempt[]): string | undefined {
  try {
    const bindings = require('bindings') as (options: object) => unknown;
    const places = ['Release', 'Debug'].map((configuration) => ['module_root', 'build', configuration, 'bindings']);
    // `path: true` only resolves; loading stays here, where a file that is there but broken is told from one that is missing.
    return bindings({ bindings: 'nodegrad', module_root: root, try: places, path: true }) as string;
  } catch (error) {
    const tries = (error as { tries?: string[] }).tries;
    if (tries === undefined) attempts.push({ place: 'local build', why: firstLine(error) });
    else for (const path of tries) attempts.push({ place: `local build ${path}`, why: 'no such file' });
    return undefined;
  }
}

function checked(loaded: LoadedBinding, root: string): LoadedBinding {
  const abi = (loaded.binding as { abi?: unknown } | null)?.abi;
  if (abi === expectedAbi) return loaded;
  throw new NativeError(
    `expected a native part with interface number ${expectedAbi}, but ${loaded.path} (${loaded.origin}) has ${String(abi)}: ` +
      `it belongs to another version of nodegrad. Rebuild or reinstall it:\n\n  ${fixCommand(root)}`,
  );
}

function failureText(root: string, attempts: readonly Attempt[], advice: string): string {
  const libc = process.platform === 'linux' ? (glibcVersion() === undefined ? ', musl' : `, glibc ${glibcVersion()}`) : '';
  return [
    'nodegrad could not load its native part. Tried, in this order:',
    ...attempts.map(({ place, why }) => `  - ${place}: ${why}`),
    `This machine: ${process.platform} ${process.arch}${libc}, Node.js ${process.version}, nodegrad ${manifestOf(root).version}.`,
    advice === '' ? `To get it, run:\n\n  ${fixCommand(root)}` : advice,
  ].join('\n');
}

/** In a checkout the answer is to build; in an installed package the answer is the prebuilt package, or else to build it there. */
function fixCommand(root: string): string {
  if (existsSync(join(root, 'scripts', 'bootstrap.mjs'))) return `cd ${quoted(root)} && npm run build`;
  const { version, optionalDependencies } = manifestOf(root);
  const name = platformPackageName();
  const build = `cd ${quoted(root)} && npm install --include=dev --no-save --no-package-lock && npm run build:native`;
  const needs = 'a C++20 compiler, make and CMake 3.15';
  if (!(name in optionalDependencies)) return `${build}\n\n(there is no prebuilt package for this platform; building needs ${needs})`;
  return [
    `npm install --include=optional --save-optional ${name}@${version}`,
    '',
    `(or pnpm add --save-optional, yarn add --optional, bun add --optional: the same package). With ${needs} it can be built instead:`,
    '',
    `  ${build}`,
  ].join('\n');
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `"${path}"`;
}

/** The running glibc's version, or undefined on musl and outside Linux. */
function glibcVersion(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  // Without this a report asks the resolver for names of network peers, which can take seconds.
  report.excludeNetwork = true;
  try {
    return (report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }).header.glibcVersionRuntime;
  } finally {
    if (before !== undefined) report.excludeNetwork = before;
  }
}

function firstLine(error: unknown): string {
  const message = types.isNativeError(error) ? error.message : String(error);
  return message.split('\n')[0] ?? message;
}
