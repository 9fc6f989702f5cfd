// Whose memory steps in flight use: eager operations on it would see, or make, half-finished values.

import type { TypedArray } from '../dtype.js';
import { BusyError } from '../errors.js';

/** The lasting memory that a program uses. */
export interface Footprint {
  readonly read: ReadonlySet<ArrayBufferLike>;
  readonly written: ReadonlySet<ArrayBufferLike>;
}

let count = 0;
const readers = new Map<ArrayBufferLike, number>();
const writers = new Map<ArrayBufferLike, number>();

function change(uses: Map<ArrayBufferLike, number>, buffers: ReadonlySet<ArrayBufferLike>, by: 1 | -1): void {
  for (const buffer of buffers) {
    const now = (uses.get(buffer) ?? 0) + by;
    if (now > 0) uses.set(buffer, now);
    else uses.delete(buffer);
  }
}

/** A step that uses this memory is under way. */
export function occupy({ read, written }: Footprint): void {
  count += 1;
  change(readers, read, 1);
  change(writers, written, 1);
}

/** It is done. */
export function vacate({ read, written }: Footprint): void {
  count -= 1;
  change(readers, read, -1);
  change(writers, written, -1);
}

/** Whether any step of this environment is under way. */
export function stepsInFlight(): boolean {
  return count > 0;
}

/** Whether a step under way writes to this memory. */
export function isBusy(buffer: ArrayBufferLike): boolean {
  return writers.has(buffer);
}

/** Refuses an operation whose first `outputs` operands are written and whose others are read, where a step in flight uses them. */
export function refuseBusy(name: string, operands: readonly TypedArray[], outputs: number): void {
  for (let i = 0; i < operands.length; i++) {
    const { buffer } = operands[i];
    if (writers.has(buffer) || (i < outputs && readers.has(buffer))) {
      throw new BusyError(
        `[${name}] steps that use this memory are in flight: await them first. predict() and save() may be called at any time, and clone() takes a snapshot`,
      );
    }
  }
}

/** The same for a program about to run on the calling thread. */
export function refuseOverlap({ read, written }: Footprint): void {
  const busy = [...read].some((buffer) => writers.has(buffer)) || [...written].some((buffer) => writers.has(buffer) || readers.has(buffer));
  if (busy) throw new BusyError('steps that use the same memory are in flight: await them before step.sync()');
}
