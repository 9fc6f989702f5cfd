// Rules of the fit: too much, too little, too short, nothing there to learn, and batches of the wrong size.

import { type Evidence, type Suspicion, baselineOf, isStuck, percent, rule, short, shortApart } from '../evidence.js';
import { areLearnable } from './data-and-net.js';
import { isLate } from './lr.js';
import { plural } from '../../words.js';

/** A share as people say it: what is many times as much is no percentage. */
const shareOf = (share: number): string => (share < 10 ? `${percent(share)} of` : `${short(share)} times`);

/** Fewer validation examples tell little. */
const few = 100;

/** What was never better than a constant guess, in words. */
function neverBetter({ validation, chance }: Evidence, lowest: number, when: string): string {
  const [best, none] = shortApart(lowest, chance);
  const count = validation !== null && validation.length < few ? ` (of ${plural(validation.length, 'example')}, which is few)` : '';
  return `validation${count} was never better than a constant guess: ${best} ${when}, beside ${none}`;
}

/** Whether more validation examples were ever right than always naming the commonest class, and luck, explain: the loss of a net that is too sure hides that. */
function isAboveGuessing({ validation, epochs }: Evidence, deviations: number): boolean {
  if (validation === null || validation.counts === null) return false;
  const share = Math.max(...validation.counts.values()) / validation.length;
  const best = Math.max(...epochs.map((epoch) => epoch.validation?.metrics['accuracy'] ?? 0));
  return best > share + deviations * Math.sqrt((share * (1 - share)) / validation.length);
}

/** Training and validation that part. */
export const overfitting = rule({
  ids: ['overfitting', 'nothing-to-learn'],
  needs: ['epochs'],
  source: 'Course rows J22, L03',
  thresholds: {
    epochs: 3,
    since: 2,
    risen: 1.2,
    fallen: 0.9,
    material: 0.2,
    nothing: 0.98,
    memorized: 0.75,
    far: 3,
    apart: 0.1,
    poor: 0.5,
    deviations: 2.5,
  },
  judge: (evidence, limits) => {
    const { epochs, setup, chance } = evidence;
    const last = epochs[epochs.length - 1];
    if (epochs.length < limits.epochs || last.validation === undefined) return null;
    const seen = epochs.map(({ validation }) => validation?.loss ?? Number.NaN);
    const lowest = Math.min(...seen);
    const best = seen.indexOf(lowest);
    // A few validation examples are right or wrong by luck: they have until the end of the run.
    const isEarly = (evidence.validation?.length ?? few) < few && evidence.moment !== 'end';
    // Validation far above a constant guess is a net that went wild, and labels that plain learners tell have a meaning.
    const isNothing = lowest >= limits.nothing * chance && lowest < limits.far * chance && last.loss < limits.memorized * chance;
    if (Number.isFinite(chance) && isNothing && !isEarly && !isAboveGuessing(evidence, limits.deviations) && !areLearnable(evidence.probe()))
      return {
        id: 'nothing-to-learn',
        verdict: 'fault',
        seen: `training loss fell to ${short(last.loss)}, and ${neverBetter(evidence, lowest, `in epoch ${best + 1}`)}`,
        why: 'The net learns its examples by heart; nothing in them tells of others. Labels that were shuffled or joined wrongly look like this',
        advice: 'Look at ten examples with their labels by eye before anything else',
        change: { kind: 'fixData', what: 'labels' },
        confidence: 0.85,
      };
    // One epoch may be off by chance; the best of the last few is not.
    const recent = Math.min(...seen.slice(-limits.since - 1));
    const hasRisen = recent > limits.risen * lowest && last.loss < limits.fallen * epochs[best].loss;
    // Nothing is left to learn, and validation is not half way there.
    const isApart = isLate(evidence) && last.loss < limits.apart * last.validation.loss && lowest > limits.poor * baselineOf(evidence);
    const isMaterial = !(last.validation.loss < limits.material * baselineOf(evidence));
    // Below a constant guess once, or there was nothing to lose.
    if (lowest >= chance || !(hasRisen || isApart) || !isMaterial || epochs.length - 1 - best < limits.since) return null;
    const [mine, other] = [last.metrics['accuracy'], last.validation.metrics['accuracy']];
    const gap = mine === undefined || other === undefined ? '' : `; accuracy ${percent(mine)} beside ${percent(other)}`;
    return {
      id: 'overfitting',
      verdict: 'warning',
      seen: `validation loss was lowest in epoch ${best + 1} (${short(lowest)}) and is ${short(last.validation.loss)} in epoch ${last.epoch}, while training loss fell to ${short(last.loss)}${gap}`,
      why: 'From there on the net learns its examples by heart (course rows J22, L03)',
      advice: `Stop at epoch ${best + 1}: callbacks: [new EarlyStopping({ patience: ${Math.max(2, Math.round(setup.epochs / 10))} })]; more regularization, such as AdamW with weightDecay 0.01 or Dropout(0.3), or more data push it further`,
      change: { kind: 'earlyStopping', epoch: best + 1 },
      confidence: 0.85,
    };
  },
});

