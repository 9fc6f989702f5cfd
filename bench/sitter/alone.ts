// Single changes to a faulty program, and which of them heal it alone: what there is to name.

import type { Change, FindingId } from '../../lib/sitter/finding.js';
import type { Case } from './cases.js';
import { CannotApply, apply } from './change.js';
import { draw } from './data/index.js';
import type { Program } from './program.js';
import { attempt } from './trial.js';

const times = (value: number, factors: readonly number[]): number[] => factors.map((factor) => Number((value * factor).toPrecision(2)));

/** Every kind of change, with the values that somebody would try. */
function changesOf({ optimizer, epochs }: Program, classes: number): Change[] {
  return [
    ...times(optimizer.lr, [1e-3, 1e-2, 0.03, 0.1, 0.3, 3, 10, 30, 100, 1000]).map((value) => ({ kind: 'learningRate', value }) as const),
    ...[1e-3, 3e-3, 0.01, 0.03].map((lr) => ({ kind: 'optimizer', name: 'Adam', lr }) as const),
    ...[0.01, 0.1].map((lr) => ({ kind: 'optimizer', name: 'SGD', lr }) as const),
    ...times(epochs, [3, 10, 30, 100]).map((value) => ({ kind: 'epochs', value: Math.ceil(value) }) as const),
    ...times(epochs, [0.1, 0.2, 0.3, 0.5]).map((epoch) => ({ kind: 'earlyStopping', epoch: Math.ceil(epoch) }) as const),
    ...[4, 8, 32, 64].map((value) => ({ kind: 'batchSize', value }) as const),
    ...['MSELoss', 'L1Loss', 'CrossEntropyLoss', 'BinaryCrossEntropyLoss'].map((name) => ({ kind: 'loss', name }) as const),
    ...['linear', 'sigmoid', 'softmax', 'tanh'].map((name) => ({ kind: 'outputActivation', name }) as const),
    { kind: 'outputActivation', name: 'linear', standardizeTargets: true },
    ...(classes > 1 ? [{ kind: 'outputActivation', name: 'linear', units: classes } as const] : []),
    ...['relu', 'leakyRelu', 'tanh', 'sigmoid'].map((name) => ({ kind: 'hiddenActivation', name }) as const),
    ...['He', 'Xavier'].map((name) => ({ kind: 'initializer', name }) as const),
    { kind: 'standardizeInputs' },
    { kind: 'standardizeTargets' },
    { kind: 'maxGradNorm', value: 1 },
    ...[1e-3, 1e-2].map((value) => ({ kind: 'weightDecay', value }) as const),
    ...[0.2, 0.5].map((value) => ({ kind: 'dropout', value }) as const),
    ...[2, 4, 16].map((factor) => ({ kind: 'widen', factor }) as const),
    ...[1, 3].map((layers) => ({ kind: 'depth', layers }) as const),
    { kind: 'normalization', name: 'batchNorm' },
    { kind: 'shuffle' },
    { kind: 'fixData', what: 'all' },
  ];
}

/** Programs that one change makes of a program; those that say nothing to it, or leave it as it was, are left out. */
function changedAlone(program: Program, classes: number): (readonly [Change, Program])[] {
  const before = JSON.stringify(program);
  return changesOf(program, classes).flatMap((change) => {
    try {
      const next = apply(program, change, classes);
      return JSON.stringify(next) === before ? [] : [[change, next] as const];
    } catch (error) {
      if (error instanceof CannotApply) return [];
      throw error;
    }
  });
}

/** The changes that make a program as good as its healthy form, within 5 %, each alone. */
export async function healingAlone({ program, healthy, shows }: Case, limit: number): Promise<Change[]> {
  if (healthy === null) return [];
  const parts = await draw(program.data);
  const valueOf = async (one: Program): Promise<number> => {
    const { likelihood, score } = await attempt(one, parts, { watches: false, limit });
    return shows === 'loss' ? likelihood : score;
  };
  const goal = 0.95 * (await valueOf(healthy));
  const healing: Change[] = [];
  for (const [change, next] of changedAlone(program, parts.targets === 'classes' ? parts.classes : 0))
    if ((await valueOf(next)) >= goal) healing.push(change);
  return healing;
}

const ofUnits = ['hiddenActivation', 'initializer', 'normalization', 'depth', 'learningRate'] as const;
const ofOutput = ['outputActivation', 'loss'] as const;
const ofRate = ['learningRate', 'optimizer', 'maxGradNorm'] as const;
const ofStart = ['initializer', 'normalization'] as const;
const ofData = ['fixData'] as const;

/** What is changed against a cause. */
const changedAgainst: Partial<Readonly<Record<FindingId, readonly Change['kind'][]>>> = {
  'softmax-before-cross-entropy-on-logits': ofOutput,
  'sigmoid-before-loss-on-logits': ofOutput,
  'scores-into-loss-on-probabilities': ofOutput,
  'softmax-over-one-unit': ofOutput,
  'relu-output': ofOutput,
  'one-output-for-several-classes': ofOutput,
  'sigmoid-for-exclusive-classes': ofOutput,
  'softmax-for-several-labels': ofOutput,
  'mse-for-classes': ofOutput,
  'targets-out-of-reach': ofOutput,
  'targets-against-loss': ofOutput,
  'unscaled-inputs': ['standardizeInputs'],
  'unscaled-targets': ['standardizeTargets'],
  'non-finite-data': ofData,
  'one-class': ofData,
  'missing-class': ofData,
  'labels-out-of-range': ofData,
  'overlap-of-splits': ofData,
  'target-leak': ofData,
  'validation-differs': ofData,
  'nothing-to-learn': ofData,
  'not-shuffled': ['shuffle'],
  'symmetric-start': ofStart,
  'weights-too-small': ofStart,
  'weights-too-large': ofStart,
  'initial-loss': ofStart,
  'no-nonlinearity': ['hiddenActivation'],
  'learning-rate-too-high': ofRate,
  'learning-rate-too-low': ofRate,
  oscillation: ofRate,
  'loss-exploded': ofRate,
  'non-finite': ofRate,
  'exploding-gradients': ofRate,
  'dead-units': ofUnits,
  'saturated-units': ofUnits,
  'vanishing-gradients': ofUnits,
  overfitting: ['earlyStopping', 'weightDecay', 'dropout'],
  underfitting: ['widen', 'depth'],
  'stopped-too-early': ['epochs'],
  'batch-too-small': ['batchSize'],
  'batch-too-large': ['batchSize'],
  'normalization-mode': ['batchSize', 'normalization'],
  'dropout-too-high': ['dropout'],
};

/** Whether a finding names a cause of which some change heals alone, whatever number it advises itself. */
export const namesHealing = (id: FindingId, healing: readonly Change[]): boolean =>
  healing.some(({ kind }) => changedAgainst[id]?.includes(kind) ?? false);
