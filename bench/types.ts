// The vocabulary of the bench: what a case is, what is sent to a contestant and what comes back.

/** A training step of a multilayer perceptron: ReLU between the layers, softmax cross-entropy, one optimizer. */
export interface MlpWork {
  kind: 'mlp';
  /** Widths, input first: `[784, 512, 256, 10]`. */
  layers: number[];
  batch: number;
  /** Number of distinct batches that the steps rotate through. */
  batches: number;
  optimizer: { kind: 'sgd' | 'adam'; lr: number };
}

/** One epoch of such steps over batches in a fixed order, made ready before: `batches` steps. What is asked for is the mean loss. */
export interface EpochWork extends Omit<MlpWork, 'kind'> {
  kind: 'epoch';
}

/** C = op(A) · op(B), [m, k] · [k, n], into kept memory where the contestant can. A transposed operand is stored as [k, m] or [n, k]. */
export interface GemmWork {
  kind: 'gemm';
  m: number;
  n: number;
  k: number;
  transposeA: boolean;
  transposeB: boolean;
  /** Number of distinct operand pairs that the calls rotate through. */
  sets: number;
}

/** One pass over `rows` × `columns` float32 values, far larger than the caches. */
export interface MemoryWork {
  kind: 'memory';
  operation: 'bias-relu' | 'sgd' | 'adam';
  rows: number;
  columns: number;
  /** Whether every call writes into newly allocated memory. */
  fresh: boolean;
  lr: number;
}

/** One operation on `size` floats through the public interface, its result allocated each time. */
export interface TinyWork {
  kind: 'tiny';
  operation: 'add' | 'relu';
  size: number;
}

/** What a contestant has to do; it is sent as JSON, so the rivals in other languages read the same words. */
export type WorkDescription = MlpWork | EpochWork | GemmWork | MemoryWork | TinyWork;

/** The rates of `Calibration` that a case can be limited by. */
export type Limit = 'fma' | 'copy' | 'update' | 'state';

/** One row group of the result table. */
export interface BenchCase {
  /** Short name, for `--only` and the tables. */
  name: string;
  /** One sentence for the results page: what is computed, what is counted. */
  title: string;
  work: WorkDescription;
  /** Steps between two looks at the clock; the contestant waits for its results only there. */
  chunk: number;
  /** Unit in which the time of a step is printed. */
  unit: 'ms' | 'µs' | 'ns';
  /** Where what is timed as one step is many: how many, for a column of its own. */
  inner?: number;
  /** Arithmetic of a step, counted by the formula (not by what a contestant executes). */
  flops?: number;
  /** Bytes a step has to move, counted without write-allocate traffic. */
  bytes?: number;
  /** What bounds the step on this machine. */
  limit?: Limit;
  /** Names of contestants (`contestants.ts`), ours first. */
  contestants: string[];
  /** Time from the start of a process to its first finished step, instead of the time of a step. */
  start?: boolean;
  /** Writes the operands that every contestant reads into `folder`. */
  prepare(folder: string): void;
}

/** First message to a contestant. */
export interface Setup {
  do: 'setup';
  work: WorkDescription;
  folder: string;
  threads: number;
  variant: string;
  chunk: number;
}

/** Answer to `setup`: what takes part, or why it cannot. */
export interface SetupReply {
  versions?: Record<string, string>;
  /** A condition that the reader of the table has to know. */
  note?: string;
  skip?: string;
}

/** Answer to `round`. */
export interface RoundReply {
  /** Mean milliseconds a step, one value per chunk. */
  samples: number[];
  /** CPU seconds of all threads of the process in the timed part. */
  cpu: number;
  /** The same from waking up to the answer. */
  awake: number;
  /** Seconds between start and end of the round. */
  wall: number;
  steps: number;
}
