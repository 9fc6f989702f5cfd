// Rules of the model before its first step: first loss, first weights, and what the loss and the optimizer reach.

import { CrossEntropyLoss } from '../../losses/cross-entropy.js';
import { type Suspicion, isStuck, percent, rule, short } from '../evidence.js';
import type { Look, WeightLook } from '../look.js';

/** Hidden weights: all but those of the last layer. */
const hiddenOf = ({ weights }: Look): readonly WeightLook[] => weights.slice(0, -1);

/** Elements that go into one output. */
export const fanIn = ({ shape }: WeightLook): number => shape.slice(0, -1).reduce((product, side) => product * side, 1);

/** The loss of a model that knows nothing: one that is unsure. Where one class is common, knowing how common is worth more than that. */
function ignorance({ reading, shape }: Look, chance: number): number {
  const classes = reading === 'scores of classes' ? shape.at(-1) : reading === 'scores of yes and no' ? 2 : undefined;
  return classes === undefined ? chance : Math.max(chance, new CrossEntropyLoss().chance(classes) ?? 0);
}

/** The first loss beside that of a constant guess. */
export const firstLoss = rule({
  ids: ['initial-loss'],
  needs: ['start'],
  source: 'Course rows J02, J03',
  thresholds: { classes: 5, numbers: 20, scaled: 3 },
  judge: ({ start, chance, setup }, limits) => {
    const limit = start.reading === 'scores of classes' ? limits.classes : limits.numbers;
    const ignorant = ignorance(start, chance);
    if (!setup.isBlank || !(start.loss > limit * ignorant)) return null;
    return {
      id: 'initial-loss',
      verdict: 'warning',
      // Of inputs that are not standardized it is the usual thing.
      isMild: start.reading !== 'scores of classes' || (start.entering?.largest ?? 0) > limits.scaled,
      seen: `the first loss is ${short(start.loss)}, ${short(start.loss / ignorant)} times that of a model that knows nothing (${short(ignorant)})`,
      why: 'A fresh model is to be unsure; one that is sure and wrong spends its first steps on unlearning (course row J02)',
      advice: 'Keep the default initializer: Linear and Conv2d choose He or Xavier by what follows',
      change: { kind: 'initializer', name: 'He' },
      confidence: 0.7,
    };
  },
});

/** Units that begin alike and stay alike. */
export const symmetry = rule({
  ids: ['symmetric-start'],
  needs: ['start'],
  source: 'Course rows C01–C04',
  thresholds: {},
  judge: ({ start, setup }) => {
    const alike = hiddenOf(start).find(({ isSymmetric }) => isSymmetric);
    if (alike === undefined || !setup.isBlank) return null;
    const units = alike.shape.at(-1) ?? 1;
    return {
      id: 'symmetric-start',
      verdict: 'fault',
      seen: `all ${units} units of '${alike.path}' begin with the same weights (${alike.rms === 0 ? '0' : short(alike.rms)}), and get the same gradient`,
      why: `Units that begin alike stay alike: ${units} of them do the work of one (course rows C01, C04)`,
      advice: 'Draw the first weights: new He() before ReLU, new Xavier() before tanh and sigmoid',
      change: { kind: 'initializer', name: 'He' },
      confidence: 0.97,
      layer: alike.path,
    };
  },
});

