// What a value is, whatever realm or copy of nodegrad it comes from: there, classes of the same name are other classes.

import { types } from 'node:util';
import { manifestOf, packageRoot } from './installation.js';

// Test runners and node:vm give programs globals of their own: an array made there is no instance of our Float32Array.
export const { isMap, isSharedArrayBuffer, isUint8Array } = types;

/** Whether a value is an object made by `{}` or `Object.create(null)`, and not by a class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Object.prototype of any realm is the one prototype without a prototype that has this method.
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf'));
}

/** Whether something has to be waited for: a promise, or anything else with a `then`. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/** Whether an error is a TypeError: those of arrays come from the arrays' realm. */
export function isTypeError(error: unknown): error is TypeError {
  return types.isNativeError(error) && error.name === 'TypeError';
}

/** Whether a value works as an AbortSignal: jsdom has a class of its own. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  const { aborted, addEventListener } = (typeof value === 'object' && value !== null ? value : {}) as Partial<AbortSignal>;
  return typeof aborted === 'boolean' && typeof addEventListener === 'function';
}

/** Whether a value works as a URL. */
export function isUrl(value: unknown): value is URL {
  const { href, protocol } = (typeof value === 'object' && value !== null ? value : {}) as Partial<URL>;
  return typeof href === 'string' && typeof protocol === 'string';
}

/** A loaded copy of nodegrad. Copies of other versions read it: names and meanings stay. */
interface Copy {
  readonly version: string;
  readonly path: string;
}

const key = Symbol.for('nodegrad.copy');
const here: Copy = {
  get version() {
    return manifestOf(this.path).version;
  },
  get path() {
    return packageRoot();
  },
};

/** Marks the instances of a class as things of this copy. */
export function ours(type: { readonly prototype: object }): void {
  Object.defineProperty(type.prototype, key, { value: here });
}

/** What to say of a thing of another copy: `version 1.2.3 at /path`; null for ours, and for anything else. */
export function otherCopy(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  try {
    const copy = (value as { [key]?: Partial<Copy> })[key];
    return copy === undefined || copy === here ? null : `version ${copy.version} at ${copy.path}`;
  } catch {
    return null; // a value that cannot be read
  }
}
