// In which units a model predicts: in those of the targets, or in those that a TargetScaler gave them while it trained. Data in the other ones are refused.

import { type TargetScale, aboutData } from '../data/about.js';
import type { AnyDataset } from '../data/dataset.js';
import { someNames } from '../data/columns.js';
import { ArgumentError } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import { headOf } from '../layers/outputs.js';
import { isBuiltIn } from '../names.js';

/** `'targets'`: scaled ones were learned, and the last layer was given the units of the targets. `'scaled'`: scaled ones were learned, and nothing more. */
export type TargetUnits = 'targets' | 'scaled';

/** By the last layer with parameters: where another takes its place, nothing is known. */
const unitsOf = new WeakMap<AnyLayer, TargetUnits>();

/** The units of a model's predictions, where they are known. */
export function targetUnits(model: AnyLayer): TargetUnits | null {
  const units = unitsOf.get(headOf(model)[1]) ?? null;
  // In a model of a user's own, the layer that was given the units may be no field at the end.
  const isElsewhere = units === 'scaled' && [...model.namedLayers().values()].some((layer) => unitsOf.get(layer) === 'targets');
  return isElsewhere ? null : units;
}

/** Says them. */
export function setTargetUnits(model: AnyLayer, units: TargetUnits | null): void {
  const [, last] = headOf(model);
  if (units === null) unitsOf.delete(last);
  else unitsOf.set(last, units);
}

/** After a training on these data a model predicts what their targets are. */
export function learnUnits(model: AnyLayer, data: AnyDataset): void {
  if (aboutData(data)?.scale) setTargetUnits(model, 'scaled');
  else if (targetUnits(model) === 'scaled') setTargetUnits(model, null);
}

/**
 * Refuses training data whose targets the model cannot learn from as they are, and validation data in other units. Of data sets that a user's own class makes
 * nothing is known.
 *
 * @throws {ArgumentError}
 */
export function checkTrainingUnits(model: AnyLayer, data: AnyDataset, validation: AnyDataset | undefined, loss: unknown): void {
  if (looksAtTargets(loss)) refuseWithoutTarget(data);
  const scale = aboutData(data)?.scale;
  if (scale && targetUnits(model) === 'targets')
    throw new ArgumentError(
      `this model predicts in the units of the targets already (foldInto), and those of '${data.name}' are scaled: train it on the data as they are, with a small learning rate, or a new model on scaled ones`,
    );
  const other = validation === undefined ? undefined : aboutData(validation)?.scale;
  if (validation === undefined || scale === undefined || other === undefined || areSame(scale, other)) return;
  const [mine, yours] = [`the targets of '${data.name}', which is trained on,`, `those of the validation data '${validation.name}'`];
  if (scale !== null && other !== null)
    throw new ArgumentError(`${mine} and ${yours} are scaled by two TargetScalers: fit one, on the training data, and scale both with it`);
  throw new ArgumentError(
    scale === null
      ? `${yours} are scaled, and ${mine} are not: train on scaler.scaled(data)`
      : `${mine} are scaled, and ${yours} are not: give \`validation: scaler.scaled(validation)\``,
  );
}

/**
 * Refuses data in other units than the model predicts in.
 *
 * @throws {ArgumentError}
 */
export function checkUnits(model: AnyLayer, data: AnyDataset, loss: unknown): void {
  if (looksAtTargets(loss)) refuseWithoutTarget(data);
  const scale = aboutData(data)?.scale;
  const units = scale === undefined ? null : targetUnits(model);
  if (units === 'targets' && scale)
    throw new ArgumentError(
      `this model predicts in the units of the targets (foldInto), and those of '${data.name}' are scaled: give the data as they are`,
    );
  if (units === 'scaled' && scale === null) throw new ArgumentError(`${stillScaled}, and those of '${data.name}' are not. ${wayOut}`);
}

/** What is wrong with a model that predicts scaled targets, and what can be done. */
const stillScaled = 'this model was trained on targets that a TargetScaler scaled';
const wayOut = 'scaler.foldInto(model) gives it their units, and scaler.scaled(data) are data that fit it as it is';

/** Refuses a model that predicts scaled targets where nobody can scale them back. */
export function refuseScaled(model: AnyLayer, file: string): void {
  if (targetUnits(model) !== 'scaled') return;
  throw new ArgumentError(
    `${file} predicts targets as a TargetScaler scaled them for its training: call scaler.foldInto(model) before model.save(), and it predicts them in their units`,
  );
}

const warned = new WeakSet<AnyLayer>();

/** Warns, once for a model, that a file will hold one that predicts scaled targets. */
export function warnOfScaled(model: AnyLayer): void {
  if (targetUnits(model) !== 'scaled' || warned.has(model)) return;
  warned.add(model);
  process.emitWarning(
    `${stillScaled}, and is saved so: the file predicts scaled ones. scaler.foldInto(model) before model.save() gives it their units`,
    {
      code: 'NODEGRAD_SCALED_TARGETS',
    },
  );
}

/** A loss of a user's own may not look at them. */
const looksAtTargets = (loss: unknown): boolean => typeof loss === 'object' && loss !== null && isBuiltIn(loss);

/**
 * Zeros that stand for no target are nothing to learn.
 *
 * @throws {ArgumentError}
 */
export function refuseWithoutTarget(data: AnyDataset): void {
  if (!aboutData(data)?.isWithoutTarget) return;
  const names = data.features?.map(({ name }) => name) ?? [];
  const columns = names.length === 0 ? '' : ` (it has ${someNames(names)})`;
  throw new ArgumentError(
    `data set '${data.name}' was made of a table without a target: table.dataset({ target: … }) says which column is predicted${columns}`,
  );
}

function areSame(a: TargetScale | null, b: TargetScale | null): boolean {
  if (a === null || b === null) return a === b;
  const isEqual = (x: ArrayLike<number>, y: ArrayLike<number>): boolean =>
    x.length === y.length && Array.from(x).every((value, i) => value === y[i]);
  return a.log === b.log && isEqual(a.mean, b.mean) && isEqual(a.std, b.std);
}
