// Convolution algorithms against im2col, over many geometries, in all directions: the same bits where both follow the definition of a matrix product.
import test from 'ava';
import { arrayTypes, type TypedArray } from '../../lib/dtype.js';
import { beside, result } from './child.js';
import { exact, directions, geometries, im2col, nameOf, type Operands, operandsOf, outputOf, weightGradient } from './convolutions.js';

for (const dtype of ['float32', 'float64'] as const) {
  for (const [op, compute] of Object.entries(directions))
    test(`every exact algorithm gives the bits of im2col: ${op}, ${dtype}`, (t) => {
      geometries.forEach((g, seed) => {
        const operands = operandsOf(g, dtype, seed);
        t.deepEqual(compute(g, operands, dtype, exact), compute(g, operands, dtype, im2col), nameOf(g));
      });
    });

  test(`a weight gradient is that of im2col but for the order of the sum over pixels, replaces, adds and starts again: ${dtype}`, (t) => {
    geometries.forEach((g, seed) => {
      const operands = operandsOf(g, dtype, seed);
      const [oh, ow] = outputOf(g);
      const truth = weightGradient(g, { ...operands, x: Float64Array.from(operands.x), dy: Float64Array.from(operands.dy) }, 'float64', im2col);
      const before = new arrayTypes[dtype](truth.length).fill(2);
      const bound = (dtype === 'float32' ? 2 ** -24 : 2 ** -53) * 4 * Math.sqrt(g.n * oh * ow + 4) * 4;
      const got = weightGradient(g, operands, dtype, exact);
      const far = got.findIndex((value, i) => !(Math.abs(value - truth[i]) <= bound));
      t.is(far, -1, nameOf(g));
      t.deepEqual(
        weightGradient(g, operands, dtype, exact, before),
        got.map((value) => value + 2),
        nameOf(g),
      );
      t.deepEqual(
        weightGradient(g, operands, dtype, exact, before, true),
        got.map((value) => value + 0),
        nameOf(g),
      );
    });
  });

  test(`one image alone has the bits that it has in a batch: ${dtype}`, (t) => {
    for (const g of geometries.filter((one) => one.n > 1))
      for (const [op, compute] of Object.entries(directions)) {
        const operands = operandsOf(g, dtype, 1);
        const all = compute(g, operands, dtype, exact);
        const part = (array: TypedArray) => array.slice(array.length - array.length / g.n) as Operands['x'];
        const alone = compute({ ...g, n: 1 }, { ...operands, x: part(operands.x), dy: part(operands.dy) }, dtype, exact);
        t.deepEqual(alone, part(all), `${op} ${nameOf(g)}`);
      }
  });
}

test('convolutions have the same bits for every number of threads and every instruction set', async (t) => {
  const script = beside(import.meta.url, 'convolutions.child.js');
  interface Digests {
    readonly digests: Record<string, string>;
    readonly isa: string;
    readonly threads: number;
  }
  const first = await result<Digests>(script, { env: { NODEGRAD_NUM_THREADS: '1' } });
  t.is(first.threads, 1);
  for (const threads of ['2', '5', '16'])
    t.deepEqual((await result<Digests>(script, { env: { NODEGRAD_NUM_THREADS: threads } })).digests, first.digests, `${threads} threads`);
  for (const isa of ['scalar', 'avx2', 'avx512', 'neon'])
    t.deepEqual((await result<Digests>(script, { env: { NODEGRAD_ISA: isa } })).digests, first.digests, isa);
});
