// Products of bfloat16 against their definition, bit for bit: every tail, every edge of float32, every way that computes them.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { TypedArray } from '../../lib/dtype.js';
import { binding, nativeOps } from '../../lib/native.js';
import { bitsOfBfloat16, numberOfBfloat16 } from '../helpers/bfloat16.js';
import { productOfBfloat16 } from '../helpers/bfloat16-products.js';
import { Seeded } from '../helpers/seeded.js';
import { directions, drawn, type Kind, kinds, multiply, narrowGeometries, numbersOf, operandsOf, type Product, termsOf } from './bfloat16.js';
import { runInto, runSample } from './calls.js';
import { beside, ending, result } from './child.js';
import { nameOf, outputOf } from './convolutions.js';

const bits = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0];
const same = (a: number, b: number): boolean => (Number.isNaN(a) && Number.isNaN(b)) || bits(a) === bits(b);

/** What output (i, j) of a product adds up. */
function truth({ m, n, k, transposeA, transposeB }: Product, a: number[], b: number[], i: number, j: number): number {
  const row = Array.from({ length: k }, (_, at) => a[transposeA ? at * m + i : i * k + at]);
  const column = Array.from({ length: k }, (_, at) => b[transposeB ? j * k + at : at * n + j]);
  return productOfBfloat16(row, column);
}

function compare(t: ExecutionContext, p: Product, kind: Kind, seed: number): void {
  const random = new Seeded(seed);
  const a = drawn(random, p.m * p.k, kind);
  const b = drawn(random, p.k * p.n, kind);
  const got = multiply(p, a, b);
  const [x, y] = [numbersOf(a), numbersOf(b)];
  const wrong = got.findIndex((value, at) => !same(value, truth(p, x, y, Math.floor(at / p.n), at % p.n)));
  t.is(
    wrong,
    -1,
    `${kind} ${JSON.stringify(p)}: ${wrong < 0 ? '' : `${got[wrong]}, not ${truth(p, x, y, Math.floor(wrong / p.n), wrong % p.n)}`}`,
  );
}

const shapes: [m: number, n: number, k: number][] = [
  [1, 1, 1],
  [2, 5, 3],
  [7, 33, 31],
  [6, 32, 32],
  [13, 17, 64],
  [33, 48, 65],
  [5, 70, 33],
  [101, 3, 40],
  [48, 33, 96],
  [16, 5, 1120],
  [32, 3, 1024],
  [120, 270, 70],
  [1, 530, 7],
  [2, 3, 4097],
  [3, 2, 9000],
];

test('products have the bits of the definition at every tail, in all four transpose cases', (t) => {
  shapes.forEach(([m, n, k], seed) => {
    for (const transposeA of [false, true])
      for (const transposeB of [false, true]) compare(t, { m, n, k, transposeA, transposeB }, 'usual', seed);
  });
});

for (const kind of Object.keys(kinds) as Kind[])
  test(`products have the bits of the definition: numbers that are ${kind}`, (t) => {
    for (let seed = 0; seed < 6; seed++) compare(t, { m: 9, n: 21, k: [5, 32, 64, 100][seed % 4] }, kind, 100 + seed);
  });

test('a sum that rounds to the smallest normal number is it, and not zero', (t) => {
  // 2^-126 − x: tininess is found after rounding, so x up to half of the last place leaves 2^-126.
  const exactly = (x: number): number =>
    multiply(
      { m: 1, n: 1, k: 4 },
      Uint16Array.of(bitsOfBfloat16(2 ** -63), 0, bitsOfBfloat16(-x * 2 ** 75), 0),
      Uint16Array.of(bitsOfBfloat16(2 ** -63), 0, bitsOfBfloat16(2 ** -75), 0),
    )[0];
  t.is(exactly(2 ** -151), 2 ** -126);
  t.is(exactly(1.5 * 2 ** -151), 0);
  t.is(exactly(2 ** -150), 0);
});

