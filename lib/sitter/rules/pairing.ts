// Rules of the last activation, the loss and the targets, which have to fit each other.

import { type Suspicion, type With, percent, rule, short } from '../evidence.js';

type Seen = With<'start' | 'data'>;

const readsScores = ({ start }: Seen): boolean => start.reading === 'scores of classes' || start.reading === 'scores of yes and no';
const squashing: ReadonlySet<string> = new Set(['sigmoid', 'hard_sigmoid']);

/** A softmax or a sigmoid before a loss that applies it itself, or none before a loss that needs one. */
export const activationAndLoss = rule({
  ids: [
    'softmax-over-one-unit',
    'softmax-before-cross-entropy-on-logits',
    'sigmoid-before-loss-on-logits',
    'scores-into-loss-on-probabilities',
    'relu-output',
  ],
  needs: ['start', 'data'],
  source: 'Course rows E13, E14, E27',
  thresholds: { slack: 1e-6, oneHot: 0.95 },
  judge: (seen, { slack, oneHot }): Suspicion | null => {
    const { start, setup, data } = seen;
    const last = start.lastActivation;
    const units = start.shape.at(-1) ?? 1;
    if ((last === 'softmax' || last === 'log_softmax') && units === 1)
      return {
        id: 'softmax-over-one-unit',
        verdict: 'fault',
        seen: 'the model ends in a softmax over one unit, which is 1 for every input',
        why: 'The exponential of one number divided by itself is 1: no gradient comes back, and nothing can be learned (course row E13)',
        advice: 'End in a sigmoid with BinaryCrossEntropyLoss({ fromLogits: false }), or in 2 linear units with CrossEntropyLoss',
        change: { kind: 'outputActivation', name: 'sigmoid' },
        confidence: 0.99,
      };
    if (last === 'softmax' && start.reading === 'scores of classes')
      return {
        id: 'softmax-before-cross-entropy-on-logits',
        verdict: 'fault',
        seen: `the model ends in a softmax, and ${setup.loss} applies another one to what it takes for scores`,
        why: `Scores from 0 to 1 keep the probability of the right class of ${units} below ${percent(Math.E / (Math.E + units - 1))}, and gradients small (course rows E13, E14)`,
        advice: `Take the softmax away: let the last layer give ${units} plain scores`,
        change: { kind: 'outputActivation', name: 'linear' },
        confidence: 0.97,
      };
    if (last !== null && (squashing.has(last) || last === 'softmax') && readsScores(seen))
      return {
        id: 'sigmoid-before-loss-on-logits',
        verdict: 'fault',
        seen: `the model ends in a ${last}, and ${setup.loss} takes its numbers from 0 to 1 for scores, to which it applies a ${start.reading === 'scores of classes' ? 'softmax' : 'sigmoid'} of its own`,
        why: `A score of at least 0 stands for a probability of at least ${start.reading === 'scores of classes' ? 'e⁻¹ beside the largest' : '0.5'}: the loss cannot come near 0 (course rows E09, E13)`,
        advice: `Take the ${last} away: let the last layer give ${units} plain ${units === 1 ? 'score' : 'scores'}`,
        change: { kind: 'outputActivation', name: 'linear' },
        confidence: 0.95,
      };
    const areLabels = data.targets !== null && (data.targets.areIndices || data.targets.isBinary);
    const isAbove = start.outputs.max > 1 + slack;
    const areExclusive = units > 1 && data.targets !== null && (data.targets.areIndices || data.targets.oneHot >= oneHot);
    if (last === 'relu' && (readsScores(seen) || (start.reading === 'probabilities' && areLabels)))
      return {
        id: 'relu-output',
        verdict: 'fault',
        seen: `the model ends in a ReLU, and ${setup.loss} reads ${start.reading}`,
        why: 'A ReLU gives no negative number and, where it gives 0, no gradient: such outputs never move again (course rows A12, A19)',
        advice:
          start.reading === 'probabilities'
            ? `End in a ${units === 1 ? 'sigmoid' : 'softmax'} over the ${units === 1 ? 'one unit' : `${units} units`}`
            : `Take the last ReLU away: let the last layer give ${units} plain ${units === 1 ? 'score' : 'scores'}`,
        change: { kind: 'outputActivation', name: start.reading === 'probabilities' ? (units === 1 ? 'sigmoid' : 'softmax') : 'linear' },
        confidence: 0.93,
      };
    if (start.reading === 'probabilities' && areLabels && (start.outputs.min < -slack || isAbove))
      return {
        id: 'scores-into-loss-on-probabilities',
        verdict: 'fault',
        seen: `${setup.loss} takes logarithms of what it takes for probabilities, and the model puts out ${short(start.outputs.min)} … ${short(start.outputs.max)}`,
        why: 'Numbers below 0 have no logarithm: the loss cuts them off, where no gradient comes back, or becomes NaN (course row E09)',
        advice: `Take a loss of scores: ${areExclusive ? 'CrossEntropyLoss() on class indices' : 'BinaryCrossEntropyLoss()'}; or end in a ${areExclusive ? 'softmax' : 'sigmoid'}`,
        change: { kind: 'loss', name: areExclusive ? 'CrossEntropyLoss' : 'BinaryCrossEntropyLoss' },
        confidence: 0.95,
      };
    if (start.reading === 'log-probabilities' && (last === 'softmax' || start.outputs.max > slack))
      return {
        id: 'scores-into-loss-on-probabilities',
        verdict: 'fault',
        seen: `${setup.loss} takes log-probabilities, which are at most 0, and the model puts out up to ${short(start.outputs.max)}`,
        why: 'The loss is then no likelihood, and falls without bound (course row E13)',
        advice: 'End in a log-softmax, or take CrossEntropyLoss() on the plain scores',
        change: { kind: 'loss', name: 'CrossEntropyLoss' },
        confidence: 0.95,
      };
    return null;
  },
});

