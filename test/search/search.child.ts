// A search in a folder, which is killed again and again: with which strategy, how many threads, and a file for what came of it.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Asha, Hyperband, RandomSearch, type Strategy, TpeSearch, search } from '../../lib/index.js';
import { bowl, outcomeOf, wide } from '../helpers/search.js';

const [runDir, report, kind, parallel = '1'] = process.argv.slice(2);
const strategies: Record<string, () => Strategy> = {
  random: () => new RandomSearch(),
  tpe: () => new TpeSearch({ startupTrials: 5 }),
  asha: () => new Asha({ budget: 9 }),
  hyperband: () => new Hyperband({ budget: 9 }),
};
const options = { strategy: strategies[kind](), trials: 22, seed: 8, runDir, resume: true, progress: false, attempts: 1000 } as const;
process.stdout.write('begun\n');
const study = await (parallel === '1'
  ? search(
      wide,
      async (params, trial) => {
        for (let epoch = 1; epoch <= 3; epoch++) {
          await sleep(2);
          trial.report({ epoch, score: bowl(params) + 1 / epoch, loss: 1 / epoch });
        }
        return bowl(params);
      },
      options,
    )
  : search(wide, { module: new URL('./objective.js', import.meta.url), export: 'slowBowl' }, { ...options, parallel: Number(parallel) }));
writeFileSync(report, JSON.stringify(outcomeOf(study)));
