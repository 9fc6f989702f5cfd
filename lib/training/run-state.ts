// Everything of a run that must come back for it to go on as if nothing had happened: gathered, put back, and compared.

import { createHash } from 'node:crypto';
import type { AnyDataset } from '../data/dataset.js';
import { describeShape } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import { copiesOf } from '../layers/state.js';
import { CombinedLoss } from '../losses/combined.js';
import type { Loss } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import { touch } from '../ops/emit.js';
import type { Optimizer, OptimizerState } from '../optimizers/optimizer.js';
import { Parameter } from '../parameter.js';
import type { RandomState } from '../random.js';
import { defaultRandom } from '../seed.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import { plainOptions } from '../schedules/schedule.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { CallbackLike } from './callbacks.js';
import type { CheckpointContent } from './checkpoint-file.js';
import { describeData } from './data-digest.js';
import type { Finding } from '../sitter/finding.js';
import type { OptimizerSharding } from './optimizer-sharding.js';
import { milliseconds } from './progress.js';
import { type Frozen, frozenOf, restoreFrozen } from './frozen.js';
import type { EpochRecord, History } from './history.js';

/** What a run is made of. */
export interface RunParts {
  readonly model: AnyLayer;
  readonly optimizer: Optimizer;
  readonly loss: Loss;
  readonly metrics: readonly Metric[];
  readonly regularizers: readonly Regularizer[];
  readonly callbacks: readonly CallbackLike[];
  readonly data: AnyDataset;
  readonly validation: AnyDataset | undefined;
  readonly history: History;
  readonly epochs: number;
  /** The sharing of the optimizer's state, where there is one. */
  readonly sharding?: OptimizerSharding | null;
  /** What else decides the numbers: batch size, seed and the like. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** An epoch in progress. */
export interface EpochProgress {
  /** Batches done. */
  batch: number;
  /** Sum of the losses, each by what it counts for. */
  sum: number;
  /** What they count for together. */
  weight: number;
  /** Examples trained on. */
  seen: number;
  /** Learning rate at the epoch's beginning. */
  lr: number;
  /** Time it has taken. */
  seconds: number;
  /** State of the metrics, by their order; null where one of them cannot tell it. */
  metrics: unknown[] | null;
}

/** Where a run stands. */
export interface RunPosition {
  /** Steps taken. */
  readonly step: number;
  /** The order of the first epoch, as the loader counts. */
  readonly firstOrder: number;
  /** Time that it has taken. */
  readonly seconds: number;
  /** The epoch in progress; null between two. */
  readonly progress: EpochProgress | null;
}

/** What a checkpoint holds beside tensors. */
export interface RunState extends Frozen {
  readonly position: RunPosition;
  readonly epochs: readonly EpochRecord[];
  /** What the sitter found and changed; not there in checkpoints of earlier versions. */
  readonly findings?: readonly Finding[];
  readonly fixes?: readonly string[];
  readonly stopped: string | null;
  readonly optimizer: Omit<OptimizerState, 'tensors'>;
  /** Generators: the process's own, and those of layers by path and name. */
  readonly random: { readonly shared: RandomState; readonly layers: Readonly<Record<string, RandomState>> };
  readonly callbacks: Readonly<Record<string, unknown>>;
  readonly run: RunDescription;
}

/** What must be the same when a run is taken up again, as plain data. */
export type RunDescription = Readonly<Record<string, unknown>>;

// ---- gather ----

/** A copy of everything, made between two steps. */
export function captureRun(parts: RunParts, position: RunPosition, run: RunDescription): CheckpointContent<RunState> {
  const { model, optimizer, history } = parts;
  const { tensors: moments, ...optimizerState } = optimizer.stateDict();
  const tensors = new Map<string, AnyTensor>();
  const copy = (prefix: string, source: ReadonlyMap<string, AnyTensor>): void => {
    for (const [name, tensor] of copiesOf(source)) tensors.set(prefix + name, tensor);
  };
  copy('model.', model.stateDict());
  copy('optimizer.', moments);
  copy('extra.', extraParameters(parts));
  for (const [name, callback] of statefulCallbacks(parts)) copy(`callbacks.${name}.`, callback.stateTensors?.() ?? new Map());
  const state: RunState = {
    position,
    epochs: [...history.epochs],
    findings: [...history.findings],
    fixes: [...history.fixes],
    stopped: history.stopped,
    optimizer: optimizerState,
    ...frozenOf(model),
    random: {
      shared: defaultRandom().state,
      layers: Object.fromEntries([...randomsOf(model)].map(([name, random]) => [name, random.state])),
    },
    callbacks: Object.fromEntries([...statefulCallbacks(parts)].map(([name, callback]) => [name, callback.stateDict?.()])),
    run,
  };
  return { step: position.step, tensors, state };
}

/** Where a run stands that `began` at a time, and its epoch in progress at another. */
export function positionOf(
  step: number,
  firstOrder: number,
  began: number,
  progress: EpochProgress | null,
  epochBegan: number,
  metrics: readonly Metric[],
): RunPosition {
  const seconds = (since: number): number => (milliseconds() - since) / 1000;
  const held = progress && { ...progress, seconds: seconds(epochBegan), metrics: progress.metrics ?? stateOfMetrics(metrics) };
  return { step, firstOrder, seconds: seconds(began), progress: held };
}

/** State of all metrics by their order; null when one of them cannot tell it. */
export function stateOfMetrics(metrics: readonly Metric[]): unknown[] | null {
  return metrics.every(isStateful) ? metrics.map((metric) => metric.stateDict?.()) : null;
}

/** Whether a metric can be saved in the middle of an epoch. */
export function isStateful({ stateDict, loadStateDict }: Metric): boolean {
  return typeof stateDict === 'function' && typeof loadStateDict === 'function';
}

// ---- put back ----

/** Puts everything back but the callbacks' state, see {@link restoreCallbacks}; the description is known to fit. */
export function restoreRun(parts: RunParts, { tensors, state }: CheckpointContent<RunState>): void {
  const { model, optimizer, metrics, history } = parts;
  const under = (prefix: string): Map<string, AnyTensor> => tensorsUnder(tensors, prefix);
  model.loadStateDict(under('model.'));
  const extra = under('extra.');
  for (const [name, parameter] of extraParameters(parts)) {
    parameter.data.set((extra.get(name) as AnyTensor).data as Float32Array);
    touch(parameter);
  }
  optimizer.loadStateDict({ ...state.optimizer, tensors: under('optimizer.') });
  restoreFrozen(model, state);
  defaultRandom().state = state.random.shared;
  for (const [name, random] of randomsOf(model)) if (name in state.random.layers) random.state = state.random.layers[name];
  const saved = state.position.progress?.metrics;
  if (saved) for (const [i, metric] of metrics.entries()) metric.loadStateDict?.(saved[i]);
  history.epochs.length = 0;
  for (const record of state.epochs) history.epochs.push(record);
  history.findings.splice(0, history.findings.length, ...(state.findings ?? []));
  history.fixes.splice(0, history.fixes.length, ...(state.fixes ?? []));
  history.stopped = state.stopped;
}

/** Gives callbacks their state back. */
export function restoreCallbacks(parts: RunParts, { state, tensors }: CheckpointContent<RunState>): void {
  for (const [name, callback] of statefulCallbacks(parts))
    if (Object.hasOwn(state.callbacks, name)) callback.loadStateDict?.(state.callbacks[name], tensorsUnder(tensors, `callbacks.${name}.`));
}

/** The tensors whose names begin with `prefix`, by the rest of these. */
export function tensorsUnder(tensors: ReadonlyMap<string, AnyTensor>, prefix: string): Map<string, AnyTensor> {
  const found = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(found.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

// ---- compare ----

/** What decides the numbers of a run, as plain data. */
export async function describeRun(parts: RunParts): Promise<RunDescription> {
  const { model, optimizer, loss, metrics, regularizers, data, validation, epochs, settings } = parts;
  return {
    model: Object.fromEntries(
      [...model.namedLayers()].map(([path, layer]) => [path || 'itself', `${layer.constructor.name}${configOf(layer)}`]),
    ),
    weights: Object.fromEntries(
      [...model.stateDict(), ...extraParameters(parts)].map(([path, { dtype, shape }]) => [path, `${dtype} ${describeShape(shape)}`]),
    ),
    loss: lossText(loss),
    regularizers: regularizers.map((one) => ({ ...kindOf(one), parameters: pathsOf(one.parameters) })),
    optimizer: {
      kind: optimizer.constructor.name,
      parameters: optimizer.groups.map(({ parameters }) => pathsOf(parameters)),
      groups: optimizer.groups.map(({ options }) => plainOptions(options)),
    },
    metrics: metrics.map(({ name }) => name),
    ...frozenOf(model),
    data: await describeData(data),
    validation: validation === undefined ? {} : await describeData(validation),
    ...settings,
    epochs,
  };
}

/** The options that a run set out with, which may have changed on the way; epochs and schedules are this call's. */
export function resumedDescription(run: RunDescription, now: RunDescription): RunDescription {
  type Groups = { readonly groups: readonly Record<string, unknown>[] };
  const [was, is] = [run['optimizer'] as Groups, now['optimizer'] as Groups];
  const groups = was.groups.map((group, i) => ({
    ...group,
    ...Object.fromEntries(Object.entries(is.groups[i]).filter(([, value]) => typeof value === 'object')),
  }));
  return { ...run, optimizer: { ...was, groups }, epochs: now['epochs'] };
}

/**
 * What differs between the run of a checkpoint and this one, in words. More or fewer epochs, and with them another schedule of the same
 * kind, are no difference; nor is validation that is taken in or left out. An optimizer may have its options of the beginning, or those that
 * it had come to, and so may what is frozen.
 */
export function differences({ run, optimizer, frozen, frozenLayers }: RunState, now: RunDescription): string[] {
  // Checkpoints of earlier versions do not say how values were stored.
  const [was, is] = [flatten({ precision: 'float32', ...run }), flatten(now)];
  const reached = flatten({ frozen, frozenLayers, optimizer: { groups: optimizer.groups } });
  const differs = (key: string): boolean => was.get(key) !== is.get(key);
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((key) => {
      if (!differs(key) || key === 'epochs') return false;
      if (isOfSchedule(key) && run.epochs !== now.epochs) return false;
      if (['frozen', 'frozenLayers'].includes(key) || key.startsWith('optimizer.groups.')) return reached.get(key) !== is.get(key);
      if (key.startsWith('validation.') && !(was.has(key) && is.has(key))) return false;
      // That other shapes hold other numbers goes without saying.
      const [part, detail] = key.split('.');
      if (detail === 'digest' && ['examples', 'inputShape', 'targetShape'].some((shape) => differs(`${part}.${shape}`))) return false;
      return true;
    })
    .map((key) => {
      const others = key.endsWith('.digest') ? ': these are other examples' : '';
      return `${key} was ${was.get(key) ?? 'not there'}, is ${is.get(key) ?? 'not there'}${others}`;
    });
}

/** Whether a number belongs to a schedule, `optimizer.groups.0.lr.every`, and is not its class. */
function isOfSchedule(key: string): boolean {
  return /^optimizer\.groups\.\d+\.\w+\..*(?<!\bschedule)$/.test(key);
}

/** Leaves of nested plain data, as text by dotted path. */
function flatten(value: unknown, path = '', found = new Map<string, string>()): Map<string, string> {
  if (typeof value !== 'object' || value === null) return found.set(path, String(value));
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return found.set(path, `[${value.join(', ')}]`);
  for (const [key, item] of Object.entries(value)) flatten(item, path === '' ? key : `${path}.${key}`, found);
  return found;
}

const pathsOf = (parameters: readonly AnyTensor[]): string => parameters.map((one) => (one instanceof Parameter ? one.path : '')).join(' ');

/** A loss as plain data; of a combined one, its terms. */
function lossText(loss: Loss): Record<string, unknown> {
  if (!(loss instanceof CombinedLoss)) return kindOf(loss);
  return { ...kindOf(loss), terms: loss.terms.map(({ name, weight, loss: one }) => ({ name: name ?? 'all', weight, ...lossText(one) })) };
}

/** Class and plain options of a loss, a regularizer. */
function kindOf(thing: object): Record<string, unknown> {
  return { kind: thing.constructor.name, ...plainOf(thing) };
}

/** The members that are plain data, lists of it, or tensors, which are told by a digest; parameters are learned and no options. */
function plainOf(thing: object): Record<string, unknown> {
  const entries = Object.entries(thing).flatMap(([name, value]): [string, unknown][] => {
    if (isPlain(value)) return [[name, value]];
    if (value instanceof Tensor) return value instanceof Parameter ? [] : [[name, `${describeShape(value.shape)} ${digestOf(value.data)}`]];
    if (ArrayBuffer.isView(value)) return [[name, digestOf(value as NodeJS.TypedArray)]];
    return [];
  });
  return Object.fromEntries(entries);
}

function isPlain(value: unknown): boolean {
  if (Array.isArray(value)) return value.length <= 4096 && value.every(isPlain);
  return ['string', 'number', 'boolean'].includes(typeof value);
}

const digestOf = (values: NodeJS.TypedArray): string => createHash('sha256').update(values).digest('hex').slice(0, 16);

function configOf(layer: AnyLayer): string {
  try {
    const config = layer.config();
    if (layer.children().size === 0) return JSON.stringify(config) ?? '';
    // What a container says of its layers, they say themselves.
    const own = plainOf(Object(config));
    return Object.keys(own).length === 0 ? '' : JSON.stringify(own);
  } catch {
    return '';
  }
}

// ---- what parts of a run have ----

/** Parameters that the optimizer updates and the model does not hold, by their number. */
function extraParameters({ model, optimizer }: RunParts): Map<string, AnyTensor> {
  const own = new Set<AnyTensor>(model.parameters());
  const all = optimizer.groups.flatMap(({ parameters }) => parameters);
  return new Map(all.filter((parameter) => !own.has(parameter)).map((parameter, i) => [String(i), parameter]));
}

/** Generators of layers, by path and name. */
export function randomsOf(model: AnyLayer): Map<string, { state: RandomState }> {
  const layers = [...model.namedLayers()];
  return new Map(layers.flatMap(([path, layer]) => [...layer.ownRandoms()].map(([name, random]) => [`${path}:${name}`, random] as const)));
}

/** Remembers where all generators stand that a forward pass may draw from; what it gives puts them back. */
export function rememberRandoms(model: AnyLayer): () => void {
  const generators = [defaultRandom(), ...randomsOf(model).values()].map((random) => [random, random.state] as const);
  return () => {
    for (const [random, state] of generators) random.state = state;
  };
}

/** Callbacks with state, by class and place among those of their class. */
function statefulCallbacks({ callbacks }: RunParts): Map<string, CallbackLike> {
  const counts = new Map<string, number>();
  const found = new Map<string, CallbackLike>();
  for (const callback of callbacks) {
    const kind = callback.constructor?.name ?? 'Object';
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    if (typeof callback.stateDict === 'function' && typeof callback.loadStateDict === 'function') found.set(`${kind}.${count}`, callback);
  }
  return found;
}
