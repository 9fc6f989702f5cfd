// Strided copies and concatenation against element by element in JavaScript: axes that merge, of one element, of step 0 or backwards.
import test from 'ava';
import { arrayTypes } from '../../lib/dtype.js';
import { Seeded } from '../helpers/seeded.js';
import { runInto } from './calls.js';

const call = (op: string) => ({ op, form: '', outputs: [], inputs: [], reals: [] });

/** y[i0, i1, …] = x[offset + Σ i·stride], with nothing merged. */
function plainCopy(x: ArrayLike<number>, offset: number, dims: readonly number[], strides: readonly number[]): number[] {
  if (dims.length === 0) return [x[offset]];
  const rest = [dims.slice(1), strides.slice(1)] as const;
  return Array.from({ length: dims[0] }, (_, i) => plainCopy(x, offset + i * strides[0], ...rest)).flat();
}

test('a strided copy moves what element by element would, for any shape and any steps', (t) => {
  const random = new Seeded(4);
  for (let round = 0; round < 400; round++) {
    const rank = random.integer(6);
    const dims = Array.from({ length: rank }, () => random.integer(5) + (random.integer(9) === 0 ? 0 : 1));
    // Row-major steps of a larger block, so that some axes merge; some turned round, some standing still, in any order.
    let step = 1;
    const strides = [...dims].reverse().map((dim) => {
      const stride = step;
      step *= Math.max(dim, 1) + (random.integer(3) === 0 ? 1 : 0);
      return random.integer(8) === 0 ? 0 : random.integer(8) === 0 ? -stride : stride;
    });
    if (random.integer(3) > 0) strides.reverse();
    const offset = strides.reduce((low, stride, d) => low + (stride < 0 ? -stride * Math.max(0, dims[d] - 1) : 0), 0);
    const x = Float32Array.from({ length: offset + step + 1000 }, (_, i) => i);
    const size = dims.reduce((product, dim) => product * dim, 1);
    const y = new Float32Array(size);
    runInto({ ...call('copy_strided'), ints: [offset, rank, ...dims, ...strides] }, [y], [x]);
    t.deepEqual([...y], plainCopy(x, offset, dims, strides), `[${dims}] by [${strides}]`);
  }
});

test('rows longer than a tile, and pixels of one to nine channels, are moved whole', (t) => {
  for (const dtype of ['float32', 'float64', 'int32', 'uint8'] as const) {
    for (const [rows, width] of [
      [3, 40000],
      [5000, 7],
      [1, 16385],
    ] as const) {
      const x = new arrayTypes[dtype](Array.from({ length: rows * (width + 2) }, (_, i) => i % 251));
      const y = new arrayTypes[dtype](rows * width);
      runInto({ ...call('copy_strided'), ints: [1, 2, rows, width, width + 2, 1] }, [y], [x]);
      t.true(
        y.every((value, i) => value === x[1 + Math.floor(i / width) * (width + 2) + (i % width)]),
        `${rows} rows of ${width}, ${dtype}`,
      );
    }
    for (let width = 0; width <= 9; width++) {
      const [a, b] = [width, 9 - width].map((w) => new arrayTypes[dtype](Array.from({ length: 7 * w }, (_, i) => w * 17 + i)));
      const y = new arrayTypes[dtype](63);
      runInto({ ...call('concat'), ints: [7, width, 9 - width] }, [y], [a, b]);
      const wanted = Array.from({ length: 7 }, (_, row) => [
        ...a.subarray(row * width, (row + 1) * width),
        ...b.subarray(row * (9 - width), (row + 1) * (9 - width)),
      ]);
      t.deepEqual([...y], wanted.flat(), `${width} of 9, ${dtype}`);
    }
  }
});
