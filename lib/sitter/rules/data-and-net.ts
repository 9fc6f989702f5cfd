// Rules of the data beside the net, by what plain learners make of the data: labels without a meaning, and examples that will be learned by heart.

import { type With, isStuck, percent, rule } from '../evidence.js';
import type { Probe } from '../probe.js';
import { stepsOfOneSize } from './lr.js';

/** By how many standard deviations plain learners tell the classes better than chance does. */
export const surplusOf = ({ neighbours, means }: Probe): number =>
  Math.max(...[neighbours, means].map(({ share, chance, deviation }) => (share - chance) / deviation));

/** Labels that neither the net nor a plain learner can tell from chance. */
export const meaningless = rule({
  ids: ['nothing-to-learn'],
  needs: ['data', 'losses'],
  source: 'Zhang et al. 2017, Understanding deep learning requires rethinking generalization',
  thresholds: { examples: 200, steps: 10, stuck: 0.98, surplus: 3 },
  judge: (evidence, limits) => {
    const { data, epoch, step } = evidence;
    if (epoch === 0 || step < limits.steps || data.looked < limits.examples || !Number.isFinite(evidence.chance)) return null;
    if (!isStuck(evidence, limits.stuck)) return null;
    const probe = evidence.probe();
    if (probe === null || surplusOf(probe) > limits.surplus) return null;
    const { neighbours, means } = probe;
    return {
      id: 'nothing-to-learn',
      verdict: 'warning',
      onlyBy: [],
      seen: `the inputs do not tell the labels: over ${probe.examples} examples, the nearest others have the same class in ${percent(neighbours.share)} of cases (${percent(neighbours.chance)} by chance), the nearest mean of a class is right in ${percent(means.share)} (${percent(means.chance)}), and the net has learned nothing after epoch ${epoch}`,
      why: 'Labels that were shuffled, or joined to the wrong rows, look like this. A rule that is true everywhere and shows nowhere, such as a parity, does, too',
      advice: 'Look at ten examples with their labels by eye before anything else',
      change: { kind: 'fixData', what: 'labels' },
      confidence: 0.75,
    };
  },
});

/** Whether a net can learn all its examples by heart: it has numbers enough, and steps, and nothing keeps its weights small. */
function canMemorize({ start, setup, data }: With<'start' | 'data'>, limits: { readonly travel: number; readonly weights: number }): boolean {
  const weights = start.weights.reduce((sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1), 0);
  const width = data.targets?.width ?? 1;
  const isHeldBack = setup.isRegularized || setup.weightDecay > 0 || setup.stopsEarly || setup.layers.some(({ dropout }) => dropout > 0);
  const travel = stepsOfOneSize.has(setup.optimizer) ? setup.lr * setup.epochs * setup.stepsPerEpoch : 0;
  return !isHeldBack && !setup.isScheduled && travel >= limits.travel && weights >= limits.weights * data.length * width;
}

/** A run that is long enough to learn few examples by heart, of a kind whose neighbours often disagree. */
export const memorizing = rule({
  ids: ['overfitting'],
  needs: ['data', 'start', 'validation'],
  source: 'Course rows J22, L03',
  thresholds: { epochs: 75, rows: 1024, travel: 5, weights: 0.5, wrong: 0.05, surplus: 3, best: 0.6 },
  judge: (evidence, limits) => {
    const { data, start, setup, epoch } = evidence;
    const isOfClasses = start.reading === 'scores of classes' || start.reading === 'scores of yes and no' || start.reading === 'probabilities';
    if (epoch === 0 || setup.epochs < limits.epochs || data.length > limits.rows || data.looked < data.length || !isOfClasses) return null;
    if (!setup.isBlank || !canMemorize(evidence, limits)) return null;
    const probe = evidence.probe();
    if (probe === null || 1 - probe.vote < limits.wrong || surplusOf(probe) < limits.surplus) return null;
    const best = Math.max(1, Math.ceil(limits.best / (setup.lr * setup.stepsPerEpoch)));
    return {
      id: 'overfitting',
      verdict: 'warning',
      seen: `${setup.epochs} epochs are enough to learn these ${data.length} examples by heart, and ${percent(1 - probe.vote)} of them are not of the class of most of their nearest others: validation loss will rise, probably from about epoch ${best} on`,
      why: 'What tells such examples from their neighbours is chance; once a net fits it, it grows ever surer of mistakes (course rows J22, L03)',
      advice: `Stop in time: callbacks: [new EarlyStopping({ patience: ${Math.max(5, Math.ceil(best / 3))} })]; AdamW with weightDecay 0.01, Dropout(0.3) or more data push it further`,
      change: { kind: 'earlyStopping', epoch: best },
      confidence: 0.75,
    };
  },
});

/** What is known of labels where validation was never better than chance: whether plain learners can tell them. */
export const areLearnable = (probe: Probe | null, surplus = 4): boolean => probe !== null && surplusOf(probe) > surplus;
