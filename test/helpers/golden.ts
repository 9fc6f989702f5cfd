// Reads the frozen truth of test/golden (made by make.py), and draws the numbers of the large net with the same generator.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

// From dist/test/helpers back to the sources: the compiler copies no JSON.
const folder = new URL('../../../test/golden/', import.meta.url);

interface ArrayTypes {
  float32: Float32Array;
  float64: Float64Array;
  int32: Int32Array;
  uint8: Uint8Array;
}

/** An array as the file holds it: little-endian base64, row-major. */
export interface GoldenArray {
  readonly dtype: keyof ArrayTypes;
  readonly shape: readonly number[];
  readonly data: string;
}

/** What every golden file says about its origin. */
export interface Origin {
  readonly generator: string;
  readonly generatorSha256: string;
  readonly torch: string;
}

/** One op on one set of inputs; an op without gradient (argmax) has only `inputs` and `output`. */
export interface OpCase {
  readonly name: string;
  readonly op: string;
  readonly attributes: Readonly<Record<string, never>>;
  readonly inputs: readonly GoldenArray[];
  readonly constants: readonly GoldenArray[];
  readonly output: GoldenArray;
  readonly outputBound?: GoldenArray;
  readonly outputRoundings?: number;
  readonly upstream?: GoldenArray;
  readonly gradients?: readonly GoldenArray[];
  readonly gradientBounds?: readonly GoldenArray[];
  readonly gradientRoundings?: number;
}

/** Ten steps of an optimizer on one vector, under given gradients and learning rates. */
export interface OptimizerCase {
  readonly optimizer: 'SGD' | 'Adam' | 'AdamW';
  readonly options: Readonly<{
    momentum?: number;
    dampening?: number;
    nesterov?: boolean;
    weightDecay?: number;
    betas?: [number, number];
    eps?: number;
  }>;
  readonly trajectory: GoldenArray;
}

/** The file of optimizer trajectories. */
export interface OptimizerFile extends Origin {
  readonly start: GoldenArray;
  readonly gradients: GoldenArray;
  readonly rates: readonly number[];
  readonly cases: readonly OptimizerCase[];
}

/** Learning rates of 30 epochs. */
export interface ScheduleCase {
  readonly schedule: 'StepLR' | 'ExponentialLR';
  readonly lr: number;
  readonly options: Readonly<{ stepSize?: number; gamma: number }>;
  readonly values: readonly number[];
}

/** 500 steps of an optimizer, every 50th; see test/golden/optimizers.py. */
export interface OptimizerRun {
  readonly optimizer: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly points: readonly (readonly number[])[];
}

/** 500 steps of optax's optimizers; see test/golden/optax.py. */
export interface OptaxRuns extends Omit<Origin, 'torch'> {
  readonly optax: string;
  readonly runs: readonly OptimizerRun[];
}

/** The file of long runs of optimizers, and of schedules. */
export interface OptimizerRuns extends Origin {
  readonly runs: readonly OptimizerRun[];
  readonly lbfgs: readonly {
    readonly options: { readonly history: number; readonly maxIterations: number; readonly lineSearch: 'strong_wolfe' | null };
    readonly losses: readonly number[];
    readonly points: readonly (readonly number[])[];
    readonly calls: number;
  }[];
  readonly schedules: readonly {
    readonly name: string;
    readonly values: readonly number[];
    readonly momenta?: readonly number[];
    readonly scores?: readonly number[];
  }[];
}

/** Losses of one whole training. */
export interface Run {
  readonly optimizer: 'SGD' | 'Adam';
  readonly options: Readonly<{ lr: number; momentum?: number }>;
  readonly dtype: 'float32' | 'float64';
  readonly losses: GoldenArray;
  readonly finalParameters?: readonly GoldenArray[];
}

/** A net whose weights, data and losses stand in the file. */
export interface SmallNet extends Origin {
  readonly sizes: readonly number[];
  readonly weights: readonly GoldenArray[];
  readonly biases: readonly GoldenArray[];
  readonly inputs: GoldenArray;
  readonly labels: GoldenArray;
  readonly steps: number;
  readonly runs: readonly Run[];
}

/** A net whose weights and data come from `Lcg`; the file holds losses and check values. */
export interface LargeNet extends Origin {
  readonly sizes: readonly number[];
  readonly seed: number;
  readonly batch: number;
  readonly rows: number;
  readonly firstInputs: readonly number[];
  readonly lastWeight: number;
  readonly labelCounts: readonly number[];
  readonly steps: number;
  readonly runs: readonly Run[];
}

/** An activation at points off its corners, by PyTorch; `slope` is its gradient for an upstream gradient of 1. */
export interface ActivationCase {
  readonly name: string;
  /** The function's name in lib. */
  readonly fn: string;
  readonly options: Readonly<Record<string, never>> | null;
  readonly x: GoldenArray;
  readonly y: GoldenArray;
  readonly slope: GoldenArray;
  /** PReLU: its slopes, and the gradient by them. */
  readonly alpha?: GoldenArray;
  readonly slopeOfAlpha?: GoldenArray;
}

