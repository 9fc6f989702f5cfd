// The switches of the process: threads, reproducibility, and what to paste into a bug report.

import { refusedVariables } from './environment.js';
import { checkFlag, checkInteger } from './errors.js';
import { manifestOf, packageRoot } from './installation.js';
import { type NativeInfo, binaryOrigin, binaryPath, binding } from './native.js';
import { refuseInStep } from './recording.js';

const maxThreads = 256;

/**
 * Sets how many threads compute, the calling one included. Results do not depend on it, bit for bit.
 *
 * Default: the CPUs that this process may use (affinity and container limits included), or `NODEGRAD_NUM_THREADS`.
 *
 * @param count - From 1 to 256.
 * @throws {@link ArgumentError} outside of that range.
 * @example
 * ```ts
 * import { getNumThreads, setNumThreads } from 'nodegrad';
 * setNumThreads(2);
 * getNumThreads(); // 2
 * ```
 */
export function setNumThreads(count: number): void {
  binding.setThreads(checkInteger(count, 'count', 1, maxThreads));
}

/**
 * How many threads compute, see {@link setNumThreads}.
 *
 * @example
 * ```ts
 * import { getNumThreads } from 'nodegrad';
 * console.log(getNumThreads()); // the CPUs of this process, unless set
 * ```
 */
export function getNumThreads(): number {
  return binding.setThreads();
}

/**
 * In reproducible mode one seed gives one set of weights on every machine: matrix products come from nodegrad's own kernels, with one
 * table of choices for all instruction sets. Without it, the bits are the same for any thread count on one machine. {@link setFlushDenormals} is apart: with it on, arm64 has other
 * bits at the edge of the normal numbers than x86-64.
 *
 * @param on - Default true.
 * @example
 * ```ts
 * import { setReproducible } from 'nodegrad';
 * setReproducible(true);
 * ```
 */
export function setReproducible(on = true): void {
  refuseInStep('setReproducible() was called', 'Call it between two steps');
  binding.setReproducible(on === true);
}

/**
 * Takes denormal numbers, those of float32 between 0 and 1.2e-38, for zero in all that is computed from then on. Intel's processors take up to two
 * hundred times as long over them; the sitter says where a run meets many. It holds for the process, its workers included. Default off: nothing is flushed but
 * decaying averages, and products of bfloat16.
 *
 * On or off, the bits are the same for any thread count. When it is on, all instruction sets of x86-64 have the same bits, and arm64 has others in three places: a
 * product, quotient or fused multiply-add below 2⁻¹²⁶, the smallest normal number, that rounds up to it is 0 there, and 2⁻¹²⁶ on x86-64; `maximum`, `minimum` and
 * `clip` hand a denormal number on; and `log` of one is −104.7, not −∞. Products of bfloat16 are the same everywhere.
 *
 * @param on - Default true.
 * @throws {@link ArgumentError} for anything but true or false, and inside of a step that is being recorded.
 * @example
 * ```ts
 * import { setFlushDenormals, tensor } from 'nodegrad';
 * setFlushDenormals(true);
 * tensor([1e-30]).mul(1e-10).item(); // 0
 * setFlushDenormals(false);
 * ```
 */
export function setFlushDenormals(on = true): void {
  refuseInStep('setFlushDenormals() was called', 'Call it between two steps');
  binding.setFlushDenormals(checkFlag(on, 'on'));
}

/** Whether this processor is slow over denormal numbers, and does not take them for 0. Zen 5 takes no longer; other makers than Intel are not known to. */
export function isSlowOverDenormals(): boolean {
  const { cpu, flushesDenormals } = binding.info();
  return !flushesDenormals && /intel/i.test(cpu.brand);
}

/** What {@link info} gives. */
export interface Info extends NativeInfo {
  /** Version of nodegrad. */
  version: string;
  /** Version of Node.js. */
  node: string;
  /** Operating system and architecture. */
  platform: string;
  /** C library and its version. */
  libc: string;
  /** Where the native part came from, and its path. */
  binary: string;
  /** Environment variables that matter, as they are set. */
  environment: Record<string, string>;
  /** What is worth knowing about this set-up. */
  warnings: string[];
}

const telling = /^(NODEGRAD_|OPENBLAS_|GOTO_|OMP_|MKL_|BLIS_|UV_THREADPOOL_SIZE$|NODE_OPTIONS$)/;

/**
 * Everything about this installation that matters for a bug report: version, CPU, instruction set, BLAS, threads, libc, binary,
 * environment.
 *
 * @example
 * ```ts
 * import { info } from 'nodegrad';
 * console.log(info());
 * ```
 */
export function info(): Info {
  const native = binding.info();
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (telling.test(name) && value !== undefined) environment[name] = value;
  const warnings = [...variableProblems(), ...processorProblems(native), ...(native.blas.problem ? [native.blas.problem] : [])];
  return {
    version: manifestOf(packageRoot()).version,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    libc: libc(),
    binary: `${binaryOrigin}: ${binaryPath}`,
    ...native,
    environment,
    warnings,
  };
}

/** What the processor lacks: without AVX2 and FMA every x86-64 trains, by plain loops. */
export function processorProblems({ cpu }: Pick<NativeInfo, 'cpu'>, architecture: string = process.arch): string[] {
  if (architecture !== 'x64' || (cpu.avx2 && cpu.fma)) return [];
  const lacks = [...(cpu.avx2 ? [] : ['AVX2']), ...(cpu.fma ? [] : ['FMA'])].join(' and no ');
  return [`this processor (${cpu.brand}) has no ${lacks}: plain loops compute, tens of times slower than vector instructions`];
}

/** What is wrong with environment variables: each is ignored where it cannot be followed. */
export function variableProblems(): string[] {
  return [...binding.info().refusedVariables, ...refusedVariables()];
}

function libc(): string {
  if (process.platform !== 'linux') return 'the system library';
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  report.excludeNetwork = true; // looking up names of network peers could take seconds
  const header = (report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }).header;
  return header.glibcVersionRuntime === undefined ? 'musl or other' : `glibc ${header.glibcVersionRuntime}`;
}
