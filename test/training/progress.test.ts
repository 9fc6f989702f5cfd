// Proves lib/training/progress.ts: one line on a terminal, redrawn in place and never wrapped; plain lines elsewhere; numbers for people.

import { Writable } from 'node:stream';
import test from 'ava';
import { ArgumentError } from '../../lib/errors.js';
import { Screen } from '../helpers/screen.js';
import { Progress, formatCount, formatDuration, formatScore } from '../../lib/training/progress.js';

const state = { epoch: 2, batch: 30, loss: 0.25, metrics: { accuracy: 0.9 }, samplesPerSecond: 45_120.4, secondsLeft: 75 };
const record = { ...state, lr: 0.1, seconds: 1.34, validation: { loss: 0.5, metrics: { accuracy: 0.8 } } };

test('on a terminal the line is redrawn in place, and the epoch leaves one line', (t) => {
  const screen = new Screen();
  const progress = new Progress(screen, 10, 60);
  progress.draw(state);
  t.deepEqual(screen.lines, [
    'epoch  2/10  ━━━━━━━━━━──────────  30/60  loss 0.2500  accuracy 0.9000  45,120 samples/s  ETA 1:15'.replace('──  30', '── 30'),
  ]);
  progress.draw({ ...state, batch: 60, loss: 1, samplesPerSecond: 7, secondsLeft: 1 });
  t.deepEqual(
    screen.lines,
    ['epoch  2/10  ━━━━━━━━━━━━━━━━━━━━ 60/60  loss 1.0000  accuracy 0.9000  7 samples/s  ETA 1.0 s'],
    'nothing of the longer line is left',
  );
  progress.note('sitter: something');
  progress.draw(state);
  progress.epochEnd(record);
  t.deepEqual(screen.lines, [
    'sitter: something',
    'epoch  2/10  loss 0.2500  accuracy 0.9000  val loss 0.5000  val accuracy 0.8000  45,120 samples/s  1.3 s',
    '',
  ]);
  progress.clear();
  t.is(screen.lines.length, 3);
});

test('the line is redrawn ten times a second at most', (t) => {
  const screen = new Screen();
  const progress = new Progress(screen, 1, 1000);
  t.true(progress.isDue);
  progress.draw(state);
  t.false(progress.isDue);
});

test('the line never wraps', (t) => {
  const screen = new Screen();
  screen.columns = 40;
  new Progress(screen, 10, 60).draw(state);
  t.is(screen.lines[0].length, 39);
});

test('elsewhere there is a plain line per epoch, and with false nothing', (t) => {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const progress = new Progress(stream, 3, 60);
  t.false(progress.isDue);
  progress.draw(state);
  progress.clear();
  t.is(text, '');
  progress.epochEnd(record);
  progress.note('a note');
  t.is(text, 'epoch 2/3  loss 0.2500  accuracy 0.9000  val loss 0.5000  val accuracy 0.8000  45,120 samples/s  1.3 s\na note\n');
  const none = new Progress(false, 3, 60);
  t.false(none.isDue);
  t.notThrows(() => {
    none.draw(state);
    none.epochEnd(record);
    none.note('x');
    none.clear();
  });
  for (const option of ['loud', 1, {}, null]) t.throws(() => new Progress(option as never, 1, 1), { instanceOf: ArgumentError });
});

test('numbers are written for people', (t) => {
  t.deepEqual([0, 0.5, 2.302585, 1234.5, 12_345_678, 0.000_012_34, NaN, Infinity, -0.25].map(formatScore), [
    '0.0000',
    '0.5000',
    '2.3026',
    '1234.5000',
    '1.235e+7',
    '1.234e-5',
    'NaN',
    'Infinity',
    '-0.2500',
  ]);
  t.deepEqual([0, 999, 1000, 1_234_567.8, NaN, Infinity].map(formatCount), ['0', '999', '1,000', '1,234,568', '?', '?']);
  t.deepEqual([0.04, 9.94, 12.4, 59.4, 59.6, 61, 3599.9, 3661, Infinity].map(formatDuration), [
    '0.0 s',
    '9.9 s',
    '12 s',
    '59 s',
    '1:00',
    '1:01',
    '1:00:00',
    '1:01:01',
    '?',
  ]);
});

test('a name or a note cannot command the terminal: what would is shown', (t) => {
  const screen = new Screen();
  const progress = new Progress(screen, 10, 100);
  progress.draw({ ...state, metrics: { '\x1b[2Jacc': 0.5 } });
  progress.note('class \x1b]0;title\x07 and \x9b31m');
  t.false(/\x1b\[2J|\x1b\]|[\x07\x9b]/.test(screen.text), JSON.stringify(screen.text));
  t.true(screen.text.includes('class \\u001b]0;title\\u0007 and \\u009b31m\n'));
});
