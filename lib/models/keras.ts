// Weights of Keras in models of ours: which layer is which, and how its arrays become ours.

import { types } from 'node:util';
import {
  ArgumentError,
  FileFormatError,
  ShapeError,
  checkChoice,
  checkFlag,
  checkObject,
  checkOptions,
  describe,
  expected,
} from '../errors.js';
import { checkPath, writeFileWithBar } from '../io/atomic.js';
import { hdf5Bytes } from '../io/hdf5.js';
import { checkLayer } from '../layers/check.js';
import { MultiHeadAttention } from '../layers/attention.js';
import { Conv2d } from '../layers/convolution.js';
import { join } from '../layers/fields.js';
import { Ignored } from '../layers/ignored.js';
import type { AnyLayer } from '../layers/layer.js';
import { Recurrent } from '../layers/recurrent.js';
import { RecurrentCell } from '../layers/recurrent-cells.js';
import type { LoadReport } from '../layers/state.js';
import { withoutGradients } from '../ops/emit.js';
import { refuseInStep } from '../recording.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import { type Counterpart, counterpartOf, valuesOf } from './keras-counterparts.js';
import { type KerasLayer, readKeras } from './keras-file.js';
import type { ProgressOption } from '../progress.js';
import { kerasModel } from './keras-graph.js';
import type { KerasModel } from './keras-model.js';
import { kerasWeights } from './recurrent-weights.js';

/** Options of {@link loadKeras} where it makes the model. */
export interface KerasModelOptions {
  /**
   * Whether a softmax or sigmoid at an output is left out: losses and metrics take scores here, so that a model that is trained further needs it so. Default false:
   * the outputs are Keras's.
   */
  scores?: boolean;
  /** Where progress goes: a bar on a terminal, for files that take longer than a second; false for none. Default: standard error. */
  progress?: ProgressOption;
}

/** Options of {@link loadKeras} where it fills a model that is there. */
export interface LoadKerasOptions {
  /** Which layer of Keras fills which of ours: its name by our path. Default: those of one kind in their order. */
  layers?: Readonly<Record<string, string>>;
  /** Whether layers without a counterpart, on either side, are an error. Default true. */
  strict?: boolean;
  /**
   * Layers that are left as they are, or out, while all else has to fit: our paths and Keras's names, of layers or of parts with all inside them, as `['head', 'predictions']`.
   * Default none.
   */
  ignore?: readonly string[];
  /** What happens with weights of another shape, as those of a head for other classes: `'skip'` leaves their places as they are. Default `'error'`. */
  otherShapes?: 'error' | 'skip';
  /** Where progress goes: a bar on a terminal, for files that take longer than a second; false for none. Default: standard error. */
  progress?: ProgressOption;
}

/**
 * The model in a file of Keras, architecture and weights: a `.keras` file of Keras 3, or an `.h5` file of Keras 2 or 3, with the package `h5wasm` (`npm install h5wasm`).
 *
 * Sequential and functional models, models inside of models and layers that stand in several places; what is frozen there is frozen here. Layers are those of below, and
 * pooling, padding, cropping, upsampling, reshaping, dropout, rescaling, activations, and what adds, multiplies or joins. Dropout inside of recurrent layers and of whole examples is left out. Code
 * in a file (`Lambda`, layers of one's own) does not run: such a layer is refused by its name, as is one that has another meaning here.
 *
 * @param source - The path of the file, or its bytes.
 * @throws {@link ArgumentError} for a layer without a counterpart: it is named; {@link FileFormatError} if it is no file of Keras; {@link MissingPackageError} without the
 *   package.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, datasets, loadKeras } from 'nodegrad';
 * const model = await loadKeras('digits.keras', { scores: true });
 * const { train } = await datasets.digits();
 * await model.fit(train, { loss: new CrossEntropyLoss(), optimizer: new Adam(model, { lr: 1e-4 }) });
 * ```
 */
