// Proves lib/words.ts: one thing is one and none are many; no text commands a terminal.
import test from 'ava';
import { fourDigits, nameHint, percentOf, plural, printable, withArticle, nearest } from '../lib/words.js';

test('a number of things is written as people write it', (t) => {
  t.deepEqual([0, 1, 2].map((count) => plural(count, 'epoch')), ['0 epochs', '1 epoch', '2 epochs']); // biome-ignore format: one line
  t.deepEqual([1, 10].map((count) => plural(count, 'class')), ['1 class', '10 classes']); // biome-ignore format: one line
});

test('a number has four digits, and its thousands apart where it is long', (t) => {
  const shown = [87_583, -1_234_567, 1234.5, 0.000123456, 1e30, Number.NaN].map(fourDigits);
  t.deepEqual(shown, ['87,580', '-1,235,000', '1235', '0.0001235', '1e+30', 'NaN']);
});

test('texts in the place of numbers are told the way to them', (t) => {
  t.regex(nameHint(['cat', 'dog']), /names\.indexOf\(label\)/);
  t.regex(nameHint(['1', '2.5']), /list\.map\(Number\)/);
  for (const other of [[], [1, 'cat'], 'cat', null, [{}]]) t.is(nameHint(other), '');
  t.deepEqual(['Adam', 'Tensor', 'object'].map(withArticle), ['an Adam', 'a Tensor', 'an object']);
});

test('a percentage that rounds to nothing has no sign', (t) => {
  t.deepEqual([-1e-9, 0, 0.123456, -0.5, -0.00006].map(percentOf), ['0.00 %', '0.00 %', '12.35 %', '-50.00 %', '-0.01 %']);
});

test('what would command a terminal is shown instead, and every other text stays as it is', (t) => {
  t.is(printable('a\x1b[2J\x9b5mb\rc\x7f\u202ed'), 'a\\u001b[2J\\u009b5mb\\u000dc\\u007f\\u202ed');
  const plain = 'Größe\t3\n数字 🙂 \u200d −1';
  t.is(printable(plain), plain);
  t.is(JSON.parse(printable(JSON.stringify('\x9b'))), '\x9b', 'JSON says the same');
});

test('a letter too few, too many, wrong or swapped still names what was meant', (t) => {
  const known = ['digits', 'mnist', 'cifar10', 'photos'];
  for (const [word, meant] of [
    ['photo', 'photos'],
    ['photoss', 'photos'],
    ['Photos', 'photos'],
    ['phtoos', 'photos'],
    ['minst', 'mnist'],
    ['cifar', undefined],
    ['cats', undefined],
  ])
    t.is(nearest(word as string, known), meant);
});
