// The binding, typed: the only file that touches the loaded binary.

import { getHeapStatistics } from 'node:v8';
import { context } from './context.js';
import type { DType, TypedArray, TypedArrayOf } from './dtype.js';
import { arrayTypes, bytesOf } from './dtype.js';
import { ArgumentError, IndexError, NativeError, type NodegradError, countFromZero } from './errors.js';
import { loadBinding } from './loader.js';
import { checkAvailable, setCollector } from './memory.js';

/** One line of native/ops/ops.def. */
export interface NativeOp {
  name: string;
  /** Outputs ':' inputs, a letter each; see native/ops/op.h. */
  signature: string;
  ints: number;
  reals: number;
  /** The operand whose contents it looks at before it runs, and may refuse; −1: none. */
  guarded: number;
}

/** What native code says of a refusal; the numbers are there where an index was out of range. */
export interface Refusal extends Error {
  readonly value?: number;
  readonly position?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Binding {
  abi: number;
  ops: NativeOp[];
  /** The lines of native/ops/dtypes.def. */
  dtypes: { name: DType; bytes: number }[];
  /** Attributes of the next call: integers first, then reals. */
  attributes: Float64Array;
  run(index: number, ints: number, reals: number, ...operands: TypedArray[]): void;
  info(): NativeInfo;
  setThreads(count?: number): number;
  createProgram(code: Float64Array, externals: TypedArray[], block: Uint8Array, sibling: object | undefined): object;
  disposeProgram(handle: object): void;
  runProgram(handle: object, inputs: TypedArray[]): number;
  startDriver(settled: (problem: Refusal | null, steps: number, microseconds: number) => void): object;
  queueProgram(driver: object, handle: object, inputs: TypedArray[]): void;
  queueRun(
    driver: object,
    handle: object,
    steps: number,
    stream: number,
    sources: TypedArray[],
    rows: Int32Array,
    batch: number,
    live: Uint8Array,
    results: Uint8Array,
  ): void;
  holdDriver(driver: object): void;
  releaseDriver(driver: object): void;
  trimDriver(driver: object): void;
  reportMemory(change: number, later?: boolean): void;
  setReproducible(on: boolean): void;
  setFlushDenormals(on: boolean): void;
  setGemm(choice: 'auto' | 'openblas' | 'own'): void;
  /** Who serves a product of n columns over k: `own` or `openblas`. */
  gemmChosen(n: number, k: number, double: boolean): string;
  /** Who serves a convolution: direction 0 forward, 1 input gradient, 2 weight gradient; the integers of its operation. */
  convolutionChosen(direction: number, double: boolean, geometry: Float64Array): string | undefined;
  adviseHugePages(view: TypedArray): void;
  misalignment(view: TypedArray): number;
  calibrate(threads: number, seconds: number): Calibration;
  /** A number for the transport of a second addon, which operations over a group name. */
  openChannel(transport: object): number;
  bytesSent(channel: number): number;
  closeChannel(channel: number): void;
}

/** The CPU as the native part sees it. */
export interface CpuInfo {
  /** The maker's name of the CPU. */
  brand: string;
  /** Family by CPUID; on arm64 the maker's code of MIDR_EL1, 0 where the system keeps it to itself. */
  family: number;
  /** Model by CPUID; on arm64 the part number of MIDR_EL1. */
  model: number;
  /** Whether AVX2 can be used. */
  avx2: boolean;
  /** Whether FMA can be used. */
  fma: boolean;
  /** Whether AVX-512 (F, DQ, BW and VL) can be used. */
  avx512: boolean;
  /** Whether AVX-512 has bfloat16 products. */
  avx512bf16: boolean;
  /** Whether AVX-512 has 8-bit integer products. */
  avx512vnni: boolean;
  /** Whether there are tiles of bfloat16 (AMX). */
  amxbf16: boolean;
  /** Whether there is NEON: on every arm64 processor. */
  neon: boolean;
  /** Whether NEON multiplies bfloat16 into float32 (BFMLALB and BFMLALT). */
  neonbf16: boolean;
}

/** The system's OpenBLAS as it was found. */
export interface BlasInfo {
  /** Whether there is one. */
  available: boolean;
  /** File that it was loaded from. */
  path: string;
  /** How it was built, in its own words. */
  config: string;
  /** The CPU whose kernels it uses. */
  core: string;
  /** Why there is none, or what holds it back; null when all is well. */
  problem: string | null;
}

/** How products of bfloat16 are computed; all ways give the same bits. */
export interface Bfloat16Info {
  /** By multiplications and additions of float32 (`fma`), by VDPBF16PS (`avx512_bf16`), by AMX (`amx`) or by BFMLAL (`neon_bf16`); null before the first product. */
  products: 'fma' | 'avx512_bf16' | 'amx' | 'neon_bf16' | null;
  /** Why a faster way, or that of `NODEGRAD_BFLOAT16`, does not serve; null when all is well. */
  problem: string | null;
}

/** What the native part says about itself; {@link info} adds the rest. */
export interface NativeInfo {
  /** What the CPU can do, and the system lets it do. */
  cpu: CpuInfo;
  /** The instruction set in use: the best one, or that of `NODEGRAD_ISA`. */
  isa: 'scalar' | 'avx2' | 'avx512' | 'neon';
  /** Why `NODEGRAD_ISA` was not followed; null when it was, or is not set. */
  isaProblem: string | null;
  /** Threads that compute, see {@link setNumThreads}. */
  numThreads: number;
  /** CPUs that this process may use: affinity and container limits included. */
  usableCpus: number;
  /** Where matrix products come from: `auto` follows the compiled-in table. */
  gemm: 'auto' | 'openblas' | 'own';
  /** Whether {@link setFlushDenormals} is on. */
  flushesDenormals: boolean;
  /** Whether {@link setReproducible} is on. */
  reproducible: boolean;
  /** Environment variables that native code could not follow, and why. */
  refusedVariables: string[];
  /** The system's OpenBLAS as it was found; `problem` says why there is none, or what holds it back. */
  blas: BlasInfo;
  /** How products of bfloat16 are computed. */
  bfloat16: Bfloat16Info;
}

/** The limits of the machine; see native/runtime/calibrate.h. A rate that was not measured is 0. */
export interface Calibration {
  threads: number;
  /** GFLOP/s of float32 multiply-adds, [one thread, all threads]. */
  fmaPeak: { avx2: [number, number]; avx512: [number, number]; neon: [number, number] };
  /** GB/s with all threads, counting the bytes a loop asks for. */
  copyBandwidth: number;
  readBandwidth: number;
  triadBandwidth: number;
  updateBandwidth: number;
  stateBandwidth: number;
}

const loaded = loadBinding();
export const binding = loaded.binding as Binding;
export const binaryOrigin: string = loaded.origin;
export const binaryPath: string = loaded.path;

export const nativeOps: readonly NativeOp[] = binding.ops;
const attributes = binding.attributes;

/** Runs operation `index` now. Operands are outputs, then inputs. */
export function run(index: number, operands: readonly TypedArray[], ints: readonly number[], reals: readonly number[]): void {
  if (ints.length + reals.length > attributes.length) throw new ArgumentError('too many dimensions or attributes for one operation');
  for (let i = 0; i < ints.length; i++) attributes[i] = ints[i];
  for (let i = 0; i < reals.length; i++) attributes[ints.length + i] = reals[i];
  try {
    binding.run(index, ints.length, reals.length, ...operands);
  } catch (error) {
    throw nativeError(error as Refusal);
  }
}

/** What native code refused, as an error for people: an {@link IndexError} where an index was out of range. */
export function nativeError(refusal: Refusal): NodegradError {
  const { message, value, position, minimum, maximum } = refusal;
  if (value === undefined || position === undefined || minimum === undefined || maximum === undefined)
    return new NativeError(message, { cause: refusal });
  const hint = message.includes('class index') && value === maximum + 1 ? `. Labels that count from 1: ${countFromZero('target')}` : '';
  return new IndexError(`${message}${hint}`, { value, position, minimum, maximum }, { cause: refusal });
}

const hugePageBytes = 4 << 20;
const zeroFillLimit = 4096;

// V8 collects at once when it is told of more memory outside of its heap than the heap itself may have.
setCollector(() => {
  const { heap_size_limit: pressure } = getHeapStatistics();
  binding.reportMemory(pressure);
  binding.reportMemory(-pressure);
});

// V8 does not count SharedArrayBuffers, and would leave them lying about: it is told of them.
const collected = new FinalizationRegistry<number>((bytes) => binding.reportMemory(-bytes));

function makeShared(bytes: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes);
  // A step that is being recorded reports all that it takes at once.
  binding.reportMemory(bytes, context.destination !== null);
  collected.register(buffer, bytes);
  return buffer;
}

