// The rows of tensors as a data set without targets: what `predict` goes through.

import type { Batch, Dataset, ExampleMemory, ShapeTree } from '../data/dataset.js';
import { ShapeError, describeShape } from '../errors.js';
import { filled } from '../ops/shape.js';
import type { Tensor } from '../tensor.js';
import { type TensorTree, firstTensor, mapTensors, tensorsOf } from '../tree.js';

/** The rows of tensors as a data set without targets. */
export class TensorRows implements Dataset<TensorTree, 'uint8'> {
  readonly name = 'inputs';
  readonly length: number;
  readonly inputShape: ShapeTree;
  readonly targetShape = [];
  readonly #rows: TensorTree;

  constructor(rows: TensorTree) {
    this.#rows = rows;
    const { leaves, paths, structure } = tensorsOf(rows, 'inputs');
    for (const [i, { shape }] of leaves.entries()) {
      if (shape.length === 0) throw new ShapeError('predict() expects a first dimension that counts examples, received a rank-0 tensor');
      if (shape[0] === leaves[0].shape[0]) continue;
      const [first, other] = [leaves[0].shape, shape].map(describeShape);
      throw new ShapeError(
        `predict() expects one row for each example, received ${first} for \`${paths[0]}\` and ${other} for \`${paths[i]}\``,
      );
    }
    this.length = firstTensor(rows, 'inputs').shape[0];
    this.inputShape = structure.rebuild(leaves.map(({ shape }) => shape.slice(1))) as ShapeTree;
  }

  // Neighbouring rows are a view.
  batch(indices: Int32Array): Batch<TensorTree, 'uint8'> {
    const [begin, count] = [indices[0], indices.length];
    const inputs = mapTensors(this.#rows, 'inputs', (tensor) => tensor.slice(begin, begin + count));
    return { inputs, targets: this.#labels.slice(0, count) };
  }

  memory(): ExampleMemory<TensorTree, 'uint8'> {
    return { inputs: this.#rows, targets: this.#labels, rows: null };
  }

  get #labels(): Tensor<'uint8'> {
    this.#none ??= filled([this.length], 0, 'uint8');
    return this.#none;
  }
  #none: Tensor<'uint8'> | null = null;
}
