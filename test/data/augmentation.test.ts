// Proves lib/data/augmentation.ts: what each augmentation does to a picture, course rows F13 to F22.
import test from 'ava';
import {
  type Augmentation,
  augmented,
  colourJitter,
  cutout,
  lensDistortion,
  pcaColourJitter,
  randomAffine,
  randomCrop,
  randomFlip,
  randomResizedCrop,
  Tensor,
  TensorDataset,
} from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';

const key = { seed: 3, epoch: 0 };

/** `count` times the same image, or images of noise. */
function images(
  count: number,
  height: number,
  width: number,
  channels: number,
  picture?: (y: number, x: number, c: number) => number,
): Pictures {
  const random = new Seeded(1);
  const bytes = Uint8Array.from({ length: count * height * width * channels }, (_, i) => {
    const [c, x, y] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / channels / width) % height];
    return picture === undefined ? random.integer(256) : picture(y, x, c);
  });
  const labels = Int32Array.from({ length: count }, (_, i) => i % 4);
  return new TensorDataset(Tensor.from(bytes, [count, height, width, channels]), Tensor.from(labels), { classes: 4 });
}

type Pictures = TensorDataset<'uint8'>;

/** Grey values 0..255 after the augmentations. */
function apply(set: Pictures, list: readonly Augmentation[], epoch = 0): Float32Array {
  const all = Int32Array.from({ length: set.length }, (_, i) => i);
  return augmented(set, list, { std: 1 / 255 }).batch(all, { ...key, epoch }).inputs.data as Float32Array;
}

const original = (set: Pictures): Float32Array => Float32Array.from(set.inputs.data);

function same(t: { true(value: boolean, message?: string): void }, a: Float32Array, b: Float32Array, within = 1e-4): void {
  t.true(a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) <= within));
}

test('parameters that change nothing give the image itself, each alone and all together', (t) => {
  const nothing = {
    crop: randomCrop(),
    flip: randomFlip({ p: 0 }),
    affine: randomAffine(),
    resized: randomResizedCrop({ scale: [1, 1], ratio: [1, 1] }),
    lens: lensDistortion({ strength: 0 }),
    colours: colourJitter(),
    components: pcaColourJitter({ sigma: 0 }),
    cutout: cutout({ size: 4, p: 0 }),
  };
  const set = images(3, 9, 9, 3);
  for (const [name, one] of Object.entries(nothing)) t.deepEqual(apply(set, [one]), apply(set, []), name);
  t.deepEqual(apply(set, Object.values(nothing)), apply(set, []));
  same(t, apply(set, []), original(set));
});

test('[F13] labels, classes and the order of examples stay as they are', (t) => {
  const set = images(8, 4, 4, 3);
  const both = augmented(set, [randomCrop({ padding: 2 }), randomFlip(), colourJitter({ brightness: 0.5 })]);
  const picked = Int32Array.of(5, 0, 6);
  t.deepEqual(both.batch(picked, key).targets.data, Int32Array.of(1, 0, 2));
  t.deepEqual(both.labels?.(), set.labels());
  t.deepEqual(both.classes, set.classes);
});

test('[F14] a flip twice is the identity, one is the mirror, and half of ten thousand images are flipped', (t) => {
  const set = images(2, 5, 7, 3);
  t.deepEqual(apply(set, [randomFlip({ p: 1 }), randomFlip({ p: 1 })]), apply(set, []));
  const x = apply(set, []);
  for (const direction of ['horizontal', 'vertical'] as const) {
    const mirror = apply(set, [randomFlip({ p: 1, direction })]);
    for (let i = 0; i < x.length; i++) {
      const [c, column, row, n] = [i % 3, Math.floor(i / 3) % 7, Math.floor(i / 21) % 5, Math.floor(i / 105)];
      const from = direction === 'horizontal' ? [row, 6 - column] : [4 - row, column];
      if (mirror[i] !== x[((n * 5 + from[0]) * 7 + from[1]) * 3 + c]) return t.fail(`${direction} at ${i}`);
    }
  }
  const many = apply(
    images(10_000, 1, 2, 1, (_y, at) => at),
    [randomFlip()],
  );
  const share = many.filter((value, i) => i % 2 === 0 && value > 0.5).length / 10_000;
  t.true(Math.abs(share - 0.5) < 0.02, String(share));
});