/** A run that has learned nothing, or was still at it when it ended. */
export const shortfall = rule({
  ids: ['underfitting', 'stopped-too-early', 'batch-too-large', 'nothing-to-learn'],
  needs: ['losses', 'start'],
  source: 'Course rows J18, J23',
  thresholds: {
    stuck: 0.97,
    learned: 0.98,
    unfinished: 0.8,
    steep: 0.5,
    steepFall: 0.1,
    brief: 0.25,
    steps: 20,
    few: 100,
    falling: 0.02,
    halves: 0.9,
    deviations: 2.5,
  },
  judge: (evidence, limits): Suspicion | null => {
    const { losses, setup, step, epochs, moment, data, start, movement } = evidence;
    if (!isLate(evidence) || losses.points.length < 2) return null;
    const isFlat = isStuck(evidence, limits.stuck);
    const curve = epochs.length >= 5 ? epochs.map(({ loss }) => loss) : losses.means(8);
    const before = curve[Math.floor(0.8 * (curve.length - 1))];
    const fallen = curve.length < 3 ? 0 : (before - curve[curve.length - 1]) / Math.abs(before);
    // Of a few steps, halves say more than single ones.
    const [first, second] = losses.means(2);
    const isFalling = fallen > limits.falling || (epochs.length === 1 && step < limits.few && second < limits.halves * first);
    // After one epoch, or where it is steep, a fall that goes on says more than a loss that is low.
    const brief = step < limits.few && isFalling ? 0 : limits.brief;
    const share = setup.epochs === 1 ? brief : fallen > limits.steepFall ? limits.steep : limits.unfinished;
    if (!isStuck(evidence, share)) return null;
    const length = data?.length ?? 0;
    const seen = epochs.map(({ validation }) => validation?.loss ?? Number.NaN);
    const best = seen.indexOf(Math.min(...seen));
    // Validation that still gets better says nothing yet.
    const isLearnedByHeart =
      losses.latest < limits.learned * evidence.chance && seen[best] >= 0.99 * evidence.chance && !isAboveGuessing(evidence, limits.deviations);
    if (moment === 'end' && isLearnedByHeart && epochs.length >= 5 && best < epochs.length - 2 && !areLearnable(evidence.probe()))
      return {
        id: 'nothing-to-learn',
        verdict: 'warning',
        seen: `training loss falls to ${short(losses.latest)}, and ${neverBetter(evidence, Math.min(...seen), 'at best')}`,
        why: 'The net begins to learn its examples by heart. Labels that were shuffled or joined wrongly look like this',
        advice: 'Look at ten examples with their labels by eye before anything else',
        change: { kind: 'fixData', what: 'labels' },
        confidence: 0.6,
      };
    if (moment === 'end' && (isFalling || (step < limits.few && isStuck(evidence, limits.unfinished)))) {
      const isWhole = setup.stepsPerEpoch <= 2 && length >= 128;
      if (isWhole)
        return {
          id: 'batch-too-large',
          verdict: 'fault',
          seen: `batches of ${setup.batchSize} of ${length} examples make ${plural(step, 'step')} in ${plural(epochs.length, 'epoch')}, and the loss is still ${short(losses.latest)} (a constant guess has ${short(baselineOf(evidence))})`,
          why: 'Weights move once a step: few large batches are few steps (Bengio 2012, 3.1)',
          advice: 'Take batches of 32',
          change: { kind: 'batchSize', value: 32 },
          confidence: 0.85,
        };
      const more = Math.max(setup.epochs * 10, Math.ceil(1000 / setup.stepsPerEpoch));
      return {
        id: 'stopped-too-early',
        verdict: 'warning',
        seen: `the run ended after ${plural(step, 'step')} (${plural(epochs.length, 'epoch')}) with a loss of ${short(losses.latest)}, ${isFalling ? 'still falling, and' : 'which is'} ${shareOf(losses.latest / baselineOf(evidence))} that of a constant guess`,
        why: 'A loss that still falls at the end has not shown what the model can do (course row J18)',
        advice: `Train for ${more} epochs`,
        change: { kind: 'epochs', value: more },
        confidence: isFalling ? 0.75 : 0.6,
      };
    }
    if (!isFlat || step < limits.steps) return null;
    // What a schedule has made of it is not what somebody would change.
    const lr = setup.isScheduled ? (movement?.lr ?? setup.lr) : setup.lr;
    return {
      id: 'underfitting',
      verdict: 'warning',
      seen: `after ${step} steps the loss is ${short(losses.latest)}, and ${short(baselineOf(evidence))} is that of ${Number.isFinite(evidence.chance) ? 'a constant guess' : 'the first step'}`,
      why: 'No gap between training and validation at a poor score asks for more capacity, or for another learning rate (course rows J23, J30)',
      advice: `Try learning rates of ${Number((lr * 10).toPrecision(1))} and ${Number((lr / 10).toPrecision(1))} first, then twice the width`,
      change: { kind: 'widen', factor: 2 },
      confidence: start.activations.length === 0 ? 0.6 : 0.65,
    };
  },
});

/** A run that is over after a few steps. */
export const fewSteps = rule({
  ids: ['batch-too-large'],
  needs: ['data'],
  source: 'Bengio 2012, Practical recommendations, 3.1',
  thresholds: { steps: 150, examples: 128, share: 0.5 },
  judge: ({ data, setup }, { steps, examples, share }) => {
    const total = setup.epochs * setup.stepsPerEpoch;
    if (data.length < examples || setup.batchSize < share * data.length || total === 0 || total > steps || setup.epochs < 3) return null;
    return {
      id: 'batch-too-large',
      verdict: 'fault',
      seen: `batches of ${Math.min(setup.batchSize, data.length)} of ${data.length} examples make ${plural(total, 'step')} in ${plural(setup.epochs, 'epoch')} altogether`,
      why: 'Weights move once a step: few large batches are few steps (Bengio 2012, 3.1)',
      advice: 'Take batches of 32',
      change: { kind: 'batchSize', value: 32 },
      confidence: 0.85,
    };
  },
});