/** Kinds of targets that an output cannot stand for. */
export const outputAndTargets = rule({
  ids: [
    'one-output-for-several-classes',
    'labels-out-of-range',
    'softmax-for-several-labels',
    'sigmoid-for-exclusive-classes',
    'mse-for-classes',
  ],
  needs: ['start', 'data'],
  source: 'Course rows E09, E13, E23',
  thresholds: { mostClasses: 64, oneHot: 0.95, numbered: 20, spread: 0.2 },
  judge: (seen, { mostClasses, oneHot, numbered, spread }): (Suspicion | null)[] => {
    const { start, setup, data } = seen;
    const { targets } = data;
    if (targets === null) return [];
    const last = start.lastActivation;
    const units = start.shape.at(-1) ?? 1;
    const isBinaryLoss = start.reading === 'scores of yes and no' || start.reading === 'probabilities' || squashing.has(last ?? '');
    const found: (Suspicion | null)[] = [];
    if (
      units === 1 &&
      targets.width === 1 &&
      isBinaryLoss &&
      targets.isWhole &&
      targets.min >= 0 &&
      targets.max > 1 &&
      targets.distinct < mostClasses
    ) {
      const classes = targets.max + 1;
      found.push({
        id: 'one-output-for-several-classes',
        verdict: 'fault',
        seen: `the targets are ${targets.distinct} whole numbers up to ${targets.max}, and the model has one output between 0 and 1`,
        why: 'One number between 0 and 1 tells two classes apart. Beside a target of 2, binary cross-entropy falls without bound (course rows E09, E13)',
        advice: `Give the model ${classes} linear outputs and train it with CrossEntropyLoss() on int32 class indices`,
        change: { kind: 'outputActivation', name: 'linear', units: classes },
        confidence: 0.95,
      });
    }
    const isAlone = units === 1 && targets.width === 1 && targets.isWhole && !targets.areIndices;
    if (isAlone && isBinaryLoss && targets.min === 1 && targets.max === 2 && targets.distinct === 2) {
      found.length = 0;
      found.push({
        id: 'labels-out-of-range',
        verdict: 'fault',
        seen: 'the targets are 1 and 2, and the model has one output between 0 and 1',
        why: 'Two classes of one output are 0 and 1 (course rows E09, E28)',
        advice: 'Labels that count from 1: subtract 1',
        change: { kind: 'fixData', what: 'labels' },
        confidence: 0.95,
      });
    }
    // Numbers of classes are spread about evenly, those that are counted or rated are not.
    const even = (targets.distinct * targets.distinct - 1) / 12;
    const areNumbered = targets.min === 0 && targets.max === targets.distinct - 1 && targets.distinct >= 3 && targets.distinct <= numbered;
    if (isAlone && !isBinaryLoss && start.reading === 'numbers' && areNumbered && Math.abs(targets.std * targets.std - even) < spread * even)
      found.push({
        id: 'one-output-for-several-classes',
        verdict: 'warning',
        seen: `the targets are the whole numbers 0 … ${targets.max}, about equally often, and the model has one output that ${setup.loss} draws to them`,
        why: 'If these are classes, the loss takes class 0 to be nearer to class 1 than to class 2, and puts what is between two of them to a third (course row E13)',
        advice: `Give the model ${targets.distinct} linear outputs and train it with CrossEntropyLoss() on int32 class indices`,
        change: { kind: 'loss', name: 'CrossEntropyLoss' },
        confidence: 0.7,
      });
    const several = targets.width > 1 && targets.isBinary && targets.oneHot < oneHot && units === targets.width;
    if (several && (last === 'softmax' || start.reading === 'scores of classes'))
      found.push({
        id: 'softmax-for-several-labels',
        verdict: 'fault',
        seen: `${percent(1 - targets.oneHot)} of the rows of targets have no label or several, and the outputs are a softmax, whose ${units} numbers add up to 1`,
        why: 'A softmax shares one probability among all labels: two that hold together get at most one half each (course row E13)',
        advice: `End in ${units} plain scores with BinaryCrossEntropyLoss(): one yes or no for each label`,
        change: { kind: 'outputActivation', name: 'sigmoid' },
        confidence: 0.92,
      });
    const exclusive = targets.width > 1 && targets.oneHot >= oneHot && units === targets.width;
    if (exclusive && isBinaryLoss && last !== 'softmax' && start.reading !== 'scores of classes')
      found.push({
        id: 'sigmoid-for-exclusive-classes',
        verdict: 'warning',
        isMild: true,
        seen: `each example is of one of ${units} classes, and the model answers yes or no for each of them apart`,
        why: 'Yes and no for each class often trains as well; where it does not, the classes do not compete for the probability (course row E13)',
        advice: 'End in plain scores with CrossEntropyLoss() on class indices',
        change: { kind: 'loss', name: 'CrossEntropyLoss' },
        confidence: 0.5,
      });
    const areClasses = targets.isBinary && targets.distinct === 2 && (exclusive || (targets.width === 1 && units === 1));
    if (areClasses && start.reading === 'numbers' && (last === 'softmax' || squashing.has(last ?? '')))
      found.push({
        id: 'mse-for-classes',
        verdict: 'warning',
        isMild: true,
        seen: `${setup.loss} compares the outputs of a ${last} with targets of 0 and 1`,
        why: 'Where the output is sure and wrong, the slope of the activation is near 0, and so is the gradient; cross-entropy cancels it (course rows A03, E13)',
        advice: `Take ${exclusive ? 'CrossEntropyLoss() on plain scores' : 'BinaryCrossEntropyLoss() on a plain score'}`,
        change: { kind: 'loss', name: exclusive ? 'CrossEntropyLoss' : 'BinaryCrossEntropyLoss' },
        confidence: setup.loss === 'L1Loss' ? 0.6 : 0.5,
      });
    return found;
  },
});