test('[F15] crops of a padded image are windows of it: all 81 places come, about equally often, and outside is 0 or the mirror', (t) => {
  const side = 32;
  const counts = new Map<string, number>();
  // Each pixel tells where it is.
  const set = images(10_000, side, side, 2, (y, x, c) => (c === 0 ? y : x) + 1);
  const crops = apply(set, [randomCrop({ padding: 4 })]);
  const mirrored = apply(set, [randomCrop({ padding: 4, fill: 'reflect' })]);
  const pixel = (values: Float32Array, n: number, y: number, x: number, c: number): number =>
    Math.round(values[((n * side + y) * side + x) * 2 + c]) - 1;
  const reflect = (at: number): number => (at < 0 ? -at : at >= side ? 2 * (side - 1) - at : at);
  for (let n = 0; n < set.length; n++) {
    const [dy, dx] = [pixel(crops, n, 16, 16, 0) - 16, pixel(crops, n, 16, 16, 1) - 16];
    counts.set(`${dy},${dx}`, (counts.get(`${dy},${dx}`) ?? 0) + 1);
    if (n >= 100) continue;
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const inside = y + dy >= 0 && y + dy < side && x + dx >= 0 && x + dx < side;
        t.is(pixel(crops, n, y, x, 0), inside ? y + dy : -1);
        t.is(pixel(crops, n, y, x, 1), inside ? x + dx : -1);
        t.is(pixel(mirrored, n, y, x, 0), reflect(y + dy));
        t.is(pixel(mirrored, n, y, x, 1), reflect(x + dx));
      }
    }
  }
  t.is(counts.size, 81);
  for (const [place, count] of counts) t.true(count > 70 && count < 185, `${place}: ${count}`); // 123.5 ± 5.6 deviations
});

test('[F15] a reflection of a crop that was filled shows the filling between two parts of the image', (t) => {
  const side = 32;
  const set = images(2, side, side, 3, (_y, x) => x + 1);
  const inside = (x: number) => x >= 0 && x < side;
  const row = (outer: number, inner: number) =>
    Array.from({ length: side }, (_, i) => {
      const x = i + outer;
      const from = inner + (inside(x) ? x : x < 0 ? -x : 2 * (side - 1) - x);
      return inside(from) ? from + 1 : 0;
    }).join();
  const rows = new Set<string>();
  for (let outer = -20; outer <= 20; outer++) for (let inner = -8; inner <= 8; inner++) rows.add(row(outer, inner));
  let gaps = 0;
  for (const more of [[], [colourJitter()]]) {
    for (let epoch = 0; epoch < 40; epoch++) {
      const y = apply(set, [randomCrop({ padding: 8 }), randomCrop({ padding: 20, fill: 'reflect' }), ...more], epoch);
      for (let r = 0; r < 2 * side; r++) {
        const found = Array.from({ length: side }, (_, i) => y.slice((r * side + i) * 3, (r * side + i + 1) * 3).map(Math.round));
        t.true(found.every(([red, green, blue]) => red === green && red === blue));
        const reds = found.map(([red]) => red);
        if (reds.every((value) => value === 0)) continue;
        t.true(rows.has(reds.join()), reds.join());
        gaps += Number(/[1-9](,0)+,[1-9]/.test(reds.join()));
      }
    }
  }
  t.true(gaps > 100);
});

test('[F15] a crop may be smaller than the image, and a resized one magnifies a window that lies inside', (t) => {
  const set = images(50, 8, 8, 1, (y, x) => 10 * y + x);
  t.is(apply(set, [randomCrop({ outputSize: [3, 5] })]).length, 50 * 15);
  const enlarged = apply(set, [randomResizedCrop({ outputSize: 16, scale: [0.25, 0.25], ratio: [1, 1] })]);
  for (let n = 0; n < 50; n++) {
    const at = (y: number, x: number): number => enlarged[(n * 16 + y) * 16 + x];
    same(t, Float32Array.of(at(8, 9) - at(8, 8), at(9, 8) - at(8, 8)), Float32Array.of(0.25, 2.5)); // 4 pixels became 16
    t.true(at(0, 0) >= 0 && at(15, 15) <= 77);
  }
});

