// The weights of a file of Keras, layer by layer: `.keras` and `.weights.h5` of Keras 3, and `.h5` of Keras 2 and 3.

import { Buffer } from 'node:buffer';
import { FileFormatError, describe } from '../errors.js';
import { isPlainObject } from '../foreign.js';
import { type ByteSource, withSource } from '../io/byte-source.js';
import { isOtherKind, kindBytes, otherKind } from '../io/file-kinds.js';
import { FileBar } from '../io/file-bar.js';
import { type Hdf5File, withHdf5 } from '../io/hdf5.js';
import type { ProgressOption } from '../progress.js';
import { readMember, zipMembers } from '../io/zip.js';
import { filled } from '../ops/shape.js';
import type { AnyTensor } from '../tensor.js';

/** A layer with weights. */
export interface KerasLayer {
  /** What Keras calls it, or where it stands in a file that has no names. */
  readonly name: string;
  /** Its class in snake case, such as `batch_normalization`. */
  readonly kind: string;
  /** In the order of `get_weights()`. */
  readonly weights: readonly AnyTensor[];
  /** What a norm adds to the variance; null where the file does not say. */
  readonly epsilon: number | null;
}

/** The layers of a file. */
export interface KerasFile {
  readonly layers: readonly KerasLayer[];
  /** Whether they are in the order of the model, and not only those of each kind. */
  readonly isOrdered: boolean;
  /** The architecture, where the file has it. */
  readonly config: KerasConfig | null;
}

/** Layers in which other weights stand, in the order of `get_weights()`. */
const inner = ['cell', 'forward_layer', 'backward_layer', 'query_dense', 'key_dense', 'value_dense', 'output_dense'];
/** What a file has beside layers. */
const beside = ['optimizer', 'compile_metrics', 'metrics', 'loss_tracker', 'vars', 'seed_generator', 'optimizer_weights'];
const maxDepth = 32;

/** The configuration of a layer or a model in JSON. */
export interface KerasConfig {
  readonly class_name: string;
  /** In a functional model. */
  readonly name?: string;
  readonly inbound_nodes?: unknown;
  readonly config: {
    readonly name?: string;
    readonly epsilon?: number;
    readonly scale?: boolean;
    readonly center?: boolean;
    readonly layers?: readonly KerasConfig[];
    readonly layer?: KerasConfig;
    readonly input_layers?: unknown;
    readonly output_layers?: unknown;
    readonly build_input_shape?: unknown;
  };
}

/**
 * Reads the layers of a file, from a path or its bytes.
 *
 * @throws {FileFormatError} if it is no file of Keras
 */
export function readKeras(source: string | Uint8Array, name?: string, progress?: ProgressOption): Promise<KerasFile> {
  const bar = new FileBar(progress, 'reading', typeof source === 'string' ? source : '');
  const read = async (bytes: ByteSource): Promise<KerasFile> => {
    const start = await bytes.read(0, Math.min(kindBytes, bytes.size));
    if (isOtherKind(start, 'keras', 'hdf5')) throw new FileFormatError(`${bytes.name}: not a file of Keras${otherKind(start)}`);
    if (start[0] === 0x50 && start[1] === 0x4b) return readArchive(bytes);
    return withHdf5(await bytes.read(0, bytes.size), bytes.name, (file) => layersOf(file, bytes.name));
  };
  return withSource(source, name, read, bar).finally(() => bar.end());
}

/** A `.keras` file: a zip archive of configuration and weights. */
async function readArchive(archive: ByteSource): Promise<KerasFile> {
  const members = await zipMembers(archive);
  const read = async (wanted: string): Promise<Uint8Array> => {
    const member = members.find(({ name }) => name === wanted);
    if (member === undefined) throw new FileFormatError(`${archive.name}: not a .keras file: the archive has no ${wanted}`);
    return readMember(archive, member);
  };
  const config = parseConfig(Buffer.from(await read('config.json')).toString(), archive.name);
  return withHdf5(await read('model.weights.h5'), `${archive.name}: model.weights.h5`, (file) => ({
    layers: config.config.layers === undefined ? walkFile(file, '', 0) : walkConfig(file, config.config.layers, '', 0),
    isOrdered: config.config.layers !== undefined,
    config,
  }));
}

function layersOf(file: Hdf5File, name: string): KerasFile {
  const model = file.texts('', 'model_config');
  const config = model === null ? null : parseConfig(model[0], name);
  for (const at of ['model_weights', '']) {
    const names = file.texts(at, 'layer_names');
    if (names !== null) return { layers: legacyLayers(file, at, names, config, name), isOrdered: true, config };
  }
  const layers = walkFile(file, file.names('layers') === null ? '' : 'layers', 0);
  if (layers.length === 0) throw new FileFormatError(`${name}: an HDF5 file without layers: no file of Keras, or of a model without weights`);
  return { layers, isOrdered: false, config };
}

/**
 * The architecture out of its text.
 *
 * @throws {FileFormatError} if it is none
 */
export function parseConfig(text: string, name: string): KerasConfig {
  try {
    const config: unknown = JSON.parse(text);
    if (isConfig(config)) return config;
  } catch (error) {
    throw new FileFormatError(`${name}: the configuration of the model is not JSON: ${(error as Error).message}`, { cause: error });
  }
  throw new FileFormatError(`${name}: the configuration of the model has no class_name and config`);
}

