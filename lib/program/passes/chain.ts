// Chains of elementwise operations on temporaries become one pass over memory.

import { chainKind, elementwiseChainOp } from '../../ops/chain.js';
import { fusedOf, isPlain } from '../../ops/fused.js';
import type { Instruction, Slot } from '../record.js';
import { type Edit, type List, merge, rewrite, sameGuard, sameSlot, type Uses } from './list.js';
import { isWhole, type Walk, walkOf } from './walk.js';

const longest = 16;

/** One operation of a chain: v = f(v), f(v, other) or f(other, v). */
interface Step {
  op: Instruction['op'];
  swapped: boolean;
  /** The operand beside the chain's own value, and how it is walked where it is broadcast. */
  other: Slot | null;
  walk: Walk | null;
  reals: readonly number[];
}

/** What `instruction` is as steps, with that of its map, whose value comes from input `side`; null where it cannot be any. */
function stepsOf(instruction: Instruction, side: number): Step[] | null {
  const step = stepOf(instruction, side);
  const { map, parameters = [] } = fusedOf(instruction);
  if (step === null || !isPlain(instruction, 'map', 'parameters')) return null;
  return map === undefined ? [step] : [step, { op: map, swapped: false, other: null, walk: null, reals: parameters }];
}

function stepOf(instruction: Instruction, side: number): Step | null {
  const { op, operands, reals } = instruction;
  const kind = chainKind(op);
  const other = operands[2 - side] ?? null;
  if (kind === null || operands[1 + side].size !== operands[0].size || operands[0].size === 0) return null;
  if (kind === 'map') return { op, swapped: false, other: null, walk: null, reals };
  if (kind === 'dropout') return side === 0 ? { op, swapped: false, other: operands[2], walk: null, reals } : null;
  if (kind !== 'binary') return { op, swapped: side === 1, other, walk: null, reals };
  const [own, walk] = [walkOf(instruction, side), walkOf(instruction, 1 - side)];
  return own === null || walk === null || !isWhole(own) ? null : { op, swapped: side === 1, other, walk, reals };
}

export function fuseChains(list: List): List {
  return rewrite(list, null, (uses, at) => {
    const { instructions } = uses.list;
    if (chainKind(instructions[at].op) === null) return null;
    const side = [0, 1].find((i) => instructions[at].operands.length > instructions[at].writes + i && firstSteps(instructions[at], i) !== null);
    if (side === undefined) return null;
    const steps = [...(firstSteps(instructions[at], side) as Step[])];
    const members = [at];
    for (let last = at; steps.length < longest; ) {
      const value = instructions[last].operands[0];
      const next = uses.soleReader(last, value);
      if (next < 0 || !sameGuard(uses, at, next) || !members.every((member) => uses.mayMove(member, next, members))) break;
      const more = nextSteps(instructions[next], value);
      if (more === null || !oneColumnCount([...steps, ...more])) break;
      steps.push(...more);
      members.push(next);
      last = next;
    }
    return members.length < 2 ? null : fusedChain(uses, members, instructions[at].operands[1 + side], steps);
  });
}

function firstSteps(instruction: Instruction, side: number): Step[] | null {
  return instruction.writes === 1 ? stepsOf(instruction, side) : null;
}

function nextSteps(instruction: Instruction, value: Slot): Step[] | null {
  if (chainKind(instruction.op) === null) return null;
  return stepsOf(instruction, sameSlot(instruction.operands[1], value) ? 0 : 1);
}

// Broadcast operands are walked along the rows of one matrix.
function columnsOf(steps: readonly Step[]): number[] {
  const counts = steps.flatMap(({ walk }) =>
    walk === null || isWhole(walk) || (walk.rowStride === 0 && walk.columnStride === 0) ? [] : [walk.columns],
  );
  return [...new Set(counts)];
}

const oneColumnCount = (steps: readonly Step[]): boolean => columnsOf(steps).length <= 1;

function fusedChain(uses: Uses, members: readonly number[], x: Slot, steps: readonly Step[]): Edit {
  const to = members[members.length - 1];
  const output = uses.list.instructions[to].operands[0];
  const columns = columnsOf(steps)[0] ?? output.size;
  const operands: Slot[] = [output, x];
  const ints = [columns];
  const reals: number[] = [];
  for (const step of steps) {
    let operand = 0;
    if (step.other !== null) {
      const known = operands.findIndex((slot, i) => i > 0 && sameSlot(slot, step.other as Slot));
      operand = known > 1 ? known : operands.push(step.other) - 1;
    }
    const { walk } = step;
    const strides = walk === null || isWhole(walk) ? [columns, 1] : [walk.rowStride, walk.columnStride];
    ints.push(step.op.index, step.swapped ? 1 : 0, operand, ...strides);
    reals.push(step.reals[0] ?? 0, step.reals[1] ?? 0);
  }
  return merge(uses, members, to, { op: elementwiseChainOp, operands, writes: 1, ints, reals });
}
