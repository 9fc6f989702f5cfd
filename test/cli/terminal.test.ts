// Proves lib/cli/terminal.ts: matrices are aligned, images are right in every depth of colour, and a narrow terminal shows fewer.

import test from 'ava';
import { Writable } from 'node:stream';
import { Terminal, confusionMatrix, gallery, imageLines, matrixLines, pairs } from '../../lib/cli/terminal.js';

const terminal = (depth: number): Terminal => new Terminal(new Writable(), depth);
const plain = terminal(1);

test('the confusion matrix counts how often a class was taken for another', (t) => {
  t.deepEqual(confusionMatrix([0, 0, 1, 2], [0, 1, 1, 0], 3), [
    [1, 1, 0],
    [0, 1, 0],
    [1, 0, 0],
  ]);
});

test('a matrix is aligned whatever its numbers and names, and coloured only where there are colours', (t) => {
  const matrix = [
    [1234, 0],
    [7, 93],
  ];
  t.deepEqual(matrixLines(matrix, ['cat', 'dog'], plain), ['true   cat  dog     hits', ' cat  1234    ·  100.0 %', ' dog     7   93   93.0 %']);
  const coloured = matrixLines(matrix, ['cat', 'dog'], terminal(8));
  t.true(coloured[1].includes('\x1b[32m'));
  t.deepEqual(
    coloured.map((line) => line.replaceAll(/\x1b\[\d+m/g, '')),
    matrixLines(matrix, ['cat', 'dog'], plain),
  );
  t.regex(
    matrixLines(
      [
        [0, 0],
        [0, 1],
      ],
      ['a', 'b'],
      plain,
    )[1],
    /-$/,
  );
});

test('two rows of pixels are a line: blocks without colours, greys with them', (t) => {
  const pixels = [0, 1, 0, 1, 0, 0, 1, 1, 1];
  t.deepEqual(imageLines(pixels, 3, 3, plain), ['▄▀ ', '▀▀▀']);
  t.deepEqual(imageLines([0, 1, 0.5, 2], 2, 2, terminal(24)), [
    '\x1b[38;2;0;0;0;48;2;128;128;128m▀\x1b[38;2;255;255;255;48;2;255;255;255m▀\x1b[0m',
  ]);
  t.deepEqual(imageLines([0, 1], 2, 1, terminal(8)), ['\x1b[38;5;232;48;5;255m▀\x1b[0m']);
});

test('images stand side by side with their captions, as many as fit', (t) => {
  const image = (caption: string) => ({ lines: ['██', '▀▀'], caption });
  t.deepEqual(gallery([image('a'), image('b')], 2, plain), ['██  ██', '▀▀  ▀▀', 'a   b']);
  t.is(
    gallery(
      Array.from({ length: 50 }, () => image('x')),
      28,
      plain,
    )[0].split('  ').length,
    2,
    '80 columns hold two images of 28 and their gap',
  );
  t.deepEqual(gallery([], 2, plain), []);
});

test('pairs are aligned', (t) => {
  t.deepEqual(
    pairs([
      ['a', '1'],
      ['long', '2'],
    ]),
    ['  a     1', '  long  2'],
  );
});

test('names of classes and data cannot command the terminal; colours of the command can', (t) => {
  const evil = '\x1b[31mred\x1b[2J';
  const shown = '\\u001b[31mred\\u001b[2J';
  t.deepEqual(pairs([['data', evil]]), [`  data  ${shown}`]);
  t.true(matrixLines([[1]], [evil], plain)[0].includes(shown));
  t.true(gallery([{ lines: ['x'], caption: evil }], 1, plain)[1].startsWith(shown));
  t.is(terminal(8).style('bold', evil), `\x1b[1m${shown}\x1b[22m`);
  let text = '';
  const stream = new Writable({ write: (chunk, _encoding, done) => (void (text += chunk), done()) });
  new Terminal(stream, 8).print('\x1b[1mbold\x1b[22m', 'a\x1b[2Jb\rc');
  t.is(text, '\x1b[1mbold\x1b[22m\na\\u001b[2Jb\\u000dc\n');
});
