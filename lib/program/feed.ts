// What a stream of steps is fed with: batches in memory that native code may read while JavaScript does something else.

import type { TypedArray } from '../dtype.js';
import type { OutputSpecification } from '../ops/define.js';
import type { Structure } from '../tree.js';

/** Where a run of steps takes its arguments from: rows of shared memory by index. */
export interface Rows {
  /** One per tensor among the arguments. */
  readonly sources: readonly TypedArray[];
  /** Indices into the sources, `batch` for each step. */
  readonly rows: Int32Array;
  /** Examples of a step. */
  readonly batch: number;
}

/** Batches by number. */
export interface Feed {
  /** Number of batches; Infinity where nobody knows. */
  readonly length: number;
  /** Examples in a batch: only the last may have fewer. */
  examples(batch: number): number;
  /** How many batches from `first` on are there, or can be made without waiting: all, but for a data set that gives promises; 0: the data are at their end. */
  ready(first: number): number | Promise<number>;
  /** Shapes and dtypes of the tensors among a step's arguments. */
  specifications(batch: number): readonly OutputSpecification[];
  /** How these tensors make up the arguments; null where each is one. Known when specifications were asked for. */
  readonly structure: Structure | null;
  /** Bytes that one batch takes when it has to be copied first; 0 when it is read where it lies. */
  readonly stagedBytes: number;
  /** Batches `first` to `first + count` − 1, all of one size. What was prepared in the same `lane` before is overwritten. */
  prepare(first: number, count: number, lane: number): Rows;
}

/** Where a {@link StepSource} stands. */
export interface StepPosition {
  /** Seed of the orders. */
  readonly seed: number;
  /** The epoch that the next batch belongs to, from 0. */
  readonly epoch: number;
  /** How many batches of that epoch were handed out. */
  readonly batch: number;
}

/** What `step.many` takes batches from: a {@link DataLoader}. */
export interface StepSource {
  /** Batches in an epoch. */
  readonly length: number;
  /** Where it stands; it moves on as steps are done. */
  state: StepPosition;
  /** @internal The batches of an epoch. */
  feed(epoch: number): Feed;
  /** Ends the reading of data that are read as a stream. */
  close?(): void;
}
