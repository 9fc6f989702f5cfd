// The memory plan: buffers that live at the same time never overlap, and an arena is no larger than all of them.

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
