// Recurrent nets of PyTorch and Keras, as test/golden/recurrent.py and recurrent-keras.py wrote them down.
import { generated } from './golden.js';
import type { Stored } from './norms-golden.js';

/** A module of torch.nn on one batch. */
export interface RecurrentCase {
  readonly kind: 'RNN' | 'LSTM' | 'GRU';
  readonly options: {
    readonly nonlinearity?: 'relu';
    readonly num_layers?: number;
    readonly bidirectional?: boolean;
    readonly proj_size?: number;
    readonly bias?: boolean;
  };
  readonly lengths: readonly number[] | null;
  readonly input: Stored;
  readonly first: readonly Stored[];
  readonly parameters: Readonly<Record<string, Stored>>;
  readonly output: Stored;
  readonly last: readonly Stored[];
  /** By the output, then by the last states. */
  readonly upstreams: readonly Stored[];
  /** By the input, then by the first states. */
  readonly gradients: readonly Stored[];
  readonly parameterGradients: Readonly<Record<string, Stored>>;
}

interface RecurrentFile {
  readonly generatorSha256: string;
  readonly cases: readonly RecurrentCase[];
  /** With the reset before the product: parameters and gradients in our layout; gradients by the input, the first state and the parameters. */
  readonly originalGru: {
    readonly input: Stored;
    readonly first: Stored;
    readonly parameters: readonly Stored[];
    readonly output: Stored;
    readonly upstreams: readonly Stored[];
    readonly gradients: readonly Stored[];
  };
}

/** A layer of Keras on one batch, whole and with the lengths of the file. */
interface KerasCase {
  readonly kind: 'SimpleRNN' | 'LSTM' | 'GRU' | 'GRU, reset before' | 'Bidirectional GRU';
  readonly weights: readonly Stored[];
  readonly output: Stored;
  readonly masked: Stored;
}

interface KerasFile {
  readonly generatorSha256: string;
  readonly input: Stored;
  readonly lengths: readonly number[];
  readonly cases: readonly KerasCase[];
}

/** PyTorch's numbers. */
export const recurrentGolden = (): RecurrentFile => generated('recurrent');
/** Keras's numbers. */
export const kerasGolden = (): KerasFile => generated('recurrent-keras');
