// What to say of a batch that failed: which example of the data set it was, where the error is about one.

import { aboutData } from '../data/about.js';
import { memoryOf } from '../data/contract.js';
import { Cursor } from '../data/cursor.js';
import { type AnyDataset, isInMemory } from '../data/dataset.js';
import type { AnyPair, Order } from '../data/loader.js';
import { isFloat } from '../dtype.js';
import { DTypeError, IndexError, ShapeError } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import { StepFailure } from '../program/stream.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type TensorTree, tensorsOf } from '../tree.js';
import { explainOtherImages } from './other-images.js';

const usual = 'Set model.preprocessing = tablePreprocessing(data.features).fit(train), which scales and encodes them for a net';
const usualOfImages =
  "Set model.preprocessing = new ChannelScaler({ layout: 'NHWC', divide: true }), which scales them and is saved with the model";

/** How many numbers came where another number of them was expected. */
const width = /expected \d+ input features .*received shape \[(?:[^\]]*, )?(\d+)\]/;

/** Of element types that do not mix, where the inputs are a table's columns or bytes of images as they are: what makes numbers for a net of them. Of a net that is too wide or narrow, or made for other images, the way. */
export function explainInputs(error: unknown, model: AnyLayer, data: AnyDataset): unknown {
  const { features, inputShape } = data;
  if (error instanceof ShapeError && features === undefined && aboutData(data)?.columns) {
    const shape = inputShape as readonly number[];
    if (width.exec(error.message)?.[1] !== String(shape[0])) return error;
    const way = `The preprocessing makes ${shape[0]} numbers of each row: the model takes as many with inputShape: preprocessing.outputShape`;
    return new ShapeError(`${error.message}. ${way}`, { cause: error });
  }
  if (!(error instanceof DTypeError)) return explainOtherImages(error, model, data);
  // What came through a preprocessing has no columns any more.
  if (features !== undefined)
    return new DTypeError(`${error.message}, or better: the inputs are columns of a table as they are. ${usual}`, { cause: error });
  if (!areBytesOfImages(data) || !error.message.includes('received uint8')) return error;
  const problem = error.message.replace(/\. Convert with .*$/s, '');
  return new DTypeError(`${problem}: the inputs are bytes of images, as they are in files. ${usualOfImages}`, { cause: error });
}

function areBytesOfImages(data: AnyDataset): boolean {
  if (!isInMemory(data)) return false;
  const { inputs } = memoryOf(data);
  return inputs instanceof Tensor && (inputs as AnyTensor).dtype === 'uint8' && (inputs as AnyTensor).rank === 4;
}

/** Where a batch came from. */
export interface BatchPlace {
  readonly model: AnyLayer;
  readonly data: AnyDataset;
  /** The examples of the pass in their order. */
  readonly order: Order;
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
  // A stream has been mixed in its buffer, and has no rows.
  if (order instanceof Cursor) return `example ${example} of batch ${batch + 1}${when} of data set '${data.name}' (examples count from 0)`;
  return `row ${order === null ? at : order[at]} of data set '${data.name}' (rows count from 0; batch ${batch + 1}${when})`;
}

/**
 * What a user can do something about: why a step was refused, and of an index that is out of range the example that it stands in, where the
 * batch has that number at that place.
 */
export function locate(error: unknown, place: BatchPlace, batch: AnyPair): unknown {
  const cause = error instanceof StepFailure ? error.cause : error;
  if (!(cause instanceof IndexError)) return explainInputs(cause, place.model, place.data);
  const { value, position } = cause;
  const holder = tensorsOf(batch as TensorTree, 'batch').leaves.find(({ dtype, data }) => !isFloat(dtype) && data[position] === value);
  if (holder === undefined) return cause;
  const example = Math.floor(position / (holder.size / holder.shape[0]));
  return new IndexError(`${cause.message}: see ${nameExample(place, example)}`, cause, { cause });
}
