// Loads everything that can be loaded, multiplies matrices, and says whether the smallest denormal is still a number.
import { info, ones } from '../../lib/index.js';

ones([300, 300]).matmul(ones([300, 300])).sum().item();
const tiny = [Number.MIN_VALUE].map((value) => value * 3 - value * 2)[0];
console.log(JSON.stringify({ tiny, openblas: info().blas.available }));