test('an operand of float32 is rounded as it is read: the bits are those of one that was narrowed before', (t) => {
  for (const [m, n, k] of shapes) {
    const random = new Seeded(m + n + k);
    const a = Float32Array.from(random.uniform(m * k, -4, 4));
    const b = Float32Array.from(random.uniform(k * n, -4, 4));
    const [narrowA, narrowB] = [Uint16Array.from(a, bitsOfBfloat16), Uint16Array.from(b, bitsOfBfloat16)];
    for (const transposeA of [false, true])
      for (const transposeB of [false, true]) {
        const p = { m, n, k, transposeA, transposeB };
        const wanted = multiply(p, narrowA, narrowB);
        t.deepEqual(multiply(p, a, narrowB), wanted, JSON.stringify(p));
        t.deepEqual(multiply(p, narrowA, b), wanted, JSON.stringify(p));
      }
  }
});

test('column sums beside a product are those of the numbers as they are stored, in the order of float32', (t) => {
  for (const [m, n, k] of [
    [3, 5, 7],
    [4, 70, 600],
    [2, 64, 256],
  ] as const) {
    // biome-ignore format: one line
    const random = new Seeded(n);
    const a = Uint16Array.from(random.uniform(m * k, -4, 4), bitsOfBfloat16);
    const b = Float32Array.from(random.uniform(k * n, -4, 4));
    const stored = Uint16Array.from(b, bitsOfBfloat16);
    for (const operand of [b, stored]) {
      const numbers = operand === b ? b : Float32Array.from(stored, numberOfBfloat16);
      const [sums, wanted] = [new Float32Array(n), new Float32Array(n)];
      runInto(
        { op: 'matmul + accumulate + sums accumulate', form: '', outputs: [], inputs: [], ints: [m, n, k, 1, 0], reals: [] },
        [new Float32Array(m * n), sums],
        [a, operand],
      );
      runInto({ op: 'sum', form: '', outputs: [], inputs: [], ints: [1, k, n], reals: [] }, [wanted], [numbers]);
      t.deepEqual(sums, wanted, `${k}×${n}`);
    }
  }
});

test('no steps of k give zeros', (t) => {
  t.deepEqual([...multiply({ m: 2, n: 3, k: 0 }, new Uint16Array(0), new Uint16Array(0))], [0, 0, 0, 0, 0, 0]);
});

test('a bfloat16 result is the float32 result, rounded once', (t) => {
  for (const [kind, seed] of [
    ['usual', 1],
    ['any', 2],
    ['near underflow', 3],
    ['near overflow', 4],
  ] as const) {
    const random = new Seeded(seed);
    const p = { m: 37, n: 41, k: 70 };
    const [a, b] = [drawn(random, p.m * p.k, kind), drawn(random, p.k * p.n, kind)];
    const wide = multiply(p, a, b);
    const narrow = multiply(p, a, b, 'bfloat16');
    t.deepEqual(
      Array.from(narrow, numberOfBfloat16),
      Array.from(wide, (value) => numberOfBfloat16(bitsOfBfloat16(value))),
    );
  }
});

