// Rules of the learning rate: by the curve of the losses, and by how far the weights move.

import { classifyLossCurve, curveThresholds, deviationOf, meanOf } from '../curve.js';
import { type Evidence, type Suspicion, baselineOf, isStuck, percent, rateText, rule, short } from '../evidence.js';
import type { FindingId } from '../finding.js';
import type { WeightLook } from '../look.js';
import { fanIn } from './start.js';

/** Optimizers whose step is about as long as the learning rate, whatever the gradient. */
export const stepsOfOneSize: ReadonlySet<string> = new Set(['Adam', 'AdamW', 'Adamax', 'NAdam', 'RAdam', 'RMSprop', 'Lion']);

const lower = (lr: number, by = 10): number => Number((lr / by).toPrecision(2));

/** Rates that most nets bear, by what a step is like. */
export const usual = { oneSize: 3e-3, gradient: 0.1 } as const;

/** A rate to try in the place of one that is too high: not above what most nets bear. */
function calmer(optimizer: string, lr: number, by: number): number {
  const most = stepsOfOneSize.has(optimizer) ? usual.oneSize : usual.gradient;
  return Math.min(lower(lr, by), lower(lr) > most ? most : Number.POSITIVE_INFINITY);
}

/** A loss that grows, or jumps about far above chance. */
export const explosion = rule({
  ids: ['loss-exploded', 'learning-rate-too-high'],
  needs: ['losses'],
  source: 'Course rows J09, J12, J13, J15',
  thresholds: {
    exploded: curveThresholds.exploded,
    steps: 5,
    unrecovered: 0.9,
    wild: 1.5,
    wildSteps: 30,
    points: 20,
    moved: 0.03,
    short: 0.01,
  },
  judge: (evidence, limits): Suspicion[] => {
    const { losses, setup, start, step } = evidence;
    const baseline = baselineOf(evidence);
    if (step < limits.steps || losses.points.length < 2) return [];
    const top = Math.max(losses.first, baseline);
    const { latest } = losses;
    // Where the weights have not gone anywhere, the batches differ, and no step was too long.
    const moved = evidence.movement === null ? Number.NaN : median(evidence.movement.weights.map(({ ratio }) => ratio));
    if (moved < limits.moved) return [];
    const found: Suspicion[] = [];
    const isExploded = latest > limits.exploded * top;
    if (isExploded)
      found.push({
        id: 'loss-exploded',
        verdict: 'fault',
        seen: `the loss grew from ${short(losses.first)} to ${short(latest)} by step ${step}`,
        why: 'A loss above three times the first does not come back by itself (course row J13)',
        advice: `Lower the learning rate from ${rateText(setup.lr)} to ${lower(setup.lr)}`,
        change: { kind: 'learningRate', value: lower(setup.lr) },
        confidence: 0.8,
      });
    const isUnrecovered = losses.highest > limits.exploded * top && latest > limits.unrecovered * baseline;
    // One batch may be far off by chance; a twentieth of the run is not.
    const hasPeaked = Math.max(...losses.means(limits.points).slice(1)) > limits.exploded * top;
    // What comes down from far above, quarter by quarter, is on its way.
    const hasRisen = losses.means(4).some((mean, i, all) => i > 0 && mean > all[i - 1]);
    // Steps of one size that are short beside the weights jump over nothing: it is the batches that differ.
    const isShort = stepsOfOneSize.has(setup.optimizer) && median((start?.weights ?? []).map((one) => setup.lr / sizeOf(one))) < limits.short;
    const isWild =
      !isShort &&
      hasRisen &&
      step >= limits.wildSteps &&
      latest > limits.wild * baseline &&
      latest > 0.5 * losses.first &&
      losses.highest > 2 * latest;
    if (isExploded || isUnrecovered || hasPeaked || isWild) {
      const by = isExploded || losses.highest > 100 * top ? 100 : 10;
      found.push({
        id: 'learning-rate-too-high',
        verdict: 'fault',
        seen: `learning rate too high: with ${rateText(setup.lr)}, the loss went from ${short(losses.first)} up to ${short(losses.highest)}, and is ${short(latest)} after step ${step}${Number.isFinite(evidence.chance) ? ` (a constant guess has ${short(evidence.chance)})` : ''}`,
        why: 'Steps that overshoot the valley climb its other side (course rows J09, J15)',
        advice: `Try ${calmer(setup.optimizer, setup.lr, by)}, then ${lower(calmer(setup.optimizer, setup.lr, by))}`,
        change: { kind: 'learningRate', value: calmer(setup.optimizer, setup.lr, by) },
        confidence: isExploded ? 0.9 : 0.8,
      });
    }
    return found;
  },
});

/** What makes gradients long, and so the steps of an optimizer that follows their size. */
const longGradients: readonly FindingId[] = ['weights-too-large', 'unscaled-inputs', 'unscaled-targets', 'targets-out-of-reach'];