/** The memory of every output: uninitialized above 4 KiB, because each operation writes all of it. */
export function allocate<D extends DType>(size: number, dtype: D): TypedArrayOf<D> {
  const ArrayType = arrayTypes[dtype];
  const bytes = size * bytesOf(dtype);
  try {
    if (bytes <= zeroFillLimit) return new ArrayType(size) as TypedArrayOf<D>;
    checkAvailable(bytes, `a tensor of ${size} ${dtype} elements`);
    const data = new ArrayType(Buffer.allocUnsafeSlow(bytes).buffer as ArrayBuffer) as TypedArrayOf<D>;
    if (bytes >= hugePageBytes) binding.adviseHugePages(data);
    return data;
  } catch (error) {
    if (error instanceof ArgumentError) throw error;
    throw new ArgumentError(`no memory for a tensor of ${size} ${dtype} elements (${bytes} bytes)`, { cause: error });
  }
}

/** Zeroed memory on a SharedArrayBuffer, starting at a 64-byte boundary: it cannot be transferred away under a running step. */
export function allocateShared<D extends DType>(size: number, dtype: D): TypedArrayOf<D> {
  const ArrayType = arrayTypes[dtype];
  const width = bytesOf(dtype);
  try {
    checkAvailable(size * width, `${size} ${dtype} elements of shared memory`);
    const buffer = makeShared(size * width + 64);
    const shift = (64 - binding.misalignment(new Uint8Array(buffer))) % 64;
    const data = new ArrayType(buffer as unknown as ArrayBuffer, shift, size) as TypedArrayOf<D>;
    if (size * width >= hugePageBytes) binding.adviseHugePages(data);
    return data;
  } catch (error) {
    if (error instanceof ArgumentError) throw error;
    throw new ArgumentError(`no memory for ${size} ${dtype} elements of shared memory`, { cause: error });
  }
}

/** A number that operations name a group of processes by, of the transport that a second addon brings. */
export function openChannel(transport: object): number {
  return binding.openChannel(transport);
}

/** Bytes that operations of this process have sent over it. */
export function bytesSent(channel: number): number {
  return binding.bytesSent(channel);
}

/** What still runs over it fails. */
export function closeChannel(channel: number): void {
  binding.closeChannel(channel);
}

/** Measures the machine's limits for about `seconds`; under 0.2 s only the FMA peaks. Blocks the event loop: for benchmarks. */
export function calibrate(threads: number, seconds: number): Calibration {
  return binding.calibrate(threads, seconds);
}
