// Metrics gather over batches; accuracy counts examples, not batches.
import test from 'ava';
import { Accuracy, NodegradError, ShapeError } from '../../lib/index.js';
import { f32, f64, i32 } from '../helpers/build.js';

test('accuracy is the share of right examples over all batches, small last batch included', (t) => {
  const accuracy = new Accuracy();
  t.is(accuracy.name, 'accuracy');
  t.is(accuracy.result(), NaN);
  accuracy.update(f32([0.1, 0.9, 0.8, 0.2, 0.3, 0.7], [3, 2]), i32([1, 1, 1]));
  t.is(accuracy.result(), 2 / 3);
  accuracy.update(f32([0.1, 0.9], [1, 2]), i32([0]));
  t.is(accuracy.result(), 2 / 4);
  accuracy.reset();
  t.is(accuracy.result(), NaN);
  accuracy.update(f64([1, 0], [1, 2]), i32([0]));
  t.is(accuracy.result(), 1);
});

test('accuracy takes classes as uint8 and as one-hot rows', (t) => {
  const scores = f32([3, 1, 2, 0, 5, 1], [2, 3]);
  const right = (target: unknown) => {
    const accuracy = new Accuracy();
    accuracy.update(scores, target as never);
    return accuracy.result();
  };
  t.is(right(i32([0, 2])), 0.5);
  t.is(right(f32([0, 2]).to('uint8')), 0.5);
  t.is(right(f32([1, 0, 0, 0, 0, 1], [2, 3])), 0.5);
});

test('of equal scores the first class counts, and a NaN is never right by accident', (t) => {
  const accuracy = new Accuracy();
  accuracy.update(f32([1, 1], [1, 2]), i32([0]));
  t.is(accuracy.result(), 1);
  accuracy.reset();
  accuracy.update(f32([5, NaN], [1, 2]), i32([0]));
  t.is(accuracy.result(), 0);
});

test('targets that do not fit are refused and count nothing', (t) => {
  const accuracy = new Accuracy();
  t.throws(() => accuracy.update(f32([1, 2], [1, 2]), i32([0, 1])), { instanceOf: ShapeError });
  t.throws(() => accuracy.update(f32([1], []), i32([0])), { instanceOf: ShapeError });
  t.throws(() => accuracy.update([1, 2] as never, i32([0])), { instanceOf: NodegradError });
  t.is(accuracy.result(), NaN);
});

test('an accuracy goes on from its state, and refuses what is none', (t) => {
  const [one, other] = [new Accuracy(), new Accuracy()];
  one.update(f32([0.1, 0.9, 0.8, 0.2, 0.3, 0.7], [3, 2]), i32([1, 1, 1]));
  other.loadStateDict(JSON.parse(JSON.stringify(one.stateDict())));
  for (const accuracy of [one, other]) accuracy.update(f32([0.1, 0.9], [1, 2]), i32([0]));
  t.is(other.result(), one.result());
  for (const state of [undefined, null, 1, {}, { right: 2, seen: 1 }, { right: -1, seen: 1 }, { right: 0.5, seen: 1 }]) {
    t.throws(() => other.loadStateDict(state), { code: 'ERR_ARGUMENT' });
  }
  t.is(other.result(), one.result());
});