export async function loadKeras<In = Tensor, Out = Tensor>(
  source: string | Uint8Array,
  options?: KerasModelOptions,
): Promise<KerasModel<In, Out>>;
/**
 * Fills a model that is there with weights of Keras: of a `.keras` or `.weights.h5` file of Keras 3, or an `.h5` file of Keras 2 or 3. Layers of one kind are taken
 * in their order: the first `Dense` fills the first `Linear`, the second the second. `layers` says it where the order is another.
 *
 * Dense, Conv2D, DepthwiseConv2D, SeparableConv2D (two layers here, the depthwise one and the one of 1×1), Conv2DTranspose, BatchNormalization, LayerNormalization,
 * GroupNormalization, RMSNormalization, Embedding, MultiHeadAttention, SimpleRNN, LSTM, GRU, and these in `Bidirectional`. Layouts are one; gates of a GRU change places.
 * Keras's norms add 1e-3 to the variance where ours add 1e-5: a `.keras` file says so, and a model that would compute something else is refused.
 *
 * @param source - The path of the file, or its bytes.
 * @returns our paths that were filled, and those that were not; names of Keras's layers that nothing took
 * @throws {@link ArgumentError} for layers without a counterpart, or another `eps`; {@link ShapeError} when a weight does not fit: it names both layers;
 *   {@link FileFormatError} if it is no file of Keras; {@link MissingPackageError} without the package. The model then stays as it was.
 * @example
 * ```ts
 * import { BatchNorm1d, Linear, ReLU, Sequential, loadKeras } from 'nodegrad';
 * const model = new Sequential([new Linear(784, 64), new BatchNorm1d(64, { eps: 1e-3 }), new ReLU(), new Linear(64, 10)]);
 * await loadKeras(model, 'digits.keras');
 * ```
 */
export async function loadKeras(model: AnyLayer, source: string | Uint8Array, options?: LoadKerasOptions): Promise<LoadReport>;
export async function loadKeras(
  first: AnyLayer | string | Uint8Array,
  second?: string | Uint8Array | KerasModelOptions,
  options: LoadKerasOptions = {},
): Promise<unknown> {
  if (typeof first === 'string' || types.isUint8Array(first)) {
    const { scores = false, progress } = checkOptions<KerasModelOptions>(second ?? {}, 'options', ['scores', 'progress']);
    checkFlag(scores, 'options.scores');
    return kerasModel(await readKeras(first, undefined, progress), typeof first === 'string' ? first : 'bytes', scores);
  }
  return fill(first as AnyLayer, second as string | Uint8Array, options);
}

async function fill(model: AnyLayer, source: string | Uint8Array, options: LoadKerasOptions): Promise<LoadReport> {
  checkLayer(model);
  const {
    layers = {},
    strict = true,
    ignore,
    otherShapes = 'error',
    progress,
  } = checkOptions<LoadKerasOptions>(options, 'options', ['layers', 'strict', 'ignore', 'otherShapes', 'progress']);
  checkFlag(strict, 'options.strict');
  checkChoice(otherShapes, 'options.otherShapes', ['error', 'skip']);
  const named = checkObject<Record<string, string>>(layers, 'options.layers', 'an object of names by path');
  const ignored = new Ignored(ignore);
  const [ours, theirs] = [counterpartsIn(model), await readKerasLayers(source, progress)];
  ignored.check([...ours.map(([path]) => path), ...theirs.map(({ name }) => name)]);
  const isWanted = (name: string): boolean => !ignored.covers(name);
  const { pairs, missing, unexpected } = pair(
    ours.filter(([path]) => isWanted(path)),
    theirs.filter(({ name }) => isWanted(name)),
    named,
  );
  if (strict && missing.length + unexpected.length > 0) {
    const list = (items: readonly string[]): string => (items.length === 0 ? 'nothing' : items.slice(0, 8).join(', '));
    throw new ArgumentError(
      `the file does not fit the model: without weights ${list(missing)}; left over ${list(unexpected)}. options.layers says which is which, { ignore: […] } leaves out layers of either side, and { strict: false } takes what fits`,
    );
  }
  const state = new Map<string, AnyTensor>();
  const valuesIn = ([path, layer]: readonly [string, AnyLayer, ...unknown[]]): string[] =>
    [...layer.namedState().keys()].map((name) => join(path, name));
  const skipped = ours.filter(([path]) => !isWanted(path)).flatMap(valuesIn);
  for (const one of pairs) {
    const [path, layer, counterpart] = one;
    try {
      for (const [name, value] of withoutGradients(() => valuesOf(path, layer, counterpart))) state.set(join(path, name), value);
    } catch (error) {
      if (!(error instanceof ShapeError) || otherShapes !== 'skip') throw error;
      skipped.push(...valuesIn(one));
    }
  }
  const { matched } = model.loadStateDict(state, { strict: false });
  const isLeft = (path: string): boolean => !matched.includes(path) && !skipped.includes(path) && !path.endsWith('numBatchesTracked');
  return { matched, missing: [...model.namedState().keys()].filter(isLeft), unexpected: [...unexpected], skipped };
}

