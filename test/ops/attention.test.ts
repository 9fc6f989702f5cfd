// Attention: PyTorch's numbers, the same as products and softmax apart, bits that depend on nothing else, and what it refuses.
import test from 'ava';
import {
  ArgumentError,
  attention,
  type AttentionOptions,
  concat,
  DTypeError,
  getNumThreads,
  Random,
  ShapeError,
  setNumThreads,
  softmax,
  Tensor,
  where,
} from '../../lib/index.js';
import { agrees, attentionGolden } from '../helpers/attention-golden.js';
import { f32, f64, leaf } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

type Double = Tensor<'float64'>;

const mask = (values: ArrayLike<number>, shape: readonly number[]) => Tensor.from(Uint8Array.from(values), [...shape]) as Tensor<'uint8'>;

for (const [i, one] of attentionGolden().products.entries()) {
  const [q, k] = one.inputs.map(({ shape }) => `[${shape}]`);
  const title = `q ${q}, k ${k}, ${one.heads} heads${one.causal ? ', causal' : ''}${one.keep ? ', with padding' : ''}`;
  test(`output and gradients of case ${i} are PyTorch's: ${title}`, (t) => {
    const options: AttentionOptions = {
      heads: one.heads,
      causal: one.causal,
      ...(one.keep && { mask: mask(one.keep.values, one.keep.shape) }),
      ...(one.scale !== null && { scale: one.scale }),
    };
    agrees(t, one, ([a, b, c]) => attention(a, b, c, options));
  });
}

const random = (seed: number, shape: readonly number[]): Double => f64(new Seeded(seed).uniform(shape.reduce((a, b) => a * b, 1)), shape);

/** One head of one example out of products and a softmax. */
function apart(q: Double, k: Double, v: Double, keep: readonly number[], causal: boolean): Double {
  const [queries, depth] = q.shape;
  const scores = q.matmul(k, { transposeB: true }).mul(1 / Math.sqrt(depth));
  const counts = Array.from({ length: queries * keep.length }, (_, at) => {
    const [i, j] = [Math.floor(at / keep.length), at % keep.length];
    return keep[j] === 1 && (!causal || j <= i) ? 1 : 0;
  });
  return softmax(where(mask(counts, scores.shape), scores, f64([-1e30], [1, 1]))).matmul(v);
}

test('it is the softmax of scaled scores times the values, head by head, also over several tiles of keys and blocks of queries', (t) => {
  const [batch, heads, depth] = [2, 2, 5];
  for (const [queries, keys, causal] of [
    [3, 200, false],
    [150, 150, true],
    [300, 64, false],
    [1, 1, true],
  ] as const) {
    const [q, k, v] = [queries, keys, keys].map((n, i) => leaf(random(i + queries, [batch, n, heads * depth])));
    const keep = Array.from({ length: batch * keys }, (_, j) => (j % keys === 0 || (j * 7) % 5 > 0 ? 1 : 0));
    const whole = attention(q, k, v, { heads, causal, mask: mask(keep, [batch, keys]) });
    const upstream = random(9, whole.shape);
    whole.mul(upstream).sum().backward();
    const gradients = [q, k, v].map((x) => x.grad?.clone() as Double);
    for (const x of [q, k, v]) x.grad = null;
    const head = (x: Double, n: number, h: number) =>
      x.slice([n, 0, h * depth], [n + 1, x.shape[1], (h + 1) * depth]).reshape([x.shape[1], depth]);
    const parts = [0, 1].map((n) =>
      concat(
        [0, 1].map((h) => apart(head(q, n, h), head(k, n, h), head(v, n, h), keep.slice(n * keys, (n + 1) * keys), causal)),
        1,
      ).reshape([1, queries, heads * depth]),
    );
    const reference = concat(parts, 0);
    reference.mul(upstream).sum().backward();
    close(t, whole, reference, { absolute: 1e-13 }, `${queries} × ${keys}`);
    for (const [i, x] of [q, k, v].entries())
      close(t, gradients[i], x.grad as Double, { absolute: 1e-12 }, `${queries} × ${keys}, gradient ${i}`);
  }
});

/** Output and gradients as one list of arrays. */
function everything(inputs: readonly Tensor[], options: AttentionOptions): Float32Array[] {
  const [q, k, v] = inputs.map((x) => leaf(x.clone()));
  const y = attention(q, k, v, options);
  y.mul(y).sum().backward();
  return [y, q.grad, k.grad, v.grad].map((x) => Float32Array.from((x as Tensor).data));
}

test('bits do not depend on threads, on the batch, or on the queries beside a query', (t) => {
  const [batch, positions, features] = [3, 140, 12];
  const inputs = [1, 2, 3].map((seed) => f32(new Seeded(seed).uniform(batch * positions * features), [batch, positions, features]));
  const options = { heads: 3, causal: true };
  const before = getNumThreads();
  const whole = everything(inputs, options);
  try {
    for (const threads of [1, 3]) {
      setNumThreads(threads);
      for (const [i, array] of everything(inputs, options).entries()) identical(t, array, whole[i], `${threads} threads, ${i}`);
    }
  } finally {
    setNumThreads(before);
  }
  const size = positions * features;
  for (let n = 0; n < batch; n++) {
    const alone = everything(
      inputs.map((x) => x.slice([n, 0, 0], [n + 1, positions, features])),
      options,
    );
    for (const [i, array] of alone.entries()) identical(t, array, whole[i].subarray(n * size, (n + 1) * size), `example ${n}, ${i}`);
  }
  const [q, k, v] = inputs;
  const all = attention(q, k, v, { heads: 3 });
  const few = attention(q.slice([0, 130, 0], [batch, 133, features]), k, v, { heads: 3 });
  identical(t, few, all.slice([0, 130, 0], [batch, 133, features]), 'three queries alone');
});

