// Proves lib/data/digits.ts: the same bytes everywhere, balanced classes, readable digits, and images that depend on seed and index alone.
import { createHash } from 'node:crypto';
import test from 'ava';
import { digits } from '../../lib/data/digits.js';
import { setSeed } from '../../lib/seed.js';

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

test('the same options give the same bytes on every machine', async (t) => {
  const { train, test: rest } = await digits({ train: 200, test: 50, raw: true });
  t.is(sha256(train.inputs.data), '55f5e6f577c1ed1dea96216e4b351500ccf46ef014952719d151d083f04f9ee5');
  t.is(sha256(rest.inputs.data), '1374996b8ef4616e2f5a5ddc36ac6c0d28f22869c7a2056eee7347d0ad968db7');
  t.deepEqual([...train.targets.data.subarray(0, 10)], [2, 0, 5, 8, 9, 7, 1, 3, 4, 6]);
  const large = await digits({ train: 10, test: 0, raw: true, imageSize: 64, seed: -7 });
  t.is(sha256(large.train.inputs.data), '7478c01e2c0536a5de3b94de91c1a08f3e67bd4fd2f7d05a6b02c749c2f82c80');
});

test('image i depends on the seed and i only: a longer set begins with the shorter one, and setSeed changes nothing', async (t) => {
  const short = await digits({ train: 30, test: 10, raw: true });
  setSeed(123);
  const long = await digits({ train: 50, test: 20, raw: true });
  setSeed(0);
  t.is(sha256(long.train.inputs.data.subarray(0, 30 * 784)), sha256(short.train.inputs.data));
  t.is(sha256(long.test.inputs.data.subarray(0, 10 * 784)), sha256(short.test.inputs.data));
  t.deepEqual(long.train.targets.data.subarray(0, 30), short.train.targets.data);
  t.not(sha256(short.test.inputs.data), sha256(short.train.inputs.data.subarray(0, 10 * 784)));
  const other = await digits({ train: 30, test: 10, raw: true, seed: 1 });
  t.not(sha256(other.train.inputs.data), sha256(short.train.inputs.data));
});

test('shapes, element types, names and classes are as promised', async (t) => {
  const { train, test: rest } = await digits({ train: 20, test: 10, imageSize: 16 });
  t.deepEqual([train.length, rest.length], [20, 10]);
  t.deepEqual([[...train.inputs.shape], train.inputs.dtype], [[20, 16, 16, 1], 'float32']);
  t.deepEqual([[...train.targets.shape], train.targets.dtype], [[20], 'int32']);
  t.deepEqual([train.inputShape, train.targetShape], [[16, 16, 1], []]);
  t.deepEqual(train.classes, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  t.deepEqual([train.name, rest.name], ['digits train', 'digits test']);
  const raw = await digits({ train: 1, test: 0, raw: true });
  t.deepEqual([[...raw.train.inputs.shape], raw.train.inputs.dtype, raw.test.length], [[1, 28, 28, 1], 'uint8', 0]);
});

test('every ten images hold every class once, in an order that varies', async (t) => {
  const { train } = await digits({ train: 200, test: 0, raw: true });
  const orders = new Set<string>();
  for (let i = 0; i < 200; i += 10) {
    const ten = [...train.targets.data.subarray(i, i + 10)];
    orders.add(ten.join());
    t.deepEqual(ten.sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }
  t.true(orders.size > 15);
});

test('the images are digits: inked in the middle, almost never cut by the border, and not noise', async (t) => {
  const { train } = await digits({ train: 300, test: 0, raw: true });
  const { data } = train.inputs;
  let cut = 0;
  for (let image = 0; image < 300; image++) {
    const pixels = data.subarray(image * 784, (image + 1) * 784);
    const ink = pixels.filter((pixel) => pixel > 127).length;
    t.true(ink >= 12 && ink <= 300, `image ${image} has ${ink} inked pixels`);
    let border = 0;
    for (let k = 0; k < 28; k++) border = Math.max(border, pixels[k], pixels[27 * 28 + k], pixels[28 * k], pixels[28 * k + 27]);
    if (border > 127) cut += 1;
  }
  t.true(cut <= 6, `${cut} of 300 touch the border`);
});

test('a new image of a class is nearest to the mean image of its own class far more often than by chance', async (t) => {
  // Nearest class mean is about the weakest classifier there is: well above 10 %, well below what a network must reach.
  const { train, test: rest } = await digits({ train: 1000, test: 200 });
  const means = Array.from({ length: 10 }, () => new Float64Array(784));
  for (let i = 0; i < 1000; i++) for (let k = 0; k < 784; k++) means[train.targets.data[i]][k] += train.inputs.data[i * 784 + k] / 100;
  let right = 0;
  for (let i = 0; i < 200; i++) {
    const distances = means.map((mean) => mean.reduce((sum, value, k) => sum + (value - rest.inputs.data[i * 784 + k]) ** 2, 0));
    if (distances.indexOf(Math.min(...distances)) === rest.targets.data[i]) right += 1;
  }
  t.log(`nearest class mean: ${right} of 200`);
  t.true(right > 100 && right < 185, `${right} of 200`);
});

test('wrong arguments are refused by name', async (t) => {
  const code = 'ERR_ARGUMENT';
  const bad: [object, RegExp][] = [
    [{ train: 0 }, /options.train/],
    [{ train: 1e9 }, /options.train/],
    [{ test: -1 }, /options.test/],
    [{ seed: 0.5 }, /options.seed/],
    [{ imageSize: 7 }, /options.imageSize/],
    [{ imageSize: 1000 }, /options.imageSize/],
    [{ train: 10, test: 1, raw: 1 }, /options.raw/],
    [{ sise: 28 }, /unknown option `sise`/],
  ];
  for (const [options, message] of bad) await t.throwsAsync(digits(options), { code, message });
  await t.throwsAsync(digits(null as unknown as object), { code });
});
