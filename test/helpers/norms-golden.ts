// PyTorch's normalizations, as test/golden/norms.py wrote them down.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './sources.js';

/** A tensor of the file. */
export interface Stored {
  readonly shape: number[];
  readonly values: readonly number[];
}

interface Step {
  readonly input: Stored;
  readonly output: Stored;
  readonly upstream: Stored;
  /** By the input, then by factor and shift. */
  readonly gradients: readonly Stored[];
  readonly runningMean?: readonly number[];
  readonly runningVar?: readonly number[];
}

interface Case {
  readonly shape: number[];
  readonly affine: boolean;
  readonly eps: number;
  readonly parameters: readonly number[][];
}

interface NormsFile {
  readonly generatorSha256: string;
  readonly batch: readonly (Case & { readonly momentum: number | null; readonly batches: number; readonly steps: readonly Step[] })[];
  readonly group: readonly (Case & Step & { readonly kind: 'layer' | 'group' | 'instance'; readonly groups: number })[];
}

/** Reads the file; a script that has changed since it was written is an error. */
export function normsGolden(): NormsFile {
  const folder = join(root, 'test/golden');
  const file = JSON.parse(readFileSync(join(folder, 'norms.json'), 'utf8')) as NormsFile;
  const script = readFileSync(join(folder, 'norms.py'), 'latin1').replaceAll('\r\n', '\n');
  if (createHash('sha256').update(script, 'latin1').digest('hex') !== file.generatorSha256) throw new Error('run test/golden/norms.py again');
  return file;
}
