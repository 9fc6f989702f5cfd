// One worker of a study in a database: says each trial that it begins and ends.
import { setTimeout as sleep } from 'node:timers/promises';
import { search } from '../../lib/index.js';
import { bowl, wide } from '../helpers/search.js';

const [database, name, trials] = process.argv.slice(2);
const options = { database, name, trials: Number(trials), seed: 5, progress: false, heartbeat: 1.5, attempts: 10 } as const;
await search(
  wide,
  async (params, trial) => {
    process.stdout.write(`begin ${trial.number}\n`);
    for (let epoch = 1; epoch <= 4; epoch++) {
      await sleep(15);
      if (!trial.report({ epoch, score: bowl(params) + 1 / epoch })) break;
    }
    process.stdout.write(`end ${trial.number}\n`);
    return bowl(params);
  },
  options,
);
process.stdout.write('done\n');
