// Loads everything that can be loaded, multiplies matrices, and says whether the smallest denormal is still a number.
import { full, info, ones } from '../../lib/index.js';
import { binding } from '../../lib/native.js';

const fpState = (binding as unknown as { fpState(control?: number): number[] }).fpState;
const denormals = full([1 << 20], 2 ** -140, { dtype: 'float32' });
const arm = process.arch === 'arm64';
fpState(arm ? 1 << 24 : 0x9fc0); // flush to zero while the pool starts
const doubled = denormals.add(denormals);
fpState(arm ? 0 : 0x1f80);
const kept = doubled.data.filter((value) => value === 2 ** -139).length / doubled.size;

ones([300, 300])
  .matmul(ones([300, 300]))
  .sum()
  .item();
const tiny = [Number.MIN_VALUE].map((value) => value * 3 - value * 2)[0];
console.log(JSON.stringify({ tiny, kept, openblas: info().blas.available }));
