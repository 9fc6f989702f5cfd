// Prints a digest of products and convolutions of bfloat16, and by which way they were computed. With the argument `tiles` AMX is taken for granted.
import { createHash } from 'node:crypto';
import { binding } from '../../lib/native.js';
import { Seeded } from '../helpers/seeded.js';
import { directions, drawn, type Kind, multiply, narrowGeometries, operandsOf } from './bfloat16.js';
import { bytesOf } from './samples.js';

const before = binding.info().bfloat16;
if (process.argv[2] === 'tiles') (binding as unknown as { assumeTiles(): void }).assumeTiles();
const digests: Record<string, string> = {};

const hash = createHash('sha256');
const shapes = [
  [1, 1, 1],
  [37, 70, 100],
  [130, 48, 65],
  [16, 16, 2049],
  [200, 33, 320],
  [12, 600, 64],
  [31, 20, 4700],
];
shapes.forEach(([m, n, k], seed) => {
  for (const transposeA of [false, true])
    for (const transposeB of [false, true])
      for (const kind of ['usual', 'wide', 'near underflow', 'near overflow', 'denormal'] as Kind[]) {
        const random = new Seeded(seed);
        const [a, b] = [drawn(random, m * k, kind), drawn(random, k * n, kind)];
        // No payload of a NaN is promised.
        const got = Float32Array.from(multiply({ m, n, k, transposeA, transposeB }, a, b), (value) =>
          Number.isNaN(value) ? Number.NaN : value,
        );
        hash.update(bytesOf(got));
      }
});
digests.matmul = hash.digest('hex');
for (const [name, compute] of Object.entries(directions)) {
  const all = createHash('sha256');
  narrowGeometries.forEach((g, seed) => {
    if (g.h * g.w * g.c * g.k * g.kernel[0] * g.kernel[1] < 3e6) all.update(bytesOf(compute(g, operandsOf(g, seed), 'bfloat16')));
  });
  digests[name] = all.digest('hex');
}
const { bfloat16, isa } = binding.info();
console.log(JSON.stringify({ ...bfloat16, isa, digests, before }));