test('[F16] brightness, contrast and saturation do what their formulas say, and stay from 0 to 255', (t) => {
  const set = images(4, 6, 6, 3);
  const x = original(set);
  const clamp = (value: number): number => Math.min(255, Math.max(0, value));
  same(
    t,
    apply(set, [colourJitter({ brightness: [1.5, 1.5] })]),
    x.map((v) => clamp(1.5 * v)),
    1e-3,
  );
  const grey = (i: number): number => 0.299 * x[i] + 0.587 * x[i + 1] + 0.114 * x[i + 2];
  const means = Array.from({ length: 4 }, (_, n) => {
    let sum = 0;
    for (let i = n * 108; i < (n + 1) * 108; i += 3) sum += grey(i);
    return sum / 36;
  });
  same(
    t,
    apply(set, [colourJitter({ contrast: [2, 2] })]),
    x.map((v, i) => clamp(2 * v - means[Math.floor(i / 108)])),
    1e-3,
  );
  same(
    t,
    apply(set, [colourJitter({ saturation: [0.5, 0.5] })]),
    x.map((v, i) => clamp(0.5 * v + 0.5 * grey(i - (i % 3)))),
    1e-3,
  );
  const many = apply(
    images(2000, 1, 1, 1, () => 100),
    [colourJitter({ brightness: 0.4 })],
  );
  t.true(many.every((v) => v >= 60 - 1e-3 && v <= 140 + 1e-3));
  const mean = many.reduce((sum, v) => sum + v, 0) / 2000;
  t.true(Math.abs(mean - 100) < 2, String(mean)); // deviation 23.1 / √2000 = 0.52
});

test('[F17] PCA jitter shifts all pixels of an image alike, in the span of the directions, with the deviation asked for', (t) => {
  const components = { values: [0.2, 0.1, 0.05], vectors: [[1, 0, 0], [0, 0.6, 0.8], [0, 0, 0]] }; // biome-ignore format: a line
  const set = images(4000, 1, 2, 3, () => 128);
  const shifted = apply(set, [pcaColourJitter({ sigma: 0.5, components })]).map((v) => v - 128);
  let [sumRed, sumOther] = [0, 0];
  for (let n = 0; n < 4000; n++) {
    const [r, g, b, ...second] = shifted.subarray(6 * n, 6 * n + 6);
    t.deepEqual([r, g, b], [...second]);
    t.true(Math.abs(0.8 * g - 0.6 * b) < 1e-3);
    sumRed += r * r;
    sumOther += g * g + b * b;
  }
  // 255·σ·λ, to four of its own deviations
  t.true(Math.abs(Math.sqrt(sumRed / 4000) / (255 * 0.5 * 0.2) - 1) < 0.05);
  t.true(Math.abs(Math.sqrt(sumOther / 4000) / (255 * 0.5 * 0.1) - 1) < 0.05);
});

const delta = (height: number, width: number, row: number, column: number): Pictures =>
  images(1, height, width, 1, (y, x) => (y === row && x === column ? 1 : 0));

test('[F18] a translation by 2 and 3 pixels moves a single 1 by (2, 3)', (t) => {
  const moved = apply(delta(8, 8, 1, 2), [randomAffine({ translation: { y: [2 / 8, 2 / 8], x: [3 / 8, 3 / 8] } })]);
  same(t, moved, original(delta(8, 8, 3, 5)));
});

test('[F19] four rotations by 90 degrees are the identity, and one turns counter-clockwise', (t) => {
  const quarter = randomAffine({ rotation: [90, 90] });
  for (const side of [7, 8]) {
    const set = images(2, side, side, 3);
    t.deepEqual(apply(set, [quarter, quarter, quarter, quarter]), apply(set, []));
  }
  same(t, apply(delta(5, 5, 0, 4), [quarter]), original(delta(5, 5, 0, 0)));
  same(t, apply(delta(5, 5, 2, 4), [quarter]), original(delta(5, 5, 0, 2)));
});

