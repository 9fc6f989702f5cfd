// The page that `step.describe()` prints: instructions, shapes, what was fused, memory, work.

import { bytesOf, type DType } from '../dtype.js';
import { binding } from '../native.js';
import { fusedOf, titleOf } from '../ops/fused.js';
import type { MemoryPlan } from './plan.js';
import type { Instruction, Recording } from './record.js';

interface Work {
  shape: string;
  /** Who computes a matrix product, which algorithm a convolution. */
  by: string;
  flops: number;
}

// The integers of an operation on images, in the order of native/ops/convolution.h.
function convolutionWork(name: string, ints: readonly number[], double: boolean): Work {
  const geometry = ints.slice(0, 17);
  const [n, h, w, c, oh, ow, k, kh, kw, strideH, strideW] = geometry;
  const groups = geometry[15];
  const direction = name.includes('weight') ? 2 : name.includes('input') ? 1 : 0;
  const stride = strideH === 1 && strideW === 1 ? '' : strideH === strideW ? `/${strideH}` : `/${strideH},${strideW}`;
  return {
    shape: `${n}×${h}×${w}×${c} ${kh}×${kw}${stride} ${oh}×${ow}×${k}${groups === 1 ? '' : `, ${groups} groups`}`,
    by: binding.convolutionChosen(direction, double, Float64Array.from(geometry)) ?? '',
    flops: (2 * n * oh * ow * k * kh * kw * c) / groups,
  };
}

// In every step of every example the state by its weights; a projection is one product more, and a backward has as many.
function recurrentWork(name: string, [batch, time, hidden, , last]: readonly number[]): Work {
  const [cell] = name.split('_');
  const projected = cell === 'lstm' && last > 0 ? last : 0;
  const gates = { rnn: 1, lstm: 4, gru: 3 }[cell] as number;
  const flops = 2 * batch * time * hidden * (gates * (projected || hidden) + projected);
  return { shape: `${batch}×${time}×${hidden}${projected === 0 ? '' : `→${projected}`}`, by: 'own', flops };
}

/** The sizes of an instruction's work; FLOPs are counted for matrix products, 2·m·n·k, and convolutions, 2·pixels·out·kernel·in/groups, and
 * the products of recurrent states. */
function workOf({ op, ints, operands }: Instruction, dtype: DType): Work {
  if (op.name === 'matmul') {
    const [m, n, k] = ints;
    return { shape: `${m}×${k}·${k}×${n}`, by: binding.gemmChosen(n, k, dtype === 'float64'), flops: 2 * m * n * k };
  }
  if (op.name.startsWith('conv2d')) return convolutionWork(op.name, ints, dtype === 'float64');
  if (/^(rnn|lstm|gru)(_backward)?$/.test(op.name)) return recurrentWork(op.name, ints);
  if (op.name === 'sum') return { shape: `[${ints.slice(0, 3).join(', ')}]`, by: '', flops: 0 };
  if (/softmax|cross_entropy/.test(op.name)) return { shape: `${ints[0]}×${ints[1]}`, by: '', flops: 0 };
  return { shape: String(operands[0]?.size ?? ''), by: '', flops: 0 };
}

/** Elements that an operand has: a first output that lies in the columns of a larger matrix leaves out what is between its rows. */
function elementsOf(instruction: Instruction, operand: number): number {
  const { size } = instruction.operands[operand];
  const { row } = fusedOf(instruction);
  if (operand > 0 || row === undefined) return size;
  const before = Math.floor((size - 1) / row);
  return (before + 1) * (size - before * row);
}

const bytesText = (value: number): string => (value >= 1 << 20 ? `${(value / (1 << 20)).toFixed(2)} MiB` : `${(value / 1024).toFixed(1)} KiB`);

export function describeProgram(recording: Recording, plan: MemoryPlan): string {
  const { buffers, instructions, inputs, live } = recording;
  const letters = { temporary: 't', input: 'i', external: 'p', constant: 'c' };
  const suffix = (dtype: DType): string => (dtype === 'bfloat16' ? 'b' : '');
  const hasNarrow = buffers.some(({ dtype }) => dtype === 'bfloat16');
  let flops = 0;
  let bytes = 0;
  const table: string[][] = [['', 'operation', 'shape', 'by', 'MFLOP', 'memory', 'writes ← reads']];
  for (const [i, instruction] of instructions.entries()) {
    const { operands, writes, of } = instruction;
    const { dtype } = operands.length > 0 ? buffers[operands[0].buffer] : { dtype: 'float32' as const };
    const isNarrow = operands.some(({ buffer }) => buffers[buffer].dtype === 'bfloat16');
    const work = workOf(instruction, dtype);
    const touched = operands.reduce((sum, { buffer }, operand) => sum + elementsOf(instruction, operand) * bytesOf(buffers[buffer].dtype), 0);
    const list = (slots: typeof operands): string =>
      slots.map(({ buffer, size }) => `${letters[buffers[buffer].kind]}${buffer}:${size}${suffix(buffers[buffer].dtype)}`).join(' ');
    flops += work.flops;
    bytes += touched;
    table.push([
      String(i),
      titleOf(instruction),
      work.shape,
      isNarrow && work.by !== '' ? 'bfloat16' : work.by,
      work.flops === 0 ? '' : (work.flops / 1e6).toFixed(2),
      bytesText(touched),
      `${list(operands.slice(0, writes))} ← ${list(operands.slice(writes))}${of === undefined ? '' : `   = ${of.join(' + ')}`}`,
    ]);
  }
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const right = new Set([0, 4, 5]);
  const rows = table.map((row) =>
    row
      .map((cell, column) => (column === 6 ? cell : right.has(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
      .join('  '),
  );
  const share = plan.sumBytes === 0 ? '' : ` (${Math.round((plan.arenaBytes / plan.sumBytes) * 100)} %)`;
  const recorded = recording.recorded === undefined ? '' : ` for ${recording.recorded} recorded ones`;
  return [
    `${instructions.length} instructions${recorded}, ${inputs.length} inputs, ${live.length} values that change from step to step`,
    `arena ${bytesText(plan.arenaBytes)} for tensors of ${bytesText(plan.sumBytes)}${share}; matrix products and convolutions ${(flops / 1e6).toFixed(1)} MFLOP; operands ${bytesText(bytes)}`,
    `operands: t temporary, i input, p parameter or state, c constant; number of the memory, then elements${hasNarrow ? ', b where they are bfloat16' : ''}`,
    ...rows,
  ].join('\n');
}
