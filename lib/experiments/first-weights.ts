// Experiments on first weights and on activations that saturate.

import { LeCun } from '../initializers/lecun.js';
import { Normal } from '../initializers/normal.js';
import { number } from '../pictures/svg.js';
import { type ActivationExperimentOptions, activationExperiment } from './activation-experiment.js';
import { activationPicture } from './activation-picture.js';
import { type Experiment, percent, series } from './experiment.js';

const relu: ActivationExperimentOptions = { activation: 'relu', range: [0, 3] };

const settings: readonly [title: string, remark: string, options: ActivationExperimentOptions][] = [
  ['tanh, std 0.01', 'activations and gradients die out', { init: new Normal({ std: 0.01 }) }],
  ['tanh, std 1', 'saturated at −1 and 1, the gradient explodes', { init: new Normal({ std: 1 }) }],
  ['tanh, Xavier 1/√in', 'falls slowly, keeps its shape', {}],
  ['ReLU, Xavier 1/√in', 'halves its variance in each layer', { ...relu, init: new LeCun() }],
  ['ReLU, He √(2/in)', 'keeps its size', relu],
];

/** What first weights do to activations and gradients, layer by layer. */
export const init: Experiment = {
  title: 'What first weights do to ten layers',
  question: 'How large may first weights be, so that neither activations nor gradients die out or explode?',
  rows: ['C06', 'C07', 'C08', 'C11', 'C14', 'C16', 'C27'],
  run: async ({ size, seed, step }) => {
    const rows = settings.map(([title, remark, options]) => {
      step(title);
      const experiment = activationExperiment({ ...options, features: size(500, 64), examples: size(1000, 100), seed });
      return { title, remark, experiment };
    });
    const of = (key: 'std' | 'gradientRms') =>
      rows.map(({ title, experiment }) =>
        series(
          title,
          experiment.layers.map((layer) => layer[key]),
        ),
      );
    const axes = { xLabel: 'layer', yScale: 'log' } as const;
    return {
      lines: rows.map(({ title, remark, experiment: { layers } }) => {
        const [first, last] = [layers[0], layers[layers.length - 1]];
        return `${title}: outputs of std ${number(first.std)} in layer 1, ${number(last.std)} in layer ${layers.length}; a gradient of 1 arrives as ${number(first.gradientRms)}: ${remark}`;
      }),
      panels: [
        { title: 'Standard deviation of the outputs', yLabel: 'std', series: of('std'), ...axes },
        { title: 'Gradient at the inputs of each layer', yLabel: 'root mean square', series: of('gradientRms'), ...axes },
      ],
      picture: activationPicture(rows),
    };
  },
};

/** How far sigmoid and tanh saturate, and what is left of the gradient. */
export const saturation: Experiment = {
  title: 'Saturation: units at their ends pass no gradient',
  question: 'What becomes of the gradient on its way back through ten layers, as weights grow?',
  rows: ['A03', 'A10', 'A13', 'C11'],
  run: async ({ size, seed, step }) => {
    const features = size(256, 64);
    const scales = size([0.1, 0.2, 0.5, 1, 1.5, 2, 3, 5, 10, 20], [0.2, 1, 3, 10]);
    const curves = (['sigmoid', 'tanh', 'relu'] as const).map((activation) => {
      step(activation);
      const layers = scales.map((scale) => {
        const options = { activation, features, examples: size(512, 64), seed, init: new Normal({ std: scale / Math.sqrt(features) }) };
        return activationExperiment(options).layers;
      });
      return { activation, layers };
    });
    const of = (pick: (layers: (typeof curves)[0]['layers'][0]) => number) =>
      curves.map(({ activation, layers }) => ({ name: activation, x: scales, y: layers.map(pick), kind: 'path' as const }));
    const axes = { xLabel: 'std of the weights · √in', xScale: 'log' } as const;
    const middle = (activation: string, pick: (layers: (typeof curves)[0]['layers'][0]) => number, at: number): number =>
      pick((curves.find((one) => one.activation === activation) as (typeof curves)[0]).layers[at]);
    const unit = scales.indexOf(1);
    const last = scales.length - 1;
    return {
      lines: [
        `weights of std 1/√in: a gradient of 1 arrives at the first layer as ${number(middle('sigmoid', (layers) => layers[0].gradientRms, unit))} through sigmoids, ${number(middle('tanh', (layers) => layers[0].gradientRms, unit))} through tanh: the slope of a sigmoid is at most 1/4`,
        `weights ${scales[last]} times as large: ${percent(middle('tanh', (layers) => layers[4].saturated, last))} of the tanh units are beyond ±0.99, and the median slope is ${number(middle('tanh', (layers) => layers[4].medianSlope, last))}`,
        'a ReLU does not saturate where it is positive: its gradient grows with the weights',
      ],
      panels: [
        {
          title: 'Gradient at the first layer',
          yLabel: 'root mean square',
          yScale: 'log',
          series: of((layers) => layers[0].gradientRms),
          ...axes,
        },
        { title: 'Outputs beyond ±0.99, layer 5', yLabel: 'share', series: of((layers) => layers[4].saturated).slice(0, 2), ...axes },
        { title: 'Median slope, layer 5', yLabel: 'slope', series: of((layers) => layers[4].medianSlope).slice(0, 2), ...axes },
      ],
    };
  },
};
