// The preprocessing that belongs to a model: every verb of the model that takes data goes through it.

import { whenThere } from '../data/contract.js';
import type { AnyDataset, AsyncDataset } from '../data/dataset.js';
import type { DType } from '../dtype.js';
import { ArgumentError, expected } from '../errors.js';
import type { ProgressOption } from '../progress.js';
import { Transform, buildTransform } from './transform.js';
import { transformed } from './transformed.js';

const transforms = new WeakMap<object, Transform>();

/** @internal `model.preprocessing`. */
export function preprocessingOf(model: object): Transform | null {
  return transforms.get(model) ?? null;
}

/** @internal `model.preprocessing = …`. */
export function setPreprocessing(model: object, transform: Transform | null): void {
  if (transform === null) transforms.delete(model);
  else if (transform instanceof Transform) transforms.set(model, transform);
  else throw new ArgumentError(expected('a transform, such as new StandardScaler(), or null', 'preprocessing', transform));
}

/** @internal Fits the preprocessing of a model on its training data, where it has not seen any yet, and notes which column of a table they predict. */
export function fitPreprocessing(model: object, data: AnyDataset, progress?: ProgressOption): void | Promise<void> {
  const transform = transforms.get(model);
  if (transform === undefined) return;
  const fitted = transform.inputShape === null ? (transform.fit(data, { progress }) as Transform) : transform;
  return whenThere(fitted, (one) => {
    // A copy: other models may share the transform, and predict something else.
    if (data.target !== undefined) transforms.set(model, one.withTarget(data.target));
  });
}

/** @internal {@link preprocessed} for a look before training: preprocessing that has learned nothing yet learns from `data` as in `fit`, in a copy. */
export async function preprocessedAhead(
  model: object,
  data: AnyDataset,
  progress?: ProgressOption,
): Promise<<D extends AnyDataset>(part: D) => D> {
  const transform = transforms.get(model);
  if (transform === undefined || transform.inputShape !== null) return (part) => preprocessed(model, part);
  const copy = await buildTransform(JSON.parse(JSON.stringify(transform.describe()))).fit(data as AsyncDataset<DType, DType>, { progress });
  return (part) => transformed(part as AnyDataset<DType>, copy) as unknown as typeof part;
}

/** @internal A data set as the model sees it; where its targets count, they must be of the classes that the model was trained on. */
export function preprocessed<D extends AnyDataset>(model: object, data: D, doTargetsCount = true): D {
  const transform = transforms.get(model);
  if (doTargetsCount) transform?.checkTarget(data);
  return transform === undefined ? data : (transformed(data as AnyDataset<DType>, transform) as unknown as D);
}
