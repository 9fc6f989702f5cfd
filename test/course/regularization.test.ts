// Course section F: dropout, and what it does not do at test time.
import test from 'ava';
import { Dropout, dropout, setSeed, type Tensor } from '../../lib/index.js';
import { f32, f64, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { moments } from '../helpers/seeded.js';

const count = 100_000;
const ones = () => f32(new Float32Array(count).fill(1));

test('[F06] dropout with p = 0.5 zeroes half of the values', (t) => {
  setSeed(6);
  const kept = dropout(ones(), 0.5).data.filter((value: number) => value !== 0);
  close(t, [1 - kept.length / count], [0.5], { absolute: 0.01 });
  t.true(kept.every((value: number) => value === 2));
});

test('[F07] [P16] drop 0.2: survivors are divided by the keep probability 0.8 in training, and the expectation stays', (t) => {
  setSeed(7);
  const layer = new Dropout(0.2);
  const trained = layer.forward(ones()).data;
  const kept = trained.filter((value: number) => value !== 0);
  t.true(kept.every((value: number) => value === Math.fround(1 / 0.8)));
  close(t, [kept.length / count], [0.8], { absolute: 0.01 });
  close(t, [moments(trained).mean], [1], { relative: 0.01 });
  t.deepEqual([...layer.eval().forward(f32([1, -2, 3])).data], [1, -2, 3], 'nothing to do at test time');
});

test('[F08] evaluation is deterministic, training draws a new mask each time', (t) => {
  setSeed(8);
  const layer = new Dropout(0.5);
  const x = f32(new Float32Array(64).fill(1));
  t.notDeepEqual([...layer.forward(x).data], [...layer.forward(x).data]);
  layer.eval();
  t.deepEqual([...layer.forward(x).data], [...layer.forward(x).data]);
});

test('the gradient of dropout passes where the value passed, with the same factor', (t) => {
  setSeed(9);
  const x = leaf(f64(new Float64Array(1000).fill(3)));
  const y = dropout(x, 0.3);
  y.sum().backward();
  const { data } = x.grad as Tensor<'float64'>;
  t.true(
    data.every(
      (value: number, index: number) => value === (y.data[index] === 0 ? 0 : y.data[index] / 3) || Math.abs(value - y.data[index] / 3) < 1e-15,
    ),
  );
  t.true(data.some((value: number) => value === 0) && data.some((value: number) => value !== 0));
});