const isConfig = (value: unknown): value is KerasConfig =>
  isPlainObject(value) &&
  typeof value.class_name === 'string' &&
  isPlainObject(value.config) &&
  (value.config.layers === undefined || (Array.isArray(value.config.layers) && value.config.layers.every(isConfig)));

/** As Keras makes names of groups: `DepthwiseConv2D` is `depthwise_conv2d`. */
const snakeCase = (name: string): string =>
  name
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();

const within = (path: string, name: string): string => (path === '' ? name : `${path}/${name}`);

/** The layers of a model in the order of its configuration: groups are named by class, and counted. */
function walkConfig(file: Hdf5File, configs: readonly KerasConfig[], path: string, depth: number): KerasLayer[] {
  if (depth > maxDepth) return [];
  const counts = new Map<string, number>();
  return configs.flatMap((config) => {
    const kind = snakeCase(config.class_name);
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    const group = within(path, `layers/${count === 0 ? kind : `${kind}_${count}`}`);
    const { name = group, layers, layer: wrapped } = config.config;
    if (layers !== undefined) return walkConfig(file, layers, group, depth + 1);
    // TimeDistributed and its kin: what they wrap has the weights.
    const isWrapper = wrapped !== undefined && kind !== 'bidirectional' && isConfig(wrapped);
    const real = isWrapper ? wrapped : config;
    const weights = weightsOf(file, isWrapper ? `${group}/layer` : group, 0);
    return weights.length === 0
      ? []
      : splitSeparable({ name, kind: snakeCase(real.class_name), weights: completed(real, weights), epsilon: real.config.epsilon ?? null });
  });
}

/** A norm without a factor or a shift has one of 1 or 0 here. */
function completed({ class_name: kind, config: { scale, center } }: KerasConfig, weights: readonly AnyTensor[]): readonly AnyTensor[] {
  if (!kind.endsWith('Normalization')) return weights;
  const all = [...weights];
  const like = (value: number): AnyTensor => filled(weights[0].shape, value, 'float32') as AnyTensor;
  if (scale === false) all.splice(0, 0, like(1));
  if (center === false) all.splice(1, 0, like(0));
  return all;
}

/** The layers of a file without configuration: those of each kind are counted by their names. */
function walkFile(file: Hdf5File, path: string, depth: number): KerasLayer[] {
  const names = (file.names(path) ?? []).filter((name) => depth > 0 || !beside.includes(name));
  const number = (name: string): number => Number(/_(\d+)$/.exec(name)?.[1] ?? 0);
  const kindOf = (name: string): string => name.replace(/_\d+$/, '');
  names.sort((a, b) => (kindOf(a) < kindOf(b) ? -1 : kindOf(a) > kindOf(b) ? 1 : number(a) - number(b)));
  return names.flatMap((name) => {
    const at = within(path, name);
    const weights = weightsOf(file, at, 0);
    if (weights.length > 0) return [{ name: at.replace(/^layers\//, ''), kind: kindOf(name), weights, epsilon: null }];
    return depth > maxDepth || name === 'vars' ? [] : walkFile(file, at, depth + 1);
  });
}

/** The weights of a layer: its own, then those of the layers that it is made of. */
function weightsOf(file: Hdf5File, path: string, depth: number): AnyTensor[] {
  const names = file.names(path);
  if (names === null || depth > 3) return [];
  const own = (names.includes('vars') ? (file.names(`${path}/vars`) ?? []) : [])
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((at) => file.array(`${path}/vars/${at}`) ?? []);
  return [...own, ...inner.filter((name) => names.includes(name)).flatMap((name) => weightsOf(file, `${path}/${name}`, depth + 1))];
}

/** A separable convolution is a depthwise one, and one of 1×1. */
function splitSeparable(layer: KerasLayer): KerasLayer[] {
  if (layer.kind !== 'separable_conv2d') return [layer];
  const [depthwise, ...pointwise] = layer.weights;
  return [
    { ...layer, kind: 'depthwise_conv2d', weights: [depthwise] },
    { ...layer, kind: 'conv2d', weights: pointwise },
  ];
}

/** Keras 2, and `model.save('model.h5')`: groups by the names of layers, whose order an attribute has. */
function legacyLayers(file: Hdf5File, path: string, names: readonly string[], config: KerasConfig | null, source: string): KerasLayer[] {
  const byName = new Map((config?.config.layers ?? []).map((layer) => [layer.config.name, layer]));
  return names.flatMap((name) => {
    const group = within(path, name);
    const weightNames = file.texts(group, 'weight_names') ?? [];
    if (weightNames.length === 0) return [];
    const layer = byName.get(name);
    if (layer?.config.layers !== undefined)
      throw new FileFormatError(
        `${source}: ${describe(name)} is a model inside the model, whose layers this format does not keep apart: save it as .keras`,
      );
    const weights = weightNames.map((weight) => {
      const value = file.array(`${group}/${weight}`);
      if (value === null) throw new FileFormatError(`${source}: ${describe(name)} lacks the weight ${describe(weight)}`);
      return value;
    });
    const wrapped = layer?.config.layer;
    const real = layer?.class_name === 'Bidirectional' ? layer : (wrapped ?? layer);
    const kind = real === undefined ? name.replace(/_\d+$/, '') : snakeCase(real.class_name);
    return splitSeparable({
      name,
      kind,
      weights: real === undefined ? weights : completed(real, weights),
      epsilon: real?.config.epsilon ?? null,
    });
  });
}
