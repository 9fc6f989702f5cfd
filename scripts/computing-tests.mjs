// The tests of what computes, from kernels to layers and fused programs: those that an instruction set could change. What is made of them
// (training, search, commands, files, pages) is the same under each.

import { filesBelow } from './stamps.mjs';

const computes =
  /\/(golden|initializers|layers|losses|native|ops|optimizers|program)\/[^/]+\.test|\/faults\/(moments|numbers|outdated|steps)\.test|\/random\.test/;
// Tests that set the instruction set themselves, or do not depend on it.
const independent = /\/(allocations|direct|driver|pinned|streaming|ulp|winograd)\.test/;

/** Sources of the tests of what computes; with `all`, also of those that choose instruction sets themselves. */
export function computingTests({ all = false } = {}) {
  return filesBelow('test', (path) => computes.test(path) && (all || !independent.test(path)));
}
