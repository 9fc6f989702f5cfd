// Proves lib/cli/image-data.ts: what is said while images are decoded, where no bar can be drawn.

import { PassThrough } from 'node:stream';
import test from 'ava';
import { decodingLines } from '../../lib/cli/image-data.js';
import { leftOutText } from '../../lib/data/left-out.js';

test('a file or a pipe gets a line every ten seconds, with the number of all images; a terminal has a bar', (t) => {
  const said = (isTTY: boolean): string => {
    let time = 0;
    const stream = Object.assign(new PassThrough(), { isTTY });
    const say = decodingLines(stream, () => time);
    for (const [at, decoded] of [
      [1, 100],
      [11_000, 1200],
      [12_000, 1300],
      [30_000, 2500],
      [60_000, 6000],
    ]) {
      time = at;
      say({ decoded, total: 6000 });
    }
    return String(stream.read() ?? '');
  };
  t.is(said(false), 'decoding images: 1,200 of 6,000\ndecoding images: 2,500 of 6,000\n');
  t.is(said(true), '');
});

test('one file that is left out is no image, several are no images', (t) => {
  t.is(leftOutText({ path: 'red/notes.txt', count: 1, reason: 'no images' }), 'red/notes.txt: no image');
  t.is(leftOutText({ path: 'red/notes.txt', count: 3, reason: 'no images' }), 'red/notes.txt and 2 more: no images');
});
