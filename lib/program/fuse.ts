// Fusing: rewrites a recorded list so that fewer instructions walk over less memory, and every bit stays as it was.

import { variableChoice } from '../environment.js';
import { fuseActivation } from './passes/activation.js';
import { fuseActivationGradient } from './passes/activation-gradient.js';
import { fuseBatchNorm, fuseBatchNormMask } from './passes/batch-norm.js';
import { fuseChains } from './passes/chain.js';
import { fuseClipping } from './passes/clipping.js';
import { fuseConcat } from './passes/concat.js';
import { fuseConcatGradient } from './passes/concat-gradient.js';
import { fuseCopies } from './passes/copies.js';
import { askFirst } from './passes/checks.js';
import { foldConstants } from './passes/constants.js';
import { fuseCrossEntropy } from './passes/cross-entropy.js';
import { removeDead } from './passes/dead.js';
import type { List, Pass } from './passes/list.js';
import { fuseGradientSum } from './passes/gradient-sum.js';
import { shareMemory } from './passes/overwriting.js';
import { fuseParameterGradients } from './passes/parameter-gradients.js';
import { fusePooling } from './passes/pooling.js';
import { storeNarrow } from './passes/precision.js';
import { remakeCheap } from './passes/remake.js';
import { fuseClear, fuseOverwrite } from './passes/zeros.js';
import { joinShardGradients } from './passes/shard-gradients.js';
import { fuseShardSums } from './passes/shard-sums.js';
import { weaveShards } from './passes/shards.js';
import { planMemory } from './plan.js';
import type { Recording, Slot } from './record.js';

const passes: readonly Pass[] = [
  foldConstants,
  removeDead,
  fuseCopies,
  fuseBatchNorm,
  fuseActivation,
  fuseConcatGradient,
  fuseGradientSum,
  fuseActivationGradient,
  fuseBatchNormMask,
  fusePooling,
  fuseParameterGradients,
  fuseCrossEntropy,
  fuseClear,
  fuseOverwrite,
  fuseClipping,
  fuseChains,
];

/** How the values of a step are stored that lie between its products: see passes/precision.ts. */
export type StepPrecision = 'float32' | 'bfloat16';

/** All of them. */
export const stepPrecisions: readonly StepPrecision[] = ['float32', 'bfloat16'];

/** The recording after all passes; nothing is fused with `NODEGRAD_FUSE=0`. `results` are what the step gives back. */
export function fuse(recording: Recording, results: readonly Slot[], precision: StepPrecision = 'float32'): Recording {
  const isFused = variableChoice('NODEGRAD_FUSE', ['0', '1']) !== '0';
  const stored: readonly Pass[] = precision === 'bfloat16' ? [storeNarrow] : [];
  const all: readonly Pass[] = isFused ? [...passes, ...stored, remakeCheap, fuseConcat, shareMemory] : stored;
  const list = all.reduce((made, pass) => pass(made), { buffers: recording.buffers, instructions: recording.instructions, results } as List);
  const planned = (one: List): Recording => ({ ...recording, buffers: one.buffers, ...askFirst(one) });
  if (!isFused) return planned(list);
  const kept = results.map(({ buffer }) => buffer);
  const bytesOf = (one: List): number => planMemory({ ...recording, ...one }, kept).arenaBytes;
  return { ...planned(wovenWithin(list, bytesOf)), recorded: recording.instructions.length };
}

/** How much memory a step with shards side by side may take, in times of what it takes with one after the other. */
const mostGrowth = 1.25;

/** Shards keep a step small: side by side where that takes hardly more memory, else at least with sums as early as they can be. */
function wovenWithin(list: List, bytesOf: (one: List) => number): List {
  const apart = fuseShardSums(list);
  const most = mostGrowth * bytesOf(apart);
  const ways = [() => weaveShards(fuseShardSums(joinShardGradients(list))), () => weaveShards(apart), () => weaveShards(apart, false)];
  for (const way of ways) {
    const woven = way();
    if (woven !== apart && bytesOf(woven) <= most) return woven;
  }
  return apart;
}
