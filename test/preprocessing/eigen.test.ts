// The eigen-solver: what defines eigenvalues and eigenvectors, for matrices of every kind.
import test from 'ava';
import { symmetricEigen } from '../../lib/preprocessing/eigen.js';
import { Seeded } from '../helpers/seeded.js';

const random = new Seeded(41);

function symmetric(n: number, entry: (i: number, j: number) => number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) matrix[i * n + j] = matrix[j * n + i] = entry(i, j);
  return matrix;
}

/** A covariance of rank `rank`. */
function gram(n: number, rank: number): Float64Array {
  const x = random.normal(n * rank);
  return symmetric(n, (i, j) => {
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += x[i * rank + k] * x[j * rank + k];
    return sum;
  });
}

const normals = random.normal(10_000);
const matrices: [string, number, Float64Array][] = [
  ['one number', 1, Float64Array.of(-3)],
  ['two by two', 2, Float64Array.of(2, 1, 1, 2)],
  ['zeros', 5, new Float64Array(25)],
  ['the identity', 6, symmetric(6, (i, j) => (i === j ? 1 : 0))],
  ['a diagonal in no order', 5, symmetric(5, (i, j) => (i === j ? [3, -1, 7, 0, 3][i] : 0))],
  ['signs of both kinds', 30, symmetric(30, (i, j) => normals[i * 30 + j])],
  ['a covariance', 60, gram(60, 200)],
  ['a covariance of low rank', 50, gram(50, 7)],
  ['blocks apart', 8, symmetric(8, (i, j) => (i >> 2 === j >> 2 ? 1 + Math.min(i, j) : 0))],
  ['scales from 1e-150 to 1e150', 6, symmetric(6, (i, j) => (i === j ? 10 ** (60 * i - 150) : 0))],
  ['an arrow', 20, symmetric(20, (i, j) => (i === j ? i : j === 0 ? 1 : 0))],
  ['the second difference', 40, symmetric(40, (i, j) => (i === j ? 2 : i - j === 1 ? -1 : 0))],
];

for (const [name, n, matrix] of matrices) {
  test(`A v = λ v with orthonormal v in descending order: ${name}`, (t) => {
    const { values, vectors } = symmetricEigen(matrix, n);
    const norm = matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    // A backward-stable solver errs by some n ulp of the largest entry.
    const most = 8 * n * Number.EPSILON;
    for (let i = 0; i < n; i++) {
      if (i > 0) t.true(values[i] <= values[i - 1]);
      const row = vectors.subarray(i * n, (i + 1) * n);
      const largest = row.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
      t.true(largest > 0, 'its largest component is positive');
      for (let j = 0; j < n; j++) {
        let [product, dot] = [0, 0];
        for (let k = 0; k < n; k++) {
          product += matrix[j * n + k] * row[k];
          dot += row[k] * vectors[j * n + k];
        }
        t.true(Math.abs(product - values[i] * row[j]) <= most * norm, `residual ${(product - values[i] * row[j]) / (norm || 1)}`);
        t.true(Math.abs(dot - (i === j ? 1 : 0)) <= most, `product ${dot} of vectors ${i} and ${j}`);
      }
    }
  });
}

test('the eigenvalues of the second difference are 2 − 2 cos(kπ/(n+1))', (t) => {
  const n = 25;
  const { values } = symmetricEigen(
    symmetric(n, (i, j) => (i === j ? 2 : i - j === 1 ? -1 : 0)),
    n,
  );
  for (let k = 1; k <= n; k++) t.true(Math.abs(values[n - k] - (2 - 2 * Math.cos((k * Math.PI) / (n + 1)))) < 1e-14);
});
