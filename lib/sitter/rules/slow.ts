// Rules of runs that are too slow: by what all their steps can do, by how far the weights went, and by losses that still fall at the end.

import { type Evidence, type Suspicion, baselineOf, isStuck, percent, rateText, rule, short } from '../evidence.js';
import type { FindingId } from '../finding.js';
import type { Look, WeightLook } from '../look.js';
import { isLate, median, sizeOf, stepsOfOneSize, usual } from './lr.js';

/** Starts by which no gradient comes through, whatever the rate. */
const noGradient: readonly FindingId[] = ['symmetric-start', 'softmax-over-one-unit', 'vanishing-gradients', 'weights-too-small', 'dead-units'];

/**
 * How far all steps of a run can go: for optimizers whose steps are as long as the rate says, by the size of the first weights; for gradient
 * descent lr / (1 − momentum) · steps, the time in which a direction of curvature λ gets from 1 to e^(−λ · time). Null where that says nothing.
 */
function reachOf({ setup, data, chance }: Evidence, start: Look): { readonly reach: number; readonly kind: 'oneSize' | 'gradient' } | null {
  const total = setup.epochs * setup.stepsPerEpoch;
  if (stepsOfOneSize.has(setup.optimizer)) {
    const reach = median(start.weights.map((weight) => setup.lr / sizeOf(weight))) * total;
    return Number.isFinite(reach) ? { reach, kind: 'oneSize' } : null;
  }
  // Curvature grows with the squares of inputs and targets, and a loss that is a sum with the batch.
  const isPlain = start.entering !== null && start.entering.largest <= 3 && (data?.targets?.areIndices || (data?.targets?.rms ?? 10) <= 3);
  if (setup.optimizer !== 'SGD' || !isPlain || !(Number.isFinite(chance) || start.loss < 5)) return null;
  return { reach: (setup.lr / (1 - setup.momentum)) * total, kind: 'gradient' };
}

/** Fine-tuning goes in small steps on purpose: weights that were loaded, or a loss that is low from the beginning. */
const isTuning = (evidence: Evidence, known: number): boolean =>
  evidence.setup.isTuned || (evidence.losses?.first ?? Number.NaN) < known * baselineOf(evidence);

/** A run whose steps, all together, do not go far enough. */
export const shortReach = rule({
  ids: ['learning-rate-too-low', 'stopped-too-early'],
  needs: ['start'],
  source: 'Course rows J07, J16, J24',
  thresholds: {
    oneSize: 0.35,
    gradient: 2.5,
    wantedOneSize: 5,
    wantedGradient: 100,
    known: 0.5,
    learned: 0.5,
    unfinished: 0.8,
    usual: 0.3,
    low: 0.03,
    longer: 100,
    few: 200,
    most: 0.01,
    adadelta: 0.05,
  },
  judge: (evidence, limits) => {
    const { setup, start, epoch, losses, moment } = evidence;
    if (epoch === 0 || !setup.isBlank || setup.isScheduled || setup.lr === 0 || isTuning(evidence, limits.known)) return null;
    // A loss below zero has no scale: it says nothing.
    if (losses !== null && losses.lowest >= 0 && !isStuck(evidence, limits.learned)) return null;
    const total = setup.epochs * setup.stepsPerEpoch;
    const found = reachOf(evidence, start);
    if (setup.optimizer === 'Adadelta' && setup.lr < limits.adadelta)
      return { ...tooLow(setup.lr, 1, 'a step of Adadelta is as long as earlier ones, times the rate'), onlyBy: [] };
    if (found === null || !(found.reach < limits[found.kind])) return null;
    const { reach, kind } = found;
    const [wanted, most] = kind === 'oneSize' ? [limits.wantedOneSize, limits.most] : [limits.wantedGradient, usual.gradient];
    const seen =
      kind === 'oneSize'
        ? `all ${total} steps of the run together move a weight by ${percent(reach)} of its size at most`
        : `all ${total} steps of the run together are ${short(reach)} steps of a rate of 1`;
    // A usual rate in few steps is a run that is tried out: said only if it ends without having learned.
    const isUsual = setup.lr >= limits.usual * usual[kind];
    if (isUsual && !(moment === 'end' && isStuck(evidence, limits.unfinished))) return null;
    const value = Number(Math.min(most, setup.lr * (wanted / reach)).toPrecision(1));
    const isFar = setup.lr < limits.low * usual[kind] || wanted > limits.longer * reach;
    if (!isUsual && (total >= limits.few || isFar)) return tooLow(setup.lr, value, seen);
    const epochs = Math.ceil(setup.epochs * (wanted / reach));
    return {
      id: 'stopped-too-early',
      verdict: 'fault',
      onlyBy: aside,
      seen: `the run is too short: with a rate of ${short(setup.lr)}, ${seen}`,
      why: 'Weights have to go about as far as they are large to be anything else than what was drawn (course rows J07, J18)',
      advice: `Train for ${epochs} epochs`,
      change: { kind: 'epochs', value: epochs },
      confidence: 0.8,
    };
  },
});

