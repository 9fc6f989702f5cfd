// Weights of PyTorch: names and layouts of torch.nn, in and out.

import { isMap, isPlainObject } from '../foreign.js';
import { checkPath } from '../io/atomic.js';
import { type Safetensors, type SafetensorsWriteOptions, readSafetensors, writeSafetensors } from '../io/safetensors.js';
import { ArgumentError, ShapeError, checkChoice, checkOptions, describeShape } from '../errors.js';
import { Conv2d, ConvTranspose2d } from '../layers/convolution.js';
import { inputShapeOf, noteInputShape } from '../layers/costs.js';
import { checkLayer } from '../layers/check.js';
import { Ignored } from '../layers/ignored.js';
import type { AnyLayer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { Flatten } from '../layers/shape.js';
import { join } from '../layers/fields.js';
import { checkNormPlace, normPlaceOf, spreadAttention } from './attention-weights.js';
import { featureOrders, mayFlatten } from './feature-order.js';
import { inTorchvisionNames } from './foreign-names.js';
import type { FeatureOrder } from './image-axes.js';
import { type LoadReport, everyPlace, isNextToNothing, itemsOf, listOf, otherNet } from '../layers/state.js';
import { withoutGradients } from '../ops/emit.js';
import { type ProgressOption, streamOf } from '../progress.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { TensorTree } from '../tree.js';
import { gatherRecurrent, recurrentNames, spreadRecurrent } from './recurrent-weights.js';

/** What {@link loadPyTorch} and {@link savePyTorch} want to know of a model. */
export interface PyTorchOptions {
  /**
   * Shape of one example, [height, width, channels] of an image; needed for a net that flattens images, or makes images of the outputs of a `Linear`, unless the model says it by
   * itself, or {@link loadPyTorch} was told before.
   */
  inputShape?: readonly number[];
  /** What comes in, in the place of `inputShape`: a tree of tensors for a model of several inputs, as in {@link saveOnnx}. */
  example?: TensorTree;
  /**
   * How PyTorch flattens images, for the whole model or by the name of a weight there: `'CHW'`, channel by channel, as `nn.Flatten` and `flatten(1)` do, or `'HWC'`,
   * pixel by pixel, as after `flatten(2).transpose(1, 2)`; such rows are not turned, and their order is not asked for. Default `'CHW'`.
   */
  flattened?: 'CHW' | 'HWC' | Readonly<Record<string, 'CHW' | 'HWC'>>;
  /** Where progress goes: a bar on a terminal, for files that take longer than a second; false for none. Default: standard error. */
  progress?: ProgressOption;
}

/** Options of {@link loadPyTorch}. */
export interface LoadPyTorchOptions extends PyTorchOptions {
  /** Whether missing or unexpected names are an error; `num_batches_tracked` may be missing. Default true. */
  strict?: boolean;
  /**
   * What is left as it is, in the model and in the source, while all else has to fit: names of entries, or of parts with all inside them, as `['fc']`; those of the
   * source without the prefix. Default none.
   */
  ignore?: readonly string[];
  /** Only values whose name begins with this are used, and it is taken off. Default ''. */
  prefix?: string;
  /** What happens with values of another shape, as those of a head for other classes: `'skip'` leaves their places as they are. Default `'error'`. */
  otherShapes?: 'error' | 'skip';
}

/** Options of {@link savePyTorch}. */
export interface SavePyTorchOptions extends PyTorchOptions {
  /** Element type of all real numbers in the file, see {@link SafetensorsWriteOptions}. Default: that of the model. */
  dtype?: SafetensorsWriteOptions['dtype'];
}

interface Place {
  /** The same value in a model of ours, in this place. */
  path: string;
  /** The path of its first place, which differs where it stands in several: PyTorch lists it under all of them. */
  known: string;
  /** Our shape. */
  shape: readonly number[];
  /** For each of PyTorch's axes, which of ours it is; null: they are in one order. */
  axes: readonly number[] | null;
  /** By axis of ours: the order of the features that it counts, where they are flattened images or become images. */
  orders: ReadonlyMap<number, FeatureOrder>;
}

function placesOf(model: AnyLayer, options: PyTorchOptions): Map<string, Place> {
  checkLayer(model);
  const layers = [...model.namedLayers()];
  const { example } = options;
  const inputShape = inputShapeOf(model as AnyLayer, options.inputShape);
  const isPixels = isPixelsBy(options.flattened);
  const has = (kind: abstract new (...given: never[]) => unknown): boolean => layers.some(([, layer]) => layer instanceof kind);
  const isUnknown = inputShape === null && example === undefined && options.flattened !== 'HWC';
  if (isUnknown && ((has(Linear) && (has(Flatten) || has(Conv2d) || has(ConvTranspose2d))) || mayFlatten(model))) {
    throw new ArgumentError(
      'rows of a Linear behind a Flatten or reshape, and outputs of one that become images, are in the order of channels, height, width in PyTorch, and of height, width, channels here: ' +
        'give options.inputShape, the shape of one example ([height, width, channels] of an image, [time] or [time, features] of a sequence), from which that order follows, ' +
        "or options.example, tensors of what comes in; { flattened: 'HWC' } takes all rows as they are",
    );
  }
  const orders =
    isUnknown || options.flattened === 'HWC'
      ? new Map<AnyTensor, ReadonlyMap<number, FeatureOrder>>()
      : featureOrders(model, inputShape ?? [], model.fileFacts?.isFirst === true, example);
  const places = new Map<string, Place>();
  const known = new Map<AnyTensor, string>([...model.namedState()].map(([path, value]) => [value, path]));
  for (const [path, layer] of everyPlace(model)) {
    for (const [name, value] of itemsOf(layer)) {
      const { name: theirs = name, axes = null } = layer.pytorchItems[name] ?? {};
      const isLeft = isPixels(join(path, theirs)) || isPixels(join(path, name));
      const own = (isLeft ? undefined : orders.get(value)) ?? new Map<number, FeatureOrder>();
      for (const order of own.values()) checkOrder(order, join(path, name), model, inputShape ?? []);
      places.set(join(path, theirs), { path: join(path, name), known: known.get(value) as string, shape: value.shape, axes, orders: own });
    }
  }
  return places;
}

/** Whether the rows of a weight of this name stay as they are. */
function isPixelsBy(flattened: PyTorchOptions['flattened']): (name: string) => boolean {
  const orders = ['CHW', 'HWC'] as const;
  if (!isPlainObject(flattened)) {
    const all = checkChoice((flattened ?? 'CHW') as string, 'options.flattened', orders);
    return () => all === 'HWC';
  }
  const byName = new Map(
    Object.entries(flattened).map(([name, order]) => [name, checkChoice(order as string, `options.flattened['${name}']`, orders)]),
  );
  return (name) => byName.get(name) === 'HWC';
}

/** Refuses an order of features that is not known, or that PyTorch's is not known for. */
function checkOrder(order: FeatureOrder, path: string, model: AnyLayer, [first, second, third]: readonly number[]): void {
  const own = `Permute the rows yourself, from the order there to that here; { flattened: { '${path}': 'HWC' } } then takes them as they are`;
  if (order === 'unknown') {
    throw new ArgumentError(
      `the order of the features of '${path}' is not known: between it and images stands an operation that moves features, other than Flatten, reshape and transpose([0, 3, 1, 2]). ${own}`,
    );
  }
  if (order === 'channels first') return;
  const isOfFile = everyPlace(model).some(([at, layer]) => layer.fileFacts?.isForeign === true && (at === '' || path.startsWith(`${at}.`)));
  if (isOfFile) {
    throw new ArgumentError(
      `the order that PyTorch has for the features of '${path}' is not known: the graph out of a file of ONNX has images with their channels last there, as Keras does and few networks of PyTorch do. ${own}`,
    );
  }
  const isInput = order.channels === third && order.pixels === first * second;
  if (isInput && second === third && (first === 1 || first === 3) && third > 4) {
    throw new ArgumentError(
      `options.inputShape is [height, width, channels], and [${first}, ${second}, ${third}] looks like [channels, height, width]: ` +
        `where forward() takes such images, let it begin with x.transpose([0, 2, 3, 1]), and give [${second}, ${third}, ${first}]`,
    );
  }
}

function reordered(value: AnyTensor, { orders }: Place, from: 'pixels' | 'channels'): AnyTensor {
  let result = value;
  for (const [axis, order] of orders) {
    if (typeof order === 'string') continue;
    const [before, after] = [value.shape.slice(0, axis), value.shape.slice(axis + 1)];
    const sizes = from === 'pixels' ? [order.pixels, order.channels] : [order.channels, order.pixels];
    const swapped = [...before.keys(), axis + 1, axis, ...after.map((_, i) => axis + 2 + i)];
    result = result
      .reshape([...before, ...sizes, ...after])
      .transpose(swapped)
      .reshape(value.shape);
  }
  return result;
}

function fromPyTorch(value: AnyTensor, place: Place): AnyTensor {
  const { axes } = place;
  return reordered(axes === null ? value : value.transpose(axes.map((_, axis) => axes.indexOf(axis))), place, 'channels');
}

function toPyTorch(value: AnyTensor, place: Place): AnyTensor {
  const theirs = reordered(value, place, 'pixels');
  return place.axes === null ? theirs : theirs.transpose(place.axes);
}

const isPermuted = (wanted: readonly number[], given: readonly number[]): boolean =>
  wanted.length > 1 && [...wanted].sort().join() === [...given].sort().join();

// The shape that a value has in PyTorch.
const theirShape = ({ axes, shape }: Place): readonly number[] => axes?.map((axis) => shape[axis]) ?? shape;

/** A file; one that nodegrad wrote for itself has its matrices as they are here, and is refused. */
async function fileOf(path: string, progress: ProgressOption | undefined): Promise<Safetensors> {
  const file = await readSafetensors(path, progress === undefined ? {} : { progress });
  if (file.metadata.get('format')?.startsWith('nodegrad')) {
    throw new ArgumentError(
      `${path} was written by nodegrad, whose matrices are [in, out]: square ones would come in turned round. model.load(path) reads what save() wrote, and savePyTorch() writes what PyTorch reads`,
    );
  }
  return file;
}

/**
 * Fills a model with weights of PyTorch: those that torchvision publishes, for the models of the same name here, or those of a net of your
 * own whose layers have the same names (`0.weight` of a `Sequential`, `encoder.conv1.weight` of fields).
 *
 * Names of the same models in `transformers` (ResNet) and `timm` (VGG; its other models are called as in torchvision) are known too, and so is what `DataParallel`,
 * `torch.compile`, Lightning and `TimmWrapper` put before all names: whatever the file has, if no name in it is one of the model's.
 *
 * Kernels are turned from [out, in, height, width] to [height, width, in, out], matrices from [out, in] to [in, out], `running_mean` and
 * its kin are found, the gates of recurrent nets and their two biases too; a weight that stands in several places may come under any of its names, or all. Where images are flattened before a `Linear`, its rows are put from PyTorch's order (channels, height, width) into
 * ours (height, width, channels), and so are the outputs of a `Linear` that are reshaped to images for a convolution or pooling, or to images like those that come in: a
 * forward pass by shapes tells. Where `forward` brings channels first itself, they stay. An order that cannot be told is refused.
 *
 * The GoogLeNet that torchvision publishes holds its auxiliary classifiers, so it takes `googlenet({ form: 'torchvision', auxiliary: true })`,
 * or `strict: false` to leave them out; and its weights expect what torchvision does there with `transform_input`: with images
 * normalized by mean and deviation of ImageNet, channel c times `std[c] / 0.5`, plus `(mean[c] − 0.5) / 0.5`.
 *
 * @param source - A safetensors file, or the index of several (`model.safetensors.index.json`); or the tensors of `readSafetensors` in PyTorch's names and layouts.
 * @throws {@link ArgumentError} for missing or unexpected names, a file of nodegrad's own, or when the order of flattened features is not known;
 *   {@link ShapeError} when a value does not fit. The model then stays as it was.
 * @example
 * ```ts
 * import { loadPyTorch, resnet18 } from 'nodegrad';
 * await loadPyTorch(resnet18(), 'resnet18.safetensors');
 * ```
 */
export async function loadPyTorch(
  model: AnyLayer,
  source: string | Map<string, AnyTensor>,
  options: LoadPyTorchOptions = {},
): Promise<LoadReport> {
  const {
    strict = true,
    ignore,
    prefix = '',
    otherShapes,
  } = checkOptions<LoadPyTorchOptions>(options, 'options', [
    'inputShape',
    'example',
    'flattened',
    'progress',
    'strict',
    'ignore',
    'prefix',
    'otherShapes',
  ]);
  const { progress } = options;
  streamOf(progress);
  const others = checkChoice(otherShapes ?? 'error', 'options.otherShapes', ['error', 'skip']);
  const { tensors, metadata } = isMap(source) ? { tensors: source, metadata: null } : await fileOf(source, progress);
  const places = placesOf(model, options);
  const given = new Map<string, AnyTensor>();
  for (const [name, value] of tensors) if (name.startsWith(prefix)) given.set(name.slice(prefix.length), value);
  const ignored = new Ignored(ignore);
  ignored.check([...given.keys(), ...[...places].flatMap(([name, { path }]) => [name, path])]);
  for (const name of [...given.keys()]) if (ignored.covers(name)) given.delete(name);
  const known = new Set([...places.keys(), ...recurrentNames(model)]);
  checkNormPlace(model, given, metadata?.get('norm_first'));
  const named = inTorchvisionNames(given, known);
  for (const name of [...named.keys()]) if (ignored.covers(name) || ignored.covers(places.get(name)?.path ?? name)) named.delete(name);
  const isLeft = ([name, { path }]: readonly [string, Place]): boolean => ignored.covers(name) || ignored.covers(path);
  // What stands in several places is left where all of them are.
  const filled = new Set([...places].filter((one) => !isLeft(one)).map(([, { known }]) => known));
  const left = [...places.values()].map(({ known }) => known).filter((path) => !filled.has(path));
  const unknown = [...named.keys()].filter((name) => !known.has(name));
  // Names that the model lacks say more than a shape, as those of a second direction do.
  const adviceFor = (name: string, wanted: readonly number[], { shape }: AnyTensor): string => {
    if (unknown.length > 0) return `. The model has no place for ${listOf(unknown)}`;
    const order = isPermuted(wanted, shape)
      ? `. Its axes are in another order: transpose() '${name}' in the Map that readSafetensors() gives, and load that`
      : '';
    return `${order}. { otherShapes: 'skip' } leaves what does not fit as it is`;
  };
  const misfit = (name: string, wanted: readonly number[], value: AnyTensor): ShapeError =>
    new ShapeError(
      `'${name}' expects PyTorch's shape ${describeShape(wanted)}, received ${describeShape(value.shape)}${adviceFor(name, wanted, value)}`,
    );
  gatherRecurrent(model, named, others === 'skip' ? null : misfit);
  const state = new Map<string, AnyTensor>();
  for (const [name, value] of named) {
    const place = places.get(name);
    if (place === undefined) {
      state.set(name, value);
      continue;
    }
    const wanted = theirShape(place);
    if (describeShape(Tensor.check(value, name).shape) !== describeShape(wanted)) {
      if (others === 'skip') {
        state.set(place.path, value);
        continue;
      }
      throw misfit(name, wanted, value);
    }
    state.set(
      place.path,
      withoutGradients(() => fromPyTorch(value, place)),
    );
  }
  const isCount = (name: string): boolean => name.endsWith('num_batches_tracked');
  checkOverlap(
    [...places].filter((one) => !isCount(one[0]) && !isLeft(one)).map(([, { path }]) => path),
    new Set([...state.keys()].filter((name) => !isCount(name))),
  );
  const found = new Set([...places.values()].flatMap(({ path, known }) => (state.has(path) ? [known] : [])));
  for (const [name, { known }] of places) {
    if (!found.has(known) && isCount(name)) state.set(known, Tensor.from(Int32Array.of(0), []));
  }
  const report = model.loadStateDict(state, { strict, ignore: left, otherShapes: others });
  if (options.inputShape !== undefined) noteInputShape(model, options.inputShape);
  return report;
}

/** Refuses a file that has next to nothing of the model: whoever leaves out what does not fit would train from first weights without knowing it. */
function checkOverlap(paths: readonly string[], given: ReadonlySet<string>): void {
  const matched = paths.filter((path) => given.has(path));
  const missing = paths.filter((path) => !given.has(path));
  const unexpected = [...given].filter((name) => !matched.includes(name));
  if (paths.length === 0 || !isNextToNothing({ matched, missing, unexpected, skipped: [] })) return;
  throw new ArgumentError(
    `of the ${paths.length} values of the model, ${matched.length} are among the ${given.size} of the source: it lacks ${listOf(missing)}, and has ${listOf(unexpected)}. ${otherNet}`,
  );
}

/**
 * Writes a model's weights in PyTorch's names and layouts, for `load_state_dict(safetensors.torch.load_file(path))`; the inverse of
 * {@link loadPyTorch}.
 *
 * @throws {@link ArgumentError} when the file cannot be written, or the order of flattened features is not known.
 * @example
 * ```ts
 * import { savePyTorch, squeezenet } from 'nodegrad';
 * await savePyTorch(squeezenet(), 'squeezenet1_1.safetensors');
 * ```
 */
export async function savePyTorch(model: AnyLayer, path: string, options: SavePyTorchOptions = {}): Promise<void> {
  checkPath(path);
  const { dtype, progress } = checkOptions<SavePyTorchOptions>(options, 'options', ['inputShape', 'example', 'flattened', 'progress', 'dtype']);
  streamOf(progress);
  const places = placesOf(model, options);
  const state = model.stateDict();
  const tensors = new Map<string, AnyTensor>();
  for (const [name, place] of places) {
    const value = state.get(place.known);
    if (value !== undefined) {
      tensors.set(
        name,
        withoutGradients(() => toPyTorch(value, place)),
      );
    }
  }
  spreadRecurrent(model, tensors);
  spreadAttention(model, tensors);
  // PyTorch counts batches in 64 bits.
  await writeSafetensors(path, tensors, new Map([['format', 'pt'], ...normPlaceOf(model)]), {
    wideIntegers: true,
    ...(dtype !== undefined && { dtype }),
    ...(progress !== undefined && { progress }),
  });
}
