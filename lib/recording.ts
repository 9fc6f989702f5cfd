// What a step does beside operations while it is recorded: state that JavaScript holds is noted, and what cannot be written down is refused.

import { context } from './context.js';
import { ArgumentError } from './errors.js';
import { keepNames } from './names.js';

/** A step's function did what cannot be written down. */
export class UnrecordableError extends ArgumentError {}

keepNames({ UnrecordableError });

/**
 * One kind of state that JavaScript holds beside tensors: the mode of a layer, whether a tensor requires a gradient. A recording serves
 * while what it looked at is as it was, and each replay leaves what it changed as the recording did.
 */
export interface StateKind<T extends object = object> {
  get(owner: T): unknown;
  set(owner: T, value: never): void;
}

/** Who looks on while a step is recorded. */
export interface Watcher {
  /** A state was looked at, or is about to be. */
  reads(kind: StateKind, owner: object): void;
  /** A state is about to change: `always`, or not in steps that skip what runs. */
  writes(kind: StateKind, owner: object, always: boolean): void;
  /** A thing was made: `what` it is, for those that a step must not make anew each time. */
  makes(thing: object, what?: string): void;
  /** The memory of a tensor is about to be read or written by JavaScript. */
  opens(tensor: object): void;
  /** The gradient of a tensor that is no parameter is about to be read or set. */
  usesGradient(tensor: object): void;
  /** backward() goes along the operation with this number. */
  walks(id: number): void;
  /** What was refused stays refused, also when the step's function catches the error. */
  remembers(error: UnrecordableError): void;
  /** A value of this recording for `owner`, made at first use. */
  local<T>(owner: object, make: () => T): T;
}

/** Whether a step is being recorded. */
export function isWatched(): boolean {
  return context.watcher !== null;
}

/** Notes that a state is looked at. */
export function reads<T extends object>(kind: StateKind<T>, owner: T): void {
  context.watcher?.reads(kind as unknown as StateKind, owner);
}

/** Notes that a state is about to change; `always`: also in steps that skip what runs. */
export function writes<T extends object>(kind: StateKind<T>, owner: T, always = false): void {
  context.watcher?.writes(kind as unknown as StateKind, owner, always);
}

/** Notes that a thing was made. With `what`, a step's function may not: layers may, which keep it. */
export function makes(thing: object, what?: string): void {
  context.watcher?.makes(thing, what);
}

/** Notes that JavaScript reaches for a tensor's memory. */
export function opens(tensor: object): void {
  context.watcher?.opens(tensor);
}

/** Notes that the gradient of a tensor that is no parameter is used. */
export function usesGradient(tensor: object): void {
  context.watcher?.usesGradient(tensor);
}

/** Notes that backward() goes along an operation: one from before the recording has values of that time. */
export function walks(id: number): void {
  context.watcher?.walks(id);
}

/** A value that lives as long as the recording at hand; null outside of one. */
export function recordingLocal<T>(owner: object, make: () => T): T | null {
  return context.watcher?.local(owner, make) ?? null;
}

/** Ends a recording: says why, for good. */
export function unrecordable(message: string): never {
  const error = new UnrecordableError(message);
  context.watcher?.remembers(error);
  throw error;
}

/** Refuses, inside a step that is being recorded, `what` would be done once and not in every step. */
export function refuseInStep(what: string, wayOut: string): void {
  if (isWatched()) unrecordable(`${what} while the step is being recorded: it would happen once, and not in every step. ${wayOut}`);
}
