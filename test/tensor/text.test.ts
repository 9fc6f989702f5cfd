// What a tensor looks like in a text and on the console.
import { inspect } from 'node:util';
import test from 'ava';
import { Buffer, Linear, Tensor, compileStep, full, tensor, zeros } from '../../lib/index.js';

test('a tensor is its element type, its shape and a table whose columns stand under each other', (t) => {
  const x = tensor([
    [1, 2.5],
    [10, -0.25],
  ]);
  t.is(x.toString(), 'Tensor(float32 [2, 2])\n[[ 1.00,  2.50],\n [10.00, -0.25]]');
  t.is(`${x}`, x.toString());
  t.is(inspect(x), x.toString());
  t.is(String(tensor(3.5)), 'Tensor(float32 []) 3.5');
  t.is(String(tensor([1, 2, 3], { dtype: 'uint8' })), 'Tensor(uint8 [3]) [1, 2, 3]');
  t.is(String(zeros([0, 3])), 'Tensor(float32 [0, 3]) []');
  t.is(String(tensor([0.1], { dtype: 'bfloat16' })), 'Tensor(bfloat16 [1]) [0.1001]');
  const w = tensor([1]);
  w.requiresGrad = true;
  t.is(String(w), 'Tensor(float32 [1], requiresGrad) [1]');
});

test('matrices of more axes stand below each other, an empty line for each axis between them', (t) => {
  const x = tensor([
    [
      [1, 2],
      [3, 4],
    ],
    [
      [5, 6],
      [7, 8],
    ],
  ]);
  t.is(String(x), 'Tensor(float32 [2, 2, 2])\n[[[1, 2],\n  [3, 4]],\n\n [[5, 6],\n  [7, 8]]]');
});

test('numbers have one form: whole, with four digits, or with exponents where small ones would be zeros', (t) => {
  const numbers = (...values: number[]): string => String(tensor(values)).replace(/^[^)]*\)\s*/, '');
  t.is(numbers(0.1, 0.25), '[0.10, 0.25]');
  t.is(numbers(1 / 3, 2), '[0.3333, 2.0000]');
  t.is(numbers(0.01234567, 0.002), '[0.01235, 0.00200]');
  t.is(numbers(1e-6, 0.5), '[1e-6, 5e-1]');
  t.is(numbers(0, 0.5), '[0.0, 0.5]');
  t.is(numbers(1e10), '[1e+10]');
  t.is(numbers(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.5), '[NaN, Infinity, -Infinity, 1.5]');
  t.is(numbers(Number.NaN), '[NaN]');
  t.is(JSON.stringify(tensor([1, Number.NaN])), '[1,null]');
});

test('of many numbers both ends of every axis are shown, however many axes there are', (t) => {
  t.is(String(Tensor.from(Int32Array.from({ length: 2000 }, (_, i) => i))), 'Tensor(int32 [2000]) [0, 1, 2, …, 1997, 1998, 1999]');
  const rows = String(full([300, 400], 7)).split('\n');
  t.deepEqual(rows.slice(0, 2), ['Tensor(float32 [300, 400])', '[[7, 7, 7, …, 7, 7, 7],']);
  t.is(rows.length, 8);
  t.is(rows[4], ' …,');
  t.true(String(zeros([4, 4, 4, 4, 4, 4, 4, 4])).length < 10_000);
  t.true(
    Math.max(
      ...String(full([200], 0.123))
        .split('\n')
        .map(({ length }) => length),
    ) <= 100,
  );
});

test('inside of other things a tensor keeps its table, and is one line where those are cut', (t) => {
  const x = zeros([2, 2]);
  t.regex(inspect({ x }), /x: Tensor\(float32 \[2, 2\]\)\n {2,}\[\[0, 0\],\n {2,} \[0, 0\]\]/);
  t.is(inspect({ a: { b: { c: x } } }, { depth: 2 }).replaceAll(/\s+/g, ' '), '{ a: { b: { c: Tensor(float32 [2, 2]) } } }');
});

test('parameters and buffers say that they are; what has no values says why', async (t) => {
  const layer = new Linear(1, 1);
  layer.weight.data[0] = 2;
  t.is(String(layer.weight), 'Parameter(float32 [1, 1], requiresGrad)\n[[2]]');
  t.is(String(new Buffer([2])), 'Buffer(float32 [2]) [0, 0]');
  const seen: string[] = [];
  const step = compileStep((x: Tensor) => {
    seen.push(inspect(x), String(x.mul(2)));
    return x.add(layer.weight);
  });
  t.deepEqual((await step(tensor([[1]]))).toArray(), [[3]]);
  t.deepEqual(seen.slice(0, 2), [
    'Tensor(float32 [1, 1]) without values: a step is being recorded',
    'Tensor(float32 [1, 1]) without values: a step is being recorded',
  ]);
  const lost = tensor([1, 2]);
  structuredClone(lost.data, { transfer: [lost.data.buffer as ArrayBuffer] });
  t.is(String(lost), 'Tensor(float32 [2]) without values: its memory was transferred away');
  t.notThrows(() => inspect(Tensor.prototype, { showHidden: true }));
  t.is(inspect(Object.create(Tensor.prototype)), '[Tensor]');
});

test('a tensor is a text, and never a number', (t) => {
  const x = tensor(2) as unknown as number;
  t.throws(() => x + 1, { message: /\.item\(\)/ });
  t.throws(() => +x, { message: /\.item\(\)/ });
});