async function readKerasLayers(source: string | Uint8Array, progress: ProgressOption | undefined): Promise<readonly KerasLayer[]> {
  const { layers, isOrdered } = await readKeras(source, undefined, progress);
  const kinds = new Set(layers.map(({ kind }) => kind));
  if (!isOrdered && kinds.has('separable_conv2d'))
    throw new FileFormatError(
      `${typeof source === 'string' ? source : 'bytes'}: SeparableConv2D is a convolution among others here, and a .weights.h5 file has no order of them: save the model as .keras`,
    );
  return layers;
}

interface Pairs {
  readonly pairs: readonly (readonly [path: string, layer: AnyLayer, theirs: KerasLayer])[];
  /** Our paths without a layer of theirs. */
  readonly missing: readonly string[];
  /** Theirs that nothing took. */
  readonly unexpected: readonly string[];
}

/** A layer of ours that Keras has, too. */
type Ours = [path: string, layer: AnyLayer, counterpart: Counterpart];

/** The layers of a model that Keras has, too, outermost ones alone. */
function counterpartsIn(model: AnyLayer): Ours[] {
  const ours: Ours[] = [];
  const inside = new Set<AnyLayer>();
  for (const [path, layer] of model.namedLayers()) {
    const counterpart = inside.has(layer) ? null : counterpartOf(layer);
    if (counterpart === null) continue;
    ours.push([path, layer, counterpart]);
    for (const part of layer.namedLayers().values()) inside.add(part);
  }
  return ours;
}

function pair(ours: readonly Ours[], theirs: readonly KerasLayer[], named: Readonly<Record<string, string>>): Pairs {
  const left = new Set(theirs);
  const take = (layer: KerasLayer | undefined): KerasLayer | undefined => {
    if (layer !== undefined) left.delete(layer);
    return layer;
  };
  for (const [path, name] of Object.entries(named)) {
    if (!ours.some(([at]) => at === path))
      throw new ArgumentError(`options.layers: the model has no layer with weights of Keras at ${describe(path)}`);
    if (!theirs.some((layer) => layer.name === name))
      throw new ArgumentError(
        `options.layers: the file has no layer ${describe(name)}; it has ${theirs.map((layer) => layer.name).join(', ')}`,
      );
  }
  const choose = (path: string, kind: string): KerasLayer | undefined => {
    const candidates = theirs.filter((layer) => Object.hasOwn(named, path) && layer.name === named[path]);
    return candidates.find((layer) => layer.kind === kind) ?? candidates[0];
  };
  const chosen = new Map(ours.map(([path, , { kind }]) => [path, choose(path, kind)]));
  for (const layer of chosen.values()) take(layer);
  const pairs: [string, AnyLayer, KerasLayer][] = [];
  const missing: string[] = [];
  for (const [path, layer, { kind, items }] of ours) {
    const found = chosen.get(path) ?? take([...left].find((candidate) => candidate.kind === kind));
    // A recurrent layer of several is as many in Keras.
    const more = layer instanceof Recurrent ? layer.cells.length / (layer.bidirectional ? 2 : 1) - 1 : 0;
    const others = found === undefined ? [] : [...left].filter((candidate) => candidate.kind === found.kind).slice(0, more);
    for (const other of others) take(other);
    if (found !== undefined) pairs.push([path, layer, { ...found, weights: [found, ...others].flatMap(({ weights }) => weights) }]);
    // A norm without factor, shift and statistics has no weights in Keras either.
    else if (items.length > 0 || layer instanceof Recurrent || layer instanceof RecurrentCell) missing.push(path === '' ? 'the model' : path);
  }
  return { pairs, missing, unexpected: [...left].map(({ name }) => name) };
}

/**
 * Writes a model's weights for Keras 3: a `.weights.h5` file, which `model.load_weights()` takes there, with the package `h5wasm` (`npm install h5wasm`). The inverse
 * of {@link loadKeras}.
 *
 * Keras finds weights by the classes of its layers and their order: the second `Linear` becomes `dense_1`. Layers inside of others stand in one row, in the order of
 * `namedLayers()`, as a `Sequential` or functional model of Keras has them; an LSTM of two layers is two LSTMs. Optimizer state is left out. The file does not say
 * what norms add to the variance: Keras's layers need `epsilon` as ours have it, which is 1e-5 where nothing was said.
 *
 * @param model - Any model of layers that {@link loadKeras} knows, and of such without weights.
 * @param path - Where the file goes; Keras wants `.weights.h5` at its end.
 * @throws {@link ArgumentError} for a layer with weights that Keras has no counterpart of: it is named; or another end of the path, or when the file cannot be written;
 *   {@link MissingPackageError} without the package.
 * @example
 * ```ts
 * import { Linear, ReLU, Sequential, saveKeras } from 'nodegrad';
 * const model = new Sequential([new Linear(784, 64), new ReLU(), new Linear(64, 10)]);
 * await saveKeras(model, 'digits.weights.h5'); // Dense(64, activation='relu'), then Dense(10)
 * ```
 */
