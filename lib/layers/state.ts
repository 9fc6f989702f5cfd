// A model's state by path: what stands in several places, and how values from elsewhere get in.

import { type DType, isReal } from '../dtype.js';
import { ArgumentError, DTypeError, ShapeError, checkChoice, checkOptions, describeShape, expected } from '../errors.js';
import { isMap } from '../foreign.js';
import { refuseBusy } from '../ops/busy.js';
import { touch, withoutGradients } from '../ops/emit.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { join } from './fields.js';
import { Ignored } from './ignored.js';
import type { AnyLayer } from './layer.js';

/** What {@link Layer.loadStateDict} did: paths of each kind. */
export interface LoadReport {
  /** Parameters and buffers that were filled. */
  matched: string[];
  /** Parameters and buffers without a value in the source. */
  missing: string[];
  /** Values without a parameter or buffer. */
  unexpected: string[];
  /** Parameters and buffers that stayed as they were: by `ignore`, or because their value in the source has another shape, with `otherShapes: 'skip'`. */
  skipped: string[];
}

/** Options of {@link Layer.loadStateDict}. */
export interface LoadOptions {
  /** Whether missing or unexpected names are an error. Default true. */
  strict?: boolean;
  /**
   * What is left as it is, in the model and in the source, while all else has to fit: names of entries, or of parts with all inside them, as `['head']`; those of the
   * source without the prefix. Default none.
   */
  ignore?: readonly string[];
  /** Only values whose name begins with this are used, and it is taken off. Default ''. */
  prefix?: string;
  /** What happens with values of another shape, as those of a head for other classes: `'skip'` leaves their places as they are. Default `'error'`. */
  otherShapes?: 'error' | 'skip';
}

/** A layer's own parameters and buffers by name. */
export function itemsOf(layer: AnyLayer): Map<string, AnyTensor> {
  return new Map<string, AnyTensor>([...layer.ownParameters(), ...layer.ownBuffers()]);
}

/** All places of a model with their layers: one that stands in several places comes once for each. */
export function everyPlace(model: AnyLayer): [path: string, layer: AnyLayer][] {
  const found: [string, AnyLayer][] = [];
  const above = new Set<AnyLayer>();
  const visit = (layer: AnyLayer, path: string): void => {
    if (above.has(layer)) return;
    found.push([path, layer]);
    above.add(layer);
    for (const [name, child] of layer.children()) visit(child, join(path, name));
    above.delete(layer);
  };
  visit(model, '');
  return found;
}

/** The further paths of parameters and buffers in `places`, and the one path that `namedState` has for each. */
export function furtherPaths(model: AnyLayer, places: Iterable<readonly [string, AnyLayer]>): Map<string, string> {
  const known = new Map<AnyTensor, string>([...model.namedState()].map(([path, item]) => [item, path]));
  const further = new Map<string, string>();
  for (const [path, layer] of places) {
    for (const [name, item] of itemsOf(layer)) {
      const at = join(path, name);
      if (known.get(item) !== at) further.set(at, known.get(item) as string);
    }
  }
  return further;
}

const loaded = new WeakSet<AnyTensor>();

/** Notes that the values at these paths came from elsewhere, and are not those that were drawn. */
export function noteLoaded(model: AnyLayer, paths: Iterable<string>): void {
  const places = model.namedState();
  for (const path of paths) {
    const place = places.get(path);
    if (place !== undefined) loaded.add(place);
  }
}

/** Whether the values of a parameter or buffer came from elsewhere. */
export const isLoaded = (place: AnyTensor): boolean => loaded.has(place);

