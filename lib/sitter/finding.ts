// A finding: what the sitter saw in a run, why it matters, and one change to try, as text and as data.

import { isPlainObject } from '../foreign.js';

/** What may be wrong with a run, by stable names; `docs/guides/findings.md` has an entry for each. */
export const findingIds = [
  // Last activation, loss and targets.
  'softmax-before-cross-entropy-on-logits',
  'sigmoid-before-loss-on-logits',
  'scores-into-loss-on-probabilities',
  'softmax-over-one-unit',
  'relu-output',
  'one-output-for-several-classes',
  'sigmoid-for-exclusive-classes',
  'softmax-for-several-labels',
  'mse-for-classes',
  'targets-out-of-reach',
  'targets-against-loss',
  // Data.
  'non-finite-data',
  'constant-feature',
  'duplicate-feature',
  'unscaled-inputs',
  'unscaled-targets',
  'extreme-target',
  'one-class',
  'missing-class',
  'rare-class',
  'labels-out-of-range',
  'overlap-of-splits',
  'target-leak',
  'not-shuffled',
  'validation-differs',
  'nothing-to-learn',
  // The start.
  'initial-loss',
  'symmetric-start',
  'weights-too-small',
  'weights-too-large',
  'no-nonlinearity',
  'parameters-not-held',
  'parameters-not-reached',
  'wrong-gradient',
  'regularizer-lowers-loss',
  // The learning rate.
  'learning-rate-too-high',
  'learning-rate-too-low',
  'oscillation',
  'loss-exploded',
  'non-finite',
  // Units and gradients.
  'dead-units',
  'saturated-units',
  'vanishing-gradients',
  'exploding-gradients',
  'denormal-numbers',
  // The fit.
  'overfitting',
  'underfitting',
  'stopped-too-early',
  'plateau-then-drop',
  'batch-too-small',
  'batch-too-large',
  'normalization-mode',
  'dropout-in-evaluation',
  'dropout-too-high',
  'parameter-never-changes',
] as const;

/** The stable name of a kind of finding. */
export type FindingId = (typeof findingIds)[number];

/** An advice as data, so that it can be tried: `{ kind: 'learningRate', value: 0.01 }`. */
export type Change =
  | Readonly<Record<'kind', 'learningRate' | 'epochs' | 'batchSize' | 'maxGradNorm' | 'weightDecay' | 'dropout'> & Record<'value', number>>
  | Readonly<Record<'kind', 'hiddenActivation' | 'initializer' | 'normalization'> & Record<'name', string>>
  | Readonly<Record<'kind', 'loss'> & Record<'name', string> & Partial<Record<'outputActivation', string>>>
  | Readonly<
      Record<'kind', 'outputActivation'> & Record<'name', string> & Partial<Record<'units', number> & Record<'standardizeTargets', true>>
    >
  | Readonly<Record<'kind', 'optimizer'> & Record<'name', string> & Record<'lr', number>>
  | Readonly<Record<'kind', 'widen'> & Record<'factor', number>>
  | Readonly<Record<'kind', 'depth'> & Record<'layers', number>>
  | Readonly<Record<'kind', 'earlyStopping'> & Record<'epoch', number>>
  | Readonly<Record<'kind', 'fixData'> & Record<'what', string>>
  | Readonly<Record<'kind', 'standardizeInputs' | 'standardizeTargets' | 'shuffle'>>;

/** Something that the sitter noticed. Several symptoms of one cause are one finding. */
export interface Finding {
  /** Stable name, documented under `docs/guides/findings.md#<id>`. */
  readonly id: FindingId;
  /** Whether there is anything to do. */
  readonly verdict: 'good' | 'warning' | 'fault';
  /** What was seen: figures, layer, epoch. */
  readonly seen: string;
  /** Why it matters, with course row or paper. */
  readonly why: string;
  /** One concrete change, with a number. */
  readonly advice: string;
  /** The advice as data; null where only a person can do it. */
  readonly change: Change | null;
  /** From 0 to 1. */
  readonly confidence: number;
  /** Epoch, from 1; 0 before training. */
  readonly epoch: number;
  /** Steps taken. */
  readonly step: number;
  /** Path of the layer where it begins; null for none. */
  readonly layer: string | null;
  /** What else was seen that this explains. */
  readonly symptoms: readonly FindingId[];
  /** What was seen and the advice, as printed. */
  readonly text: string;
}

/** What a rule says of a finding; the rest follows. */
export type Diagnosis = Pick<Finding, 'id' | 'verdict' | 'seen' | 'why' | 'advice' | 'change' | 'confidence'> & {
  readonly layer?: string | null;
};

/** Makes a finding of a diagnosis. */
export function findingOf(diagnosis: Diagnosis, epoch: number, step: number, symptoms: readonly FindingId[] = []): Finding {
  const { id, verdict, seen, why, advice, change, confidence, layer = null } = diagnosis;
  const text = advice === '' ? seen : `${seen}. ${advice}`;
  return Object.freeze({
    id,
    verdict,
    seen,
    why,
    advice,
    change,
    confidence,
    epoch,
    step,
    layer,
    symptoms: Object.freeze([...symptoms]),
    text,
  });
}

/** Whether plain data, as a log or a checkpoint holds them, are a finding. */
export function isFinding(value: unknown): value is Finding {
  if (!isPlainObject(value)) return false;
  const { id, text, epoch, step, symptoms } = value as unknown as Partial<Finding>;
  const isKnown = findingIds.includes(id as FindingId);
  return isKnown && typeof text === 'string' && typeof epoch === 'number' && typeof step === 'number' && Array.isArray(symptoms);
}
