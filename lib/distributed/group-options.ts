// How a process group may be opened.

import { ArgumentError, checkNumber, expected } from '../errors.js';
import { isAbortSignal } from '../foreign.js';
import type { Store } from './store.js';

/** Options of `ProcessGroup.fromEnvironment`. */
export interface GroupEnvironmentOptions {
  /**
   * The address or name of this machine that the others reach it at. Default of `open`: `'127.0.0.1'`, where only processes of this machine do; of
   * `fromEnvironment`: its address on the way to where the group meets.
   */
  readonly host?: string;
  /** Milliseconds that another process may keep this one waiting; default 60,000. */
  readonly timeout?: number;
  /** Gives up opening the group, and breaks it later. */
  readonly signal?: AbortSignal;
}

/** Options of `ProcessGroup.open`. */
export interface ProcessGroupOptions extends GroupEnvironmentOptions {
  /** Which process this one is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** Where they find each other: {@link openStore}. Every group that is opened in it takes a `name` of its own. */
  readonly store: Store;
  /** What the group is called in the store; default `'group'`. */
  readonly name?: string;
}

/** What both ways to open a group may be told. */
export const shared = ['host', 'timeout', 'signal'] as const;

/** The same, checked. */
export interface Shared {
  readonly host: string;
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/** Checks what both ways to open a group are told. */
export function checkShared({ host = '127.0.0.1', timeout = 60_000, signal }: GroupEnvironmentOptions): Shared {
  checkNumber(timeout, 'options.timeout', 1, 2 ** 31 - 1);
  if (typeof host !== 'string' || host === '') throw new ArgumentError(expected('a host', 'options.host', host));
  if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
  return { host, timeout, signal };
}
