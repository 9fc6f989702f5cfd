// Pooling layers: the contract, which tap gets the gradient, NaN, windows at the edge, and what is refused.
import test from 'ava';
import {
  AdaptiveAvgPool2d,
  ArgumentError,
  AvgPool2d,
  adaptiveAvgPool2d,
  avgPool2d,
  GlobalAvgPool2d,
  GlobalMaxPool2d,
  globalAvgPool2d,
  globalMaxPool2d,
  type Layer,
  MaxPool2d,
  maxPool2d,
  ShapeError,
} from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32 } from '../helpers/build.js';

const layers: Record<string, { create: () => Layer; outputShape: number[]; small?: boolean }> = {
  MaxPool2d: { create: () => new MaxPool2d(3, { stride: 2, padding: 1, ceilMode: true }), outputShape: [3, 3, 4, 3] },
  AvgPool2d: { create: () => new AvgPool2d([2, 3], { countIncludePad: false, padding: 1 }), outputShape: [3, 3, 2, 3] },
  AdaptiveAvgPool2d: { create: () => new AdaptiveAvgPool2d([2, 3]), outputShape: [3, 2, 3, 3] },
  GlobalAvgPool2d: { create: () => new GlobalAvgPool2d(), outputShape: [3, 3] },
  GlobalMaxPool2d: { create: () => new GlobalMaxPool2d(), outputShape: [3, 3] },
};

for (const [name, { create, outputShape }] of Object.entries(layers)) {
  test(`${name} keeps the layer contract`, (t) =>
    layerContract(t, {
      create,
      inputShape: [3, 5, 6, 3],
      outputShape,
      parameters: {},
      refuses: [
        [[3, 5, 6], /\[N, H, W, C\]/],
        [[3, 0, 6, 3], /at least one pixel/],
      ],
    }));

  test(`${name} is copied with its options, and takes an empty batch`, (t) => {
    const layer = create();
    const x = f32(
      Array.from({ length: 90 }, (_, i) => (i * 37) % 41),
      [1, 5, 6, 3],
    );
    t.deepEqual(layer.clone().forward(x).data, layer.forward(x).data);
    t.deepEqual([...layer.forward(f32([], [0, 5, 6, 3])).shape], [0, ...outputShape.slice(1)]);
  });
}

/** Gradient of the sum of the outputs, each counted by its place from 1. */
function gradient(pool: (x: ReturnType<typeof f32>) => ReturnType<typeof f32>, numbers: readonly number[], shape: readonly number[]): number[] {
  const x = f32([...numbers], [...shape]);
  x.requiresGrad = true;
  const y = pool(x);
  const counts = f32(
    Array.from({ length: y.size }, (_, i) => i + 1),
    [...y.shape],
  );
  y.mul(counts).sum().backward();
  return [...(x.grad as ReturnType<typeof f32>).data];
}

test('of equal numbers the first tap gets the gradient, zeros of both signs and infinities among them', (t) => {
  const pool = (x: ReturnType<typeof f32>) => maxPool2d(x, 2);
  for (const value of [3, -Infinity, Infinity]) t.deepEqual(gradient(pool, [value, value, value, value], [1, 2, 2, 1]), [1, 0, 0, 0]);
  t.deepEqual(gradient(pool, [-0, 0, 0, -0], [1, 2, 2, 1]), [1, 0, 0, 0]);
  t.deepEqual(gradient(pool, [1, 2, 2, 2], [1, 2, 2, 1]), [0, 1, 0, 0]);
  t.deepEqual(gradient(globalMaxPool2d, [1, 2, 2, 2], [1, 2, 2, 1]), [0, 1, 0, 0]);
});

test('a NaN wins wherever it stands in a window, and takes the gradient', (t) => {
  for (const channels of [1, 16, 19]) {
    for (let tap = 0; tap < 9; tap++) {
      for (let channel = 0; channel < channels; channel++) {
        const numbers = Array.from({ length: 9 * channels }, (_, i) => i % 7);
        numbers[tap * channels + channel] = NaN;
        const y = maxPool2d(f32(numbers, [1, 3, 3, channels]), 3);
        t.deepEqual(
          [...y.data].map(Number.isNaN),
          Array.from({ length: channels }, (_, i) => i === channel),
        );
        const dx = gradient((x) => maxPool2d(x, 3), numbers, [1, 3, 3, channels]);
        t.is(dx[tap * channels + channel], channel + 1);
      }
    }
  }
  t.true(Number.isNaN(avgPool2d(f32([1, NaN, 2, 3], [1, 2, 2, 1]), 2).item()));
  t.true(Number.isNaN(globalMaxPool2d(f32([1, NaN, 2, 3], [1, 2, 2, 1])).item()));
});

