// Signs of life in a store: who gives none for too long is gone.

import { performance } from 'node:perf_hooks';
import { decode, encode } from './places.js';
import type { Store } from './store.js';

/** Looks at a sign of life that find it unchanged, before it counts as missing: who looks may have been held up itself. */
const leastLooks = 5;

/** The newest sign of life of another one: what it was, when it was first seen, and how often it was found unchanged. */
interface Pulse {
  readonly value: string;
  readonly since: number;
  readonly looks: number;
}

/** The signs of life of all that share a store, under keys of their own. */
export class Pulses {
  readonly #seen = new Map<string, Pulse>();
  #beats = 0;

  /** @param silence - Milliseconds without a sign of life, after which one is gone. */
  constructor(
    readonly store: Store,
    readonly prefix: string,
    readonly silence: number,
  ) {}

  /** Gives a sign of life. */
  beat(id: string): Promise<void> {
    this.#beats += 1;
    return this.store.set(`${this.prefix}/${id}`, encode(this.#beats));
  }

  /** Says that there will be no more. */
  async leave(id: string): Promise<void> {
    await this.store.delete(`${this.prefix}/${id}`);
  }

  /** Whether another one has left. */
  async hasLeft(id: string): Promise<boolean> {
    return (await this.store.peek(`${this.prefix}/${id}`)) === null;
  }

  /** Whether another one has given no sign of life for too long, or has left. */
  async isGone(id: string): Promise<boolean> {
    const found = await this.store.peek(`${this.prefix}/${id}`);
    if (found === null) return true;
    const [value, now, before] = [String(decode(found)), performance.now(), this.#seen.get(id)];
    const pulse = before?.value === value ? { ...before, looks: before.looks + 1 } : { value, since: now, looks: 0 };
    this.#seen.set(id, pulse);
    return pulse.looks >= leastLooks && now - pulse.since >= this.silence;
  }
}
