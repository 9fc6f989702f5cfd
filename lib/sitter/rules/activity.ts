// Rules of units and gradients: dead, saturated, vanishing, exploding, never moving.

import { type Suspicion, isStuck, percent, rateText, rule, short } from '../evidence.js';
import { relativeGradient } from './lr.js';

/** ReLU units that put out nothing any more. */
export const deadUnits = rule({
  ids: ['dead-units'],
  needs: ['now', 'start'],
  source: 'Course rows A19–A23, J26; Zhang et al. 2021, AutoTrainer; Lu et al. 2019, Dying ReLU and initialization',
  thresholds: { dead: 0.9, suspicious: 0.7, units: 8, alive: 0.5, deep: 10 },
  judge: (evidence, limits) => {
    const { now, start, setup } = evidence;
    const worst = now.activations
      .filter(({ name }) => name === 'relu')
      .reduce<(typeof now.activations)[number] | null>((a, b) => (a === null || b.dead > a.dead ? b : a), null);
    if (worst === null || (worst.dead < 1 && worst.units < limits.units)) return null;
    const before = start.activations.find(({ path, name }) => path === worst.path && name === worst.name)?.dead ?? 0;
    const byStart = before > limits.alive;
    // While it trains, half of a net may well go without the other.
    if (worst.dead < (byStart ? limits.alive : limits.suspicious)) return null;
    const lr = Number((setup.lr / 10).toPrecision(2));
    // With each layer that a net is deeper, all units of one are more likely dead from the start.
    const isDeep = byStart && start.activations.length >= limits.deep;
    return {
      id: 'dead-units',
      verdict: 'fault',
      // Of inputs that are far off, some units are dead at the start; all of them are so by themselves.
      ...(byStart && {
        onlyBy: ['symmetric-start', 'weights-too-small', 'nothing-to-learn', ...(before === 1 ? [] : (['unscaled-inputs'] as const))],
      }),
      isMild: worst.dead < limits.dead || !(isStuck(evidence, 0.9) || worst.dead === 1),
      seen: `${percent(worst.dead)} of the ${worst.units} units behind ReLU '${worst.path}' are 0 for all ${now.examples} examples (${percent(before)} before training)`,
      why: `A unit that is 0 for every example gets no gradient and stays so; ${byStart ? 'these began dead: their first weights and biases lie off the data (course row A20)' : 'these died in training: a step that was too long threw them off the data (course row A21)'}`,
      advice: isDeep
        ? `Take 3 hidden layers in the place of ${start.activations.length}, or a batch norm before each ReLU`
        : byStart
          ? 'Keep the He initializer and biases of 0, and scale the inputs'
          : `Lower the learning rate from ${rateText(setup.lr)} to ${lr}, or take LeakyReLU`,
      change: isDeep ? { kind: 'depth', layers: 3 } : byStart ? { kind: 'initializer', name: 'He' } : { kind: 'learningRate', value: lr },
      confidence: 0.85,
      layer: worst.path,
    };
  },
});

/** Sigmoids and tanhs at the ends of their ranges. */
export const saturatedUnits = rule({
  ids: ['saturated-units'],
  needs: ['now', 'start'],
  source: 'Course rows A03, A10, C11',
  thresholds: { saturated: 0.9, suspicious: 0.5 },
  judge: (evidence, limits) => {
    const { now, start, step } = evidence;
    const worst = now.activations.find(({ saturated }) => saturated > limits.suspicious);
    if (worst === undefined || step === 0) return null;
    const before = start.activations.find(({ path }) => path === worst.path)?.saturated ?? 0;
    return {
      id: 'saturated-units',
      verdict: 'fault',
      isMild: worst.saturated < limits.saturated || !isStuck(evidence),
      seen: `${percent(worst.saturated)} of the outputs of '${worst.path}' lie at an end of ${worst.name} (${percent(before)} before training)`,
      why: 'At its ends the slope is near 0, and nearly no gradient comes through (course rows A03, A10)',
      advice:
        before > limits.suspicious
          ? 'Standardize the inputs, and draw the first weights with new Xavier()'
          : 'Lower the learning rate to a tenth',
      change:
        before > limits.suspicious
          ? { kind: 'initializer', name: 'Xavier' }
          : { kind: 'learningRate', value: Number((evidence.setup.lr / 10).toPrecision(2)) },
      confidence: 0.75,
      layer: worst.path,
    };
  },
});

/** Gradients that fade, or grow, on their way back. */
export const gradients = rule({
  ids: ['vanishing-gradients', 'exploding-gradients'],
  needs: ['now', 'start'],
  source: 'Course rows C09, C12; Pascanu et al. 2013',
  thresholds: { vanished: 1e-4, size: 1e-5, exploded: 1e3, layers: 3 },
  judge: (evidence, limits) => {
    const { now, step, setup } = evidence;
    const found: Suspicion[] = [];
    const [first, last] = [now.weights[0], now.weights.at(-1)];
    if (last === undefined || now.weights.length < limits.layers || step === 0) return null;
    const dead = now.activations.some((one) => one.dead === 1);
    if (first.gradient < limits.vanished * last.gradient && relativeGradient(first) < limits.size && !dead) {
      const at = now.weights.findLast((weight) => weight.gradient < 0.1 * last.gradient) ?? first;
      found.push({
        id: 'vanishing-gradients',
        verdict: 'fault',
        isMild: !isStuck(evidence),
        seen: `the gradient of '${first.path}' is ${short(first.gradient)} beside ${short(last.gradient)} in '${last.path}': it fades from '${at.path}' on`,
        why: 'Layers without a gradient do not learn, and those behind them learn from noise (course row C09)',
        advice: 'Take ReLU with new He(), a batch norm before each activation, or fewer layers',
        change: now.activations.some(({ name }) => name === 'sigmoid' || name === 'tanh')
          ? { kind: 'hiddenActivation', name: 'relu' }
          : { kind: 'normalization', name: 'batchNorm' },
        confidence: 0.8,
        layer: at.path,
      });
    }
    const loudest = now.weights.reduce((a, b) => (relativeGradient(b) > relativeGradient(a) ? b : a));
    if (relativeGradient(loudest) > limits.exploded)
      found.push({
        id: 'exploding-gradients',
        verdict: 'fault',
        isMild: true,
        seen: `the gradient of '${loudest.path}' is ${short(relativeGradient(loudest))} times its weights`,
        why: 'One such step throws away what was learned (Pascanu et al. 2013)',
        advice: `Clip the gradients: maxGradNorm: 1, and lower the learning rate from ${rateText(setup.lr)}`,
        change: { kind: 'maxGradNorm', value: 1 },
        confidence: 0.7,
        layer: loudest.path,
      });
    return found;
  },
});

/** Weights that an epoch leaves exactly as they were. */
export const standstill = rule({
  ids: ['parameter-never-changes'],
  needs: ['movement'],
  source: 'Course row J24',
  thresholds: { steps: 10 },
  judge: ({ movement }, { steps }) => {
    const still = movement.weights.filter(({ ratio }) => ratio === 0);
    if (movement.steps < steps || still.length === 0) return null;
    return {
      id: 'parameter-never-changes',
      verdict: 'fault',
      seen: `'${still[0].path}'${still.length > 1 ? ` and ${still.length - 1} more` : ''} did not change in ${movement.steps} steps`,
      why: 'A weight in training that stays exactly where it was gets no gradient, or a learning rate of 0',
      advice: 'Look for detach(), a dead layer in front of it, or a group of the optimizer whose rate is 0; freeze() it if that is meant',
      change: null,
      confidence: 0.85,
      layer: still[0].path,
    };
  },
});