/** Gradients that are cut so short that no usual rate makes steps of them. */
export const clippedAway = rule({
  ids: ['learning-rate-too-low'],
  needs: ['start'],
  source: 'Pascanu et al. 2013',
  thresholds: { cut: 100, reach: 0.05 },
  judge: ({ setup, start }, { cut, reach }) => {
    const { maxGradNorm, lr, momentum, epochs, stepsPerEpoch } = setup;
    // Steps of one size do not depend on it.
    if (maxGradNorm === null || setup.optimizer !== 'SGD' || setup.isScheduled) return null;
    const countOf = ({ shape }: WeightLook): number => shape.reduce((product, side) => product * side, 1);
    const normOf = (of: 'rms' | 'gradient'): number =>
      Math.sqrt(start.weights.reduce((sum, weight) => sum + weight[of] * weight[of] * countOf(weight), 0));
    const [weights, gradient] = [normOf('rms'), normOf('gradient')];
    const total = epochs * stepsPerEpoch;
    const far = (total * lr * maxGradNorm) / (1 - momentum) / weights;
    if (!(gradient > cut * maxGradNorm) || !(far < reach)) return null;
    return {
      id: 'learning-rate-too-low',
      verdict: 'fault',
      onlyBy: [],
      seen: `steps too short: maxGradNorm ${maxGradNorm} cuts a gradient of norm ${short(gradient)}, and all ${total} steps of the run together move the weights by ${percent(far)} of their size at most`,
      why: 'Clipping is to catch the rare gradient that is far too long; where it cuts each one, it is a learning rate (Pascanu et al. 2013)',
      advice: 'Take maxGradNorm: 1, or leave it out',
      change: { kind: 'maxGradNorm', value: 1 },
      confidence: 0.95,
    };
  },
});

/** Weights that are pulled to 0 faster than they learn. */
export const heldDown = rule({
  ids: ['underfitting'],
  needs: ['losses'],
  source: 'Course row F01',
  thresholds: { decay: 0.5, stuck: 0.8, usual: 0.01 },
  judge: (evidence, { decay, stuck, usual: wanted }) => {
    const { setup, epoch, losses } = evidence;
    if (epoch === 0 || setup.weightDecay < decay || !isStuck(evidence, stuck)) return null;
    return {
      id: 'underfitting',
      verdict: 'fault',
      onlyBy: [],
      seen: `a weight decay of ${setup.weightDecay} pulls the weights to 0, and the loss is still ${short(losses.latest)} after epoch ${epoch} (a constant guess has ${short(baselineOf(evidence))})`,
      why: 'A penalty that outweighs the loss is what is learned; 0.01 and less are usual',
      advice: `Take weightDecay: ${wanted}`,
      change: { kind: 'weightDecay', value: wanted },
      confidence: 0.9,
    };
  },
});