/** First weights by which the input fades away, or drowns. */
export const sizeOfWeights = rule({
  ids: ['weights-too-small', 'weights-too-large', 'vanishing-gradients'],
  needs: ['start'],
  source: 'Course rows C08–C12',
  thresholds: { faded: 1e-4, fadedDeep: 1e-3, small: 0.4, large: 3, huge: 6, saturated: 0.5, loss: 3, far: 10, deep: 10 },
  judge: ({ start, setup, chance }, limits) => {
    if (!setup.isBlank || start.entering === null) return null;
    const input = start.entering.std;
    const last = start.activations.at(-1);
    const gains = hiddenOf(start).map((weight) => weight.rms * Math.sqrt(fanIn(weight)));
    const largest = Math.max(0, ...gains);
    const smaller = gains.filter((gain) => gain < limits.small).length;
    const found: Suspicion[] = [];
    const isSymmetric = start.weights.some((weight) => weight.isSymmetric);
    if (last !== undefined && start.activations.length > 1 && input > 0 && last.signal < limits.faded * input && !isSymmetric) {
      const isSmall = smaller >= gains.length / 2;
      const what = `of a deviation of ${short(input)} between the inputs, ${short(last.signal)} is left behind ${start.activations.length} activations`;
      found.push(
        isSmall
          ? {
              id: 'weights-too-small',
              verdict: 'fault',
              seen: `${what}: the first weights have a gain of ${short(Math.min(...gains))} a layer, and 1 to 1.4 keeps the size`,
              why: 'All examples look alike to the last layer, and the gradient fades in the same way on its way back (course rows C08–C10)',
              advice: 'Draw the first weights with new Xavier() before tanh and sigmoid, new He() before ReLU',
              change: { kind: 'initializer', name: last.name === 'relu' ? 'He' : 'Xavier' },
              confidence: 0.85,
              layer: last.path,
            }
          : {
              id: 'vanishing-gradients',
              verdict: 'warning',
              // Whatever ends the net: what makes the start so is the start.
              onlyBy: ['symmetric-start', 'nothing-to-learn', 'dead-units'],
              seen: what,
              why: `Each ${last.name} takes some of the signal, and some of the gradient on its way back: the first layers hardly learn (course rows C09, C15, D01)`,
              advice:
                last.name === 'relu'
                  ? `Take ${start.activations.length >= limits.deep ? '3 hidden layers' : 'fewer layers'}, or put a batch norm before each ReLU`
                  : 'Take ReLU with new He() in the hidden layers, or put a batch norm before each activation',
              change:
                last.name !== 'relu'
                  ? { kind: 'hiddenActivation', name: 'relu' }
                  : start.activations.length >= limits.deep
                    ? { kind: 'depth', layers: 3 }
                    : { kind: 'normalization', name: 'batchNorm' },
              confidence: 0.8,
              layer: last.path,
            },
      );
    }
    const saturated = start.activations.find((one) => one.saturated > limits.saturated);
    const isLoud =
      (start.reading === 'scores of classes' && start.loss > limits.loss * chance) ||
      (largest > limits.huge && start.loss > limits.far * chance);
    if (largest > limits.large && (isLoud || saturated !== undefined)) {
      const at = hiddenOf(start)[gains.indexOf(largest)];
      found.push({
        id: 'weights-too-large',
        verdict: 'fault',
        // A net whose units are all saturated at first may still find its way.
        isMild: !isLoud,
        seen: `the first weights of '${at.path}' have a gain of ${short(largest)}${saturated === undefined ? '' : `, and ${percent(saturated.saturated)} of the outputs of '${saturated.path}' lie at an end of ${saturated.name}`}`,
        why: 'The outputs grow from layer to layer: the first loss is far above chance, and saturated units pass no gradient (course rows C11, C12)',
        advice: 'Draw the first weights with new He() before ReLU, new Xavier() before tanh and sigmoid',
        change: { kind: 'initializer', name: saturated === undefined ? 'He' : 'Xavier' },
        confidence: 0.85,
        layer: at.path,
      });
    }
    return found;
  },
});

