// Element types: the list of native/ops/dtypes.def beside that of lib/dtype.ts.
import test from 'ava';
import { arrayTypes, bytesOf, dtypes, floatDTypes, isFloat, isReal } from '../lib/dtype.js';
import {
  ArgumentError,
  Parameter,
  Tensor,
  Zeros,
  compileStep,
  concat,
  decodeSafetensors,
  encodeSafetensors,
  full,
  tensor,
} from '../lib/index.js';
import { binding } from '../lib/native.js';
import { bitsOfBfloat16 } from './helpers/bfloat16.js';

test('both languages have the same element types, in the same order and of the same size', (t) => {
  t.deepEqual(
    binding.dtypes,
    dtypes.map((name) => ({ name, bytes: bytesOf(name) })),
  );
});

test('float types are those whose arrays hold a half', (t) => {
  t.deepEqual(
    dtypes.filter((dtype) => arrayTypes[dtype].of(0.5)[0] === 0.5),
    [...floatDTypes],
  );
  t.true(dtypes.every((dtype) => isFloat(dtype) === (floatDTypes as readonly string[]).includes(dtype)));
});

const halfway = [1.00390625, 1.01171875, -1.00390625, 1.0039062500000002, 1.00390624999, 3.38953139e38, 3.4e38, -3.4e38, 1e39];
const odd = [0, -0, 1, -2.5, 0.1, 1 / 3, Number.NaN, Infinity, -Infinity, 1e-38, 1.17549435e-38, 1.1754942e-38, -1e-45, 5e-324, 65280.5];

test('bfloat16 rounds to the nearest, ties to even, once, whatever it comes from; what is denormal becomes zero', (t) => {
  const values = [...halfway, ...odd, ...Array.from({ length: 3000 }, (_, i) => Math.sin(i) * 2 ** ((i % 250) - 125))];
  const float64 = Tensor.from(Float64Array.from(values));
  const float32 = float64.to('float32');
  const right = (found: ArrayLike<number>, from: readonly number[]): void => {
    for (const [i, value] of from.entries()) if (found[i] !== bitsOfBfloat16(value)) t.is(found[i], bitsOfBfloat16(value), String(value));
    t.is(found.length, from.length);
  };
  right(float32.to('bfloat16').data, [...float32.data]);
  right(float64.to('bfloat16').data, values);
  right(tensor(values, { dtype: 'bfloat16' }).data, values);
  for (const value of values) t.is(full([], value, { dtype: 'bfloat16' }).data[0], bitsOfBfloat16(value), String(value));
  const whole = [1, -3, 257, 259, 2 ** 31 - 1];
  right(tensor(whole, { dtype: 'int32' }).to('bfloat16').data, whole);
});

test('bfloat16 widens without loss: all 65,536 of them come back as they were, denormals as zero and NaN quiet', (t) => {
  const every = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const wide = Tensor.from(every, undefined, { dtype: 'bfloat16' }).to('float32');
  const bits = new Uint32Array(wide.data.buffer, wide.data.byteOffset, 65536);
  t.deepEqual(
    [...bits],
    [...every].map((low) => (low << 16) >>> 0),
  );
  const back = [...wide.to('bfloat16').data];
  t.deepEqual(
    back,
    [...every].map((low) => ((low & 0x7f80) === 0 ? low & 0x8000 : (low & 0x7fff) > 0x7f80 ? low | 0x40 : low)),
  );
});

