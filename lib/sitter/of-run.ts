// Which sitter a run has: the one that is asked for, one among its callbacks, or one that fit brings along.

import { ArgumentError, expected } from '../errors.js';
import type { CallbackLike } from '../training/callbacks.js';
import { besideOf } from './gather.js';
import { Sitter } from './sitter.js';

/** The sitter of a run. */
export interface Seat {
  /** It, or null for none. */
  readonly sitter: Sitter | null;
  /** It, where it does not stand among the callbacks already. */
  readonly added: readonly CallbackLike[];
  /** It, where a user gave it beside the callbacks, or it changes the run: a checkpoint keeps what it found and did. */
  readonly kept: readonly CallbackLike[];
}

/** Options of `fit` that say it. */
type Asked = Readonly<Record<'sitter' | 'callbacks' | 'eager' | 'regularizers' | 'maxGradNorm', unknown>>;

/**
 * The sitter of a run. A run that is eager has one when it is asked for: its layers may count in JavaScript, and a look calls them.
 *
 * @throws {ArgumentError} for another option
 */
export function seatOf({ sitter: asked, callbacks, eager, regularizers, maxGradNorm }: Asked): Seat {
  // What is no array, is refused after this.
  const list: readonly CallbackLike[] = Array.isArray(callbacks) ? callbacks : [];
  const isGiven = asked instanceof Sitter;
  if (!isGiven && asked !== undefined && typeof asked !== 'boolean' && asked !== 'fix')
    throw new ArgumentError(expected("true, false, 'fix' or a Sitter", 'options.sitter', asked));
  const own = isGiven ? asked : list.find((one) => one instanceof Sitter);
  const isWanted = asked ?? eager !== true;
  const sitter = own ?? (isWanted === false ? null : new Sitter({ observe: false, stop: false, fix: asked === 'fix' }));
  sitter?.sit(besideOf({ callbacks, regularizers, maxGradNorm }));
  const added = sitter === null || list.includes(sitter) ? [] : [sitter];
  return { sitter, added, kept: isGiven || asked === 'fix' ? added : [] };
}
