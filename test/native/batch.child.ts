// Compares each row of a batch computed alone with the same row in batches of other sizes, bit for bit; prints the differences.
import { Dropout, info, Linear, logSoftmax, noGrad, ReLU, Sequential, Sigmoid, setSeed, softmax, Tanh, type Tensor } from '../../lib/index.js';
import { Tensor as TensorClass } from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';
import { firstDifference } from './samples.js';

setSeed(5);
const mlp = new Sequential([
  new Linear(70, 131),
  new ReLU(),
  new Dropout(0.5),
  new Linear(131, 64),
  new Tanh(),
  new Linear(64, 300),
  new Sigmoid(),
  new Linear(300, 10),
]).eval();
const wide = new Linear(784, 512);
const deep = new Linear(5000, 3); // K beyond one block of sums
const narrow = new Linear(3, 1);
const cases: [string, number, (x: Tensor) => Tensor][] = [
  ['Linear 784 → 512', 784, (x) => wide.forward(x)],
  ['Linear 5000 → 3', 5000, (x) => deep.forward(x)],
  ['Linear 3 → 1', 3, (x) => narrow.forward(x)],
  ['softmax', 101, (x) => softmax(x)],
  ['logSoftmax', 17, (x) => logSoftmax(x)],
  ['a whole MLP', 70, (x) => softmax(mlp.forward(x))],
  ['a whole MLP in float64', 70, (x) => softmax(double.forward(x.to('float64') as unknown as Tensor))],
];
const double = mlp.clone().to('float64').eval();

const differences: string[] = [];
for (const [name, width, f] of cases) {
  const rows = 129;
  const data = Float32Array.from(new Seeded(width).uniform(rows * width));
  const batch = (begin: number, count: number): Tensor =>
    TensorClass.from(data.subarray(begin * width, (begin + count) * width), [count, width]) as Tensor;
  const alone = Array.from({ length: rows }, (_, i) => noGrad(() => f(batch(i, 1)).data));
  for (const count of [1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129]) {
    for (const begin of count === rows ? [0] : [0, rows - count]) {
      const y = noGrad(() => f(batch(begin, count)));
      const outputs = y.size / count;
      for (let i = 0; i < count; i++) {
        const at = firstDifference(y.data.subarray(i * outputs, (i + 1) * outputs), alone[begin + i]);
        if (at >= 0) differences.push(`${name}: output ${at} of row ${i} in a batch of ${count}`);
      }
    }
  }
}
const { gemm, isa, blas } = info();
console.log(
  JSON.stringify({ differences: differences.slice(0, 5), count: differences.length, gemm, isa, core: blas.core, blas: blas.available }),
);