/** `model.loadStateDict(state, options)`: documented there. `prepare` gives the model its memory, once all checks are done. */
export function loadState(
  model: AnyLayer,
  state: Map<string, AnyTensor> | Record<string, AnyTensor>,
  options: LoadOptions,
  prepare: () => void,
): LoadReport {
  const given = checkOptions<LoadOptions>(options, 'options', ['strict', 'ignore', 'prefix', 'otherShapes']);
  const otherShapes = checkChoice(given.otherShapes ?? 'error', 'options.otherShapes', ['error', 'skip']);
  if (typeof state !== 'object' || state === null) throw new ArgumentError(expected('a map of tensors by path', 'state', state));
  const prefix: unknown = given.prefix ?? '';
  if (typeof prefix !== 'string') throw new ArgumentError(expected('a string', 'options.prefix', prefix));
  const source = new Map<string, AnyTensor>();
  for (const [name, value] of isMap(state) ? state : Object.entries(state)) {
    if (typeof name === 'string' && name.startsWith(prefix)) source.set(name.slice(prefix.length), Tensor.check(value, name));
  }
  if (prefix !== '' && source.size > 0 && [...source.keys()].every((name) => name.startsWith('.')))
    throw new ArgumentError(`the names behind the prefix '${prefix}' begin with a dot, which belongs to it: '${prefix}.'`);
  const places = model.namedState();
  const ignored = new Ignored(given.ignore);
  if (!ignored.isEmpty) {
    ignored.check([...places.keys(), ...furtherPaths(model, everyPlace(model)).keys(), ...source.keys()]);
    for (const name of [...source.keys()]) if (ignored.covers(name)) source.delete(name);
  }
  if ([...source.keys()].some((name) => !places.has(name))) takeFurtherNames(model, source);
  const report: LoadReport = { matched: [], missing: [], unexpected: [...source.keys()].filter((name) => !places.has(name)), skipped: [] };
  for (const [path, place] of places) {
    if (ignored.covers(path)) {
      report.skipped.push(path);
      continue;
    }
    const value = source.get(path);
    if (value === undefined) {
      report.missing.push(path);
      continue;
    }
    if (value.shape.length !== place.shape.length || value.shape.some((dimension, d) => dimension !== place.shape[d])) {
      if (otherShapes === 'skip') {
        report.skipped.push(path);
        continue;
      }
      throw new ShapeError(
        `'${path}' expects shape ${describeShape(place.shape)}, received ${describeShape(value.shape)}. ${shapeHint(place.shape, value.shape)}`,
      );
    }
    if (isReal(value.dtype) !== isReal(place.dtype)) throw new DTypeError(`'${path}' expects ${place.dtype}, received ${value.dtype}`);
    report.matched.push(path);
  }
  if ((given.strict ?? true) && report.missing.length + report.unexpected.length > 0) {
    const kinds = [report.missing, report.unexpected].flatMap((names, i) =>
      names.length > 0 ? [`${['missing', 'unexpected'][i]} ${listOf(names)}`] : [],
    );
    const found = `${report.matched.length} of the ${places.size} values of the model are in it`;
    const wayOut = isNextToNothing(report)
      ? `. ${otherNet}`
      : `. In a program, { ignore: ['${partOf([...report.missing, ...report.unexpected][0])}'] } leaves a part as it is, { strict: false } takes what matches`;
    throw new ArgumentError(`the state does not fit the model: ${found}; ${kinds.join('; ')}${wayOut}`);
  }
  prepare();
  refuseBusy(
    'loadStateDict',
    report.matched.map((path) => (places.get(path) as AnyTensor).data),
    report.matched.length,
  );
  // All values first: one that cannot be read must leave everything as it was.
  const values = report.matched.map((path) => {
    const place = places.get(path) as AnyTensor;
    const value: AnyTensor = withoutGradients(() => (source.get(path) as AnyTensor).to(place.dtype as DType));
    if (value.data.length !== place.size)
      throw new ArgumentError(`the value of '${path}' has lost its memory: its ArrayBuffer was transferred`);
    return [place, value] as const;
  });
  for (const [place, value] of values) {
    place.data.set(value.data as Float32Array);
    touch(place);
  }
  return report;
}

/** The part of a model that a name is in. */
const partOf = (name: string): string => name.replace(/\.[^.]*$/, '');

/** The first of some names, and how many more there are. */
export const listOf = (names: readonly string[]): string =>
  names.length > 6 ? `${names.slice(0, 6).join(', ')} and ${names.length - 6} more` : names.join(', ');