test('the epilogue is that of any product, in float32, before the one rounding', (t) => {
  const random = new Seeded(5);
  const p = { m: 19, n: 37, k: 50 };
  const [a, b] = [drawn(random, p.m * p.k), drawn(random, p.k * p.n)];
  const plain = Float32Array.from(multiply(p, a, b));
  const bias = Float32Array.from(random.uniform(p.n));
  const old = drawn(random, p.m * p.n);
  const rounded = (values: Iterable<number>) => Array.from(values, (value) => numberOfBfloat16(bitsOfBfloat16(value)));
  const biased = plain.map((value, at) => Math.max(0, Math.fround(value + bias[at % p.n])));
  t.deepEqual([...multiply(p, a, b, 'float32', 'matmul + bias + relu', [bias])], [...biased]);
  t.deepEqual(Array.from(multiply(p, a, b, 'bfloat16', 'matmul + bias + relu', [bias]), numberOfBfloat16), rounded(biased));
  const before = numbersOf(old);
  const added = plain.map((value, at) => value + before[at]);
  t.deepEqual([...multiply(p, a, b, 'float32', 'matmul + accumulate', [], Float32Array.from(before))], [...added]);
  t.deepEqual(Array.from(multiply(p, a, b, 'bfloat16', 'matmul + accumulate', [], old), numberOfBfloat16), rounded(added));
  const y = drawn(random, p.m * p.n).map((value, at) => (at % 3 === 0 ? 0 : value));
  const masked = plain.map((value, at) => (numberOfBfloat16(y[at]) > 0 ? value : 0));
  t.deepEqual(Array.from(multiply(p, a, b, 'bfloat16', 'matmul + relu_backward', [y]), numberOfBfloat16), rounded(masked));
});

for (const [name, compute] of Object.entries(directions))
  test(`convolutions have the bits of the definition in every geometry: ${name}`, (t) => {
    let compared = 0;
    for (const [seed, g] of narrowGeometries.entries()) {
      const operands = operandsOf(g, seed);
      const got = compute(g, operands);
      const terms = termsOf(g, operands)[name];
      const [oh, ow] = outputOf(g);
      const channels = name === 'conv2d' ? g.c : g.k;
      const long = name === 'conv2d_weight_gradient' ? g.n * oh * ow : (channels / (g.groups ?? 1)) * g.kernel[0] * g.kernel[1];
      // All outputs of small ones, some of the others.
      const every = Math.max(1, Math.floor((got.length * long) / 60_000)) | 1;
      for (let at = 0; at < got.length; at += every) {
        const a: number[] = [];
        const b: number[] = [];
        terms(at, (x, y) => {
          a.push(x);
          b.push(y);
        });
        compared++;
        const wanted = productOfBfloat16(a, b);
        if (!same(got[at], wanted)) return t.fail(`${nameOf(g)} output ${at}: ${got[at]}, not ${wanted}`);
      }
      if (name !== 'conv2d_weight_gradient')
        t.deepEqual(
          Array.from(compute(g, operands, 'bfloat16'), numberOfBfloat16),
          Array.from(got, (value) => numberOfBfloat16(bitsOfBfloat16(value))),
          nameOf(g),
        );
    }
    t.true(compared > 3000);
  });

test('the weight gradient of a GRU adds products by the definition, with its reset after the product or before it', (t) => {
  const [rows, n] = [37, 19];
  const random = new Seeded(8);
  const [before, q, dpre, dq] = [1, 1, 3, 1].map((gates) => drawn(random, rows * gates * n));
  const old = Float32Array.from(random.uniform(3 * n * n, -1, 1));
  const numbers = [before, q, dpre, dq].map(numbersOf);
  const column = (x: number[], width: number, at: number): number[] => Array.from({ length: rows }, (_, row) => x[row * width + at]);
  for (const after of [0, 1]) {
    const wanted = old.map((value, at) => {
      const [i, j] = [Math.floor(at / (3 * n)), at % (3 * n)];
      const isOfState = j < 2 * n || after === 1;
      const a = column(numbers[isOfState ? 0 : 1], n, i);
      const b = j >= 2 * n && after === 1 ? column(numbers[3], n, j - 2 * n) : column(numbers[2], 3 * n, j);
      return value + productOfBfloat16(a, b);
    });
    // What is float32 is rounded as it is read.
    for (const inputs of [
      [before, q, dpre, dq],
      [before, ...numbers.slice(1).map((x) => Float32Array.from(x))],
    ]) {
      const sample = {
        op: 'gru_weight_accumulate',
        form: '',
        outputs: [{ dtype: 'float32' as const, length: 3 * n * n, initial: old }],
        reals: [],
      };
      t.deepEqual(runSample({ ...sample, inputs, ints: [rows, n, after] })[0], wanted, `after ${after}`);
    }
  }
});