/** Several layers that are one. */
export const straightness = rule({
  ids: ['no-nonlinearity'],
  needs: ['start'],
  source: 'Course row A40',
  thresholds: {},
  judge: ({ start }) => {
    const { weights } = start;
    // Rows that are looked up are no layer: one layer behind them is meant.
    const depth = start.entering === null ? start.depth - 1 : start.depth;
    if (start.isCurved || depth < 2 || weights.length < 2) return null;
    const [inputs, outputs] = [fanIn(weights[0]), weights[weights.length - 1].shape.at(-1) ?? 1];
    // A narrow middle is a linear projection, which is meant.
    if (hiddenOf(start).some(({ shape }) => (shape.at(-1) ?? 1) < Math.min(inputs, outputs))) return null;
    return {
      id: 'no-nonlinearity',
      verdict: 'warning',
      seen: `${start.depth} layers with weights stand one behind the other, and no activation between any two`,
      why: 'Linear layers in a row are one linear layer: they draw straight borders only (course row A40)',
      advice: 'Put a ReLU behind each hidden layer',
      change: { kind: 'hiddenActivation', name: 'relu' },
      confidence: 0.8,
    };
  },
});

/** A layer that lets one number through. */
export const bottleneck = rule({
  ids: ['underfitting'],
  needs: ['start'],
  source: 'Course row J23',
  thresholds: { inputs: 2, widen: 32 },
  judge: ({ start }, { inputs, widen }) => {
    const narrow = hiddenOf(start).find((weight) => weight.shape.length === 2 && weight.shape[1] === 1 && fanIn(weight) >= inputs);
    // A gate of one unit beside others has an activation that lets more through.
    if (narrow === undefined || !start.activations.some(({ units }) => units === 1)) return null;
    return {
      id: 'underfitting',
      verdict: 'warning',
      onlyBy: [],
      seen: `all that '${narrow.path}' takes from its ${fanIn(narrow)} inputs is one number`,
      why: 'What is behind one unit sees one weighted sum of the inputs, and can only bend it (course row J23)',
      advice: `Give the layer ${widen} units`,
      change: { kind: 'widen', factor: widen },
      confidence: 0.8,
      layer: narrow.path,
    };
  },
});

/** Parameters that take no part. */
export const heldAndReached = rule({
  ids: ['parameters-not-held', 'parameters-not-reached', 'parameter-never-changes'],
  needs: ['start'],
  source: 'Course row G10',
  thresholds: { steps: 10, stuck: 0.9, asMade: 0.5 },
  judge: (evidence, { steps, stuck, asMade }) => {
    const { start, step, setup } = evidence;
    const isAsMade = setup.layers.some((layer) => layer.isFrozenAsMade);
    const found: Suspicion[] = [];
    if (start.frozen.length > 0 && start.frozen.length >= start.weights.length)
      found.push({
        id: 'parameter-never-changes',
        verdict: 'warning',
        // Layers that were trained before give the last one something to learn from at once.
        isMild: step < steps || !isStuck(evidence, isAsMade ? asMade : stuck),
        ...(isAsMade && { onlyBy: [] }),
        seen: `${start.frozen.length} weights are frozen, from '${start.frozen[0]}' on, and ${start.weights.length} in training`,
        why: 'Frozen layers with first weights that were drawn at random learn nothing; they are meant to be frozen after training',
        advice: 'Call unfreeze() on the model, or load weights that were trained',
        change: null,
        confidence: 0.7,
        layer: start.frozen[0],
      });
    const list = (paths: readonly string[]): string =>
      `'${paths.slice(0, 3).join("', '")}'${paths.length > 3 ? ` and ${paths.length - 3} more` : ''}`;
    if (start.notHeld.length > 0)
      found.push({
        id: 'parameters-not-held',
        verdict: 'fault',
        seen: `the optimizer does not hold ${list(start.notHeld)}`,
        why: 'They get gradients and never move',
        advice: 'Make the optimizer with the whole model, new Adam(model, …), or freeze() what is not to be trained',
        change: null,
        confidence: 0.98,
        layer: start.notHeld[0],
      });
    if (start.unreached.length > 0)
      found.push({
        id: 'parameters-not-reached',
        verdict: 'fault',
        seen: `the loss does not depend on ${list(start.unreached)}`,
        why: 'They get no gradient, whatever the data: they are not used in forward(), or behind detach()',
        advice: 'Use them in forward(), or freeze() them',
        change: null,
        confidence: 0.95,
        layer: start.unreached[0],
      });
    return found;
  },
});
