// Eigenvalues and eigenvectors of a symmetric matrix in float64: Householder reflections to a tridiagonal one, then implicit QL steps.

/** `A = Vᵀ·diag(values)·V`: values in descending order, vectors as the rows of V. */
export interface Eigen {
  readonly values: Float64Array;
  /** [n, n], a unit vector per row; its component of largest magnitude is positive. */
  readonly vectors: Float64Array;
}

/**
 * Eigenvalues and eigenvectors of the symmetric matrix `matrix` [n, n], row by row (Golub and Van Loan, Matrix Computations, sections 8.3.1 and
 * 8.3.3). About 9n³ additions and multiplications: 784 features take seconds, 3072 some minutes.
 */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  const { diagonal, beside, rows } = tridiagonalize(matrix, n);
  diagonalize(diagonal, beside, rows, n);
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => diagonal[b] - diagonal[a]);
  const vectors = new Float64Array(n * n);
  for (const [place, i] of order.entries()) {
    const row = rows.subarray(i * n, (i + 1) * n);
    let largest = 0;
    for (let j = 1; j < n; j++) if (Math.abs(row[j]) > Math.abs(row[largest])) largest = j;
    const sign = row[largest] < 0 ? -1 : 1;
    for (let j = 0; j < n; j++) vectors[place * n + j] = sign * row[j];
  }
  return { values: Float64Array.from(order, (i) => diagonal[i]), vectors };
}

/** T = Q·A·Qᵀ with T tridiagonal: `diagonal`, what stands `beside` it, and Q by rows. */
function tridiagonalize(matrix: Float64Array, n: number): { diagonal: Float64Array; beside: Float64Array; rows: Float64Array } {
  const a = Float64Array.from(matrix);
  const rows = new Float64Array(n * n);
  for (let i = 0; i < n; i++) rows[i * n + i] = 1;
  const [diagonal, beside] = [new Float64Array(n), new Float64Array(n)];
  const [v, p] = [new Float64Array(n), new Float64Array(n)];
  for (let k = 0; k < n - 1; k++) {
    // v reflects row k right of the diagonal onto its first number.
    let norm = 0;
    for (let j = k + 1; j < n; j++) norm += (v[j] = a[k * n + j]) * v[j];
    norm = Math.sqrt(norm);
    beside[k] = v[k + 1] > 0 ? -norm : norm;
    const half = norm * (norm + Math.abs(v[k + 1])); // vᵀv / 2
    v[k + 1] -= beside[k];
    if (half === 0) continue;
    // A − v·wᵀ − w·vᵀ, w = p − v·(pᵀv)/(vᵀv), p = 2A·v/(vᵀv)
    let along = 0;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1, at = i * n + j; j < n; j++, at++) sum += a[at] * v[j];
      p[i] = sum / half;
      along += p[i] * v[i];
    }
    along /= 2 * half;
    for (let i = k + 1; i < n; i++) p[i] -= along * v[i];
    for (let i = k + 1; i < n; i++) for (let j = k + 1, at = i * n + j; j < n; j++, at++) a[at] -= v[i] * p[j] + p[i] * v[j];
    // Q := (I − v·vᵀ/half)·Q; p is free again.
    p.fill(0);
    for (let i = k + 1; i < n; i++) for (let j = 0, at = i * n; j < n; j++, at++) p[j] += v[i] * rows[at];
    for (let i = k + 1; i < n; i++) {
      const factor = v[i] / half;
      for (let j = 0, at = i * n; j < n; j++, at++) rows[at] -= factor * p[j];
    }
  }
  for (let i = 0; i < n; i++) diagonal[i] = a[i * n + i];
  return { diagonal, beside, rows };
}

/** Makes `beside` zero by rotations, which turn the rows of Q along. */
function diagonalize(d: Float64Array, e: Float64Array, rows: Float64Array, n: number): void {
  for (let first = 0; first < n; first++) {
    for (let round = 0; round < 60; round++) {
      let last = first;
      while (last < n - 1 && Math.abs(e[last]) > Number.EPSILON * (Math.abs(d[last]) + Math.abs(d[last + 1]))) last += 1;
      if (last === first) break;
      // Wilkinson's shift, from the upper corner.
      const half = (d[first + 1] - d[first]) / (2 * e[first]);
      const root = Math.sqrt(half * half + 1);
      let g = d[last] - d[first] + e[first] / (half + (half < 0 ? -root : root));
      let [sine, cosine, taken] = [1, 1, 0];
      let i = last - 1;
      for (; i >= first; i--) {
        const [f, b] = [sine * e[i], cosine * e[i]];
        const length = Math.sqrt(f * f + g * g);
        e[i + 1] = length;
        if (length === 0) {
          // The matrix falls apart here.
          d[i + 1] -= taken;
          e[last] = 0;
          break;
        }
        sine = f / length;
        cosine = g / length;
        const rest = d[i + 1] - taken;
        const turn = (d[i] - rest) * sine + 2 * cosine * b;
        taken = sine * turn;
        d[i + 1] = rest + taken;
        g = cosine * turn - b;
        for (let j = 0, upper = i * n, lower = upper + n; j < n; j++, upper++, lower++) {
          const value = rows[lower];
          rows[lower] = sine * rows[upper] + cosine * value;
          rows[upper] = cosine * rows[upper] - sine * value;
        }
      }
      if (i >= first) continue;
      d[first] -= taken;
      e[first] = g;
      e[last] = 0;
    }
  }
}
