// A run with a checkpoint after every step, of which several may be started at once: folder, file for the outcome, seed of the data.

import { writeFileSync } from 'node:fs';
import { CheckpointError } from '../../lib/index.js';
import { makeTrial, outcomeOf, runTrial } from '../helpers/checkpoints.js';

const [dir, report, dataSeed = '1'] = process.argv.slice(2);
const trial = makeTrial({ hidden: 1024, examples: 90, epochs: 4, dataSeed: Number(dataSeed) });
const say = { onTrainBegin: (run: { step: number }) => process.stdout.write(`resumed at ${run.step}\n`) };
try {
  const history = await runTrial(trial, dir === '' ? undefined : { dir, every: 1 }, { resume: dir !== '', callbacks: [say] });
  writeFileSync(report, outcomeOf(trial, history));
} catch (error) {
  if (!(error instanceof CheckpointError)) throw error;
  process.stdout.write(`refused: ${error.message}\n`);
  process.exitCode = 3;
}