test('[F20] stretching by 2 doubles the height and leaves the width', (t) => {
  const bar = images(1, 16, 16, 1, (y, x) => (y >= 6 && y < 10 && x >= 6 && x < 10 ? 200 : 0));
  const stretched = apply(bar, [randomAffine({ stretch: [2, 2] })]);
  const sum = (values: Float32Array, along: 'row' | 'column'): number =>
    values.reduce((total, v, i) => total + ((along === 'row' ? Math.floor(i / 16) : i % 16) === 7 ? v : 0), 0);
  t.is(Math.round(sum(stretched, 'column')), 1600);
  t.is(Math.round(sum(stretched, 'row')), 800);
});

test('[F21] shearing by 1 moves the rows of a 3 × 3 image one pixel each to the right', (t) => {
  const set = images(1, 3, 3, 1, (y, x) => 10 * (y + 1) + x + 1);
  same(t, apply(set, [randomAffine({ shear: [1, 1] })]), Float32Array.of(12, 13, 0, 21, 22, 23, 0, 31, 32));
});

test('[F22] a lens leaves the centre where it is and moves the corners by its coefficient', (t) => {
  const set = images(1, 9, 9, 1, (y, x) => 20 * y + x);
  const bent = apply(set, [lensDistortion({ strength: [-0.5, -0.5] })]);
  t.is(Math.round(bent[40] * 1e3), 84_000);
  same(t, bent.subarray(0, 1), Float32Array.of(20 * 2 + 2)); // the corner, at distance 1, comes from half the way
});

test('cutout writes zeros into one box about a pixel of the image, with the probability asked for', (t) => {
  const set = images(400, 8, 8, 3, () => 255);
  const cut = apply(set, [cutout({ size: 4, p: 0.5 })]);
  let holes = 0;
  for (let n = 0; n < 400; n++) {
    const zeros = cut.subarray(n * 192, (n + 1) * 192).filter((v) => v === 0).length / 3;
    t.true([0, 4, 6, 8, 9, 12, 16].includes(zeros), String(zeros));
    if (zeros > 0) holes += 1;
  }
  t.true(holes > 160 && holes < 240, String(holes));
});

test('wrong options, and augmentations that do not fit the images, are refused by name', (t) => {
  const wrong: [() => unknown, RegExp][] = [
    [() => randomCrop({ padding: -1 }), /options\.padding/],
    [() => randomCrop({ outputSize: 0 }), /options\.outputSize/],
    [() => randomCrop({ fill: 'black' as never }), /options\.fill/],
    [() => randomFlip({ p: 2 }), /options\.p/],
    [() => randomFlip({ q: 1 } as never), /unknown option `q`/],
    [() => randomAffine({ scale: 1 }), /options\.scale/],
    [() => randomAffine({ rotation: [3, 2] }), /options\.rotation/],
    [() => randomAffine({ translation: 'far' as never }), /options\.translation/],
    [() => randomResizedCrop({ scale: [0.5, 2] }), /options\.scale/],
    [() => lensDistortion({ strength: Number.NaN }), /options\.strength/],
    [() => colourJitter({ contrast: 1.5 }), /options\.contrast/],
    [() => pcaColourJitter({ components: { values: [1], vectors: [] } }), /options\.components/],
    [() => cutout({} as never), /options\.size/],
  ];
  for (const [body, message] of wrong) t.throws(body, { code: 'ERR_ARGUMENT', message });
  const grey = images(1, 4, 4, 1);
  t.throws(() => apply(grey, [pcaColourJitter()]), { code: 'ERR_SHAPE', message: /three channels/ });
  t.throws(() => apply(images(1, 4, 4, 2), [colourJitter()]), { code: 'ERR_SHAPE', message: /one channel or three/ });
  t.throws(() => apply(grey, [randomCrop({ outputSize: 9, padding: 2 })]), { code: 'ERR_SHAPE', message: /9×9 from images of 4×4/ });
  t.throws(() => apply(grey, [randomCrop({ padding: 4, fill: 'reflect' })]), { code: 'ERR_SHAPE', message: /reflected/ });
});
