// Proves that messages of the library reach the command line in its own words.
import test from 'ava';
import { columnWord, inFlags } from '../../lib/cli/flags.js';

test('what a message says in options of JavaScript, the command line says in flags', (t) => {
  for (const [said, shown] of [
    [
      "Read the column as text with columns: { 'size': 'category' }, or leave such rows out with badRows: 'skip'",
      'Read the column as text with --columns size=category, or leave such rows out with --bad-rows skip',
    ],
    ["Leave it out with columns: { 'living area': 'skip' }", 'Leave it out with --columns "living area=skip"'],
    ["Leave it out: table.without(['note'])", 'Leave it out: --columns note=skip'],
    ["`damaged: 'skip'` (--damaged skip) leaves out what cannot be read", '--damaged skip leaves out what cannot be read'],
    ["`options.columns` names 'x'", "--columns names 'x'"],
    ['`preprocessing: false` exports the network', '--no-preprocessing exports the network'],
    ['`options.epochs` is 2', '--epochs is 2'],
    ['expected images for `options.dynamicAxes: "height"`, received [20, 8]', 'expected images for --dynamic-axes height, received [20, 8]'],
    ['expected a folder for `options.checkpoint.dir`, received "x"', 'expected a folder for --checkpoint-dir, received "x"'],
    ['expected a column of a.csv for `column`, received "x"', 'expected a column of a.csv for --target, received "x"'],
    ['are of several sizes (a is 5×3): say which with `imageSize`', 'are of several sizes (a is 5×3): say which with --image-size'],
    [': readImages(path, { imageSize: 32 }) gives that size', ': --image-size 32 gives that size'],
    [
      '. Say which folders are parts with `parts` ({ train: 1 }) or which are classes with `classes` (--classes), or',
      '. Say which folders are classes with --classes, or',
    ],
    ['save_file(a) in Python, and then loadPyTorch(). Of', 'save_file(a) in Python, and then --weights a.safetensors. Of'],
    ['all parameters are frozen. unfreeze() takes them into training again', 'all parameters are frozen: name fewer layers with --freeze'],
    ['`options.mirrors` stays, which has no flag', '`options.mirrors` stays, which has no flag'],
  ])
    t.is(inFlags(said), shown);
});

test('a column is named in one word of a shell', (t) => {
  t.is(columnWord('größe', 'number'), 'größe=number');
  t.is(columnWord('a $b', 'skip'), '"a \\$b=skip"');
});
