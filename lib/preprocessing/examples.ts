// What a transform is fitted on: the examples of a tensor or of a training set, all or a sample, batch by batch.

import { checkDataset, isShape, whenThere } from '../data/contract.js';
import { isStreamed } from '../data/cursor.js';
import type { AnyDataset, BatchPart, Dataset } from '../data/dataset.js';
import type { DType } from '../dtype.js';
import { ArgumentError, ShapeError, checkInteger, checkOptions } from '../errors.js';
import { isPromise } from '../foreign.js';
import { ProgressBar, type ProgressOption, streamOf } from '../progress.js';
import { Random } from '../random.js';
import { getSeed } from '../seed.js';
import { type AnyTensor, Tensor } from '../tensor.js';

/** Options of `transform.fit`. */
export interface TransformFitOptions {
  /** Examples to learn from, drawn at random without repetition (course row B10); default: all. */
  readonly sampleSize?: number;
  /** Decides the sample; default: the seed of `setSeed`. */
  readonly seed?: number;
  /** A bar on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
}

/** Examples that can be gone through several times. */
export interface Examples {
  /** What messages call them. */
  readonly name: string;
  readonly length: number;
  /** Shape of one example. */
  readonly shape: readonly number[];
  /** Calls `use` with batch after batch, each with the index of its first example; later for a set that has to be waited for. */
  each(use: (batch: AnyTensor, first: number) => void): void | Promise<void>;
}

/** Numbers of a batch: larger ones leave the caches. */
const numbersPerBatch = 2 ** 18;

/** @internal The examples that a transform learns from; a validation or test set is refused. */
export function examplesOf(data: AnyTensor | AnyDataset, given: TransformFitOptions | undefined): Examples {
  const { sampleSize, seed = getSeed(), progress } = checkOptions<TransformFitOptions>(given, 'options', ['sampleSize', 'seed', 'progress']);
  streamOf(progress);
  if (sampleSize !== undefined) checkInteger(sampleSize, 'options.sampleSize', 1);
  checkInteger(seed, 'options.seed');
  const all = data instanceof Tensor ? ofTensor(data) : ofDataset(data as AnyDataset);
  if (all.length === 0) throw new ArgumentError(`${all.name} has 0 examples: there is nothing to fit on`);
  if (sampleSize === undefined || sampleSize >= all.length) return walk(all, null, progress);
  return walk(all, new Random(seed, 'preprocessing/sample').permutation(all.length).slice(0, sampleSize).sort(), progress);
}

/** @internal The same examples after a transform, made when they are asked for. */
export function mapExamples(examples: Examples, shape: readonly number[], map: (batch: AnyTensor) => AnyTensor): Examples {
  return { ...examples, shape, each: (use) => examples.each((batch, first) => use(map(batch), first)) };
}

interface Source {
  readonly name: string;
  readonly length: number;
  readonly shape: readonly number[];
  batch(indices: Int32Array): AnyTensor | Promise<AnyTensor>;
}

function ofTensor(tensor: AnyTensor): Source {
  if (Tensor.check(tensor, 'data').rank === 0)
    throw new ShapeError('fit() expects a first dimension that counts examples, received a rank-0 tensor');
  return {
    name: 'the tensor',
    length: tensor.shape[0],
    shape: tensor.shape.slice(1),
    batch: (indices) => tensor.detach().gather(Tensor.from(indices) as Tensor<'int32'>),
  };
}

function ofDataset(data: AnyDataset): Source {
  if (isStreamed(data))
    throw new ArgumentError(
      `data set '${data.name}' is read as a stream, and what preprocessing learns from is gone through several times: fit the transform on a tensor or a table of some examples before`,
    );
  checkDataset(data, 'data');
  if (!isShape(data.inputShape))
    throw new ArgumentError(`the inputs of data set '${data.name}' are several tensors, and preprocessing takes one: transform each before`);
  if (data.split !== undefined && data.split !== 'train') {
    throw new ArgumentError(
      `'${data.name}' is the ${data.split} part of a split: what fit() learned from it would leak into training. Fit on the training part, and transform this one with it`,
    );
  }
  return {
    name: `data set '${data.name}'`,
    length: data.length,
    shape: data.inputShape as readonly number[],
    batch: (indices) => whenThere((data as Dataset<DType, BatchPart>).batch(indices), ({ inputs }) => Tensor.check(inputs, 'inputs')),
  };
}

function walk(source: Source, rows: Int32Array | null, progress: ProgressOption | undefined): Examples {
  const { name, shape } = source;
  const length = rows?.length ?? source.length;
  const size = Math.max(
    1,
    Math.floor(
      numbersPerBatch /
        Math.max(
          1,
          shape.reduce((product, dimension) => product * dimension, 1),
        ),
    ),
  );
  const indices = (first: number): Int32Array =>
    Int32Array.from({ length: Math.min(size, length - first) }, (_, i) => (rows === null ? first + i : rows[first + i]));
  return {
    name,
    length,
    shape,
    each(consume) {
      const bar = new ProgressBar(progress, `learning from ${name}`, length);
      const use = (batch: AnyTensor, first: number): void => {
        consume(batch, first);
        bar.update(first + batch.shape[0]);
      };
      try {
        for (let first = 0; first < length; first += size) {
          const batch = source.batch(indices(first));
          if (isPromise(batch)) return goOn(first, batch).finally(() => bar.end());
          use(batch, first);
        }
      } finally {
        bar.end();
      }
      async function goOn(first: number, coming: Promise<AnyTensor>): Promise<void> {
        use(await coming, first);
        for (let next = first + size; next < length; next += size) use(await source.batch(indices(next)), next);
      }
    },
  };
}