/** Beside weights that are far too large, any step is short; and large batches are few steps. */
const aside: readonly FindingId[] = ['weights-too-large', 'batch-too-large'];

const tooLow = (lr: number, value: number, seen: string): Suspicion => ({
  id: 'learning-rate-too-low',
  verdict: 'fault',
  onlyBy: aside,
  seen: `learning rate too low: with ${short(lr)}, ${seen}`,
  why: 'A step is to move weights by about a thousandth of their size; far less, and the run ends where it began (course rows J07, J24)',
  advice: `Try ${value}`,
  change: { kind: 'learningRate', value },
  confidence: 0.9,
});

/** Weights that will not get anywhere by the end of the run. */
export const shortSteps = rule({
  ids: ['learning-rate-too-low', 'stopped-too-early'],
  needs: ['losses', 'movement', 'start'],
  source: 'Course rows J07, J16, J24',
  thresholds: { budget: 0.15, own: 0.005, slow: 0.2, ratio: 6e-4, fall: 0.3, known: 0.5, good: 1e-3, reach: 2, usual: 0.3, longest: 100 },
  judge: (evidence, limits) => {
    const { setup, losses, movement, start, step } = evidence;
    if (movement.steps === 0 || movement.weights.length === 0 || losses.points.length < 2 || isTuning(evidence, limits.known)) return null;
    // A rate that is still on its way up says nothing of the steps to come.
    if ((setup.isScheduled || setup.lr > movement.lr) && !isLate(evidence)) return null;
    const perStep = median(movement.weights.map(({ ratio }) => ratio)) / movement.steps;
    const total = setup.epochs * setup.stepsPerEpoch;
    const budget = perStep * total;
    // What is lost on the way down to a constant guess is no learning.
    const from = Math.min(Math.max(start.loss, losses.first), baselineOf(evidence));
    // Over a third of the steps, so that what the last batches happen to be counts for little.
    const reached = losses.means(3).at(-1) ?? losses.latest;
    const fall = Math.max(0, from - reached) / Math.abs(from);
    const expected = fall * (total / Math.max(1, step));
    if (!(budget < limits.slow) || !(perStep < limits.ratio) || !(expected < limits.fall)) return null;
    // Where no gradient comes through, no rate helps.
    if (start.weights.every(({ gradient }) => gradient === 0)) return null;
    // Steps that could go far, and do not, go to and fro.
    const found = reachOf(evidence, start);
    if (found?.kind === 'oneSize' && found.reach > limits.reach) return null;
    let factor = 10;
    while (perStep > 0 && factor < 1e6 && perStep * factor < limits.good) factor *= 10;
    const kind = stepsOfOneSize.has(setup.optimizer) ? 'oneSize' : 'gradient';
    const bearable = kind === 'oneSize' ? usual.oneSize : usual.gradient / 2;
    // What a schedule has lowered is measured by where it began: that is the rate that somebody chose.
    const lr = setup.isScheduled ? Math.max(movement.lr, setup.lr) : setup.lr;
    const seen = `a step moves the weights by ${short(perStep)} of their size, all ${total} steps of the run by ${percent(budget)} at most, and the loss fell by ${percent(fall)} in ${step} steps`;
    const last = evidence.epochs.at(-1)?.lr ?? setup.lr;
    const course = last < lr ? `the schedule takes it from ${rateText(lr)} to ${rateText(last)}` : `with ${short(lr)}`;
    if (setup.isScheduled && last < lr && lr >= limits.usual * usual[kind]) {
      const epochs = Math.ceil(setup.epochs * Math.min(limits.longest, Math.max(2, 1 / budget)));
      return {
        id: 'stopped-too-early',
        verdict: 'fault',
        isMild: budget >= limits.budget,
        seen: `the run is too short for its learning rate: ${course}, ${seen}`,
        why: 'A schedule lowers the rate by the length of the run; in a short one it is low before much was learned (course rows J07, J18)',
        advice: `Train for ${epochs} epochs`,
        change: { kind: 'epochs', value: epochs },
        confidence: 0.7,
      };
    }
    const wanted = setup.optimizer === 'Adadelta' ? 1 : lr === 0 ? bearable / 3 : Math.min(bearable, lr * factor * 10);
    const raised = Math.max(wanted, lr * 10);
    // At a usual rate it is the gradients that are small: steps that follow their size stay so.
    const isUsual = setup.optimizer === 'SGD' && setup.lr >= limits.usual * usual.gradient;
    return {
      id: 'learning-rate-too-low',
      verdict: 'fault',
      isMild: budget >= limits.budget,
      ...(budget < limits.own && { onlyBy: noGradient }),
      seen: `learning rate too low: ${course}, ${seen}`,
      why: 'A step is to move weights by about a thousandth of their size; far less, and the run ends where it began (course rows J07, J24)',
      advice: isUsual
        ? `Take new Adam(model, { lr: ${usual.oneSize} }), whose steps do not shrink with the gradient, or try ${Number(raised.toPrecision(1))}`
        : `Try ${Number(raised.toPrecision(1))}`,
      change: isUsual ? { kind: 'optimizer', name: 'Adam', lr: usual.oneSize } : { kind: 'learningRate', value: Number(raised.toPrecision(1)) },
      confidence: budget >= limits.budget ? 0.6 : 0.9,
    };
  },
});

