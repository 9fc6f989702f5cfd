// Trees of tensors: a tensor, or arrays and plain objects of trees, as batches, arguments and results of steps are.

import { ArgumentError, expected } from './errors.js';
import { isPlainObject } from './foreign.js';
import { type AnyTensor, Tensor } from './tensor.js';

/** A tensor, or an array or a plain object of trees: what a batch holds beside a single tensor, such as `{ sequence, lengths }`. */
export type TensorTree = AnyTensor | readonly TensorTree[] | { readonly [name: string]: TensorTree };

/** Puts values in the places that the leaves of a tree had, in their order. */
export type Rebuild = (leaves: readonly unknown[]) => unknown;

/** Takes the leaves out of a tree, in order, and gives back what puts others in their places; `leaf` says what is a leaf, and gets its path. */
export function takeLeaves(tree: unknown, leaf: (value: unknown, path: string) => boolean, path = ''): { leaves: unknown[]; rebuild: Rebuild } {
  const leaves: unknown[] = [];
  const walk = (value: unknown, at: string): Rebuild => {
    if (leaf(value, at)) {
      const place = leaves.push(value) - 1;
      return (all) => all[place];
    }
    if (Array.isArray(value)) {
      const items = value.map((item, i) => walk(item, `${at}[${i}]`));
      return (all) => items.map((item) => item(all));
    }
    if (isPlainObject(value)) {
      const entries = Object.entries(value).map(([name, item]) => [name, walk(item, at === '' ? name : `${at}.${name}`)] as const);
      return (all) => Object.fromEntries(entries.map(([name, item]) => [name, item(all)]));
    }
    return () => value;
  };
  const rebuild = walk(tree, path);
  return { leaves, rebuild };
}

const isTensor = (value: unknown, path: string): boolean => {
  if (value instanceof Tensor) return true;
  if (Array.isArray(value) || isPlainObject(value)) return false;
  throw new ArgumentError(expected('a tensor, or arrays and plain objects of tensors', path, value));
};

/** The tensors of a tree in their order, and the way back. */
export function tensorsOf(tree: TensorTree, argument: string): { leaves: AnyTensor[]; rebuild: (leaves: readonly AnyTensor[]) => TensorTree } {
  if (tree instanceof Tensor) return { leaves: [tree], rebuild: ([leaf]) => leaf };
  return takeLeaves(tree, isTensor, argument) as { leaves: AnyTensor[]; rebuild: (leaves: readonly AnyTensor[]) => TensorTree };
}