test('one image alone has the bits that it has in a batch', (t) => {
  for (const g of narrowGeometries.filter((one) => one.n > 1))
    for (const name of ['conv2d', 'conv2d_input_gradient']) {
      const operands = operandsOf(g, 1);
      const part = (array: TypedArray) => array.slice(array.length - array.length / g.n) as Uint16Array;
      const alone = directions[name]({ ...g, n: 1 }, { ...operands, x: part(operands.x), dy: part(operands.dy) });
      t.deepEqual([...alone], [...part(directions[name](g, operands))], `${name} ${nameOf(g)}`);
    }
});

test('what does not fit is refused', (t) => {
  const call = (op: string, ints: number[], outputs: TypedArray[], inputs: TypedArray[]) => () =>
    binding.run(
      nativeOps.findIndex(({ name }) => name === op),
      ints.length,
      0,
      ...outputs,
      ...inputs,
    );
  const p = [2, 2, 2, 0, 0];
  p.forEach((value, at) => {
    binding.attributes[at] = value;
  });
  const [narrow, wide] = [new Uint16Array(4), new Float32Array(4)];
  t.throws(call('matmul', p, [narrow], [wide, wide]), { message: /matmul/ });
  t.throws(call('matmul', p, [new Float64Array(4)], [narrow, narrow]), { message: /matmul/ });
  const g = narrowGeometries[0];
  const { x, w, dy } = operandsOf(g, 0);
  const [oh, ow] = outputOf(g);
  t.throws(
    () =>
      runSample({
        op: 'conv2d',
        form: '',
        outputs: [{ dtype: 'bfloat16', length: dy.length }],
        inputs: [Float32Array.from(x), Float32Array.from(w)],
        ints: [g.n, g.h, g.w, g.c, oh, ow, g.k, 1, 1, 4, 4, 0, 0, 1, 1, 1, 0],
        reals: [],
      }),
    {
      message: /conv2d/,
    },
  );
});

// ---- rounding ----

test('float32 becomes the nearest bfloat16, ties to even, a NaN stays one and what is denormal is zero', (t) => {
  const exhaustive = process.env['NODEGRAD_EXHAUSTIVE'] === '1';
  t.timeout(1_200_000);
  const chunk = 1 << 20;
  const words = new Uint32Array(chunk);
  const narrow = new Uint16Array(chunk);
  let wrong = 0;
  // Every number, or some of each stretch, a third of them beside ties.
  const count = exhaustive ? chunk : 600;
  for (let high = 0; high < 4096; high++) {
    for (let low = 0; low < count; low++) {
      const some = low % 3 === 0 ? ((low * 2039) & 0xf0000) + 0x7fff + (low % 9) / 3 : (low * 2039) % chunk;
      words[low] = high * chunk + (exhaustive ? low : some);
    }
    runInto(
      { op: 'cast', form: '', outputs: [], inputs: [], ints: [], reals: [] },
      [narrow.subarray(0, count)],
      [new Float32Array(words.buffer, 0, count)],
    );
    for (let i = 0; i < count; i++) {
      const x = words[i];
      const size = x & 0x7fffffff;
      const expected = size > 0x7f800000 ? (x >>> 16) | 0x40 : size < 0x00800000 ? (x >>> 16) & 0x8000 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
      if (narrow[i] !== expected) wrong++;
    }
  }
  t.is(wrong, 0);
});

// ---- the ways ----

interface Digests {
  readonly products: string;
  readonly problem: string | null;
  readonly isa: string;
  readonly digests: Record<string, string>;
}
const script = beside(import.meta.url, 'gemm_bfloat16.child.js');
const reference = result<Digests>(script, { env: { NODEGRAD_BFLOAT16: 'fma', NODEGRAD_NUM_THREADS: '1' } });