test('a query that sees no key gives zeros and gets no gradient, and padding gets none', (t) => {
  const inputs = [1, 2, 3].map((seed) => leaf(random(seed, [2, 3, 4])));
  const y = attention(inputs[0], inputs[1], inputs[2], { mask: mask([0, 0, 0, 1, 0, 1], [2, 3]) });
  t.true(y.data.subarray(0, 12).every((value) => value === 0));
  t.true(y.data.subarray(12).every((value) => value !== 0));
  y.mul(y).sum().backward();
  for (const x of inputs) t.true((x.grad as Double).data.subarray(0, 12).every((value) => value === 0));
  for (const x of inputs.slice(1))
    t.true(
      (x.grad as Double).data.subarray(16, 20).every((value) => value === 0),
      'the padded key',
    );
});

test('no queries and no keys are sizes like others', (t) => {
  const [some, none] = [random(1, [2, 3, 4]), f64([], [2, 0, 4])];
  t.deepEqual([...attention(none, some, some).shape], [2, 0, 4]);
  const q = leaf(random(2, [2, 3, 4]));
  const y = attention(q, none, none);
  t.true(y.data.every((value) => value === 0));
  y.sum().backward();
  t.true((q.grad as Double).data.every((value) => value === 0));
  const k = leaf(random(3, [2, 3, 4]));
  attention(none, k, k).sum().backward();
  t.true((k.grad as Double).data.every((value) => value === 0));
});

test('dropped weights are zero and the others grow; the same numbers drop in backward', (t) => {
  // Values that are unit vectors let the output show the weights.
  const keys = 6;
  const v = f64(
    Array.from({ length: keys * keys }, (_, at) => (at % (keys + 1) === 0 ? 1 : 0)),
    [1, keys, keys],
  );
  const [q, k] = [f64(new Float64Array(40 * keys), [1, 40, keys]), f64(new Float64Array(keys * keys), [1, keys, keys])];
  const weights = attention(q, k, v, { dropout: 0.25, random: new Random(5) });
  const dropped = weights.data.filter((value) => value === 0).length;
  t.true(dropped > 30 && dropped < 90, `${dropped} of 240 dropped`);
  const kept = 1 / keys / 0.75;
  t.true(weights.data.every((value) => value === 0 || Math.abs(value - kept) < 1e-12));
  identical(t, attention(q, k, v, { dropout: 0.25, random: new Random(5) }), weights, 'the same numbers again');
  const leaves = leaf(v.clone());
  attention(q, k, leaves, { dropout: 0.25, random: new Random(5) })
    .sum()
    .backward();
  const columns = Array.from({ length: keys }, (_, j) =>
    Array.from({ length: 40 }, (_, i) => weights.data[i * keys + j]).reduce((a, b) => a + b, 0),
  );
  for (const [j, sum] of columns.entries()) t.true(Math.abs((leaves.grad as Double).data[j * keys] - sum) < 1e-12);
});

test('a NaN in a query reaches that query alone; one in a value reaches all that look at it', (t) => {
  const [q, k, v] = [1, 2, 3].map((seed) => random(seed, [1, 70, 4]));
  q.data[4 * 5] = Number.NaN;
  const y = attention(q, k, v);
  t.true(y.data.subarray(20, 24).every(Number.isNaN));
  t.is(y.data.filter(Number.isNaN).length, 4);
  v.data[4 * 69] = Number.NaN;
  const all = attention(k, k, v);
  t.is(all.data.filter(Number.isNaN).length, 70);
});

test('what does not fit is refused in words', (t) => {
  const x = random(1, [2, 3, 4]);
  t.throws(() => attention(x, x, random(1, [2, 4, 4])), {
    instanceOf: ShapeError,
    message: /\[attention\] expected q \[N, queries, features\]/,
  });
  t.throws(() => attention(random(1, [3, 4]), x, x), { instanceOf: ShapeError });
  t.throws(() => attention(x, x, x, { heads: 3 }), { instanceOf: ShapeError, message: /divide the features, received 3 and 4/ });
  t.throws(() => attention(x, random(1, [2, 5, 4]), random(1, [2, 5, 4]), { causal: true }), { instanceOf: ShapeError, message: /causal/ });
  t.throws(() => attention(x, x, x, { mask: mask([1, 1], [2, 1]) }), { instanceOf: ShapeError, message: /\[N, keys\] = \[2, 3\]/ });
  t.throws(() => attention(x, x, x, { mask: random(1, [2, 3]) as never }), { instanceOf: DTypeError, message: /uint8/ });
  t.throws(() => attention(x, x, f32(new Float32Array(24), [2, 3, 4]) as never), { instanceOf: DTypeError });
  t.throws(() => attention(x, x, x, { dropout: 2 }), { instanceOf: ArgumentError });
  t.throws(() => attention(x, x, x, { head: 2 } as never), { instanceOf: ArgumentError, message: /head/ });
  t.throws(() => attention(x, x, x, { random: 3 as never }), { instanceOf: ArgumentError, message: /a Random/ });
});