/** A run that is over while both losses still fall, and its weights are near to where they began. */
export const onTheWay = rule({
  ids: ['stopped-too-early', 'learning-rate-too-low'],
  needs: ['losses', 'movement', 'epochs'],
  source: 'Course row J18',
  thresholds: { epochs: 6, moved: 0.6, falls: 0.15, loss: 0.08, gain: 0.06, thirds: 3, low: 0.1 },
  judge: (evidence, limits) => {
    const { setup, epochs, movement, moment } = evidence;
    if (moment !== 'end' || epochs.length < limits.epochs || setup.isScheduled) return null;
    const moved = median(movement.weights.map(({ ratio }) => ratio));
    const [last, before] = [epochs[epochs.length - 1], epochs[Math.round((2 / 3) * epochs.length) - 1]];
    if (last.validation === undefined || before.validation === undefined || !(moved < limits.moved)) return null;
    const falls = Math.min(1 - last.loss / before.loss, 1 - last.validation.loss / before.validation.loss);
    // What is left of a loss that goes on at this pace for as long again is (1 − fall)³ of it.
    const left = last.validation.loss / baselineOf(evidence);
    const gain = left * (1 - (1 - falls) * (1 - falls) * (1 - falls));
    if (!(falls >= limits.falls) || !(left >= limits.loss) || !(gain >= limits.gain)) return null;
    const isLow = !setup.isTuned && setup.lr <= limits.low * (stepsOfOneSize.has(setup.optimizer) ? usual.oneSize : usual.gradient);
    const seen = `validation loss fell by ${percent(1 - last.validation.loss / before.validation.loss)} in the last third of the run, to ${short(last.validation.loss)}, and the weights moved by ${percent(moved)} of their size`;
    if (isLow)
      return {
        id: 'learning-rate-too-low',
        verdict: 'warning',
        seen: `learning rate too low: with ${short(setup.lr)}, ${seen}`,
        why: 'A run that ends while both losses fall has not shown what the model can do (course rows J07, J18)',
        advice: `Try ${Number((10 * setup.lr).toPrecision(1))}`,
        change: { kind: 'learningRate', value: Number((10 * setup.lr).toPrecision(1)) },
        confidence: 0.7,
      };
    return {
      id: 'stopped-too-early',
      verdict: 'warning',
      seen: `the run ended on its way: ${seen}`,
      why: 'A run that ends while both losses fall has not shown what the model can do (course row J18)',
      advice: `Train for ${10 * setup.epochs} epochs`,
      change: { kind: 'epochs', value: 10 * setup.epochs },
      confidence: 0.7,
    };
  },
});
