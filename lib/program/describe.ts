// The page that `step.describe()` prints: instructions, shapes, memory, work.

import { bytesOf } from '../dtype.js';
import type { MemoryPlan } from './plan.js';
import type { Recording } from './record.js';

export function describeProgram(recording: Recording, plan: MemoryPlan): string {
  const { buffers, instructions, inputs, live } = recording;
  let flops = 0;
  let bytes = 0;
  const rows = instructions.map(({ op, operands, writes, ints }, i) => {
    const elements = (list: typeof operands): string => list.map(({ buffer, size }) => `${buffers[buffer].kind[0]}${buffer}:${size}`).join(' ');
    for (const { buffer, size } of operands) bytes += size * bytesOf(buffers[buffer].dtype);
    if (['matmul', 'matmul_accumulate', 'linear'].includes(op.name)) flops += 2 * ints[0] * ints[1] * ints[2];
    return `${String(i).padStart(4)}  ${op.name.padEnd(24)} ${elements(operands.slice(0, writes))} ← ${elements(operands.slice(writes))}`;
  });
  const size = (value: number): string => (value >= 1 << 20 ? `${(value / (1 << 20)).toFixed(2)} MiB` : `${(value / 1024).toFixed(1)} KiB`);
  return [
    `${instructions.length} instructions, ${inputs.length} inputs, ${live.length} values that change from step to step`,
    `arena ${size(plan.arenaBytes)} for tensors of ${size(plan.sumBytes)}; matrix products ${(flops / 1e6).toFixed(1)} MFLOP; operands ${size(bytes)}`,
    'operands: t temporary, i input, e parameter or state, c constant; number of the memory, then elements',
    ...rows,
  ].join('\n');
}
