// All cases, in the order of the results page.

import type { BenchCase } from '../types.js';
import { activationCases } from './activations.js';
import { gemmCases } from './gemm.js';
import { convolutionCases, normalizationCases } from './layers.js';
import { memoryCases } from './memory.js';
import { mixedCases } from './mixed.js';
import { epochCases, mlpCases, startCases } from './mlp.js';
import { networkCases } from './networks.js';
import { optimizerCases } from './optimizers.js';
import { sequenceCases } from './sequences.js';
import { tinyCases } from './tiny.js';
import { transformerCases } from './transformers.js';

/** Every case the runner knows. */
export const cases: BenchCase[] = [
  ...mlpCases,
  ...epochCases,
  ...networkCases,
  ...sequenceCases,
  ...transformerCases,
  ...mixedCases,
  ...gemmCases,
  ...memoryCases,
  ...tinyCases,
  ...startCases,
  ...convolutionCases,
  ...normalizationCases,
  ...activationCases,
  ...optimizerCases,
];

/** Names for several cases at once, as `--only` takes them: beginnings of names. `intel` is what a machine with AMX is to show, ten minutes with `--quick`. */
export const groups: Readonly<Record<string, readonly string[]>> = {
  intel: ['mlp', 'lenet5', 'vgg-cifar', 'resnet', 'squeezenet', 'lstm', 'mixed-', 'sgemm', 'bfloat16'],
};
