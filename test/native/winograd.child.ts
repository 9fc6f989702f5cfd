// Prints a digest of Winograd convolutions in every direction and shape class, for one instruction set and number of threads.
import { createHash } from 'node:crypto';
import { info, setReproducible } from '../../lib/index.js';
import { bytesOf, runSample } from './samples.js';
import { choices, convolutionSample, directions, geometries } from './winograd.js';

// Geometries that Winograd leaves to a matrix product must not go to OpenBLAS on one of the instruction sets.
setReproducible(true);
const hash = createHash('sha256');
for (const direction of directions)
  for (const [index, geometry] of geometries().entries())
    for (const dtype of ['float32', 'float64'] as const)
      for (const output of runSample(convolutionSample(direction, geometry, dtype, choices.automatic, index))) hash.update(bytesOf(output));
console.log(JSON.stringify({ hash: hash.digest('hex'), isa: info().isa }));