const ranges: Readonly<Record<string, readonly [number, number]>> = {
  sigmoid: [0, 1],
  hard_sigmoid: [0, 1],
  softmax: [0, 1],
  tanh: [-1, 1],
  relu: [0, Number.POSITIVE_INFINITY],
  softplus: [0, Number.POSITIVE_INFINITY],
  log_softmax: [Number.NEGATIVE_INFINITY, 0],
};

/** Targets that are no probabilities, before a loss that takes them for some. */
export const numbersAsProbabilities = rule({
  ids: ['targets-against-loss'],
  needs: ['start', 'data'],
  source: 'Course row E09',
  thresholds: { slack: 0.05, mostClasses: 64 },
  judge: ({ start, data, setup }, { slack, mostClasses }) => {
    const { targets } = data;
    const isOther = start.reading !== 'probabilities' && start.reading !== 'scores of yes and no';
    // Whole numbers may be classes, which have rules of their own.
    if (targets === null || targets.areIndices || isOther || targets.nonFinite > 0) return null;
    if (targets.isWhole && targets.min >= 0 && targets.distinct < mostClasses) return null;
    if (targets.min >= -slack && targets.max <= 1 + slack) return null;
    return {
      id: 'targets-against-loss',
      verdict: 'fault',
      seen: `the targets go from ${short(targets.min)} to ${short(targets.max)}, and ${setup.loss} takes them for probabilities`,
      why: 'Beside targets outside of 0 … 1, a cross-entropy falls without bound, and has its least value nowhere (course row E09)',
      advice: 'Take MSELoss(), and let the last layer be linear',
      change: { kind: 'loss', name: 'MSELoss', ...(start.lastActivation !== null && { outputActivation: 'linear' }) },
      confidence: 0.95,
    };
  },
});

/** Targets outside of what the last activation can put out. */
export const reach = rule({
  ids: ['targets-out-of-reach'],
  needs: ['start', 'data'],
  source: 'Course rows A01, A09, A11',
  thresholds: { slack: 0.05, large: 10 },
  judge: ({ start, data, setup }, { slack, large }) => {
    const { targets } = data;
    const last = start.lastActivation ?? '';
    const range = ranges[last];
    if (targets === null || targets.areIndices || start.reading !== 'numbers' || range === undefined) return null;
    const [low, high] = range;
    if (targets.min >= low - slack && targets.max <= high + slack) return null;
    // Class indices have a rule of their own.
    if (
      last !== 'tanh' &&
      last !== 'softmax' &&
      high === 1 &&
      targets.isWhole &&
      targets.min >= 0 &&
      targets.distinct <= 20 &&
      targets.width === 1
    )
      return null;
    return {
      id: 'targets-out-of-reach',
      verdict: 'fault',
      seen: `the targets go from ${short(targets.min)} to ${short(targets.max)}, and a ${last} puts out ${low === Number.NEGATIVE_INFINITY ? 'at most' : short(low)} ${high === Number.POSITIVE_INFINITY ? 'and more' : `${low === Number.NEGATIVE_INFINITY ? '' : 'to '}${short(high)}`}`,
      why: `No weights reach such targets: ${setup.loss} pushes the unit to the end of its range, where its gradient is 0 (course rows A03, A10, A12)`,
      advice: 'Let the last layer be linear, and standardize the targets to mean 0 and deviation 1',
      // Without that, a linear output begins as far away as the targets are large.
      change: { kind: 'outputActivation', name: 'linear', ...(targets.rms >= large && { standardizeTargets: true }) },
      confidence: 0.95,
    };
  },
});
