// Proves lib/data/colours.ts: the principal components of colours that were drawn along known directions.
import test from 'ava';
import { colourComponents, Tensor, TensorDataset } from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';

test('[B12] colours drawn along two directions give these directions, orthogonal, with their standard deviations', (t) => {
  const random = new Seeded(4);
  const count = 20_000;
  const long = random.uniform(count, -90, 90);
  const short = random.uniform(count, -30, 30);
  // 90/√3 and 30/√3 along (2, 1, 2)/3 and (1, 2, −2)/3
  const bytes = new Uint8Array(3 * count);
  for (let i = 0; i < count; i++) {
    const [a, b] = [long[i] / 3, short[i] / 3];
    bytes.set(
      [2 * a + b, a + 2 * b, 2 * a - 2 * b].map((v) => Math.round(128 + v)),
      3 * i,
    );
  }
  const set = new TensorDataset(Tensor.from(bytes, [count / 100, 10, 10, 3]), Tensor.from(new Int32Array(count / 100)));
  const { values, vectors } = colourComponents(set);
  const along = (v: readonly number[], w: readonly number[]): number => Math.abs(v.reduce((sum, x, i) => sum + x * w[i], 0));
  t.true(Math.abs(along(vectors[0], [2 / 3, 1 / 3, 2 / 3]) - 1) < 1e-3);
  t.true(Math.abs(along(vectors[1], [1 / 3, 2 / 3, -2 / 3]) - 1) < 1e-3);
  t.true(along(vectors[0], vectors[1]) < 1e-12 && along(vectors[1], vectors[2]) < 1e-12);
  t.true(Math.abs(values[0] / (90 / Math.sqrt(3) / 255) - 1) < 0.02);
  t.true(Math.abs(values[1] / (30 / Math.sqrt(3) / 255) - 1) < 0.02);
  t.true(values[2] < 0.002); // rounding to bytes
  t.deepEqual(colourComponents(set, { images: 7 }).vectors.length, 3);
});

test('images without colours, or of floats, are refused', (t) => {
  const grey = new TensorDataset(Tensor.from(new Uint8Array(4), [1, 2, 2, 1]), Tensor.from(new Int32Array(1)));
  t.throws(() => colourComponents(grey), { code: 'ERR_SHAPE' });
  const floats = new TensorDataset(Tensor.from(new Float32Array(3), [1, 1, 1, 3]), Tensor.from(new Int32Array(1)));
  t.throws(() => colourComponents(floats as never), { code: 'ERR_DTYPE' });
});
