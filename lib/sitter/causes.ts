// Several symptoms of one cause are one finding: which cause explains what, and what is left.

import type { Suspicion } from './evidence.js';
import { type Finding, type FindingId, findingOf } from './finding.js';

/** What a run that does not get anywhere shows, whatever the cause. */
const stuck: readonly FindingId[] = ['underfitting', 'stopped-too-early', 'plateau-then-drop', 'parameter-never-changes'];
/** What a run shows that goes wild. */
const wild: readonly FindingId[] = ['loss-exploded', 'non-finite', 'oscillation', 'exploding-gradients'];
const units: readonly FindingId[] = ['dead-units', 'saturated-units', 'vanishing-gradients'];

const symptoms: ReadonlySet<FindingId> = new Set([...stuck, ...wild, ...units, 'initial-loss']);
const all: readonly FindingId[] = [
  ...symptoms,
  'learning-rate-too-low',
  'learning-rate-too-high',
  'targets-against-loss',
  'nothing-to-learn',
  'overfitting',
];
const unscaled: readonly FindingId[] = [
  ...symptoms,
  ...(['learning-rate-too-high', 'weights-too-large', 'weights-too-small', 'nothing-to-learn', 'overfitting'] as const),
];
/** Other things that are said of the same last layer. */
const outputs: readonly FindingId[] = ['mse-for-classes', 'sigmoid-for-exclusive-classes', 'targets-out-of-reach', 'unscaled-targets'];

/** What each cause explains; none explains, over others, itself. */
const explains: Partial<Readonly<Record<FindingId, readonly FindingId[]>>> = {
  'softmax-over-one-unit': [...all, ...outputs, 'sigmoid-before-loss-on-logits'],
  'softmax-before-cross-entropy-on-logits': [...all, ...outputs],
  'sigmoid-before-loss-on-logits': [...all, ...outputs],
  'scores-into-loss-on-probabilities': [...all, ...outputs],
  'relu-output': [...all, ...outputs],
  'one-output-for-several-classes': [...all, ...outputs],
  'softmax-for-several-labels': [...all, ...outputs, 'softmax-before-cross-entropy-on-logits', 'sigmoid-before-loss-on-logits'],
  'targets-out-of-reach': [...all, 'unscaled-targets', 'mse-for-classes'],
  'targets-against-loss': all,
  'sigmoid-for-exclusive-classes': stuck,
  'mse-for-classes': [...stuck, 'saturated-units'],
  'non-finite-data': [...all, 'unscaled-inputs', 'unscaled-targets'],
  'one-class': [...all, 'missing-class', 'nothing-to-learn', 'overfitting', 'validation-differs'],
  'labels-out-of-range': [...all, 'missing-class', 'targets-against-loss'],
  'missing-class': ['nothing-to-learn', 'overfitting'],
  'unscaled-inputs': unscaled,
  'unscaled-targets': [...unscaled, 'learning-rate-too-low'],
  'extreme-target': [...wild, 'learning-rate-too-high', 'initial-loss', 'validation-differs'],
  'validation-differs': ['overfitting', 'nothing-to-learn'],
  'target-leak': ['unscaled-inputs'],
  'nothing-to-learn': ['overfitting', ...stuck, ...units, 'weights-too-small'],
  'not-shuffled': ['oscillation', 'underfitting', 'stopped-too-early', 'learning-rate-too-high', 'loss-exploded', 'overfitting'],
  'symmetric-start': [...stuck, ...units, 'learning-rate-too-low', 'weights-too-small'],
  'weights-too-small': [...stuck, ...units, 'learning-rate-too-low'],
  'weights-too-large': [...symptoms, 'learning-rate-too-high', 'learning-rate-too-low', 'overfitting', 'nothing-to-learn'],
  'no-nonlinearity': [...stuck, 'learning-rate-too-low'],
  'parameters-not-held': stuck,
  'parameter-never-changes': ['underfitting', 'stopped-too-early'],
  'parameters-not-reached': stuck,
  'dropout-in-evaluation': ['overfitting', 'nothing-to-learn', 'normalization-mode'],
  'dropout-too-high': [...stuck, ...wild, 'learning-rate-too-high'],
  'normalization-mode': ['overfitting', 'nothing-to-learn'],
  'batch-too-small': ['normalization-mode', 'overfitting', 'nothing-to-learn', ...wild, ...units, ...stuck],
  'learning-rate-too-high': [...stuck, ...wild, ...units, 'normalization-mode', 'batch-too-large', 'overfitting'],
  'learning-rate-too-low': [...stuck, 'nothing-to-learn'],
  'batch-too-large': [...stuck, 'learning-rate-too-low', 'nothing-to-learn'],
  'dead-units': [...stuck, 'vanishing-gradients', 'learning-rate-too-low'],
  'vanishing-gradients': [...stuck, 'learning-rate-too-low'],
  'saturated-units': [...stuck, 'vanishing-gradients', 'learning-rate-too-low'],
  'exploding-gradients': ['loss-exploded', 'non-finite', 'oscillation'],
  'loss-exploded': ['oscillation'],
  oscillation: ['underfitting', 'stopped-too-early'],
  underfitting: ['vanishing-gradients'],
};