/** The size of a first weight; one that begins near 0 is measured by a third of what keeps a signal as it is, 1/√fan-in. */
export const sizeOf = (weight: WeightLook): number => Math.max(weight.rms, 0.3 / Math.sqrt(fanIn(weight)));

/** Whether a loss says that something was learned; one below zero says nothing. */
const hasLearned = (evidence: Evidence, share: number): boolean => (evidence.losses?.lowest ?? 0) >= 0 && !isStuck(evidence, share);

/** Steps as long as the weights themselves. */
export const longSteps = rule({
  ids: ['learning-rate-too-high'],
  needs: ['start'],
  source: 'Course rows J24, J25',
  thresholds: { ratio: 0.3, outright: 0.5, steps: 10, learned: 0.6, elements: 100 },
  judge: (evidence, { ratio, outright, steps, learned, elements }) => {
    const { setup, start, step, losses, moment } = evidence;
    if ((step < steps && moment !== 'failure') || !stepsOfOneSize.has(setup.optimizer)) return null;
    const large = start.weights.filter(({ shape }) => shape.reduce((product, side) => product * side, 1) >= elements);
    const middle = median(large.map((weight) => setup.lr / sizeOf(weight)));
    // A step of half the weights leaves nothing of what was learned, even where the loss is low for the moment.
    if (!(middle > (hasLearned(evidence, learned) ? outright : ratio))) return null;
    return {
      id: 'learning-rate-too-high',
      verdict: 'fault',
      onlyBy: [],
      seen: `learning rate too high: a step of ${setup.optimizer} with ${rateText(setup.lr)} moves each weight by up to ${percent(middle)} of the usual size of the first ones, and the loss is still ${short(losses?.latest ?? start.loss)}`,
      why: 'A step is to move weights by about a thousandth of their size (course rows J24, J25)',
      advice: `Try ${Number((setup.lr * (0.01 / middle)).toPrecision(1))}`,
      change: { kind: 'learningRate', value: Number((setup.lr * (0.01 / middle)).toPrecision(1)) },
      confidence: 0.85,
    };
  },
});

/** Weights that the first epoch threw far away. */
export const overshoot = rule({
  ids: ['learning-rate-too-high'],
  needs: ['start', 'movement'],
  source: 'Course rows J09, J24',
  thresholds: { ratio: 5, outright: 10, perStep: 0.02, learned: 0.6 },
  judge: (evidence, { ratio, outright, perStep, learned }) => {
    const { setup, movement, epoch, start } = evidence;
    const first = new Map(start.weights.map((weight) => [weight.path, weight]));
    const moved = median(
      movement.weights.map(({ path, ratio: own, distance }) => {
        const weight = first.get(path);
        return weight === undefined ? own : distance / sizeOf(weight);
      }),
    );
    if (epoch !== 1 || !setup.isBlank || !(moved > (hasLearned(evidence, learned) ? outright : ratio)) || moved < perStep * movement.steps)
      return null;
    const value = calmer(setup.optimizer, setup.lr, moved > 100 ? 100 : 10);
    return {
      id: 'learning-rate-too-high',
      verdict: 'fault',
      onlyBy: stepsOfOneSize.has(setup.optimizer) ? [] : longGradients,
      seen: `learning rate too high: with ${rateText(setup.lr)}, ${movement.steps === 1 ? 'one step' : `${movement.steps} steps`} of the first epoch threw the weights ${short(moved)} times their own size away`,
      why: 'A healthy epoch moves weights by their own size or less; what they began with, and what they learned, is gone (course rows J09, J24)',
      advice: `Try ${value}, then ${lower(value)}`,
      change: { kind: 'learningRate', value },
      confidence: 0.85,
    };
  },
});

/** Gradients that are remembered for longer than the run goes. */
export const longMemory = rule({
  ids: ['learning-rate-too-high'],
  needs: ['start'],
  source: 'Sutskever et al. 2013, On the importance of initialization and momentum',
  thresholds: { momentum: 0.99, reach: 10, memory: 0.1 },
  judge: ({ setup }, limits) => {
    const { lr, epochs, stepsPerEpoch } = setup;
    if (!(setup.momentum > limits.momentum && setup.momentum < 1)) return null;
    const remembered = 1 / (1 - setup.momentum);
    if (lr * remembered < limits.reach || remembered < limits.memory * epochs * stepsPerEpoch) return null;
    return {
      id: 'learning-rate-too-high',
      verdict: 'fault',
      onlyBy: [],
      seen: `learning rate too high: a momentum of ${setup.momentum} adds up ${short(remembered)} steps of ${rateText(lr)}, and the run has ${epochs * stepsPerEpoch}`,
      why: 'Gradients that point one way take steps of lr / (1 − momentum), and what pushed the weights too far is not forgotten before the run ends',
      advice: `Take new Adam(model, { lr: ${usual.oneSize} }), or a momentum of 0.9 at ${Number(Math.min(lr, usual.gradient).toPrecision(2))}`,
      change: { kind: 'optimizer', name: 'Adam', lr: usual.oneSize },
      confidence: 0.85,
    };
  },
});