for (const [isa, way, threads] of [
  ['avx512', 'fma', '2'],
  ['avx512', 'avx512_bf16', '1'],
  ['avx512', 'avx512_bf16', '3'],
  ['avx2', 'fma', '1'],
  ['avx2', 'fma', '2'],
  ['scalar', 'fma', '2'],
  ['neon', 'fma', '2'],
  ['neon', 'neon_bf16', '1'],
])
  test.serial(`products have the same bits by ${isa} ${way} on ${threads} thread${threads === '1' ? '' : 's'}`, async (t) => {
    const { cpu } = binding.info();
    if ((isa !== 'scalar' && !cpu[isa as 'avx2']) || (way === 'avx512_bf16' && !cpu.avx512bf16) || (way === 'neon_bf16' && !cpu.neonbf16)) {
      t.log('skipped: this CPU has none');
      return t.pass();
    }
    const found = await result<Digests>(script, { env: { NODEGRAD_ISA: isa, NODEGRAD_BFLOAT16: way, NODEGRAD_NUM_THREADS: threads } });
    t.is(found.isa, isa);
    t.is(found.products, way);
    t.is(found.problem, null);
    t.deepEqual(found.digests, (await reference).digests);
  });

for (const threads of ['1', '2'])
  test.serial(
    `products have the same bits by AMX on ${threads} thread${threads === '1' ? '' : 's'}: its instructions are carried out for processors that lack them`,
    async (t) => {
      if (process.platform !== 'linux' || process.arch !== 'x64' || !binding.info().cpu.avx512) {
        t.log('skipped: needs AVX-512 on Linux');
        return t.pass();
      }
      if (binding.info().cpu.amxbf16) {
        const found = await result<Digests>(script, { env: { NODEGRAD_BFLOAT16: 'amx', NODEGRAD_NUM_THREADS: threads } });
        t.is(found.products, 'amx');
        return t.deepEqual(found.digests, (await reference).digests);
      }
      const folder = mkdtempSync(join(tmpdir(), 'nodegrad-tiles-'));
      try {
        const library = join(folder, 'tiles.so');
        const source = beside(import.meta.url, '../../../test/native/tiles.c');
        // Without a C library of its own it takes the process's, which may be musl's where the compiler's is glibc.
        const built = spawnSync('cc', ['-O2', '-mfma', '-ffp-contract=off', '-shared', '-fPIC', '-nostdlib', '-o', library, source], {
          encoding: 'utf8',
        });
        if (built.error) {
          t.log('skipped: there is no C compiler');
          return t.pass();
        }
        t.is(built.status, 0, built.stderr);
        const env = { LD_PRELOAD: library, NODEGRAD_BFLOAT16: 'amx', NODEGRAD_NUM_THREADS: threads };
        const { code, stdout, stderr } = await ending(script, { env, args: ['tiles'] });
        t.is(code, 0, stderr);
        t.is(stderr, '', 'tiles are configured once and released by each thread');
        const found = JSON.parse(stdout) as Digests;
        t.is(found.products, 'amx');
        t.deepEqual(found.digests, (await reference).digests);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

test.serial('where the system refuses tiles, the next way serves and info says why', async (t) => {
  if (process.arch !== 'x64' || binding.info().cpu.amxbf16) {
    t.log('skipped: this CPU has AMX');
    return t.pass();
  }
  const found = await result<Digests>(script, { env: { NODEGRAD_BFLOAT16: 'amx' }, args: ['tiles'] });
  t.is(found.products, 'fma');
  t.regex(found.problem ?? '', /refuses/);
  t.deepEqual(found.digests, (await reference).digests);
});

test.serial('info names no way before the first product, and then the one that serves', async (t) => {
  const { before } = await result<Digests & { before: unknown }>(script);
  t.deepEqual(before, { products: null, problem: null });
});