export async function saveKeras(model: AnyLayer, path: string): Promise<void> {
  checkPath(path);
  checkLayer(model);
  if (!path.endsWith('.weights.h5')) throw new ArgumentError(expected(`a path that ends with '.weights.h5', as Keras wants it`, 'path', path));
  refuseInStep('a model was saved', 'Save it between two steps');
  model.prepare();
  await writeFileWithBar(path, await hdf5Bytes(withoutGradients(() => arraysOf(model))), undefined);
}

/** Weights of a layer of Keras by the groups that they stand in. */
type Parts = readonly (readonly [place: string, values: readonly AnyTensor[]])[];

/** All weights by the paths that they have in a file of Keras. */
function arraysOf(model: AnyLayer): Map<string, AnyTensor> {
  const arrays = new Map<string, AnyTensor>();
  const counts = new Map<string, number>();
  const left = new Set([...model.namedState().keys()].filter((path) => !path.endsWith('numBatchesTracked')));
  const put = (kind: string, parts: Parts): void => {
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    const group = `layers/${kind}${count === 0 ? '' : `_${count}`}`;
    for (const [place, values] of parts)
      for (const [i, value] of values.entries()) arrays.set(`${group}/${place === '' ? '' : `${place}/`}vars/${i}`, value);
  };
  for (const [path, layer, counterpart] of counterpartsIn(model)) {
    for (const name of layer.namedState().keys()) left.delete(join(path, name));
    if (layer instanceof Recurrent || layer instanceof RecurrentCell) {
      for (const parts of recurrentParts(layer)) put(counterpart.kind, parts);
    } else put(counterpart.kind, partsOf(layer, counterpart));
  }
  if (left.size > 0)
    throw new ArgumentError(`Keras has no counterpart of ${[...left].slice(0, 8).join(', ')}: save these weights with writeSafetensors()`);
  return arrays;
}

/** What each layer of Keras gets of a recurrent layer: those of its cell, for both directions where there are two. */
function recurrentParts(layer: Recurrent | RecurrentCell): Parts[] {
  const weights = kerasWeights(layer) as readonly AnyTensor[];
  if (layer instanceof RecurrentCell) return [[['', weights]]];
  const each = weights.length / layer.cells.length;
  const cell = (i: number): readonly AnyTensor[] => weights.slice(i * each, (i + 1) * each);
  if (!layer.bidirectional) return layer.cells.map((_, i) => [['cell', cell(i)]]);
  const pairs = Array.from({ length: layer.cells.length / 2 }, (_, i) => 2 * i);
  return pairs.map((i): Parts => [['forward_layer/cell', cell(i)], ['backward_layer/cell', cell(i + 1)]]); // biome-ignore format: one line
}

/** The weights of a layer with the shapes that Keras has; see {@link reshaped}. */
function partsOf(layer: AnyLayer, { items }: Counterpart): Parts {
  const places = layer.namedState();
  const value = (name: string): AnyTensor => {
    const own = (places.get(name) as AnyTensor).detach();
    return (own.dtype === 'bfloat16' ? own.to('float32') : own) as AnyTensor;
  };
  if (layer instanceof MultiHeadAttention) {
    const { features, heads } = layer;
    const depth = features / heads;
    return (['query', 'key', 'value', 'output'] as const).map((part): readonly [string, readonly AnyTensor[]] => {
      const [weight, bias] =
        part === 'output'
          ? [[heads, depth, features], [features]]
          : [
              [features, heads, depth],
              [heads, depth],
            ];
      const shapes: Readonly<Record<string, readonly number[]>> = { [`${part}.weight`]: weight, [`${part}.bias`]: bias };
      return [`${part}_dense`, items.flatMap((name) => (shapes[name] === undefined ? [] : [value(name).reshape(shapes[name])]))];
    });
  }
  const isDepthwise = layer instanceof Conv2d && layer.groups > 1 && layer.weight.shape[2] === 1;
  const shaped = (name: string): AnyTensor => {
    const own = value(name);
    const [rows, columns, , channels] = own.shape;
    const { groups } = layer as Conv2d;
    return isDepthwise && name === 'weight' ? own.reshape([rows, columns, groups, channels / groups]) : own;
  };
  return [['', items.map(shaped)]];
}