/** One loss on one set of inputs, and its gradients by them and, where it is asked for, by the target. */
export interface LossCase {
  readonly name: string;
  readonly function: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly inputs: readonly GoldenArray[];
  readonly target: GoldenArray | null;
  readonly targetIsDifferentiated: boolean;
  readonly value: GoldenArray;
  readonly upstream: GoldenArray;
  readonly gradients: readonly GoldenArray[];
}

/** Metrics of one set of predictions, by class and options; see test/golden/metrics.py. */
export interface MetricCase {
  readonly name: string;
  readonly prediction: GoldenArray;
  readonly target: GoldenArray;
  readonly values: Readonly<Record<string, number>>;
}

/** The file of metrics, and of tests that compare models. */
export interface MetricFile extends Origin {
  readonly cases: readonly MetricCase[];
  readonly statistics: {
    readonly student: readonly { readonly degrees: number; readonly t: number; readonly p: number }[];
    readonly quantiles: readonly { readonly degrees: number; readonly confidence: number; readonly t: number }[];
    readonly signs: readonly { readonly one: number; readonly other: number; readonly p: number }[];
  };
}

type OpFile = Origin & { readonly cases: readonly OpCase[] };

interface Files {
  ops: OpFile;
  convolution: OpFile;
  pooling: OpFile;
  images: OpFile;
  activations: Origin & { readonly cases: readonly ActivationCase[] };
  losses: Origin & { readonly cases: readonly LossCase[] };
  metrics: MetricFile;
  optimizers: OptimizerFile;
  'optimizer-runs': OptimizerRuns;
  'optax-runs': OptaxRuns;
  schedules: Origin & { readonly epochs: number; readonly cases: readonly ScheduleCase[] };
  'mlp-small': SmallNet;
  'mlp-large': LargeNet;
}

/** Reads one file of test/golden. */
export function golden<K extends keyof Files>(stem: K): Files[K] {
  return JSON.parse(readFileSync(new URL(`${stem}.json`, folder), 'utf8')) as Files[K];
}

/** The files of operations, by family. */
export const opStems = ['ops', 'convolution', 'pooling', 'images'] as const satisfies (keyof Files)[];

/** The stems of all golden files. */
export const goldenStems: readonly (keyof Files)[] = [
  ...opStems,
  'activations',
  'losses',
  'metrics',
  'optimizers',
  'optimizer-runs',
  'optax-runs',
  'schedules',
  'mlp-small',
  'mlp-large',
];

/** SHA-256 of a generator as its files name it; line endings do not count. */
export function generatorSha256(generator: string): string {
  return createHash('sha256')
    .update(readFileSync(new URL(generator.replace('test/golden/', ''), folder), 'latin1').replaceAll('\r\n', '\n'), 'latin1')
    .digest('hex');
}

/** Reads a golden file with a script of its name; one that has changed since is an error. */
export function generated<F extends { readonly generatorSha256: string }>(name: string): F {
  const file = JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as F;
  if (generatorSha256(`${name}.py`) !== file.generatorSha256) throw new Error(`run test/golden/${name}.py again`);
  return file;
}

/** The numbers of a golden array, in an array of its own dtype or of the asked one. */
export function values<D extends keyof ArrayTypes>(array: GoldenArray, dtype: D): ArrayTypes[D] {
  const bytes = Uint8Array.from(Buffer.from(array.data, 'base64'));
  const stored = new constructors[array.dtype](bytes.buffer);
  const count = array.shape.reduce((product, size) => product * size, 1);
  if (stored.length !== count) throw new Error(`golden array of shape [${array.shape.join(', ')}] holds ${stored.length} numbers`);
  return (array.dtype === dtype ? stored : new constructors[dtype](stored as ArrayLike<number>)) as ArrayTypes[D];
}

const constructors = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array };

/** x <- 1664525 x + 1013904223 mod 2^32; a value is its top 24 bits / 2^24, in [0, 1), exact in float32. Also in make.py. */
export class Lcg {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  next(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return (this.#state >>> 8) / 16777216;
  }
}

/** Data and starting weights of the large net, drawn in the order that make.py documents; biases start at zero. */
export function largeNet(file: LargeNet): { inputs: Float64Array; labels: Int32Array; weights: [Float64Array, Float64Array] } {
  const [width, hidden, classes] = file.sizes;
  const lcg = new Lcg(file.seed);
  const inputs = Float64Array.from({ length: file.rows * width }, () => lcg.next() - 0.5);
  const first = Float64Array.from({ length: width * hidden }, () => (lcg.next() - 0.5) / 4);
  const second = Float64Array.from({ length: hidden * classes }, () => (lcg.next() - 0.5) / 2);
  const block = Math.floor(width / classes);
  const labels = Int32Array.from({ length: file.rows }, (_, row) => {
    const sums = Array.from({ length: classes }, (_, k) =>
      inputs.subarray(row * width + k * block, row * width + (k + 1) * block).reduce((a, b) => a + b, 0),
    );
    return sums.indexOf(Math.max(...sums));
  });
  return { inputs, labels, weights: [first, second] };
}
