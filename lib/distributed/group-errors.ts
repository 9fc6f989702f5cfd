// What goes wrong in a group, in words for people: what native code says, and what the store knows of the others.

import { setTimeout as pause } from 'node:timers/promises';
import { GroupError } from './errors.js';
import { decode, encode } from './places.js';
import type { Store } from './store.js';

/** What a process says that breaks its group. */
export interface BrokenGroup {
  /** Which process it is. */
  readonly rank: number;
  /** Its error. */
  readonly why: string;
  /** Whether it only noticed: then `why` says which other process it lost. */
  readonly isConsequence: boolean;
}

/** Milliseconds that a store is asked which may be gone as well. */
const storePatience = 5000;

/** What native code says of a group, as an error for people; null where it speaks of something else. */
export function groupErrorOf(error: unknown): GroupError | null {
  if (error instanceof GroupError) return error;
  const { message, code } = error as Partial<NodeJS.ErrnoException>;
  const found = /\[group_(?:sum|reduce|share)\] (.*)/s.exec(message ?? '');
  if (found === null && code !== 'ERR_DISTRIBUTED') return null;
  // The native error says nothing else: shown as the cause, it would only be longer.
  return new GroupError(inWords(found?.[1] ?? message ?? ''));
}

/** Who is gone has not necessarily failed, and who is silent may be waiting itself. */
function inWords(text: string): string {
  const [, peer, how] = /^(?:nothing (?:came from|could be sent to) )?process (\d+)(?: cannot be reached)?: (.*)$/s.exec(text) ?? [];
  if (peer === undefined) return `the process group failed: ${text}`;
  return /timed? ?out/i.test(how)
    ? `waited for process ${peer} in vain, which may be stuck, stopped, slower than the others, waiting itself, or in another call, such as one with a tensor of another shape (${how})`
    : `lost the connection to process ${peer}, which may have failed, or left (${how})`;
}

export function asGroupError<R>(body: () => R): R {
  try {
    return body();
  } catch (error) {
    throw groupErrorOf(error) ?? error;
  }
}

/** What the processes of a group say of its end, in the store where they met. */
export class LastWords {
  constructor(
    readonly store: Store,
    readonly name: string,
    readonly rank: number,
    readonly size: number,
  ) {}

  /** Says why the group breaks; who is first is believed. */
  async break(why: string, isConsequence: boolean): Promise<void> {
    await shortly(this.store.create(`${this.name}/broken`, encode({ rank: this.rank, why, isConsequence } satisfies BrokenGroup)));
  }

  /** Why the group broke; null where nobody says anything. */
  async whyBroken(): Promise<BrokenGroup | null> {
    // What is no JSON, nobody of the group has written.
    return shortly(this.store.peek(`${this.name}/broken`).then((said) => said && (decode(said) as BrokenGroup)));
  }

  /** Says that this process has done all that it had to do in the group. */
  async leave(): Promise<void> {
    await shortly(this.store.set(`${this.name}/left/${this.rank}`, new Uint8Array()));
  }

  /** Which other process has left; null where none has. */
  async whoLeft(): Promise<number | null> {
    const others = Array.from({ length: this.size }, (_, rank) => rank).filter((rank) => rank !== this.rank);
    const found = await shortly(Promise.all(others.map((rank) => this.store.peek(`${this.name}/left/${rank}`))));
    return others.find((_, i) => (found?.[i] ?? null) !== null) ?? null;
  }

  /** Waits until all others have left, for a moment each. */
  async othersLeft(): Promise<void> {
    for (let other = 0; other < this.size; other++)
      if (other !== this.rank) await this.store.get(`${this.name}/left/${other}`, { timeout: storePatience }).catch(() => {});
  }
}

/** What a store answers soon; null where it does not. */
async function shortly<T>(answer: Promise<T>): Promise<T | null> {
  const late = new AbortController();
  const none = pause(storePatience, null, { signal: late.signal }).catch(() => null);
  const first = await Promise.race([answer.catch(() => null), none]);
  late.abort();
  return first;
}
