// What a user can hook into a run.

import type { AnyLayer } from '../layers/layer.js';
import { isPromise, ours } from '../foreign.js';
import type { AnyDataset } from '../data/dataset.js';
import { ArgumentError, describe, expected } from '../errors.js';
import type { Loss } from '../losses/loss.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import type { AnyTensor } from '../tensor.js';
import type { TensorTree } from '../tree.js';
import { distance } from '../words.js';
import type { EpochRecord, History } from './history.js';
import type { Observation } from './observation.js';
import { isBuiltIn, keepNames } from '../names.js';

/** A run, as callbacks see it. */
export interface TrainingRun {
  /** The model in training. */
  readonly model: AnyLayer;
  /** Its optimizer; callbacks may change its rates. */
  readonly optimizer: Optimizer;
  /** The loss. */
  readonly loss: Loss;
  /** What it trains on. */
  readonly data: AnyDataset;
  /** What it is scored on after each epoch, if there is such data; as the model sees them. */
  readonly validation?: AnyDataset;
  /** Largest norm of the gradients, undefined for as they are; what a callback sets counts from the next step, and is not kept in checkpoints. */
  maxGradNorm: number | undefined;
  /** Whether examples come in a new order in each epoch. */
  readonly shuffle: boolean;
  /** Epochs to run. */
  readonly epochs: number;
  /** Steps in an epoch. */
  readonly stepsPerEpoch: number;
  /** Examples per step. */
  readonly batchSize: number;
  /** The current epoch, from 1; 0 before the first. */
  readonly epoch: number;
  /** Steps taken. */
  readonly step: number;
  /** Epochs completed so far. */
  readonly history: History;
  /** How the run ended; null while it goes on. */
  readonly outcome: 'completed' | 'stopped' | 'aborted' | 'failed' | null;
  /** Ends the run after the current step; what was completed counts. `history.stopped` gets the reason. */
  stop(reason?: string): void;
  /** Writes a line of its own to where progress goes. */
  note(text: string): void;
  /**
   * Appends a line of its own to the run's log, if there is one: `type` says of what kind, the rest is plain data that JSON can hold. It need
   * not be on the disk at once; the end of the epoch brings it there.
   */
  record(entry: { readonly type: string; readonly [name: string]: unknown }): void;
}

/** One step, after its update; `BatchRecord<TensorTree>` where inputs, targets or predictions are several tensors. */
export interface BatchRecord<T extends TensorTree = AnyTensor> {
  /** Epoch, from 1. */
  readonly epoch: number;
  /** Batch within the epoch, from 1. */
  readonly batch: number;
  /** Step within the run, from 1. */
  readonly step: number;
  /** Loss of the batch, before the update. */
  readonly loss: number;
  /** Inputs of the batch. */
  readonly inputs: T;
  /** Targets of the batch. */
  readonly targets: T;
  /** What the model made of the inputs, off the tape. */
  readonly prediction: T;
}

/** Steps that are done. */
export interface StepsRecord {
  /** Epoch, from 1. */
  readonly epoch: number;
  /** The first of them within the run, from 1. */
  readonly step: number;
  /** Their losses, each before its update. */
  readonly losses: readonly number[];
}

/**
 * Base class of callbacks; a plain object with some of its methods does as well. What returns a promise is awaited. What a callback throws ends
 * the run after the others have been called: `fit` throws it as it is, and a run with checkpoints leaves one of that place.
 *
 * @example
 * ```ts
 * import { Callback, type EpochRecord, type TrainingRun } from 'nodegrad';
 * class Enough extends Callback {
 *   override onEpochEnd(record: EpochRecord, run: TrainingRun): void {
 *     if (record.loss < 0.01) run.stop('the loss is small enough');
 *   }
 * }
 * ```
 */
export abstract class Callback {
  /** Before the first step. */
  onTrainBegin(_run: TrainingRun): unknown {
    return undefined;
  }
  /** Before the first step of each epoch. */
  onEpochBegin(_run: TrainingRun): unknown {
    return undefined;
  }
  /** After each update. */
  onBatchEnd(_batch: BatchRecord, _run: TrainingRun): unknown {
    return undefined;
  }
  /** After some steps, a few dozen times a second: cheaper than `onBatchEnd`, which makes JavaScript wait for each step. */
  onSteps(_steps: StepsRecord, _run: TrainingRun): unknown {
    return undefined;
  }
  /** After each observed step (see `observeEvery` of fit): what its layers put out, and how far gradients and updates went. */
  onObserve(_observation: Observation, _run: TrainingRun): unknown {
    return undefined;
  }
  /** After each epoch and its validation. */
  onEpochEnd(_record: EpochRecord, _run: TrainingRun): unknown {
    return undefined;
  }
  /** At the end, however the run ended. */
  onTrainEnd(_run: TrainingRun): unknown {
    return undefined;
  }
  /** Optional, with `loadStateDict`: what a checkpoint is to keep of this callback, as plain data that JSON can hold. */
  stateDict?(): unknown;
  /** Optional, beside `stateDict`: tensors that a checkpoint is to keep of this callback, such as the best weights so far. */
  stateTensors?(): ReadonlyMap<string, AnyTensor>;
  /** Optional: goes on where `stateDict` and `stateTensors` were taken; called in a resumed run after `onTrainBegin`. */
  loadStateDict?(state: unknown, tensors: ReadonlyMap<string, AnyTensor>): void;
}

