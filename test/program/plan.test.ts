// The memory plan: buffers that live at the same time never overlap, each lies at the lowest free place, and an arena is no larger than all of them.

import test from 'ava';
import fc from 'fast-check';
import { bytesOf, type DType } from '../../lib/dtype.js';
import { planMemory } from '../../lib/program/plan.js';
import type { Buffer, Instruction, Recording } from '../../lib/program/record.js';

const instruction = (buffers: readonly Buffer[], used: readonly number[]): Instruction => ({
  op: {} as never,
  operands: used.map((buffer) => ({ buffer, offset: 0, size: buffers[buffer].size })),
  writes: 1,
  ints: [],
  reals: [],
});

test('buffers that live at the same time never share a byte', (t) => {
  const dtype = fc.constantFrom<DType>('float32', 'float64', 'int32', 'uint8');
  const kind = fc.constantFrom<Buffer['kind']>('temporary', 'temporary', 'input', 'external');
  const anyBuffers = fc.array(fc.record({ dtype, size: fc.nat(5000), kind }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(anyBuffers, fc.array(fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), { maxLength: 30 }), fc.nat(), (made, uses, keep) => {
      const buffers: Buffer[] = made.map((buffer) => ({ ...buffer, data: null }));
      const instructions = uses.map((used) =>
        instruction(
          buffers,
          used.map((i) => i % buffers.length),
        ),
      );
      const kept = [keep % buffers.length];
      const plan = planMemory(
        { buffers, instructions, inputs: [], hooks: [], live: [], before: [], stamps: [], conditions: [] } as Recording,
        kept,
      );
      const lives = buffers.map(({ kind: k }, b) => {
        const at = instructions.flatMap(({ operands }, i) => (operands.some(({ buffer }) => buffer === b) ? [i] : []));
        if (k === 'external' || (at.length === 0 && k !== 'input' && !kept.includes(b))) return null;
        return {
          first: k === 'input' ? -1 : (at[0] ?? instructions.length),
          last: kept.includes(b) ? instructions.length : (at[at.length - 1] ?? -1),
        };
      });
      for (const [a, one] of lives.entries()) {
        for (const [b, two] of lives.entries()) {
          if (a >= b || one === null || two === null || one.last < two.first || two.last < one.first) continue;
          const [from, to] = [plan.offsets[a], plan.offsets[b]];
          const ends = [from + buffers[a].size * bytesOf(buffers[a].dtype), to + buffers[b].size * bytesOf(buffers[b].dtype)];
          if (from < ends[1] && to < ends[0]) return false;
        }
        if (one !== null && (plan.offsets[a] % 64 !== 0 || plan.offsets[a] + buffers[a].size * bytesOf(buffers[a].dtype) > plan.arenaBytes))
          return false;
      }
      return plan.arenaBytes <= plan.sumBytes;
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('a bit that only guards read keeps its place until the last of them', (t) => {
  const buffers: Buffer[] = [
    { dtype: 'int32', size: 1, kind: 'input', data: null },
    { dtype: 'float32', size: 4, kind: 'temporary', data: null },
    { dtype: 'float32', size: 4, kind: 'temporary', data: null },
  ];
  const slot = { buffer: 0, offset: 0, size: 1 };
  const instructions = [instruction(buffers, [1]), { ...instruction(buffers, [2]), guard: { slot, when: 1 as const } }];
  const { offsets } = planMemory(
    { buffers, instructions, inputs: [], hooks: [], live: [], before: [], stamps: [], conditions: [] } as Recording,
    [],
  );
  t.not(offsets[0], offsets[1]);
  t.not(offsets[0], offsets[2]);
});

/** Largest first, of equal ones inputs first, each at the lowest offset that is free over its lifetime, by looking at everything that was placed before. */
function planSlowly({ buffers, instructions }: Pick<Recording, 'buffers' | 'instructions'>, kept: readonly number[]): number[] {
  const lives = buffers.map(({ size, dtype, kind }, buffer) => {
    const at = instructions.flatMap(({ operands }, i) => (operands.some((slot) => slot.buffer === buffer) ? [i] : []));
    const bytes = Math.max(64, Math.ceil((size * bytesOf(dtype)) / 64) * 64);
    const first = kind === 'input' ? -1 : (at[0] ?? instructions.length);
    const last = kept.includes(buffer) ? instructions.length : (at[at.length - 1] ?? -1);
    return { buffer, bytes, first, last, offset: -1 };
  });
  const placed: typeof lives = [];
  for (const life of [...lives].sort((a, b) => b.bytes - a.bytes || Math.min(a.first, 0) - Math.min(b.first, 0) || a.buffer - b.buffer)) {
    if (life.first > life.last) continue;
    const busy = placed.filter((other) => other.first <= life.last && life.first <= other.last).sort((a, b) => a.offset - b.offset);
    life.offset = 0;
    for (const other of busy) {
      if (other.offset - life.offset >= life.bytes) break;
      life.offset = Math.max(life.offset, other.offset + other.bytes);
    }
    placed.push(life);
  }
  return lives.map(({ offset }) => offset);
}

test('each buffer lies at the lowest place that is free over its lifetime, the largest first', (t) => {
  const anyBuffers = fc.array(
    fc.record({
      dtype: fc.constant<DType>('float32'),
      size: fc.nat(300),
      kind: fc.constantFrom<Buffer['kind']>('temporary', 'temporary', 'temporary', 'input'),
    }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(anyBuffers, fc.array(fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), { maxLength: 90 }), fc.nat(), (made, uses, keep) => {
      const buffers: Buffer[] = made.map((buffer) => ({ ...buffer, data: null }));
      const instructions = uses.map((used) =>
        instruction(
          buffers,
          used.map((i) => i % buffers.length),
        ),
      );
      const kept = [keep % buffers.length];
      const recording = { buffers, instructions, inputs: [], hooks: [], live: [], conditions: [] } as unknown as Recording;
      t.deepEqual(planMemory(recording, kept).offsets, planSlowly(recording, kept));
    }),
    { numRuns: 300, seed: 7 },
  );
});
