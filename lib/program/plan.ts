// Planning: gives every temporary a place in one arena; two share memory when their lifetimes do not overlap.

import { bytesOf } from '../dtype.js';
import type { Recording } from './record.js';

/** Where buffers lie in the arena. */
export interface MemoryPlan {
  arenaBytes: number;
  /** Byte offset by buffer; −1 for memory outside the arena. */
  offsets: readonly number[];
  /** What the temporaries would take side by side. */
  sumBytes: number;
}

const alignment = 64;

interface Lifetime {
  buffer: number;
  bytes: number;
  first: number;
  last: number;
}

/**
 * Places the largest buffers first, each at the lowest offset that is free over its lifetime. Inputs live from the start, results
 * (`kept`) to the end.
 */
export function planMemory(recording: Recording, kept: readonly number[]): MemoryPlan {
  const { buffers, instructions, inputs } = recording;
  const isArgument = new Set(inputs);
  const end = instructions.length;
  const lifetimes: (Lifetime | null)[] = buffers.map(({ kind, dtype, size }, buffer) =>
    !isArgument.has(buffer) && (kind === 'temporary' || kind === 'input')
      ? {
          buffer,
          bytes: Math.max(alignment, Math.ceil((size * bytesOf(dtype)) / alignment) * alignment),
          first: kind === 'input' ? -1 : end,
          last: -1,
        }
      : null,
  );
  for (const [at, { operands, guard }] of instructions.entries()) {
    for (const { buffer } of guard === undefined ? operands : [...operands, guard.slot]) {
      const life = lifetimes[buffer];
      if (life === null) continue;
      life.first = Math.min(life.first, at);
      life.last = Math.max(life.last, at);
    }
  }
  for (const buffer of kept) {
    const life = lifetimes[buffer];
    if (life !== null) life.last = end;
  }
  const offsets = buffers.map(() => -1);
  const placed: (Lifetime & { offset: number })[] = [];
  let arenaBytes = 0;
  let sumBytes = 0;
  const waiting = lifetimes.filter((life): life is Lifetime => life !== null);
  for (const life of waiting.sort((a, b) => b.bytes - a.bytes || a.buffer - b.buffer)) {
    sumBytes += life.bytes;
    const busy = placed.filter((other) => other.first <= life.last && life.first <= other.last).sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of busy) {
      if (other.offset - offset >= life.bytes) break;
      offset = Math.max(offset, other.offset + other.bytes);
    }
    offsets[life.buffer] = offset;
    placed.push({ ...life, offset });
    arenaBytes = Math.max(arenaBytes, offset + life.bytes);
  }
  return { arenaBytes, offsets, sumBytes };
}