/** Refuses the parts that somebody names to a method that is for the whole layer. */
export function refuseParts(given: readonly unknown[], method: string): void {
  if (given.length === 0) return;
  const part = typeof given[0] === 'string' && /^[\w.]+$/.test(given[0]) ? given[0] : 'layer1';
  throw new ArgumentError(
    `${method}() takes no arguments, and is for a layer with all inside it: of a part of a model call its own, model.${part}.${method}() where that is a field, or model.namedLayers().get('${part}').${method}()`,
  );
}

/** What to say where next to nothing fits. */
export const otherNet = 'It is that of another network, or its names are others: compare them with those of model.stateDict()';

/** Whether hardly a value went where it belongs, by names: neither of the model nor of the source. */
export function isNextToNothing({ matched, missing, unexpected, skipped }: LoadReport): boolean {
  const [ours, theirs] = [matched.length + missing.length + skipped.length, matched.length + unexpected.length + skipped.length];
  return theirs > 0 && 20 * (matched.length + skipped.length) < Math.min(ours, theirs);
}

/** What to do about a value of another shape. */
function shapeHint(wanted: readonly number[], given: readonly number[]): string {
  const order = wanted.length === 4 ? [3, 2, 0, 1] : wanted.map((_, d) => wanted.length - 1 - d);
  const isPyTorch = wanted.length > 1 && given.join() === order.map((axis) => wanted[axis]).join();
  if (isPyTorch) return 'PyTorch has it so: loadPyTorch(model, path) turns its weights round';
  return wanted.length === 2
    ? "Weights of Linear are [in, out]. { otherShapes: 'skip' } leaves it as it is"
    : "{ otherShapes: 'skip' } leaves it as it is";
}

// Other frameworks list a value under each of its paths, or under whichever of them.
function takeFurtherNames(model: AnyLayer, source: Map<string, AnyTensor>): void {
  for (const [path, known] of furtherPaths(model, everyPlace(model))) {
    const value = source.get(path);
    if (value === undefined) continue;
    const other = source.get(known);
    if (other !== undefined && !isSame(value, other))
      throw new ArgumentError(`'${path}' and '${known}' are one in the model, and two different values in the state`);
    source.set(known, value);
    source.delete(path);
  }
}

function isSame(a: AnyTensor, b: AnyTensor): boolean {
  const [left, right] = [a.data, b.data];
  return left.length === right.length && left.every((value: number, i: number) => Object.is(value, right[i]));
}

/** The first place where two models differ in parameters or buffers, and what each has there; null where they do not. */
export function differenceOf(
  originals: ReadonlyMap<string, AnyTensor>,
  copies: ReadonlyMap<string, AnyTensor>,
): { readonly path: string; readonly wanted: string; readonly given: string } | null {
  const at = (state: ReadonlyMap<string, AnyTensor>, path: string): string => {
    const item = state.get(path);
    return item === undefined ? 'nothing' : describeShape(item.shape);
  };
  for (const path of new Set([...originals.keys(), ...copies.keys()])) {
    const [wanted, given] = [at(originals, path), at(copies, path)];
    if (wanted !== given) return { path, wanted, given };
  }
  return null;
}

/** Refuses a copy of a model that config() and fromConfig() made with other parameters or buffers than the model has. */
export function checkSameState(originals: ReadonlyMap<string, AnyTensor>, copies: ReadonlyMap<string, AnyTensor>): void {
  const difference = differenceOf(originals, copies);
  if (difference === null) return;
  const { path, wanted, given } = difference;
  throw new ArgumentError(
    `the model cannot be copied: config() and fromConfig() give it ${given} at '${path}', where it has ${wanted}. A layer that was put in later must stand in config()`,
  );
}

/** Copies of tensors by their names, which later updates leave as they are. */
export function copiesOf(tensors: ReadonlyMap<string, AnyTensor>): Map<string, AnyTensor> {
  return new Map([...tensors].map(([name, { data, shape, dtype }]) => [name, Tensor.wrap(data.slice() as never, shape, dtype)]));
}
