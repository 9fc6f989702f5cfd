// An error names the function that was called, not the one inside it.

import { NodegradError } from '../errors.js';

// `[mean] expected …`: what a message begins with.
const opening = /^\[(\w+)\] /;

function renamed(error: unknown, name: (given: string) => string): unknown {
  if (!(error instanceof NodegradError)) return error;
  const before = error.message;
  error.message = before.replace(opening, (_, given: string) => `[${name(given)}] `);
  error.stack = error.stack?.replace(before, error.message);
  return error;
}

/** Runs the body of a public function that is made of others: an error names the function that was called, not the one inside. */
export function called<R>(name: string, body: () => R): R {
  try {
    return body();
  } catch (error) {
    throw renamed(error, () => name);
  }
}

/** An error of an operation under the name that its public function has: `less_equal` is `lessEqual`. */
export function underPublicName(error: unknown): unknown {
  return renamed(error, publicName);
}

/** The name of a native operation in JavaScript's spelling. */
export function publicName(operation: string): string {
  return operation.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
