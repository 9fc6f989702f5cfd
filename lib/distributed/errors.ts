// What goes wrong between processes: others that do not come, tokens that are not the same, stores that are full, variables that contradict each other.

import { NodegradError } from '../errors.js';
import { keepNames } from '../names.js';

/**
 * What other processes should have done did not happen within the time-out; the message says what was waited for, and how long.
 *
 * @example
 * ```ts
 * import { type Store, TimeoutError } from 'nodegrad';
 * async function isThere(store: Store): Promise<boolean> {
 *   try {
 *     await store.get('ready', { timeout: 10_000 });
 *     return true;
 *   } catch (error) {
 *     if (error instanceof TimeoutError) return false;
 *     throw error;
 *   }
 * }
 * ```
 */
export class TimeoutError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_TIMEOUT', message, options);
  }
}

/**
 * A store has another token, or has been asked with none.
 *
 * @example
 * ```ts
 * import { TokenError } from 'nodegrad';
 * const isStranger = (error: unknown) => error instanceof TokenError; // NODEGRAD_TOKEN differs between the processes
 * ```
 */
export class TokenError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_TOKEN', message, options);
  }
}

/**
 * A store has no room for another key or value.
 *
 * @example
 * ```ts
 * import { StoreFullError } from 'nodegrad';
 * const isFull = (error: unknown) => error instanceof StoreFullError; // delete() what nobody needs any more
 * ```
 */
export class StoreFullError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_STORE_FULL', message, options);
  }
}

/**
 * Environment variables that should say which process of a group this one is are missing, wrong, or contradict each other.
 *
 * @example
 * ```ts
 * import { EnvironmentError, processEnvironment } from 'nodegrad';
 * try {
 *   processEnvironment();
 * } catch (error) {
 *   if (error instanceof EnvironmentError) console.log(error.variable); // NODEGRAD_WORLD_SIZE
 * }
 * ```
 */
export class EnvironmentError extends NodegradError {
  /** The variable. */
  readonly variable: string;

  constructor(message: string, variable: string, options?: ErrorOptions) {
    super('ERR_ENVIRONMENT', message, options);
    this.variable = variable;
  }
}

/**
 * A process of a group is gone, does not answer, or does something else than the others. The group stays broken: open another one.
 *
 * @example
 * ```ts
 * import { GroupError } from 'nodegrad';
 * const isAlone = (error: unknown) => error instanceof GroupError; // what happened to which process, the message says
 * ```
 */
export class GroupError extends NodegradError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_GROUP', message, options);
  }
}

keepNames({ EnvironmentError, GroupError, StoreFullError, TimeoutError, TokenError });
