// The matrix product is chosen anew while a step runs: its workspace was measured for another one. Run by pinned.test.ts.

import { setTimeout as delay } from 'node:timers/promises';
import { compileStep, info, setReproducible, Tensor } from '../../lib/index.js';

const [m, n] = [320, 1500];
const values = (size: number) => Float32Array.from({ length: size }, (_, i) => ((i * 7) % 31) / 310 - 0.05);
const x = Tensor.from(values(m * n), [m, n]);
const w = Tensor.from(values(n * n), [n, n]);
const body = (a: Tensor, b: Tensor): Tensor => {
  let result = a;
  for (let i = 0; i < 12; i++) result = result.matmul(b).mul(0.01).add(a);
  return result;
};
const eager = body(x, w).data;
const step = compileStep(body);
const once = await step(x, w);
const running = step(x, w);
// Long enough to be in the middle, short enough not to be behind it.
await delay(15);
setReproducible(true);
const changed = (await running).data;
const same = (other: Float32Array): boolean => other.every((value, i) => value === eager[i]);
console.log(JSON.stringify({ blas: info().blas.available, once: same(once.data), changed: same(changed) }));
