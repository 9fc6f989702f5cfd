// Matrix product or convolution, bias and activation become one product with an epilogue.

import { describedBy, fusedOf, isPlain, mapOf } from '../../ops/fused.js';
import { type Edit, type List, merge, rewrite, sameGuard, sameSlot, type Uses } from './list.js';
import { isWhole, walkOf } from './walk.js';

export function fuseActivation(list: List): List {
  return rewrite(list, ['matmul', 'conv2d'], (uses, at) => withBias(uses, at) ?? withMap(uses, at));
}

// a product with bias, then y = f(·)
function withMap(uses: Uses, at: number): Edit | null {
  const product = uses.list.instructions[at];
  if (fusedOf(product).bias !== true || !isPlain(product, 'bias')) return null;
  const next = uses.soleReader(at, product.operands[0]);
  if (next < 0 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
  const map = uses.list.instructions[next];
  const part = mapOf(map, 'map');
  if (part === null) return null;
  const operands = [map.operands[0], ...product.operands.slice(1)];
  return merge(uses, [at, next], next, { ...describedBy(product, part), operands, writes: 1 });
}

// matmul without transposition, then a row added to each row, with the map behind the sum where there is one
function withBias(uses: Uses, at: number): Edit | null {
  const product = uses.list.instructions[at];
  if (product.op.name !== 'matmul' || product.ints[3] !== 0 || product.ints[4] !== 0 || !isPlain(product)) return null;
  const next = uses.soleReader(at, product.operands[0]);
  if (next < 0 || !sameGuard(uses, at, next) || !uses.mayMove(at, next)) return null;
  const add = uses.list.instructions[next];
  if (add.op.name !== 'add' || !isPlain(add, 'map', 'parameters')) return null;
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
  return merge(uses, [at, next], next, { ...describedBy(product, { ...fusedOf(add), bias: true }), operands, writes: 1 });
}
