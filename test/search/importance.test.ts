// Proves lib/search/importance.ts: what decides is found, whatever its form, and chance adds nothing.
import test from 'ava';
import { search, space } from '../../lib/index.js';
import { importances } from '../../lib/search/importance.js';
import { bowl, ended, still, wide } from '../helpers/search.js';

const of = { up: space.uniform(0, 1), valley: space.uniform(0, 1), kind: space.choice(['a', 'b']), idle: space.uniform(0, 1) };

test('a slope, a valley and a choice that decide are found, and what does not enter the score gets nearly nothing', async (t) => {
  const share = async (score: (params: never) => number, name: string): Promise<number> => {
    const study = await search(of, score as never, { ...still, trials: 80, seed: 2 });
    return study.importance().find(({ parameter }) => parameter === name)?.importance ?? Number.NaN;
  };
  t.true((await share(({ up }: { up: number }) => up, 'up')) > 0.9);
  t.true((await share(({ valley }: { valley: number }) => (valley - 0.5) * (valley - 0.5), 'valley')) > 0.75);
  t.is(await share(({ kind }: { kind: string }) => (kind === 'a' ? 1 : 2), 'kind'), 1);
  let idle = 0;
  for (let seed = 0; seed < 20; seed++) {
    const study = await search(of, ({ up, idle: _ }) => up, { ...still, trials: 40, seed });
    idle += study.importance().find(({ parameter }) => parameter === 'idle')?.importance ?? Number.NaN;
  }
  t.true(idle / 20 < 0.1, `${idle / 20}`);
});

test('the rate of the bowl comes first, outliers and direction change nothing, and few trials say nothing', async (t) => {
  const study = await search(wide, bowl, { ...still, trials: 60, seed: 1 });
  const list = study.importance();
  t.is(list[0].parameter, 'lr');
  t.true(list[0].importance > 0.6);
  const turned = study.trials.map((trial) => ({ ...trial, score: -((trial.score ?? 0) ** 9) }));
  t.deepEqual(importances(wide, turned as never, 'maximize'), list, 'ranks alone count');
  t.deepEqual(importances(wide, study.trials.slice(0, 7) as never, 'minimize'), []);
  const same = Array.from({ length: 20 }, (_, number) => ended(number, { up: number / 20, valley: 0, kind: 'a', idle: 0 }, 1));
  t.deepEqual(importances(of, same, 'minimize').map(({ importance }) => importance), [0, 0, 0, 0]); // biome-ignore format: one line
});
