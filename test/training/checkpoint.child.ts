// A run with a checkpoint after every step, for whoever kills it: arguments are the folder, the file for the outcome, and `mended` for a sick run.
import { writeFileSync } from 'node:fs';
import { makeTrial, outcomeOf, runTrial } from '../helpers/checkpoints.js';

const [dir, report, kind] = process.argv.slice(2);
const trial = makeTrial({ hidden: 1024, examples: 90, epochs: 5, ...(kind === 'mended' && { lr: 1, sitter: 'fix' }) });
const say = {
  onTrainBegin: (run: { step: number }) => process.stdout.write(`resumed at ${run.step}\n`),
};
const history = await runTrial(trial, dir === '' ? undefined : { dir, every: 1 }, { resume: dir !== '', callbacks: [say] });
writeFileSync(report, outcomeOf(trial, history));
