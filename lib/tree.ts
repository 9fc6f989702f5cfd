// Trees of tensors: a tensor, or arrays and plain objects of trees, as batches, arguments and results of steps are.

import { ArgumentError, expected } from './errors.js';
import { isPlainObject } from './foreign.js';
import { type AnyTensor, Tensor } from './tensor.js';

/** A tensor, or an array or a plain object of trees: what a batch holds beside a single tensor, such as `{ sequence, lengths }`. */
export type TensorTree = AnyTensor | readonly TensorTree[] | { readonly [name: string]: TensorTree };

/** The branches of a tree, without its leaves. */
export interface Structure {
  /** Equal for trees of one structure. */
  readonly key: string;
  /** The tree with these leaves, in their order. */
  rebuild(leaves: readonly unknown[]): unknown;
}

/** What stands in a tree: leaves in their order, the way to each, and the way back. */
export interface Leaves<T> {
  readonly leaves: T[];
  readonly paths: string[];
  readonly structure: Structure;
}

/** Takes a tree apart. `isLeaf` says what is a leaf; what is neither leaf nor branch belongs to the structure as it is. */
export function leavesOf<T>(
  tree: unknown,
  isLeaf: (value: unknown, path: string) => boolean,
  path = '',
  namesOf: (branch: Record<string, unknown>) => string[] = Object.keys,
): Leaves<T> {
  const leaves: T[] = [];
  const paths: string[] = [];
  const keys: string[] = [];
  const above: unknown[] = [];
  const walk = (value: unknown, at: string): Structure['rebuild'] => {
    if (above.includes(value)) throw new ArgumentError(`\`${at}\` holds itself: a tree has an end`);
    above.push(value);
    const made = built(value, at);
    above.pop();
    return made;
  };
  const built = (value: unknown, at: string): Structure['rebuild'] => {
    if (isLeaf(value, at)) {
      keys.push('.');
      paths.push(at);
      const place = leaves.push(value as T) - 1;
      return (all) => all[place];
    }
    const before = leaves.length;
    // What cannot change, and holds no leaf, is the same every time.
    const isConstant = (): boolean => leaves.length === before && Object.isFrozen(value);
    if (Array.isArray(value)) {
      keys.push('[');
      const items = value.map((item, i) => walk(item, `${at}[${i}]`));
      keys.push(']');
      return isConstant() ? () => value : (all) => items.map((item) => item(all));
    }
    if (isPlainObject(value)) {
      keys.push('{');
      const entries = namesOf(value).map((name) => {
        keys.push(JSON.stringify(name));
        return [name, walk(value[name], at === '' ? name : `${at}.${name}`)] as const;
      });
      keys.push('}');
      return isConstant() ? () => value : (all) => Object.fromEntries(entries.map(([name, item]) => [name, item(all)]));
    }
    return () => value;
  };
  const rebuild = walk(tree, path);
  return { leaves, paths, structure: { key: keys.join(''), rebuild } };
}

const isTensor = (value: unknown, path: string): boolean => {
  if (value instanceof Tensor) return true;
  if (Array.isArray(value) || isPlainObject(value)) return false;
  throw new ArgumentError(expected('a tensor, or arrays and plain objects of tensors', path, value));
};

/** Whether something is a tensor, or an array or plain object with one in it: numbers in arrays are no tree. */
export function isTree(value: unknown): value is TensorTree {
  return holdsTensor(value, []);
}

/** @param above - What it stands in: an array that holds itself would have no end. */
function holdsTensor(value: unknown, above: readonly unknown[]): boolean {
  if (value instanceof Tensor) return true;
  if (!(Array.isArray(value) || isPlainObject(value)) || above.includes(value)) return false;
  return Object.values(value).some((inner) => holdsTensor(inner, [...above, value]));
}

/** Names in an order that does not depend on how an object was made. */
export const sortedNames = (branch: Record<string, unknown>): string[] => Object.keys(branch).sort();

/** The tensors of a tree, those of an object in the order of their names. */
export function tensorsOf(tree: TensorTree, argument: string): Leaves<AnyTensor> {
  return leavesOf(tree, isTensor, argument, sortedNames);
}

/** The same tree of other tensors. */
export function mapTensors(tree: TensorTree, argument: string, map: (tensor: AnyTensor) => AnyTensor): TensorTree {
  if (tree instanceof Tensor) return map(tree);
  const { leaves, structure } = tensorsOf(tree, argument);
  return structure.rebuild(leaves.map(map)) as TensorTree;
}

/** The first tensor of a tree: all tensors of a batch have its number of examples. */
export function firstTensor(tree: TensorTree, argument: string): AnyTensor {
  const first = tree instanceof Tensor ? tree : tensorsOf(tree, argument).leaves[0];
  if (first === undefined) throw new ArgumentError(expected('at least one tensor', argument, tree));
  return first as AnyTensor;
}
