// Models out of files of ONNX, for predictions and for further training.

import { dirname, isAbsolute, join, normalize, sep } from 'node:path';
import { arrayDType } from '../dtype.js';
import { ArgumentError, FileFormatError, checkChoice, checkOptions, expected } from '../errors.js';
import { checkPath } from '../io/atomic.js';
import { isOtherKind, otherKind } from '../io/file-kinds.js';
import { FileBar } from '../io/file-bar.js';
import { readWhole } from '../io/read-whole.js';
import { noteLoaded } from '../layers/state.js';
import { type ProgressOption, streamOf } from '../progress.js';
import type { Tensor } from '../tensor.js';
import { checkClassNames } from '../training/class-names.js';
import { OnnxModel } from './onnx-model.js';
import type { ModelMessage } from './schema.js';
import type { External } from './weights.js';

/** Options of {@link loadOnnx} and {@link decodeOnnx}. */
export interface OnnxImportOptions {
  /**
   * `'NHWC'`: images come in and go out with their channels last, as nodegrad's data sets have them, although the file has them first. Default `'NCHW'`: axes in
   * the order of the file.
   */
  layout?: 'NHWC' | 'NCHW';
  /** Where progress of {@link loadOnnx} goes: a bar on a terminal, after a second; false for none. Default: standard error. */
  progress?: ProgressOption;
}

/** Lengths on the wire have 31 bits. */
const mostBytes = 2 ** 31;

/**
 * Reads a model from a file of ONNX: what PyTorch, Keras and others exported, or {@link saveOnnx} wrote. It runs here as any model does; it can be trained
 * further, saved as safetensors, printed, and exported again.
 *
 * Class names that {@link saveOnnx} wrote are its {@link Model.classNames}. Weights become those of layers (`Conv2d`, `Linear`, `BatchNorm2d`, `LayerNorm`, `Embedding`, recurrent cells) under their names in the file, others parameters of the
 * model; `Constant` nodes are not trained. float16, bfloat16 and float64 are read as float32. Weights in other files beside it (`model.onnx.data`) are read, too.
 * Images have the order of axes of the file, [N, C, H, W] for most: `layout: 'NHWC'` takes them as nodegrad's data sets have them.
 *
 * @param path - The file.
 * @throws {@link FileFormatError} when it is no such file, is damaged, or has an operator that nodegrad has no form for: the message names the node;
 *   {@link ArgumentError} when it cannot be read, or an option is wrong.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, datasets, loadOnnx } from 'nodegrad';
 * const { train } = await datasets.cifar10();
 * const model = await loadOnnx('resnet18.onnx', { layout: 'NHWC' });
 * console.log(model.summary());
 * await model.fit(train, { loss: new CrossEntropyLoss(), optimizer: new Adam(model, { lr: 1e-4 }) });
 * ```
 */
export async function loadOnnx<In = Tensor, Out = Tensor>(path: string, options: OnnxImportOptions = {}): Promise<OnnxModel<In, Out>> {
  checkPath(path);
  const given = checked(options);
  const bar = new FileBar(given.progress, 'reading', path);
  return await read<In, Out>(path, given, bar).finally(() => bar.end());
}

async function read<In, Out>(path: string, given: OnnxImportOptions, bar: FileBar): Promise<OnnxModel<In, Out>> {
  const bytes = await readWhole(path, mostBytes, bar);
  const message = await decoded(bytes, path);
  const files = new Map<string, Uint8Array>();
  for (const location of locationsOf(message)) files.set(location, await readBeside(location, path, bar));
  bar.advance(0);
  return build(message, path, given, (location, offset, length) => {
    const file = files.get(location) as Uint8Array;
    if (offset + length > file.length)
      throw new FileFormatError(`${path}: has weights in '${location}' up to byte ${offset + length}, and that has ${file.length}`);
    return file.subarray(offset, offset + length);
  });
}

/** The files beside a model that weights are in. */
function locationsOf({ graph }: ModelMessage): Set<string> {
  const inNodes = graph?.node?.flatMap(({ attribute = [] }) => attribute.flatMap(({ t }) => (t === undefined ? [] : [t]))) ?? [];
  const outside = [...(graph?.initializer ?? []), ...inNodes].filter(({ dataLocation }) => dataLocation === 1);
  return new Set(
    outside.flatMap(({ externalData = [] }) => externalData.filter(({ key }) => key === 'location').map(({ value = '' }) => value)),
  );
}

