// Training steps in mixed precision: those of the other cases, beside PyTorch's autocast.

import type { BenchCase } from '../types.js';
import { mlpCases } from './mlp.js';
import { networkCases } from './networks.js';
import { sequenceCases } from './sequences.js';

const names = ['mlp-128', 'lenet5', 'vgg-cifar', 'resnet20', 'resnet18', 'resnet50', 'squeezenet', 'lstm'];
const images = ['torch eager', 'torch channels_last'];

/** The same steps in bfloat16. Losses of two mixed precisions agree to some hundredths: each rounds in places of its own. */
export const mixedCases: BenchCase[] = [...mlpCases, ...networkCases, ...sequenceCases].flatMap((one) => {
  const { work } = one;
  if (!names.includes(one.name) || (work.kind !== 'mlp' && work.kind !== 'network' && work.kind !== 'sequence')) return [];
  return {
    ...one,
    name: `mixed-${one.name}`,
    title: `${one.title}, in bfloat16 (PyTorch: autocast)`,
    work: { ...work, precision: 'bfloat16' },
    contestants: [
      'nodegrad',
      'nodegrad sync',
      ...(work.kind === 'network' ? images : ['torch eager']),
      ...one.contestants.filter((name) => name === 'nodegrad recompute'),
    ],
    tolerance: 0.05,
  };
});
