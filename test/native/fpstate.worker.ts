// Looks at the floating-point state of a worker thread: after loading, after work on the pool, after an error.
import { parentPort } from 'node:worker_threads';
import { ones, setNumThreads, tensor, zeros } from '../../lib/index.js';
import { binding } from '../../lib/native.js';

const fpState = (binding as unknown as { fpState(): [number, number] }).fpState;
const seen: number[] = [];
const look = (): void => {
  const [mxcsr, x87] = fpState();
  seen.push(mxcsr & ~0x3f, x87);
};
look();
setNumThreads(3);
ones([600, 600])
  .matmul(ones([600, 600]))
  .sum()
  .item();
look();
try {
  tensor([1]).add(zeros([2, 3, 4]).data as never);
} catch {
  // Wrong on purpose.
}
look();
seen.push(Number.MIN_VALUE + Number.MIN_VALUE);
parentPort?.postMessage(seen);