async function readBeside(location: string, path: string, bar: FileBar): Promise<Uint8Array> {
  const inner = normalize(location);
  // A model says what is read in its folder, and nothing else.
  if (isAbsolute(location) || inner === '..' || inner.startsWith(`..${sep}`) || location.includes('\0'))
    throw new FileFormatError(`${path}: has weights in '${location}', outside of its folder`);
  try {
    return await readWhole(join(dirname(path), inner), Number.MAX_SAFE_INTEGER, bar);
  } catch (error) {
    throw new ArgumentError(`${path} keeps its weights in a file beside it, which belongs to it: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * Builds the model that bytes of ONNX describe; weights in other files cannot be reached.
 *
 * @throws {@link FileFormatError} and {@link ArgumentError} as {@link loadOnnx}.
 * @example
 * ```ts
 * import { decodeOnnx, encodeOnnx, mlp } from 'nodegrad';
 * const model = await decodeOnnx(await encodeOnnx(mlp(), { inputShape: [28, 28, 1] }));
 * ```
 */
export async function decodeOnnx<In = Tensor, Out = Tensor>(bytes: Uint8Array, options: OnnxImportOptions = {}): Promise<OnnxModel<In, Out>> {
  if (arrayDType(bytes) !== 'uint8') throw new ArgumentError(expected('a Uint8Array', 'bytes', bytes));
  const given = checked(options);
  return build(await decoded(bytes, 'bytes'), 'bytes', given, (location) => {
    throw new FileFormatError(`bytes: have weights in another file, '${location}': read the model with loadOnnx()`);
  });
}

function checked(options: OnnxImportOptions): OnnxImportOptions {
  const given = checkOptions<OnnxImportOptions>(options, 'options', ['layout', 'progress']);
  streamOf(given.progress);
  if (given.layout !== undefined) checkChoice(given.layout, 'options.layout', ['NHWC', 'NCHW']);
  return given;
}

async function decoded(bytes: Uint8Array, source: string): Promise<ModelMessage> {
  if (isOtherKind(bytes, 'onnx')) throw new FileFormatError(`${source}: is no ONNX model${otherKind(bytes)}`);
  const [, beside] = /^(.*\.onnx)\.data$/.exec(source) ?? [];
  if (beside !== undefined)
    throw new FileFormatError(`${source}: is no ONNX model, but the weights of one, by its name of '${beside}': give that`);
  return (await import('./protobuf.js')).decodeModel(bytes, source);
}

/** The names of the classes that a file carries, as {@link saveOnnx} writes them; null where it carries none. */
function namesIn({ metadataProps }: ModelMessage): readonly string[] | null {
  const text = metadataProps?.find(({ key }) => key === 'classNames')?.value;
  try {
    return text === undefined ? null : checkClassNames(JSON.parse(text), 'classNames');
  } catch {
    return null; // it means something else by that word
  }
}

async function build<In, Out>(
  message: ModelMessage,
  source: string,
  { layout }: OnnxImportOptions,
  external: External,
): Promise<OnnxModel<In, Out>> {
  const [{ lower }, { freeBatch }] = await Promise.all([import('./lower.js'), import('./free-batch.js')]);
  // What we wrote ourselves has them last already.
  const isOurs = message.metadataProps?.some(({ key, value }) => key === 'layout' && value === 'NHWC') === true;
  const { parts, fills, weights, constants } = lower(message, source, external, layout === 'NHWC' && !isOurs);
  const model = new OnnxModel<In, Out>(parts);
  model.prepare();
  for (const fill of fills) fill();
  for (const [name, { data }] of weights) model.weights.get(name)?.data.set(data);
  for (const [name, { data }] of constants) model.constants.get(name)?.data.set(data as never);
  noteLoaded(model, model.namedState().keys());
  model.classNames = namesIn(message);
  model.eval();
  model.replan((plan) => freeBatch(model as OnnxModel<never, unknown>, plan));
  return model;
}
