// In which directions the colours of images vary: principal components of red, green and blue.
import { ArgumentError, checkOptions, checkInteger, DTypeError, ShapeError, describeShape } from '../errors.js';
import type { DType } from '../tensor.js';
import type { ColourComponents } from './augmentation.js';
import { batchNow, checkDataset } from './contract.js';
import type { Dataset } from './dataset.js';

/** Options of {@link colourComponents}. */
export interface ColourComponentsOptions {
  /** How many images to look at, evenly spread; default 5000. */
  readonly images?: number;
}

/**
 * Principal components of the colours of a data set, for `pcaColourJitter` (course rows B10, B12): eigenvectors of the covariance of
 * red, green and blue over all pixels, in 0..1. The square roots of its eigenvalues stand as `values`: along each direction, colours
 * then shift by a share of their own standard deviation.
 *
 * @param dataset - Images uint8 [height, width, 3].
 * @throws {DTypeError} if they are not uint8
 * @throws {ShapeError} if they do not have three channels
 * @throws {ArgumentError} if there are none
 *
 * @example
 * ```ts
 * import { colourComponents, datasets, pcaColourJitter } from 'nodegrad';
 * const { train } = await datasets.cifar10({ raw: true });
 * const jitter = pcaColourJitter({ sigma: 0.1, components: colourComponents(train) });
 * ```
 */
export function colourComponents(dataset: Dataset<'uint8', DType>, options: ColourComponentsOptions = {}): ColourComponents {
  checkDataset(dataset);
  const { images = 5000 } = checkOptions<ColourComponentsOptions>(options, 'options', ['images']);
  const count = Math.min(checkInteger(images, 'options.images', 1, 0x7fffffff), dataset.length);
  if (count === 0) throw new ArgumentError(`the data set ${dataset.name} is empty`);
  if (dataset.inputShape?.[2] !== 3)
    throw new ShapeError(`expected images [height, width, 3], those of ${dataset.name} are ${describeShape(dataset.inputShape ?? [])}`);
  // Whole numbers: exact up to 2⁵³.
  const sums = [0, 0, 0];
  const products = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  let pixels = 0;
  for (let i = 0; i < count; i++) {
    const { inputs } = batchNow(
      dataset,
      Int32Array.of(Math.floor((i * dataset.length) / count)),
      'read some of its images into a TensorDataset',
    );
    if (inputs.dtype !== 'uint8') throw new DTypeError(`expected uint8 images, those of ${dataset.name} are ${String(inputs.dtype)}`);
    const data = inputs.data as Uint8Array;
    for (let at = 0; at < data.length; at += 3) {
      for (let a = 0; a < 3; a++) {
        sums[a] += data[at + a];
        for (let b = a; b < 3; b++) products[3 * a + b] += data[at + a] * data[at + b];
      }
    }
    pixels += data.length / 3;
  }
  const covariance = [0, 1, 2].map((a) =>
    [0, 1, 2].map((b) => {
      const product = products[3 * Math.min(a, b) + Math.max(a, b)];
      return (product / pixels - (sums[a] / pixels) * (sums[b] / pixels)) / (255 * 255);
    }),
  );
  const { values, vectors } = eigen(covariance);
  return { values: values.map((value) => Math.sqrt(Math.max(0, value))), vectors };
}

/** Eigenvalues of a symmetric matrix, the largest first, and their unit vectors: Jacobi's rotations. */
function eigen(matrix: readonly (readonly number[])[]): { values: number[]; vectors: number[][] } {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = matrix.map((_, i) => matrix.map((_row, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 30; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (a[p][q] === 0) continue;
        const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        const s = t * c;
        for (const row of [...a, ...v]) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
        for (let j = 0; j < n; j++) [a[p][j], a[q][j]] = [c * a[p][j] - s * a[q][j], s * a[p][j] + c * a[q][j]];
      }
    }
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j][j] - a[i][i]);
  return { values: order.map((i) => a[i][i]), vectors: order.map((i) => v.map((row) => row[i])) };
}
