// Proves lib/distributed/labelled-lines: whatever a process writes, in whatever pieces, comes out as whole lines with its label, byte by byte.

import { PassThrough, Writable } from 'node:stream';
import test from 'ava';
import fc from 'fast-check';
import { LabelledLines, Sink } from '../../lib/distributed/labelled-lines.js';

/** What comes out of pieces. */
function labelled(pieces: readonly Uint8Array[]): { text: string; kept: string[] } {
  const kept: string[] = [];
  const lines = new LabelledLines('[3]', (line) => kept.push(line));
  const out = [...pieces.map((piece) => lines.push(piece)), lines.end()];
  return { text: Buffer.concat(out).toString('latin1'), kept };
}

const bytes = (...texts: string[]): Uint8Array[] => texts.map((text) => Buffer.from(text, 'latin1'));

test('lines that end in any way, in any pieces, and a last one without an end', (t) => {
  const rows: [string[], string][] = [
    [['a\nb\n'], '[3] a\n[3] b\n'],
    [['a', 'b', '\n', 'c'], '[3] ab\n[3] c\n'],
    [['a\r\nb\r', '\nc\r'], '[3] a\n[3] b\n[3] c\n'],
    [['1 %\r2 %\r3 %\n'], '[3] 1 %\n[3] 2 %\n[3] 3 %\n'],
    [['a\r', 'b\n'], '[3] a\n[3] b\n'],
    [['\n\n'], '[3] \n[3] \n'],
    [[''], ''],
    [['\0\x1b[31mred\x1b[0m\n'], '[3] \0\x1b[31mred\x1b[0m\n'],
  ];
  for (const [pieces, out] of rows) t.is(labelled(bytes(...pieces)).text, out, JSON.stringify(pieces));
});

test('any bytes in any pieces come out unchanged between the labels', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (pieces) => {
      const whole = Buffer.concat(pieces).toString('latin1');
      const expected = whole.split(/\r\n|\n|\r/);
      if (expected.at(-1) === '') expected.pop();
      const { text, kept } = labelled(pieces);
      t.deepEqual(kept, expected);
      t.is(text, expected.map((line) => `[3] ${line}\n`).join(''));
    }),
    { seed: 5, numRuns: 2000 },
  );
});

test('a line without an end is cut between letters, and memory stays small', (t) => {
  for (const letter of ['x', 'ä', '€', '😀']) {
    const whole = letter.repeat(200_000);
    const piece = Buffer.from(whole);
    const { kept } = labelled(Array.from({ length: 100 }, (_, i) => piece.subarray((i * piece.length) / 100, ((i + 1) * piece.length) / 100)));
    t.true(kept.every((line) => line.length <= 1 << 16));
    const back = kept.map((line) => Buffer.from(line, 'latin1').toString('utf8'));
    t.is(back.join(''), whole);
    t.false(
      back.some((line) => line.includes('\ufffd')),
      letter,
    );
  }
  t.is(labelled([new Uint8Array(200_000).fill(0x80)]).kept.join('').length, 200_000, 'bytes that are no letters');
});

test('who writes to a stream that is full waits, as all do, and nobody waits for one that has gone', async (t) => {
  const slow = new PassThrough({ highWaterMark: 10 });
  const sink = new Sink(slow);
  let done = 0;
  const writers = Array.from({ length: 20 }, () => sink.write(new Uint8Array(20)).then(() => void (done += 1)));
  await new Promise((next) => setTimeout(next, 20));
  t.is(done, 0);
  t.true(slow.listenerCount('drain') <= 1, 'one listener for all of them');
  slow.resume();
  await Promise.all(writers);
  t.is(done, 20);

  const gone = new Writable({ highWaterMark: 1, write: () => {} });
  const last = new Sink(gone);
  const waiting = last.write(new Uint8Array(20));
  gone.destroy(new Error('EPIPE'));
  await waiting;
  await last.write(new Uint8Array(20));
  t.pass();
});
