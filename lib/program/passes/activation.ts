// Matrix product or convolution, bias and activation become one product with an epilogue.

import { definedOp, mapKind, type Op } from '../../ops/define.js';
import { conv2dMapOp, linearMapOp } from '../../ops/fused.js';
import { type Edit, isWhole, type List, merge, rewrite, sameGuard, sameSlot, type Uses, walkOf } from './list.js';

const named = (name: string): Op<unknown> => definedOp(name) as unknown as Op<unknown>;

export function fuseActivation(list: List): List {
  return rewrite(list, (uses, at) => withBias(uses, at) ?? withMap(uses, at));
}

const withEpilogue: Record<string, Op<unknown>> = { linear: linearMapOp, conv2d_bias: conv2dMapOp };

// a product with bias, then y = f(·)
function withMap(uses: Uses, at: number): Edit | null {
  const product = uses.list.instructions[at];
  const op = withEpilogue[product.op.name];
  if (op === undefined) return null;
  const next = uses.soleReader(at, product.operands[0]);
  if (next < 0 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
  const map = uses.list.instructions[next];
  if (mapKind(map.op) !== 'map' || map.reals.length > 0) return null;
  const operands = [map.operands[0], ...product.operands.slice(1)];
  return merge(uses, [at, next], next, { op, operands, writes: 1, ints: [...product.ints, map.op.index], reals: [] });
}

// matmul without transposition, then a row added to each row, as it is or with relu
function withBias(uses: Uses, at: number): Edit | null {
  const product = uses.list.instructions[at];
  if (product.op.name !== 'matmul' || product.ints[3] !== 0 || product.ints[4] !== 0) return null;
  const next = uses.soleReader(at, product.operands[0]);
  if (next < 0 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
  const add = uses.list.instructions[next];
  if (add.op.name !== 'add' && add.op.name !== 'add_relu') return null;
  const [m, n] = product.ints;
  const side = sameSlot(add.operands[1], product.operands[0]) ? 0 : 1;
  const bias = add.operands[2 - side];
  const [whole, row] = [walkOf(add, side), walkOf(add, 1 - side)];
  if (whole === null || row === null || !isWhole(whole) || bias.size !== n || add.operands[0].size !== m * n) return null;
  // A row for each row: either m rows of it, or a single one; one column has a single number.
  const repeats =
    m === 1 || (n === 1 ? row.rowStride === 0 && row.columnStride === 0 : row.columns === n && row.rowStride === 0 && row.columnStride === 1);
  if (!repeats) return null;
  const operands = [add.operands[0], ...product.operands.slice(1), bias];
  const ints = product.ints.slice(0, 3);
  const fused = add.op.name === 'add' ? { op: named('linear'), ints } : { op: linearMapOp, ints: [...ints, named('relu').index] };
  return merge(uses, [at, next], next, { ...fused, operands, writes: 1, reals: [] });
}
