// Draws what first weights do to ten layers of 500 units, in a second: `node examples/first-weights.ts picture.svg`.

import { writeFileSync } from 'node:fs';
import { type ActivationExperimentOptions, activationExperiment, activationPicture, LeCun, Normal } from 'nodegrad';

const relu: ActivationExperimentOptions = { activation: 'relu', range: [0, 3] };
const rows: [title: string, remark: string, options: ActivationExperimentOptions][] = [
  ['tanh, std 0.01', 'activations and gradients die out', { init: new Normal({ std: 0.01 }) }],
  ['tanh, std 1', 'saturated at −1 and 1, the gradient explodes', { init: new Normal({ std: 1 }) }],
  ['tanh, Xavier 1/√in', 'falls slowly, keeps its shape', {}],
  ['ReLU, Xavier 1/√in', 'halves its variance in each layer', { ...relu, init: new LeCun() }],
  ['ReLU, He √(2/in)', 'keeps its size', relu],
];
const [, , path = 'first-weights.svg'] = process.argv;
writeFileSync(path, activationPicture(rows.map(([title, remark, options]) => ({ title, remark, experiment: activationExperiment(options) }))));
console.log(path);