test('places outside of every window get no gradient, and those in several the sum', (t) => {
  t.deepEqual(
    gradient((x) => maxPool2d(x, 2), [1, 2, 9, 4, 3, 9, 9, 9, 9], [1, 3, 3, 1]),
    [0, 0, 0, 1, 0, 0, 0, 0, 0].map((_, i) => (i === 3 ? 1 : 0)),
  );
  t.deepEqual(
    gradient((x) => maxPool2d(x, [1, 2], { stride: 1 }), [0, 5, 0, 1], [1, 1, 4, 1]),
    [0, 3, 0, 3],
  );
  t.deepEqual(
    gradient((x) => avgPool2d(x, [1, 2], { stride: 1 }), [0, 5, 0, 1], [1, 1, 4, 1]),
    [0.5, 1.5, 2.5, 1.5],
  );
});

test('the last window of ceil mode begins inside or in the padding before, as in PyTorch', (t) => {
  const sizes = (length: number, kernel: number, stride: number, padding: number) =>
    [false, true].map(
      (ceilMode) =>
        maxPool2d(f32(new Float32Array(length), [1, 1, length, 1]), [1, kernel], { stride, padding: [0, padding], ceilMode }).shape[2],
    );
  t.deepEqual(sizes(111, 3, 2, 0), [55, 55]);
  t.deepEqual(sizes(54, 3, 2, 0), [26, 27]);
  t.deepEqual(sizes(4, 2, 2, 1), [3, 3]);
  t.deepEqual(sizes(5, 2, 2, 1), [3, 3]);
  t.deepEqual(sizes(3, 1, 3, 0), [1, 1]);
});

test('what cannot be pooled is refused with what was expected', (t) => {
  const x = f32(new Float32Array(32), [1, 4, 4, 2]);
  t.throws(() => maxPool2d(x, 5), { instanceOf: ShapeError, message: /kernel of 5 does not fit into height 4 of shape \[1, 4, 4, 2\]/ });
  t.throws(() => avgPool2d(x, [2, 7], { padding: [0, 1] }), { instanceOf: ShapeError, message: /width 4 and padding 1/ });
  t.throws(() => maxPool2d(x, 3, { dilation: 2 }), { instanceOf: ShapeError, message: /3 with dilation 2/ });
  t.throws(() => maxPool2d(x, 2, { padding: 2 }), { instanceOf: ArgumentError, message: /half/ });
  t.throws(() => maxPool2d(x, 17), { instanceOf: ArgumentError, message: /256 taps/ });
  t.throws(() => maxPool2d(x, 0), { instanceOf: ArgumentError, message: /`kernelSize`/ });
  t.throws(() => maxPool2d(x, [2, 2, 2] as never), { instanceOf: ArgumentError, message: /`kernelSize`/ });
  t.throws(() => maxPool2d(x, 2, { stride: 0 }), { instanceOf: ArgumentError, message: /`options\.stride`/ });
  t.throws(() => maxPool2d(x, 2, { ceil: true } as never), { instanceOf: ArgumentError, message: /unknown option/ });
  t.throws(() => avgPool2d(x, 2, { dilation: 2 } as never), { instanceOf: ArgumentError, message: /unknown option/ });
  t.throws(() => avgPool2d(x, 2, { divisorOverride: 0 }), { instanceOf: ArgumentError, message: /`options\.divisorOverride`/ });
  t.throws(() => avgPool2d(x, 2, { countIncludePad: 1 as never }), { instanceOf: ArgumentError, message: /`options\.countIncludePad`/ });
  t.throws(() => adaptiveAvgPool2d(x, 0), { instanceOf: ArgumentError, message: /`outputSize`/ });
  for (const pool of [globalAvgPool2d, globalMaxPool2d])
    t.throws(() => pool(f32([], [1, 0, 3, 2])), { instanceOf: ShapeError, message: /pixel/ });
});
