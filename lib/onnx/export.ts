// Models into files of ONNX, which other tools run.

import type { DType } from '../dtype.js';
import { ArgumentError, checkOptions } from '../errors.js';
import { checkPath, writeFileWithBar } from '../io/atomic.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { formatBytes } from '../memory.js';
import { type ProgressOption, streamOf } from '../progress.js';
import { betweenSteps } from '../program/driver.js';
import { refuseInStep } from '../recording.js';
import type { TensorTree } from '../tree.js';

/** Lengths on the wire have 31 bits; the rest is for all that is not weights. */
const mostBytes = 2 ** 31 - 2 ** 24;

/**
 * Axes whose size stays free: `['time']` is axis 1 of sequences [N, time] and [N, time, features], `['height', 'width']` are axes 1 and 2 of images; or
 * names by axis for each input, `{ source: { 1: 'from' }, target: { 1: 'to' } }`.
 */
export type DynamicAxes = readonly ('time' | 'height' | 'width')[] | Readonly<Record<string, Readonly<Record<number, string>>>>;

/** Options of {@link saveOnnx} and {@link encodeOnnx}. */
export interface OnnxExportOptions {
  /**
   * Shape of one example, without the batch dimension; of images [height, width, channels], whatever the layout of the file. Default: what the model or its
   * preprocessing says that it was made for, or {@link loadPyTorch} was told.
   */
  inputShape?: readonly number[];
  /** Inputs in place of `inputShape`, for a model that takes several: a batch, whose tensors say names, shapes and element types. Inputs stand in the order of their names. */
  example?: TensorTree;
  /**
   * Element type of the input; with an `example`, of its int32 tensors alone: `'int32'` or `'int64'`. Default: int64, which tokenizers and PyTorch give, where the model
   * looks up indices (`Embedding`) and for int32 tensors of an example; float64 for the columns of a table; else float32.
   */
  dtype?: DType | 'int64';
  /** A fixed number of examples. Default: any number, a free dimension `batch`. */
  batchSize?: number;
  /**
   * Axes whose size stays free besides: `['time']`, or `['height', 'width']`; see {@link DynamicAxes}. `inputShape` then has one size of many; where positions
   * are looked up in a table, the largest. Default: none.
   */
  dynamicAxes?: DynamicAxes;
  /** Order of the axes of images that come in and go out: `'NHWC'` as here, or `'NCHW'` as in PyTorch. Default `'NHWC'`. */
  layout?: 'NHWC' | 'NCHW';
  /** Give probabilities: a softmax over the last axis of each output. Default false: what `forward` gives. */
  softmax?: boolean;
  /**
   * Whether what `model.preprocessing` does to inputs belongs to the file. Default true, where the model has any. Of a table's the input has a column for each of the table, categories as codes
   * and missing values as NaN; the file's metadata have the columns as `columns`, in JSON.
   */
  preprocessing?: boolean;
  /** Names of the classes, for the file's metadata (`classNames`, a JSON array), one for each score. Default: {@link Model.classNames}. */
  classNames?: readonly string[];
  /** Where progress of {@link saveOnnx} goes: a bar on a terminal, after a second; false for none. Default: standard error. */
  progress?: ProgressOption;
}

const known = ['inputShape', 'example', 'dtype', 'batchSize', 'dynamicAxes', 'layout', 'softmax', 'preprocessing', 'classNames', 'progress'];

/**
 * Writes a model in evaluation mode to a file of ONNX: whole or not at all. onnxruntime, browsers, and other tools run it; {@link loadOnnx} reads it.
 *
 * `forward` is traced by shapes alone, so models of your own are written as ready ones are. Operators are those of set 17, the version of the format
 * is 8. Inputs are called `input`, outputs `output`, those of trees by their paths. Dropout is left out, batch normalization uses its running
 * statistics, weights keep their paths as names.
 *
 * @param model - Any layer.
 * @param path - Where the file goes.
 * @throws {@link ArgumentError} when an operation has no form in ONNX (the message names its layer), when the shape of an example is not
 *   known, when something but the batch dimension depends on the number of examples, or when the file cannot be written.
 * @example
 * ```ts
 * import { lenet5, saveOnnx } from 'nodegrad';
 * await saveOnnx(lenet5(), 'lenet.onnx', { softmax: true });
 * ```
 */
export async function saveOnnx(model: AnyLayer, path: string, options: OnnxExportOptions = {}): Promise<void> {
  checkPath(path);
  if (!path.toLowerCase().endsWith('.onnx'))
    process.emitWarning(`'${path}' does not end with .onnx, by which most programs know such a file: it is written all the same`, {
      code: 'NODEGRAD_FILE_NAME',
    });
  await writeFileWithBar(path, await encodeOnnx(model, options), options.progress);
}

/**
 * The bytes that {@link saveOnnx} writes.
 *
 * @throws {@link ArgumentError} as {@link saveOnnx}.
 * @example
 * ```ts
 * import { encodeOnnx, mlp } from 'nodegrad';
 * const bytes = await encodeOnnx(mlp(), { inputShape: [28, 28, 1] });
 * ```
 */
export async function encodeOnnx(model: AnyLayer, options: OnnxExportOptions = {}): Promise<Uint8Array> {
  checkLayer(model);
  refuseInStep('a model was exported', 'Export it between two steps');
  const given = checkOptions<OnnxExportOptions>(options, 'options', known);
  streamOf(given.progress);
  const [{ modelMessage }, { encodeModel }] = await Promise.all([import('./model-message.js'), import('./protobuf.js')]);
  const message = betweenSteps(() => modelMessage(model, given));
  const size = message.graph?.initializer?.reduce((sum, { rawData }) => sum + (rawData?.length ?? 0), 0) ?? 0;
  if (size > mostBytes)
    throw new ArgumentError(`the model cannot be exported: its ${formatBytes(size)} of weights are more than one file of ONNX holds, 2 GiB`);
  return encodeModel(message);
}
