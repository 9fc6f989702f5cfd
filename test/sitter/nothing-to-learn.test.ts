// Proves when the sitter says that labels mean nothing: in words that tell two losses apart, and not on the word of a few examples, or against the accuracy.

import test from 'ava';
import { overfitting } from '../../lib/sitter/rules/fit.js';

/** What the rule says of a run over three equal classes whose validation loss never got below a constant guess. */
function nothingLearned(examples: number, accuracy: number, moment: 'epoch' | 'end', loss = 1.0994): string | undefined {
  const epochs = [1, 2, 3].map((epoch) => ({
    epoch,
    loss: 1 - epoch / 10,
    metrics: {},
    validation: { loss: loss + epoch / 100, metrics: { accuracy } },
  }));
  const counts = new Map([0, 1, 2].map((label) => [label, examples / 3]));
  const evidence = { moment, epochs, chance: 1.0986, probe: () => null, validation: { length: examples, counts }, setup: { epochs: 3 } };
  const found = overfitting.judge(evidence as never).filter(({ id }) => id === 'nothing-to-learn');
  return found.length === 0 ? undefined : found[0].seen;
}

test('labels without a meaning are not said of a net that is right far more often than by guessing, nor of a few validation examples before the end', (t) => {
  t.is(
    nothingLearned(300, 0.34, 'epoch', 1.0894),
    'training loss fell to 0.7, and validation was never better than a constant guess: 1.0994 in epoch 1, beside 1.0986',
  );
  t.is(nothingLearned(300, 0.58, 'epoch'), undefined);
  t.is(nothingLearned(36, 0.58, 'end'), undefined, '58 % of 36 are no luck where chance is a third');
  t.is(nothingLearned(36, 0.44, 'epoch'), undefined, 'a few tell little');
  t.regex(nothingLearned(36, 0.44, 'end') ?? '', /validation \(of 36 examples, which is few\) was never better than a constant guess: 1\.11 /);
  t.is(nothingLearned(36, Number.NaN, 'end')?.includes('36 examples'), true);
});
