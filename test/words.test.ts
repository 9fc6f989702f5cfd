// Proves lib/words.ts: one thing is one, and none are many.
import test from 'ava';
import { plural } from '../lib/words.js';

test('a number of things is written as people write it', (t) => {
  t.deepEqual([0, 1, 2].map((count) => plural(count, 'epoch')), ['0 epochs', '1 epoch', '2 epochs']); // biome-ignore format: one line
  t.deepEqual([1, 10].map((count) => plural(count, 'class')), ['1 class', '10 classes']); // biome-ignore format: one line
});
