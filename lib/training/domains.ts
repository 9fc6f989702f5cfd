// What targets and weights must be for a loss to mean something: looked for once, before a run, in data that lie in memory.

import { memoryOf } from '../data/contract.js';
import { type AnyDataset, type BatchPart, type ExampleMemory, isInMemory } from '../data/dataset.js';
import { isFloat } from '../dtype.js';
import { ArgumentError } from '../errors.js';
import { BinaryCrossEntropyLoss } from '../losses/binary.js';
import { CombinedLoss } from '../losses/combined.js';
import type { Loss } from '../losses/loss.js';
import { isBuiltIn } from '../names.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { TensorTree } from '../tree.js';

type Memory = ExampleMemory<BatchPart, BatchPart>;

/**
 * Refuses targets outside the domain of a loss, and negative weights beside a mean, which would train on something without a word. Examples
 * of weight 0 and targets that are NaN are left to the run; so are losses of a user's own, which may know better.
 *
 * @throws {ArgumentError} with the first row.
 */
export function checkDomains(loss: Loss, ...sets: (AnyDataset | undefined)[]): void {
  for (const data of sets) {
    if (data === undefined || !isInMemory(data)) continue;
    const memory = memoryOf(data);
    checkTerm(data.name, memory, memory.targets, loss, data.length);
  }
}

function checkTerm(name: string, memory: Memory, targets: TensorTree, loss: Loss, used: number): void {
  if (!isBuiltIn(loss)) return;
  if (loss instanceof CombinedLoss) {
    for (const term of loss.terms) {
      const own = term.name === null ? targets : (targets as Record<string, TensorTree> | undefined)?.[term.name];
      if (own !== undefined) checkTerm(name, memory, own, term.loss, used);
    }
    return;
  }
  const weights = numbersOf(memory.weights);
  const rowOf = (example: number): number => (memory.rows === null ? example : memory.rows[example]);
  if (weights !== null && (loss as { reduction?: unknown }).reduction === 'mean' && weights.some((weight) => weight < 0))
    for (let example = 0; example < used; example++) {
      const weight = weights[rowOf(example)];
      if (weight < 0)
        throw new ArgumentError(
          `expected weights of at least 0 beside a mean, received ${weight} for row ${example} of data set '${name}': the mean divides by their sum`,
        );
    }
  const { targetDomain: domain } = loss;
  const values = numbersOf(targets) ?? (loss instanceof BinaryCrossEntropyLoss ? labelsOf(targets) : null);
  if (domain === null || values === null) return;
  const isWrong = (value: number): boolean => !Number.isNaN(value) && !domain.holds(value);
  // Of a part of a set, only its own rows count; most sets have no wrong target at all.
  if (!values.some(isWrong)) return;
  const { shape } = targets as AnyTensor;
  const width = values.length / shape[0];
  for (let example = 0; example < used; example++) {
    const row = rowOf(example);
    if (weights?.[row] === 0) continue;
    const wrong = values.subarray(row * width, (row + 1) * width).find(isWrong);
    if (wrong === undefined) continue;
    throw new ArgumentError(
      `${loss.constructor.name} expects targets ${domain.words}, received ${wrong} in row ${example} of data set '${name}'. ${domain.hint}`,
    );
  }
}

/** Class indices, where a loss takes them for numbers. */
function labelsOf(tensor: unknown): Int32Array | null {
  if (!(tensor instanceof Tensor)) return null;
  const { dtype, data, size, rank } = tensor as AnyTensor;
  return (dtype === 'int32' || dtype === 'uint8') && rank > 0 && size > 0 && data.length === size ? (data as Int32Array) : null;
}

/** The numbers of a float tensor with a first axis; null for anything else, and for memory that went elsewhere. */
function numbersOf(tensor: unknown): Float32Array | null {
  if (!(tensor instanceof Tensor)) return null;
  const { dtype, data, size, rank } = tensor as AnyTensor;
  return isFloat(dtype) && rank > 0 && size > 0 && data.length === size ? (data as Float32Array) : null;
}