/** A {@link Callback}, or an object with some of its methods. */
export type CallbackLike = Partial<Callback>;

const events = ['onTrainBegin', 'onEpochBegin', 'onBatchEnd', 'onSteps', 'onObserve', 'onEpochEnd', 'onTrainEnd'] as const;
type Event = (typeof events)[number];

/** The callbacks of a run, asked in their order. */
export class Callbacks {
  readonly #list: CallbackLike[];
  /** Whether any callback wants to see batches. */
  readonly wantsBatches: boolean;
  /** Whether any callback wants to see observations. */
  readonly wantsObservations: boolean;
  /** Whether any callback is of a user's own. */
  readonly areOwn: boolean;

  /** @param more - Those that fit adds, after the user's. */
  constructor(callbacks: unknown, more: readonly CallbackLike[] = []) {
    if (callbacks !== undefined && !Array.isArray(callbacks))
      throw new ArgumentError(expected('an array of callbacks', 'options.callbacks', callbacks));
    this.#list = [...((callbacks ?? []) as CallbackLike[])];
    for (const [i, callback] of this.#list.entries()) checkCallback(callback, `options.callbacks[${i}]`);
    this.#list.push(...more);
    const wants = (event: Event): boolean => this.#list.some((callback) => hears(callback, event));
    this.areOwn = this.#list.some((callback) => !isBuiltIn(callback));
    this.wantsBatches = wants('onBatchEnd');
    this.wantsObservations = wants('onObserve');
  }

  /** Calls one event on all, waits for those that return promises, and then throws what the first of them threw. */
  call(event: Event, ...values: unknown[]): Promise<void> | undefined {
    const waiting: unknown[] = [];
    const failures: unknown[] = [];
    for (const callback of this.#list) {
      try {
        const result = (callback[event] as ((...values: unknown[]) => unknown) | undefined)?.apply(callback, values);
        if (isPromise(result)) waiting.push(result);
      } catch (error) {
        failures.push(error);
      }
    }
    const end = (): void => {
      if (failures.length > 0) throw failures[0];
    };
    if (waiting.length === 0) return end() as undefined;
    return Promise.allSettled(waiting).then((results) => {
      for (const result of results) if (result.status === 'rejected') failures.push(result.reason);
      end();
    });
  }
}

function checkCallback(callback: unknown, argument: string): void {
  if (typeof callback !== 'object' || callback === null) {
    throw new ArgumentError(expected('a Callback, or an object with some of its methods', argument, callback));
  }
  for (const event of events) {
    const method = (callback as CallbackLike)[event];
    if (method !== undefined && typeof method !== 'function') throw new ArgumentError(expected('a function', `${argument}.${event}`, method));
  }
  const { stateDict, loadStateDict } = callback as CallbackLike;
  if (typeof stateDict !== typeof loadStateDict)
    throw new ArgumentError(`\`${argument}\` has one of stateDict() and loadStateDict(): checkpoints need both`);
  const known = `; known: ${events.join(', ')}`;
  for (const name of methodsOf(callback)) {
    if (events.includes(name as Event)) continue;
    const meant = events.find((event) => isMisspelt(name, event));
    const isUnknown = meant !== undefined || eventLike.test(plainName(name)) || (Object.hasOwn(callback, name) && /^on[A-Z]/.test(name));
    if (!isUnknown) continue;
    throw new ArgumentError(`unknown event ${describe(name)} in \`${argument}\`${meant ? `: '${meant}' is meant` : ''}${known}`);
  }
  const isHeard = events.some((event) => hears(callback, event));
  if (!isHeard && stateDict === undefined) throw new ArgumentError(`\`${argument}\` has no event, and would never be called${known}`);
}

/** Whether a callback does something at an event. */
export function hears(callback: CallbackLike, event: Event): boolean {
  return callback[event] !== undefined && callback[event] !== Callback.prototype[event];
}

/** Names of the functions that an object has of its own or by its classes. */
function methodsOf(callback: object): string[] {
  const names: string[] = [];
  for (let level = callback; level !== null && level !== Object.prototype && level !== Callback.prototype; level = Object.getPrototypeOf(level))
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) if (typeof value === 'function') names.push(name);
  return names;
}

const plainName = (name: string): string => name.replaceAll('_', '').toLowerCase();

/** Events of other libraries that have another name here, or none: a helper may have any other name. */
const eventLike = /^on(train|fit|epoch|batch|step|valid|test|predict|evaluat)\w*(begin|start|end)$/;

/** Whether a name is an event but for case, underscores, and a slip of the finger: one, or two in a long name. */
function isMisspelt(name: string, event: Event): boolean {
  const [given, wanted] = [plainName(name), plainName(event)];
  if (!given.startsWith('on')) return false;
  return distance(given, wanted) <= (wanted.length < 10 ? 1 : 2);
}

keepNames({ Callback });

ours(Callback);
