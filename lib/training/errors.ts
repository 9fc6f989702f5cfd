// What a run throws when it ends early: the general errors, with what is known about the run.

import { groupErrorOf } from '../distributed/group-errors.js';
import { AbortedError, NodegradError, NonFiniteError } from '../errors.js';
import type { History } from './history.js';
import { keepNames } from '../names.js';

/**
 * The run's `AbortSignal` fired. The model holds whole steps, and `history` the epochs that were completed.
 *
 * @example
 * ```ts
 * import { TrainingAbortedError } from 'nodegrad';
 * const completed = (error: unknown) => (error instanceof TrainingAbortedError ? error.history.epochs.length : 0);
 * ```
 */
export class TrainingAbortedError extends AbortedError {
  /** What was completed before. */
  readonly history: History;
  /** Steps taken, those of the unfinished epoch included. */
  readonly steps: number;

  constructor(message: string, history: History, steps: number, options?: ErrorOptions) {
    super(message, options);
    this.history = history;
    this.steps = steps;
  }
}

/** Where a run met its first number that is not finite. */
export interface NonFinitePlace {
  /** What was not finite. */
  readonly what: 'input' | 'target' | 'weight' | 'parameter' | 'gradient' | 'output' | 'buffer' | 'loss';
  /** Path of the layer or parameter; '' for inputs, targets and the loss. */
  readonly path: string;
  /** Epoch, from 1. */
  readonly epoch: number;
  /** Batch within the epoch, from 1. */
  readonly batch: number;
  /** Step within the run, from 1. */
  readonly step: number;
  /** Learning rate of that step. */
  readonly lr: number;
}

/**
 * A number of the run became NaN or infinite; the message says where first, and what to try. Course rows J09, J12.
 *
 * @example
 * ```ts
 * import { TrainingNonFiniteError } from 'nodegrad';
 * const culprit = (error: unknown) => (error instanceof TrainingNonFiniteError ? error.place.path : null);
 * ```
 */
export class TrainingNonFiniteError extends NonFiniteError {
  /** Where it first appeared. */
  readonly place: NonFinitePlace;
  /** What was completed before. */
  readonly history: History;

  constructor(message: string, place: NonFinitePlace, history: History) {
    super(message);
    this.place = place;
    this.history = history;
  }
}

/**
 * Checkpoints could not be written, all of them are damaged, the newest one belongs to another run, or another run holds their folder. Older
 * checkpoints stay as they were.
 *
 * @example
 * ```ts
 * import { CheckpointError } from 'nodegrad';
 * const completed = (error: unknown) => (error instanceof CheckpointError ? error.history.epochs.length : 0);
 * ```
 */
export class CheckpointError extends NodegradError {
  /** What was completed before. */
  readonly history: History;

  constructor(message: string, history: History, options?: ErrorOptions) {
    super('ERR_CHECKPOINT', message, options);
    this.history = history;
  }
}

/** How a run ended that threw this. */
export function endOf(failure: unknown): 'aborted' | 'failed' {
  return failure instanceof TrainingAbortedError ? 'aborted' : 'failed';
}

/**
 * Whether a run that threw this stands between two whole steps, from where it can go on: after an abort, and after what a callback or a
 * data set threw. Numbers that are not finite send it back to an earlier checkpoint, what failed before a step was done has none to save, and a group
 * fails within steps that have moved some of the state already.
 */
export function leavesWholeSteps(failure: unknown, steps: number): boolean {
  if (failure instanceof TrainingAbortedError) return true;
  if (failure instanceof TrainingNonFiniteError || failure instanceof CheckpointError) return false;
  return steps > 0 && groupErrorOf(failure) === null;
}

keepNames({ TrainingAbortedError, TrainingNonFiniteError, CheckpointError });
