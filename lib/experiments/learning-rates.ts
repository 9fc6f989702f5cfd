// Experiments on the learning rate: curves, dead units, and the zigzag of inputs that are all positive.

import { LeakyReLU, ReLU } from '../layers/activations.js';
import type { AnyLayer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { Flatten } from '../layers/shape.js';
import { Sequential } from '../models/sequential.js';
import { number } from '../pictures/svg.js';
import { Random } from '../random.js';
import { deadReluFraction } from '../sitter/dead-relu.js';
import { type Curves, type Experiment, adam, flatDigits, last, percent, series, sgd, train } from './experiment.js';

const net = (hidden: readonly number[], activation: () => AnyLayer): Sequential => {
  const sizes = [784, ...hidden];
  const layers = hidden.flatMap((features, i) => [new Linear(sizes[i], features), activation()]);
  return new Sequential([new Flatten(), ...layers, new Linear(sizes[sizes.length - 1], 10)]);
};

/** Loss curves at learning rates from too low to far too high. */
export const lr: Experiment = {
  title: 'What the learning rate does to the loss curve',
  question: 'How does a loss curve look when the learning rate is too low, right, too high, or far too high?',
  rows: ['J12', 'J15', 'J16', 'J17', 'J18', 'J20'],
  run: async (bench) => {
    const { size, step, seed } = bench;
    const data = await flatDigits(size(4000, 400), size(1000, 100), seed);
    const rates = size([0.001, 0.01, 0.1, 1, 5, 30], [0.001, 0.1, 30]);
    const curves: { rate: number; curve: Curves }[] = [];
    for (const rate of rates) {
      step(`learning rate ${rate}`);
      const model = net([100], () => new ReLU());
      curves.push({ rate, curve: await train(bench, model, sgd(model, rate), data, { epochs: size(12, 3) }) });
    }
    const best = curves.reduce((a, b) => (last(b.curve.validation) > last(a.curve.validation) ? b : a));
    const verdict = ({ rate, curve }: (typeof curves)[0]): string => {
      if (curve.exploded) return 'explodes: the loss is no longer finite';
      if (rate === best.rate) return 'the best of these';
      if (last(best.curve.validation) - last(curve.validation) < 0.02) return 'about as good as the best';
      if (rate > best.rate) return 'too high: does not get low';
      return curve.loss[0] - last(curve.loss) < 0.5 ? 'far too low: hardly falls' : 'too low: falls slowly';
    };
    return {
      lines: curves.map(
        (one) =>
          `rate ${number(one.rate)}: ${one.curve.loss.length === 0 ? '' : `loss ${number(last(one.curve.loss))}, accuracy on new digits ${percent(last(one.curve.validation))}; `}${verdict(one)}`,
      ),
      panels: [
        {
          title: 'Training loss',
          remark: 'A rate whose loss is no longer finite has no curve',
          xLabel: 'epoch',
          yLabel: 'loss',
          yRange: [0, 4],
          series: curves.map(({ rate, curve }) => series(`rate ${number(rate)}${curve.exploded ? ' (explodes)' : ''}`, curve.loss)),
        },
        {
          title: 'Accuracy on new digits',
          xLabel: 'epoch',
          yLabel: 'accuracy',
          yRange: [0, 1],
          series: curves.map(({ rate, curve }) => series(`rate ${number(rate)}`, curve.validation)),
        },
      ],
    };
  },
};

/** How many ReLU units die at which rate, and whether leaky ones help. */
export const deadRelu: Experiment = {
  title: 'Dead ReLU units',
  question: 'From which learning rate of Adam on do ReLU units die, and does a leaky ReLU help?',
  rows: ['A19', 'A21', 'A22'],
  run: async (bench) => {
    const { size, step, seed } = bench;
    const data = await flatDigits(size(3000, 300), size(500, 100), seed);
    const { inputs } = data.train.batch(Int32Array.from({ length: data.train.length }, (_, i) => i));
    const rates = size([0.001, 0.003, 0.01, 0.03, 0.1, 0.3], [0.003, 0.1]);
    const of = async (rate: number, activation: () => AnyLayer): Promise<{ dead: number; accuracy: number }> => {
      step(`learning rate ${rate}`);
      const model = net([128, 64], activation);
      const curve = await train(bench, model, adam(model, rate), data, { epochs: size(6, 2) });
      // A sum that explodes leaves no unit alive that could be counted.
      return { dead: curve.exploded ? 1 : deadReluFraction(model, [inputs]).total, accuracy: curve.exploded ? 0.1 : last(curve.validation) };
    };
    const [plain, leaky]: { dead: number; accuracy: number }[][] = [[], []];
    for (const rate of rates) {
      plain.push(await of(rate, () => new ReLU()));
      leaky.push(await of(rate, () => new LeakyReLU({ negativeSlope: 0.1 })));
    }
    const curve = (name: string, y: readonly number[]) => ({ name, x: rates, y, kind: 'path' as const });
    const axes = { xLabel: 'learning rate', xScale: 'log' } as const;
    return {
      lines: rates.map(
        (rate, i) =>
          `rate ${rate}: ${percent(plain[i].dead)} of the ReLU units are zero for every digit; accuracy ${percent(plain[i].accuracy)}, with leaky ReLU ${percent(leaky[i].accuracy)}`,
      ),
      panels: [
        {
          title: 'Dead ReLU units',
          yLabel: 'share',
          series: [
            curve(
              'ReLU',
              plain.map(({ dead }) => dead),
            ),
          ],
          ...axes,
        },
        {
          title: 'Accuracy on new digits',
          yLabel: 'accuracy',
          series: [
            curve(
              'ReLU',
              plain.map(({ accuracy }) => accuracy),
            ),
            curve(
              'leaky ReLU',
              leaky.map(({ accuracy }) => accuracy),
            ),
          ],
          ...axes,
        },
      ],
    };
  },
};

/** The path of two weights whose inputs are all positive, and of the same with inputs around zero. */
export const zigzag: Experiment = {
  title: 'The zigzag of inputs that are all positive',
  question: 'Why should inputs have a mean of zero? The gradients of a unit have one sign where all of its inputs are positive.',
  rows: ['A05', 'B01'],
  run: async ({ seed, step, size }) => {
    step('two weights');
    const random = new Random(seed, 'zigzag');
    const points = Array.from({ length: 200 }, () => [random.normal(), random.normal()] as const);
    const wanted = [1, -1] as const;
    const steps = size(60, 20);
    /** Descends from the same start along the gradient of one example after the other; counts steps whose two parts have one sign. */
    const descend = (shift: number, rate: number): { path: [number, number][]; alike: number } => {
      let [u, v] = [-1.2, 0.9];
      const path: [number, number][] = [[u, v]];
      let alike = 0;
      for (let i = 0; i < steps; i++) {
        const [a, b] = points[i].map((value) => (shift > 0 ? Math.abs(value) + shift : value));
        const error = (u - wanted[0]) * a + (v - wanted[1]) * b;
        alike += Number(a * b > 0);
        [u, v] = [u - rate * error * a, v - rate * error * b];
        path.push([u, v]);
      }
      return { path, alike: alike / steps };
    };
    const [positive, centred] = [descend(0.3, 0.25), descend(0, 0.25)];
    const away = ([u, v]: [number, number]): number => Math.sqrt((u - wanted[0]) * (u - wanted[0]) + (v - wanted[1]) * (v - wanted[1]));
    const near = (path: [number, number][]): number => path.findIndex((place) => away(place) < 0.1);
    const text = (path: [number, number][]): string => (near(path) < 0 ? `not in ${steps} steps` : `after ${near(path)} steps`);
    const line = (name: string, path: [number, number][]) => ({
      name,
      x: path.map(([u]) => u),
      y: path.map(([, v]) => v),
      kind: 'path' as const,
    });
    const goal = { name: 'best weights', x: [1], y: [-1], kind: 'points' as const };
    return {
      lines: [
        `all inputs positive: both gradients have one sign in ${percent(positive.alike)} of the steps; within 0.1 of the best weights ${text(positive.path)}`,
        `inputs around zero: in ${percent(centred.alike)} of the steps; within 0.1 ${text(centred.path)}`,
      ],
      panels: [
        {
          title: 'Inputs all positive',
          remark: 'Each step goes up and right, or down and left',
          xLabel: 'first weight',
          yLabel: 'second weight',
          series: [line('path', positive.path), goal],
        },
        {
          title: 'Inputs around zero',
          remark: 'Steps go in all directions',
          xLabel: 'first weight',
          yLabel: 'second weight',
          series: [line('path', centred.path), goal],
        },
        {
          title: 'Distance from the best weights',
          xLabel: 'step',
          yLabel: 'distance',
          yScale: 'log',
          series: [series('all positive', positive.path.map(away)), series('around zero', centred.path.map(away))],
        },
      ],
    };
  },
};
