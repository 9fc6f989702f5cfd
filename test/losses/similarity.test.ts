// Losses of embeddings: two by their angle, three by their distances.
import test from 'ava';
import { ArgumentError, CosineEmbeddingLoss, cosineEmbeddingLoss, DTypeError, ShapeError, TripletLoss, tripletLoss } from '../../lib/index.js';
import { f32, f64 } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { gradcheck } from '../helpers/gradcheck.js';

const [a, b, c] = [f64([1, 2, 3, -1, 0.5, 2], [2, 3]), f64([2, 1, -1, 1, 1, 1], [2, 3]), f64([0.5, 2, 1, 2, -1, 0.5], [2, 3])];

test('pairs that belong together lose what their cosine misses to 1, others what it exceeds the margin by', (t) => {
  const cosines = [1 / Math.sqrt(14 * 6), 1.5 / Math.sqrt(5.25 * 3)];
  const losses = cosineEmbeddingLoss(a, b, f64([1, -1]), { margin: 0.125, reduction: 'none' });
  close(t, losses, [1 - cosines[0], cosines[1] - 0.125], { relative: 1e-11 });
  t.is(cosineEmbeddingLoss(a, a.neg(), f64([-1, -1])).item(), 0);
  close(t, [new CosineEmbeddingLoss().forward([a, b], f64([1, -1])).item()], [(1 - cosines[0] + cosines[1]) / 2], { relative: 1e-11 });
});

test('a triple loses by how much the negative is not farther away than the positive, and the margin', (t) => {
  const [anchor, positive, negative] = [f64([0, 0], [1, 2]), f64([3, 4], [1, 2]), f64([0, 5.5], [1, 2])];
  close(t, [tripletLoss(anchor, positive, negative).item()], [0.5], { absolute: 1e-5 });
  close(t, [new TripletLoss({ margin: 2 }).forward([anchor, positive, negative]).item()], [1.5], { absolute: 1e-5 });
  t.is(tripletLoss(anchor, negative, positive.mul(9)).item(), 0);
});

test('their gradients are those of their formulas, at vectors of zeros finite', (t) => {
  for (const target of [f64([1, -1]), f64([-1, 1])]) gradcheck(t, (x, y) => cosineEmbeddingLoss(x, y, target), [a, b], {}, 'cosine');
  gradcheck(t, (x, y, z) => tripletLoss(x, y, z, { margin: 3 }), [a, b, c], {}, 'triplet');
  const zero = f64([0, 0], [1, 2]);
  zero.requiresGrad = true;
  cosineEmbeddingLoss(zero, f64([1, 0], [1, 2]), f64([1]))
    .add(tripletLoss(zero, zero, zero))
    .backward();
  t.true([...(zero.grad as unknown as typeof zero).data].every(Number.isFinite));
});

test('embeddings that do not fit are refused by name', (t) => {
  t.throws(() => cosineEmbeddingLoss(a, b, f64([1, -1, 1])), { instanceOf: ShapeError, message: /cosineEmbeddingLoss.*\[2\]/ });
  t.throws(() => tripletLoss(a, b, f64([1, 2, 3])), { instanceOf: ShapeError, message: /`negative`/ });
  t.throws(() => tripletLoss(a, b, f32([1, 2, 3, 4, 5, 6], [2, 3]) as never), { instanceOf: DTypeError });
  t.throws(() => new TripletLoss().forward([a, b]), { instanceOf: ArgumentError, message: /three tensors/ });
  t.throws(() => new CosineEmbeddingLoss().forward(a as never, f64([1, 1])), { instanceOf: ArgumentError, message: /two tensors/ });
  t.throws(() => new CosineEmbeddingLoss({ margin: 2 }), { instanceOf: ArgumentError, message: /options\.margin/ });
});