/** A loss that swings without getting anywhere. */
export const swings = rule({
  ids: ['oscillation'],
  needs: ['losses', 'epochs'],
  source: 'Zhang et al. 2021, AutoTrainer',
  thresholds: { points: 8, turns: 0.6, swing: 0.35, steps: 80 },
  judge: (evidence, { points, turns, swing, steps }) => {
    const { losses, epochs, setup, step } = evidence;
    const curve = epochs.length >= points ? epochs.map(({ loss }) => loss) : step >= steps ? losses.means(16) : [];
    const half = curve.slice(Math.floor(curve.length / 2));
    if (curve.length < points || half.length < 4) return null;
    const differences = half.slice(1).map((loss, i) => loss - half[i]);
    const turned = differences.slice(1).filter((one, i) => one * differences[i] < 0).length / (differences.length - 1);
    const width = deviationOf(half) / Math.abs(meanOf(half));
    // A swing about a small loss is the noise of a run that is done.
    if (turned < turns || width < swing || meanOf(half) < 0.5 * baselineOf(evidence)) return null;
    return {
      id: 'oscillation',
      verdict: 'warning',
      seen: `the loss swings by ${percent(width)} about ${short(meanOf(half))} without getting lower`,
      why: 'Steps that are too long jump from one side of the valley to the other (course rows H04, J17)',
      advice: `Lower the learning rate from ${rateText(setup.lr)} to ${lower(setup.lr)}${setup.batchSize < 8 ? ', or take batches of 32' : ''}`,
      change: { kind: 'learningRate', value: lower(setup.lr) },
      confidence: 0.75,
    };
  },
});

/** A number that was not finite: where it came from decides what to do. */
export const nonFinite = rule({
  ids: ['non-finite', 'learning-rate-too-high'],
  needs: ['failure'],
  source: 'Course rows J09, J12',
  thresholds: { grown: 3 },
  judge: (evidence, { grown }): Suspicion[] => {
    const { failure, setup, losses, start } = evidence;
    const { place, message } = failure;
    const symptom: Suspicion = {
      id: 'non-finite',
      verdict: 'fault',
      seen: message.replace(/(\(epoch[^)]*\))\. .*$/s, '$1'),
      why: 'NaN and infinity spread to every weight with the next step (course row J12)',
      advice: message.replace(/^.*\(epoch[^)]*\)\. /s, ''),
      change:
        place.what === 'input' || place.what === 'target'
          ? { kind: 'fixData', what: 'non-finite numbers' }
          : { kind: 'learningRate', value: lower(place.lr) },
      confidence: 0.9,
      layer: place.path === '' ? null : place.path,
    };
    const first = losses?.first ?? start?.loss ?? Number.NaN;
    const hasGrown =
      losses !== null &&
      (losses.highest > grown * Math.abs(first) || place.what === 'parameter' || place.what === 'output' || place.what === 'gradient');
    if (!hasGrown || place.step < 2) return [symptom];
    return [
      symptom,
      {
        id: 'learning-rate-too-high',
        verdict: 'fault',
        seen: `learning rate too high: with ${rateText(place.lr)}, the loss went from ${short(first)} to a number that is not finite at step ${place.step}`,
        why: 'NaN in the loss nearly always means a learning rate that is too high (course rows J09, J12)',
        advice: `Try ${lower(setup.lr)}, then ${lower(setup.lr, 100)}`,
        change: { kind: 'learningRate', value: lower(setup.lr, losses.highest > 1e6 * Math.abs(first) ? 100 : 10) },
        confidence: 0.85,
      },
    ];
  },
});

/** A curve that stays for long and then falls: said only with a start that explains it. */
export const lateFall = rule({
  ids: ['plateau-then-drop'],
  needs: ['epochs', 'start'],
  source: 'Course row J19',
  thresholds: { epochs: 5 },
  judge: ({ epochs, start }, limits) => {
    if (epochs.length < limits.epochs || classifyLossCurve(epochs.map(({ loss }) => loss)) !== 'late') return null;
    return {
      id: 'plateau-then-drop',
      verdict: 'warning',
      isMild: true,
      seen: `the loss stayed near ${short(start.loss)} for long and then fell to ${short(epochs[epochs.length - 1].loss)}`,
      why: 'First weights that let little through have to grow before anything is learned (course row J19)',
      advice: 'Keep the default initializer: He before ReLU, Xavier before tanh and sigmoid',
      change: { kind: 'initializer', name: 'Xavier' },
      confidence: 0.6,
    };
  },
});

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? Number.NaN : sorted[Math.floor(sorted.length / 2)];
};

/** How the gradient of a weight compares with its size. */
export const relativeGradient = ({ gradient, rms }: WeightLook): number => (rms === 0 ? 0 : gradient / rms);

/** Whether a run has gone on for long enough to say that it does not learn. */
export const isLate = ({ moment, epoch, setup }: Evidence): boolean => moment === 'end' || (epoch >= 20 && epoch >= 0.6 * setup.epochs);