/** Whether `cause` explains `symptom`. */
const explainsIt = (cause: FindingId, symptom: FindingId): boolean => cause !== symptom && (explains[cause]?.includes(symptom) ?? false);

/**
 * Puts suspicions together: what another one explains becomes its symptom, and what is mild is said only where it explains a symptom that
 * nothing else does.
 *
 * @param suspicions - In the order of the rules, which is that of causes before effects.
 * @param known - What was said before: it explains as well, and is not said again.
 */
export function findingsOf(
  suspicions: readonly Suspicion[],
  epoch: number,
  step: number,
  known: ReadonlySet<FindingId> = new Set(),
): Finding[] {
  const strong = new Map<FindingId, Suspicion>();
  const mild = new Map<FindingId, Suspicion>();
  const mayExplain = (cause: FindingId, { id, onlyBy }: Suspicion): boolean =>
    explainsIt(cause, id) && (onlyBy === undefined || onlyBy.includes(cause));
  const causes = new Set([...known, ...suspicions.filter(({ isMild }) => !isMild).map(({ id }) => id)]);
  const isExplained = (one: Suspicion): boolean => [...causes].some((cause) => mayExplain(cause, one));
  for (const one of suspicions) {
    if (one.isMild) continue;
    // Of two that say the same, one that nothing explains says it by itself.
    const before = strong.get(one.id);
    if (before === undefined || (isExplained(before) && !isExplained(one))) strong.set(one.id, one);
  }
  for (const one of suspicions) if (one.isMild && !strong.has(one.id) && !mild.has(one.id)) mild.set(one.id, one);
  const roots = [...strong.values()].filter((one) => !known.has(one.id) && !isExplained(one));
  const said = new Map<FindingId, Suspicion>();
  for (const root of roots) {
    const milder =
      symptoms.has(root.id) || root.id === 'learning-rate-too-low' ? [...mild.values()].filter(({ id }) => mayExplain(id, root)) : [];
    if (milder.some(({ id }) => known.has(id))) continue;
    const [cause] = [...milder].sort((a, b) => b.confidence - a.confidence);
    said.set((cause ?? root).id, cause ?? root);
  }
  const others = [...strong.keys(), ...mild.keys()];
  return [...said.values()].map((cause) =>
    findingOf(
      cause,
      epoch,
      step,
      others.filter((id) => explainsIt(cause.id, id) && (strong.has(id) || symptoms.has(id)) && !said.has(id)),
    ),
  );
}

/** What the rules think, put together. */
export function judge(
  rules: readonly { readonly judge: (evidence: never) => readonly Suspicion[] }[],
  evidence: { readonly epoch: number; readonly step: number },
  known: ReadonlySet<FindingId> = new Set(),
): Finding[] {
  const suspicions = rules.flatMap((rule) => rule.judge(evidence as never));
  return findingsOf(suspicions, evidence.epoch, evidence.step, known);
}
