// `npm run pictures` draws the pictures of the guides anew, into docs/pictures; `-- <name> …` only those, `-- --check` compares and writes nothing.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { experimentNames, runExperiment, setReproducible, withSeed } from '../dist/lib/index.js';
import { filters } from './pictures/architectures.mjs';
import { calibration, confusion, decisionBoundary } from './pictures/evaluation.mjs';
import { activations, augmentation, dropoutEnsemble, gradientCheck, preprocessing } from './pictures/set-up.mjs';
import { learningRates, optimizers, schedules } from './pictures/training.mjs';

/** The experiment on first weights has had this name in the guides from the start. */
const fileOf = (experiment) => (experiment === 'init' ? 'first-weights' : experiment);

/** What draws each picture, by the name of its file. */
const pictures = new Map([
  ...experimentNames.map((name) => [fileOf(name), async () => (await runExperiment(name, { seed: 1 })).picture]),
  ...Object.entries({
    activations,
    preprocessing,
    'gradient-check': gradientCheck,
    'dropout-ensemble': dropoutEnsemble,
    augmentation,
    'learning-rate-finder': learningRates,
    optimizers,
    schedules,
    'decision-boundary': decisionBoundary,
    confusion,
    calibration,
    filters,
  }),
]);

const { values, positionals } = parseArgs({ options: { check: { type: 'boolean', default: false } }, allowPositionals: true });
for (const name of positionals) if (!pictures.has(name)) throw new Error(`no picture is called ${name}: ${[...pictures.keys()].join(', ')}`);
setReproducible(true); // the same bytes on every machine
for (const name of positionals.length > 0 ? positionals : pictures.keys()) {
  const path = new URL(`../docs/pictures/${name}.svg`, import.meta.url);
  const picture = await withSeed(1, pictures.get(name));
  if (!values.check) writeFileSync(path, picture);
  const isSame = existsSync(path) && readFileSync(path, 'utf8') === picture;
  if (!isSame) process.exitCode = 1;
  console.log(`${name}.svg  ${isSame ? `${Math.ceil(picture.length / 1000)} kB` : 'differs from what is drawn now'}`);
}
