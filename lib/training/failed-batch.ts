// What to say of a batch that failed: which example of the data set it was, where the error is about one.

import type { Dataset } from '../data/dataset.js';
import type { DType } from '../dtype.js';
import { ArgumentError, BusyError, NativeError, ShapeError } from '../errors.js';
import { elementOf } from '../ops/elements.js';
import { StepFailure } from '../program/stream.js';
import { noGrad } from '../tensor.js';

/** Where a batch came from. */
export interface BatchPlace {
  readonly data: Dataset<DType, DType>;
  /** The examples of the pass in their order; null for the order of the data set. */
  readonly order: Int32Array | null;
  /** Examples per batch. */
  readonly batchSize: number;
  /** Which batch, from 0. */
  readonly batch: number;
  /** Which epoch, from 1; none outside of training. */
  readonly epoch?: number;
}

/** An example of a batch, as it can be found again in the data set. */
export function nameExample({ data, order, batchSize, batch, epoch }: BatchPlace, example: number): string {
  const at = batch * batchSize + example;
  const when = epoch === undefined ? '' : ` of epoch ${epoch}`;
  return `row ${order === null ? at : order[at]} of data set '${data.name}' (rows count from 0; batch ${batch + 1}${when})`;
}

/** What a user can do something about: where native code refused a step, `forward` is tried for an error of its own. */
export function explainBatch(error: unknown, place: BatchPlace, forward: () => unknown): unknown {
  if (!(error instanceof NativeError || error instanceof StepFailure)) return locate(error, place);
  try {
    noGrad(forward);
  } catch (better) {
    // A model in training cannot be looked at from outside of its steps.
    return better instanceof BusyError ? error : locate(better, place);
  }
  return error;
}

/** `error` with the example that it is about, or as it is where it is about none. */
function locate(error: unknown, place: BatchPlace): unknown {
  const element = elementOf(error);
  const examples = Math.min(place.batchSize, place.data.length - place.batch * place.batchSize);
  // What the model made of the batch may have other sizes than the batch.
  if (element === undefined || element.tensor.size % examples !== 0) return error;
  const example = Math.floor(element.position / (element.tensor.size / examples));
  const text = `${(error as Error).message}: see ${nameExample(place, example)}`;
  return new (error instanceof ShapeError ? ShapeError : ArgumentError)(text, { cause: error });
}