test('a tensor of bfloat16 is read, printed and saved as the numbers that it holds, and refuses arithmetic with the way out', (t) => {
  const x = tensor(
    [
      [1, 0.1],
      [-2.5, 3],
    ],
    { dtype: 'bfloat16' },
  );
  t.is(x.dtype, 'bfloat16');
  t.true(x.data instanceof Uint16Array);
  t.deepEqual(x.toArray(), [
    [1, 0.10009765625],
    [-2.5, 3],
  ]);
  t.is(tensor([0.1], { dtype: 'bfloat16' }).item(), 0.10009765625);
  t.regex(
    String((x as unknown as Record<symbol, () => string>)[Symbol.for('nodejs.util.inspect.custom')]()),
    /^Tensor\(bfloat16 \[2, 2\]\)\n\[\[ 1\.0000, {2}0\.1001\],\n \[-2\.5000, {2}3\.0000\]\]$/,
  );
  const file = encodeSafetensors(new Map([['x', x]]));
  const [, saved] = /"x":\{"dtype":"(\w+)"/.exec(Buffer.from(file).toString('latin1')) ?? [];
  t.is(saved, 'BF16');
  t.deepEqual(decodeSafetensors(file).tensors.get('x')?.toArray(), x.toArray());
  t.throws(() => (x as never as Tensor).add(1), { message: /bfloat16.*\.to\('float32'\)/ });
  t.throws(
    () => {
      x.requiresGrad = true;
    },
    { message: /received bfloat16/ },
  );
  t.true(isReal('bfloat16') && !isFloat('bfloat16'));
  t.throws(() => Tensor.from(Uint16Array.of(40000) as never), { message: /with a dtype/ }, 'pixels of 16 bits are no bfloat16');
  t.throws(() => tensor(Uint16Array.of(40000) as never), { message: /with a dtype/ });
  t.deepEqual(tensor(Uint16Array.of(1, 40000), { dtype: 'bfloat16' }).toArray(), [1, 39936]);
  t.throws(() => Tensor.from(Float32Array.of(1) as never, [1], { dtype: 'bfloat16' }), { message: /a Uint16Array with bits of bfloat16/ });
  t.throws(() => Tensor.from(Float32Array.of(1) as never, [1], { dtype: 'int32' } as never), { message: /an Int32Array.*a Float32Array/ });
  t.throws(() => Tensor.from(Float32Array.of(1) as never, [1], { dtype: 'half' } as never), { message: /`options\.dtype`/ });
});

test('a NaN of bfloat16 is no integer, and is named as one of float32 is', (t) => {
  const x = tensor([1, Number.NaN]);
  const [wide, stored] = [x, x.to('bfloat16')].map((from) => t.throws(() => from.to('int32'), { instanceOf: ArgumentError }));
  t.regex(stored?.message ?? '', /NaN at position 1/);
  t.is(stored?.message, wide?.message);
});

const paths: Record<string, readonly [gradient: readonly number[], (p: Tensor) => Tensor]> = {
  'a cast and a product': [[5, 5], (p) => p.mul(3).add(p.to('bfloat16').to('float32').mul(2))],
  'joined tensors of bfloat16': [[4, 4], (p) => concat([p.to('bfloat16'), p.mul(3).to('bfloat16')]).to('float32')],
  'one that is read twice': [[2, 2], (p) => [p.to('bfloat16')].map((x) => x.to('float32').add(x.to('float32')))[0]],
  'rows of one': [[2, 1], (p) => p.to('bfloat16').gather([0, 0, 1]).to('float32')],
  'a slice of one, by way of float64': [[0, 1], (p) => p.to('bfloat16').slice(1).to('float64').to('float32')],
  'an integer': [[1, 1], (p) => p.add(p.to('int32').to('float32'))],
};

for (const [what, [gradient, path]] of Object.entries(paths)) {
  test(`gradients go straight through the rounding to bfloat16, eagerly and in compiled steps: ${what}`, (t) => {
    const p = new Parameter([2], { init: new Zeros() });
    const step = (): Tensor => {
      const loss = path(p as Tensor).sum();
      loss.backward();
      return loss;
    };
    for (const [way, run] of Object.entries({
      eager: step,
      compiled: compileStep(step).sync,
      narrow: compileStep(step, { precision: 'bfloat16' }).sync,
    })) {
      p.grad = null;
      run();
      t.deepEqual((p.grad as Tensor | null)?.toArray(), [...gradient], way);
    }
  });
}

test('a tensor of bfloat16 is where backward() may begin', (t) => {
  const x = tensor([1, 2]);
  x.requiresGrad = true;
  const y = x.mul(3).to('bfloat16');
  concat([y, y]).backward(tensor([1, 2, 0.5, 1], { dtype: 'bfloat16' }));
  t.deepEqual(x.grad?.toArray(), [4.5, 9]);
});
