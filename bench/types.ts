// The vocabulary of the bench: what a case is, what is sent to a contestant and what comes back.

/** How a training step computes. */
export interface Mixed {
  /** In mixed precision: `compileStep(step, { precision: 'bfloat16' })`, and PyTorch under `autocast`. Default: in float32. */
  precision?: 'bfloat16';
}

/** A training step of a multilayer perceptron: ReLU between the layers, softmax cross-entropy, one optimizer. */
export interface MlpWork extends Mixed {
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
  /** Of operands and result; what they are multiplied from is float32, rounded before. */
  dtype: 'float32' | 'bfloat16';
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

/** y = f(x) over many elements, into kept memory. */
export interface ActivationWork {
  kind: 'activation';
  /** The name of nodegrad's operation. */
  name: string;
  /** Those of nodegrad's operation. */
  parameters: number[];
  elements: number;
  /** Number of distinct operands that the calls rotate through. */
  sets: number;
}

/** One step of an optimizer over one parameter, from gradients that stay as they are. */
export interface UpdateWork {
  kind: 'update';
  /** Its class, here and in PyTorch. */
  optimizer: string;
  /** Its options; the others have the defaults that nodegrad and PyTorch share. */
  options: { lr: number; momentum?: number; nesterov?: boolean; centred?: boolean; amsgrad?: boolean };
  elements: number;
}

/** One operation on `size` floats through the public interface, its result allocated each time. */
export interface TinyWork {
  kind: 'tiny';
  operation: 'add' | 'relu';
  size: number;
}

/**
 * A layer of a network over images, in words that every contestant builds from. Parameters stand in the order of the layers, branch by
 * branch: a weight [kernel, kernel, in, out] or [in, out] then its bias, a scale then its shift.
 */
export type NetworkLayer =
  | { kind: 'conv'; inputs: number; outputs: number; kernel: number; stride: number; padding: number; bias: boolean }
  /**
   * Batch normalization with the statistics of the batch: eps 1e-5, biased variance; running statistics are kept beside it. Its factors
   * start around `factor`.
   */
  | { kind: 'norm'; channels: number; factor: number }
  | { kind: 'relu' }
  | { kind: 'max'; size: number; stride: number; padding: number }
  /** The mean over all pixels, [N, H, W, C] to [N, C]. */
  | { kind: 'mean' }
  /** [N, H, W, C] to [N, H·W·C]. */
  | { kind: 'flatten' }
  /** After `flatten` its rows are `pixels` times the channels, which a contestant with channels first has to permute; elsewhere `pixels` is 1. */
  | { kind: 'linear'; inputs: number; outputs: number; pixels: number }
  /** Every `stride`-th pixel, with channels of zeros before and after: the shortcut without parameters. */
  | { kind: 'widen'; stride: number; before: number; after: number }
  /** All branches of the same input, added or side by side in the channels; a branch without layers is the input itself. */
  | { kind: 'sum' | 'concat'; branches: NetworkLayer[][] };

/** A training step of a network over images: softmax cross-entropy and SGD with momentum. */
export interface NetworkWork extends Mixed {
  kind: 'network';
  layers: NetworkLayer[];
  /** [height, width, channels]; images are stored [N, H, W, C]. */
  image: [number, number, number];
  batch: number;
  /** Number of distinct batches that the steps rotate through. */
  batches: number;
  lr: number;
  momentum: number;
  /** How many of the first losses are compared. */
  checks: number;
}

/** A training step of one recurrent layer without biases and a linear layer on every step's output: softmax cross-entropy, SGD. */
export interface SequenceWork extends Mixed {
  kind: 'sequence';
  cell: 'rnn' | 'lstm' | 'gru';
  time: number;
  batch: number;
  inputs: number;
  hidden: number;
  classes: number;
  /** Number of distinct batches that the steps rotate through. */
  batches: number;
  lr: number;
}

/** A training step of a causal transformer over characters, blocks with their norms first and four times the features within: cross-entropy, SGD. */
export interface TransformerWork {
  kind: 'transformer';
  layers: number;
  features: number;
  heads: number;
  /** Positions of a sequence. */
  time: number;
  batch: number;
  characters: number;
  /** Number of distinct batches that the steps rotate through. */
  batches: number;
  lr: number;
}

/** One direction of one convolution without bias: y from x and w, dx from dy and w, or dw from x and dy. */
export interface ConvolutionWork {
  kind: 'convolution';
  direction: 'forward' | 'dx' | 'dw';
  n: number;
  /** Height and width of the square image, and of the result. */
  size: number;
  out: number;
  inputs: number;
  outputs: number;
  kernel: number;
  stride: number;
  padding: number;
  groups: number;
  /** Number of distinct operands that the calls rotate through. */
  sets: number;
}

/** Batch normalization of a training step and the ReLU behind it, over [n, size, size, channels]: y, or dx, dscale and dshift. */
export interface NormalizationWork {
  kind: 'normalization';
  direction: 'forward' | 'backward';
  n: number;
  size: number;
  channels: number;
  sets: number;
}

/** What a contestant has to do; it is sent as JSON, so the rivals in other languages read the same words. */
export type WorkDescription =
  | MlpWork
  | EpochWork
  | GemmWork
  | MemoryWork
  | TinyWork
  | NetworkWork
  | SequenceWork
  | TransformerWork
  | ActivationWork
  | UpdateWork
  | ConvolutionWork
  | NormalizationWork;

/** The rates of `Calibration` that a case can be limited by; `fma-avx2` is for contestants that are held on AVX2. */
export type Limit = 'fma' | 'fma-avx2' | 'copy' | 'update' | 'state';

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
  /** Contestants that `--quick` leaves out here although they start fast elsewhere. */
  slow?: readonly string[];
  /** What the values of `check` may differ by, relative; default 1e-4. */
  tolerance?: number;
  /** The length of its turns and of its warm-up, relative to other cases; default 1. */
  pace?: number;
  /** Whether the memory of the contestants' processes is a column. */
  memory?: boolean;
  /** The table of which the case is a row; a case without one has a table of its own, with a row for each contestant. */
  table?: string;
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
