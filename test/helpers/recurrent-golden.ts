// PyTorch's recurrent nets, as test/golden/recurrent.py wrote them down.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stored } from './norms-golden.js';
import { root } from './sources.js';

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

/** Reads the file; a script that has changed since it was written is an error. */
export function recurrentGolden(): RecurrentFile {
  const folder = join(root, 'test/golden');
  const file = JSON.parse(readFileSync(join(folder, 'recurrent.json'), 'utf8')) as RecurrentFile;
  const script = readFileSync(join(folder, 'recurrent.py'), 'latin1').replaceAll('\r\n', '\n');
  if (createHash('sha256').update(script, 'latin1').digest('hex') !== file.generatorSha256)
    throw new Error('run test/golden/recurrent.py again');
  return file;
}
