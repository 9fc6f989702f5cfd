// Proves lib/metrics/confusion-text.ts: a confusion matrix as text, with the accuracy of each class.

import test from 'ava';
import { ArgumentError, ConfusionMatrix, Tensor, tensor } from '../../lib/index.js';
import { confusionLines } from '../../lib/metrics/confusion-text.js';

test('rows are true classes, columns predictions, and the share of hits is the accuracy of the class', (t) => {
  const confusion = new ConfusionMatrix();
  t.is(confusion.text(), 'true      hits', 'before the first batch');
  confusion.update(
    tensor([
      [0.1, 0.9],
      [0.8, 0.2],
      [0.3, 0.7],
      [0.9, 0.1],
    ]),
    Tensor.from(Int32Array.of(1, 0, 0, 0)),
  );
  t.is(confusion.text(['cat', 'dog']), 'true  cat dog     hits\n cat    2   1   66.7 %\n dog    ·   1  100.0 %');
  t.is(confusion.text(null), confusion.text(['0', '1']));
  for (const wrong of [['cat'], 'ab'] as never[])
    t.throws(() => confusion.text(wrong), { instanceOf: ArgumentError, message: /an array of 2 names/ });
});

test('a class without an example has no share, and names cannot command a terminal', (t) => {
  t.deepEqual(
    confusionLines(
      [
        [0, 0],
        [0, 1],
      ],
      ['a', '\u001b[31mb'],
    ).map((line) => line.includes('\u001b')),
    [false, false, false],
  );
  t.regex(
    confusionLines(
      [
        [0, 0],
        [0, 1],
      ],
      ['a', 'b'],
    )[1],
    /-$/,
  );
});
