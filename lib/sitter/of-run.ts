// Which sitter a run has: the one that is asked for, one among its callbacks, or one that fit brings along.

import { ArgumentError, expected } from '../errors.js';
import { Sitter } from './sitter.js';

/** The sitter of a run, by `options.sitter` and `options.callbacks`; null for none. */
export function sitterOf(asked: unknown, callbacks: unknown): Sitter | null {
  if (asked instanceof Sitter) return asked;
  if (asked !== undefined && typeof asked !== 'boolean' && asked !== 'fix')
    throw new ArgumentError(expected("true, false, 'fix' or a Sitter", 'options.sitter', asked));
  const own = Array.isArray(callbacks) ? callbacks.find((one) => one instanceof Sitter) : undefined;
  if (own !== undefined) return own;
  return asked === false ? null : new Sitter({ observe: false, stop: false, fix: asked === 'fix' });
}
