// Proves lib/sitter/causes.ts: symptoms go to their cause, mild suspicions speak only for a symptom, and nothing is said twice.

import test from 'ava';
import type { FindingId } from '../../lib/index.js';
import { findingsOf } from '../../lib/sitter/causes.js';
import type { Suspicion } from '../../lib/sitter/evidence.js';

const suspicion = (id: FindingId, more: Partial<Suspicion> = {}): Suspicion => ({
  id,
  verdict: 'fault',
  seen: id,
  why: 'because',
  advice: 'change it',
  change: null,
  confidence: 0.9,
  ...more,
});
const joined = (list: readonly Suspicion[], known: readonly FindingId[] = []): string[] =>
  findingsOf(list, 1, 10, new Set(known)).map(({ id, symptoms }) => [id, ...symptoms].join(' '));

test('what a cause explains becomes its symptom, whatever their order', (t) => {
  const list = [suspicion('loss-exploded'), suspicion('learning-rate-too-high'), suspicion('dead-units')];
  t.deepEqual(joined(list), ['learning-rate-too-high loss-exploded dead-units']);
  t.deepEqual(joined([...list].reverse()), ['learning-rate-too-high dead-units loss-exploded']);
});

test('two causes are two findings', (t) => {
  t.deepEqual(joined([suspicion('softmax-over-one-unit'), suspicion('duplicate-feature')]), ['softmax-over-one-unit', 'duplicate-feature']);
});

test('what is seen by itself is explained by what it names alone', (t) => {
  const [pairing, start] = [suspicion('softmax-before-cross-entropy-on-logits'), suspicion('vanishing-gradients')];
  const rate = (more: Partial<Suspicion>): Suspicion => suspicion('learning-rate-too-low', more);
  t.deepEqual(joined([pairing, rate({})]), ['softmax-before-cross-entropy-on-logits learning-rate-too-low']);
  t.is(joined([pairing, rate({ onlyBy: ['vanishing-gradients'] })]).length, 2);
  t.deepEqual(joined([start, rate({ onlyBy: ['vanishing-gradients'] })]), ['vanishing-gradients learning-rate-too-low']);
  t.is(joined([start, rate({ onlyBy: [] })]).length, 2);
});

test('of two that say the same, the one that nothing explains is said', (t) => {
  const pairing = suspicion('softmax-before-cross-entropy-on-logits');
  const [curve, step] = [
    suspicion('learning-rate-too-high', { seen: 'curve' }),
    suspicion('learning-rate-too-high', { seen: 'step', onlyBy: [] }),
  ];
  const seen = (list: readonly Suspicion[]): string[] => findingsOf(list, 1, 10).map((finding) => finding.seen);
  t.deepEqual(seen([curve, step]), ['curve'], 'the first, where nothing explains either');
  t.deepEqual(seen([pairing, curve, step]), [pairing.seen, 'step']);
  t.deepEqual(seen([pairing, curve]), [pairing.seen]);
});

test('a mild suspicion is said for a symptom that nothing else explains, the surest one, and not otherwise', (t) => {
  const mild = [
    suspicion('mse-for-classes', { isMild: true, confidence: 0.5 }),
    suspicion('unscaled-inputs', { isMild: true, confidence: 0.6 }),
  ];
  t.deepEqual(joined(mild), []);
  t.deepEqual(joined([...mild, suspicion('underfitting')]), ['unscaled-inputs underfitting']);
  t.deepEqual(joined([...mild, suspicion('underfitting'), suspicion('learning-rate-too-low')]), ['learning-rate-too-low underfitting']);
});

test('what was said before is not said again, and explains what comes later', (t) => {
  t.deepEqual(joined([suspicion('learning-rate-too-high'), suspicion('oscillation')], ['learning-rate-too-high']), []);
  t.deepEqual(joined([suspicion('overfitting')], ['nothing-to-learn']), []);
  t.deepEqual(joined([suspicion('overfitting')], ['dead-units']), ['overfitting']);
});

test('a finding has its text in one paragraph, and where it was seen', (t) => {
  const [finding] = findingsOf([suspicion('dead-units', { layer: '3', seen: 'Half are dead', advice: 'Lower the rate' })], 2, 40);
  t.like(finding, { text: 'Half are dead. Lower the rate', epoch: 2, step: 40, layer: '3' });
  t.true(Object.isFrozen(finding));
});
