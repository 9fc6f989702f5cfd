// The names of a model's classes: kept beside it, saved with it, and compared with those of the data that it is judged by.

import { someNames } from '../data/columns.js';
import { isShape, whenThere } from '../data/contract.js';
import type { AnyDataset } from '../data/dataset.js';
import type { DType } from '../dtype.js';
import { ArgumentError, expected } from '../errors.js';
import { inMode, inputShapeOf } from '../layers/costs.js';
import type { AnyLayer } from '../layers/layer.js';
import { trace } from '../ops/trace.js';
import { fitPreprocessing, preprocessingOf } from '../preprocessing/of-model.js';
import { Tensor } from '../tensor.js';
import type { FitOptions } from './fit-options.js';
import { plural } from '../words.js';
import { rememberRandoms } from './run-state.js';
import { checkTrainingUnits } from './target-units.js';

const namesOf = new WeakMap<object, readonly string[]>();
/** Shapes of the examples that models were trained on, as they reach the model. */
const shapes = new WeakMap<object, readonly number[]>();

/** `model.classNames`. */
export function classNamesOf(model: object): readonly string[] | null {
  return namesOf.get(model) ?? null;
}

/** `model.classNames = …`. */
export function setClassNames(model: object, names: readonly string[] | null): void {
  if (names === null) namesOf.delete(model);
  else namesOf.set(model, checkClassNames(names, 'classNames'));
}

/** Refuses what is no list of names. */
export function checkClassNames(names: unknown, argument: string): readonly string[] {
  if (Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === 'string')) return Object.freeze([...names]);
  throw new ArgumentError(expected('an array of texts', argument, names));
}

/**
 * What a model takes from its training data before the first step: what its preprocessing learns, and the names of the classes where it gives a score for each.
 * Validation data must have the same classes, and the same units.
 */
export function takeFromData(
  model: AnyLayer,
  data: AnyDataset,
  { validation, progress, loss }: Pick<FitOptions, 'validation' | 'progress' | 'loss'>,
): void | Promise<void> {
  checkTrainingUnits(model, data, validation, loss);
  return whenThere(fitPreprocessing(model, data, progress), () => {
    const { inputShape, classes } = data;
    const shape = isShape(inputShape) ? (inputShape as readonly number[]) : null;
    const seen = shape === null ? null : (preprocessingOf(model)?.outputFor(shape) ?? shape);
    if (seen !== null) shapes.set(model, seen);
    const own = classNamesOf(model);
    if (own !== null && !onlyCount(own) && scoreEach(model, own.length)) checkClasses(model, data);
    else if (Array.isArray(classes) && scoreEach(model, classes.length, false)) setClassNames(model, classes);
    else if (Array.isArray(classes) && loss.takesClasses) warnOfCount(model, data.name, classes.length);
    if (validation !== undefined) checkClasses(model, validation);
  });
}

/**
 * Refuses data whose class indices mean other classes than those of the model. Names that only count, '0', '1' …, say nothing.
 *
 * @throws {ArgumentError} with both lists.
 */
export function checkClasses(model: AnyLayer, data: AnyDataset): void {
  preprocessingOf(model)?.checkTarget(data); // of a table it says how to read it
  const { name, classes } = data;
  const own = classNamesOf(model);
  if (own === null || !Array.isArray(classes) || onlyCount(own) || onlyCount(classes)) return;
  if (classes.every((one, i) => one === own[i])) return;
  throw new ArgumentError(
    `data set '${name}' has the classes ${someNames(classes)}, the model ${someNames(own)}: a class index would mean another class. ` +
      'Give the data the classes of the model in their order (`classes: model.classNames` of imageFolder); where the last layer is new, set `model.classNames = null` first',
  );
}

/** Says that a model has more scores than its training data have classes: it is trained all the same, and its predictions are numbers. */
function warnOfCount(model: AnyLayer, name: string, classes: number): void {
  const scores = scoresOf(model);
  if (scores === null || scores <= classes) return;
  process.emitWarning(
    `data set '${name}' has ${plural(classes, 'class')}, and the model gives ${scores} scores for an example: the others are never right, and the model gets no class names. ` +
      `Build it with as many outputs as there are classes, such as { classes: ${classes} }`,
    { code: 'NODEGRAD_MORE_SCORES' },
  );
}

const onlyCount = (names: readonly string[]): boolean => names.every((name, i) => name === String(i));

/**
 * Refuses names that are not as many as the model's scores, where these can be counted.
 *
 * @throws {ArgumentError}
 */
export function checkClassCount(names: readonly string[], scores: number | null, argument: string): void {
  if (scores === null || fits(names.length, scores)) return;
  throw new ArgumentError(
    `\`${argument}\` has ${plural(names.length, 'name')} (${someNames(names)}), and the model gives ${plural(scores, 'score')} for an example: one name for each, or two for one score of yes or no`,
  );
}

/** One score of yes or no is for two classes. */
const fits = (names: number, scores: number): boolean => names === scores || (names === 2 && scores === 1);

/** Whether a model gives a score for each of so many classes; where nobody knows, as `unknown` says. */
function scoreEach(model: AnyLayer, names: number, unknown = true): boolean {
  const scores = scoresOf(model);
  return scores === null ? unknown : fits(names, scores);
}

/** How many numbers a model gives for an example, or for each of its places; null where the shape of an example is not known, or forward() cannot be followed by shapes alone. */
export function scoresOf(model: AnyLayer): number | null {
  const transform = preprocessingOf(model);
  const shape = shapes.get(model) ?? inputShapeOf(model, undefined) ?? (transform?.inputShape == null ? null : transform.outputShape);
  if (shape === null) return null;
  const restoreRandoms = rememberRandoms(model);
  try {
    return scoresFor(model, shape);
  } finally {
    restoreRandoms();
  }
}

function scoresFor(model: AnyLayer, shape: readonly number[]): number | null {
  // Indices are for models that look something up.
  const own = model.parameters()[0]?.dtype as DType | undefined;
  for (const dtype of [own === 'float64' ? own : 'float32', 'int32'] as const) {
    try {
      let output: unknown = null;
      inMode(model, false, () =>
        trace([{ shape: [1, ...shape], dtype }], { execute() {}, view() {} }, (x) => {
          output = model.forward(x);
        }),
      );
      return output instanceof Tensor ? ((output as Tensor).shape.at(-1) ?? null) : null;
    } catch {
      // It takes other numbers, or looks at values.
    }
  }
  return null;
}
