// Proves lib/search/study.ts: the best trials, and a study that is read as it was written.
import { join } from 'node:path';
import test from 'ava';
import { readStudy, search } from '../../lib/index.js';
import { bowl, inFolder, outcomeOf, still, wide } from '../helpers/search.js';

test('the best trials stand first, in either direction, of equal ones the earlier; failed ones nowhere', async (t) => {
  const scores = [3, Number.NaN, 1, 2, 1];
  const run = (direction: 'minimize' | 'maximize') => search(wide, (_, { number }) => scores[number], { ...still, trials: 5, direction });
  t.deepEqual((await run('minimize')).top(9).map(({ number }) => number), [2, 4, 3, 0]); // biome-ignore format: one line
  t.deepEqual((await run('maximize')).top(2).map(({ number }) => number), [0, 3]); // biome-ignore format: one line
  t.is((await run('maximize')).best?.score, 3);
});

test('a study that is read is the one that was written, in its folder or by its file, and as JSON', async (t) => {
  await inFolder(async (runDir) => {
    const made = await search(wide, bowl, { runDir, progress: false, trials: 15, seed: 4 });
    for (const path of [runDir, join(runDir, 'search.jsonl')]) {
      const read = readStudy(path);
      t.deepEqual(outcomeOf(read), outcomeOf(made));
      t.deepEqual(read.importance(), made.importance());
      t.deepEqual(read.warnings(), made.warnings());
      t.deepEqual(JSON.parse(JSON.stringify(read)), JSON.parse(JSON.stringify(made)));
    }
  });
});
