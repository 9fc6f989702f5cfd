// Prints a digest of every direction of every geometry, by the algorithms that keep the order of a matrix product.
import { createHash } from 'node:crypto';
import { info, setReproducible } from '../../lib/index.js';
import { exact, directions, geometries, operandsOf, weightGradient } from './convolutions.js';
import { bytesOf } from './samples.js';

setReproducible(true);
const digests: Record<string, string> = {};
for (const dtype of ['float32', 'float64'] as const)
  for (const [op, compute] of Object.entries({ ...directions, conv2d_weight_gradient: weightGradient })) {
    const hash = createHash('sha256');
    geometries.forEach((g, seed) => {
      hash.update(bytesOf(compute(g, operandsOf(g, dtype, seed), dtype, exact)));
    });
    digests[`${op} ${dtype}`] = hash.digest('hex');
  }
console.log(JSON.stringify({ digests, isa: info().isa, threads: info().numThreads }));
