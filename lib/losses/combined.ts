// Several losses as one: their weighted sum.

import { ArgumentError, ShapeError, checkNumber, describe, expected } from '../errors.js';
import { isPlainObject } from '../foreign.js';
import { add, mul } from '../ops/elementwise.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { TensorTree } from '../tree.js';
import { keepNames } from '../names.js';
import { Loss } from './loss.js';

/** A loss, and how much it counts. */
export type WeightedLoss = readonly [loss: Loss, weight: number];

/** One loss of a {@link CombinedLoss}. */
export interface LossTerm {
  /** Name of the output and the target that it sees; null for all. */
  readonly name: string | null;
  /** The loss. */
  readonly loss: Loss;
  /** How much it counts. */
  readonly weight: number;
}

function checkTerm(given: unknown, argument: string): WeightedLoss {
  const [loss, weight] = given instanceof Loss ? [given, 1] : Array.isArray(given) && given.length === 2 ? given : [];
  if (!(loss instanceof Loss)) throw new ArgumentError(expected('a loss, or [loss, weight]', argument, given));
  return Object.freeze([loss, checkNumber(weight, `${argument}[1]`)] as const);
}

/**
 * The weighted sum of several losses, `Σ weight·loss`, whose gradient is the weighted sum of theirs. Course row E26.
 *
 * Of an array, each loss sees the whole prediction and the whole target. Of an object, each sees the output and the target of its name:
 * for models that give `{ price, kind }` with data whose targets are `{ price, kind }`.
 *
 * @example
 * ```ts
 * import { CombinedLoss, CrossEntropyLoss, L1Loss, MSELoss } from 'nodegrad';
 * const both = new CombinedLoss([[new MSELoss(), 0.7], [new L1Loss(), 0.3]]);
 * const heads = new CombinedLoss({ price: [new L1Loss(), 0.1], kind: new CrossEntropyLoss() });
 * ```
 */
export class CombinedLoss extends Loss {
  /** The losses in their order. */
  readonly terms: readonly LossTerm[];

  /** @param terms - Losses, each alone or as `[loss, weight]`; at least one. */
  constructor(terms: readonly (Loss | WeightedLoss)[] | Readonly<Record<string, Loss | WeightedLoss>>) {
    super();
    if (!Array.isArray(terms) && !isPlainObject(terms))
      throw new ArgumentError(expected('an array of losses, or an object of losses by name', 'terms', terms));
    const named = Object.entries(terms as Record<string, unknown>);
    if (named.length === 0) throw new ArgumentError(expected('at least one loss', 'terms', terms));
    this.terms = Object.freeze(
      named.map(([name, given]) => {
        const [loss, weight] = checkTerm(given, Array.isArray(terms) ? `terms[${name}]` : `terms.${name}`);
        return Object.freeze({ name: Array.isArray(terms) ? null : name, loss, weight });
      }),
    );
  }

  forward(prediction: TensorTree, target: TensorTree, weights?: AnyTensor): Tensor {
    const values = this.terms.map(({ name, loss, weight }) => {
      const value = loss.forward(partOf(prediction, name, 'prediction'), partOf(target, name, 'target'), weights) as Tensor;
      return weight === 1 ? Tensor.check(value, "a loss's result") : mul(value, weight);
    }) as Tensor[];
    const odd = values.find(({ rank }) => rank !== values[0].rank);
    if (odd !== undefined) throw new ShapeError('the losses of a CombinedLoss must all be numbers, or all reduce to the same shape');
    return values.reduce((total, value) => add(total, value));
  }
}

function partOf(tree: TensorTree, name: string | null, argument: string): TensorTree {
  if (name === null) return tree;
  if (isPlainObject(tree) && name in tree) return tree[name] as TensorTree;
  throw new ArgumentError(
    `expected an object with '${name}' for \`${argument}\`, as the losses are named, received ${isPlainObject(tree) ? `one with ${Object.keys(tree).join(', ')}` : describe(tree)}`,
  );
}

keepNames({ CombinedLoss });
