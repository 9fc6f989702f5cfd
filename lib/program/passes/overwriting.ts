// An output takes the memory of an input that nobody needs any more, where the operation says that it may: less memory is walked over.

import { type List, sweeps, type Uses } from './list.js';

/** The last of the passes: from here on a buffer may be input and output of one instruction. */
export function shareMemory(list: List): List {
  return sweeps(list, null, ({ uses, isFree, edit }, at) => {
    const instruction = uses.list.instructions[at];
    const { op, operands, writes } = instruction;
    const pair = op.overwrites?.find(({ output, input }) => isFree(at) && mayShare(uses, at, output, writes + input));
    if (pair !== undefined) edit(new Map([[at, [instruction]]]), [operands[pair.output].buffer, operands[writes + pair.input].buffer]);
  });
}

function mayShare(uses: Uses, at: number, output: number, input: number): boolean {
  const { buffers, instructions } = uses.list;
  const [to, from] = [instructions[at].operands[output], instructions[at].operands[input]];
  const [one, two] = [buffers[to.buffer], buffers[from.buffer]];
  if (to.buffer === from.buffer || one.dtype !== two.dtype || one.size !== two.size) return false;
  const isWhole = [to, from].every(({ buffer, size }) => buffers[buffer].kind === 'temporary' && size === buffers[buffer].size);
  if (!isWhole || uses.results.has(from.buffer) || uses.results.has(to.buffer)) return false;
  const others = (slot: typeof to, operand: number) =>
    uses.between(slot, -1, instructions.length).filter((use) => use.at !== at || use.operand !== operand);
  return others(to, output).every((use) => use.at > at) && others(from, input).every((use) => use.at < at);
}
