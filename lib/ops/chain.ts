// The fused operation for several elementwise ones, and what may stand in it.

import { type Op, defineOp, mapKind } from './define.js';

/** Several elementwise operations in one pass; see native/ops/chain.cc for its attributes. */
export const elementwiseChainOp: Op<unknown> = defineOp<unknown>('elementwise_chain', {
  shape: () => ({ outputs: [], ints: [], reals: [] }),
  gradient: 'none',
});

const binaries = new Set(['add', 'sub', 'mul', 'div', 'minimum', 'maximum', 'prelu', 'prelu_slope']);

/** How an operation takes part in a chain: how many operands it reads per element, or null where it cannot. */
export function chainKind(op: Op<unknown>): 'map' | 'backward' | 'binary' | 'dropout' | null {
  if (binaries.has(op.name)) return 'binary';
  if (op.name === 'dropout') return op.name;
  return mapKind(op);
}
