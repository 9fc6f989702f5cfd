// Pictures of the course's second part: the sweep of learning rates, paths of optimizers, schedules.
import {
  Adam,
  Constant,
  CosineDecay,
  CosineRestarts,
  CrossEntropyLoss,
  ExponentialDecay,
  LinearWarmup,
  OneCycle,
  Parameter,
  RMSprop,
  SGD,
  SequentialSchedule,
  StepDecay,
  chart,
  datasets,
  learningRateFinder,
  learningRatePicture,
  mlp,
} from '../../dist/lib/index.js';

/** The sweep of the learning-rate finder on drawn digits. */
export async function learningRates() {
  const { train } = await datasets.digits();
  const model = mlp();
  const found = await learningRateFinder(model, train, {
    loss: new CrossEntropyLoss(),
    optimizer: new Adam(model, { lr: 1e-3 }),
    seed: 1,
    progress: false,
  });
  return learningRatePicture(found);
}

/** The way of four optimizers down a valley, f = (x² + 20·y²)/2, over its level lines. */
export function optimizers() {
  const curvature = [1, 20];
  const kinds = [
    ['SGD', (weights) => new SGD(weights, { lr: 0.09 })],
    ['with momentum', (weights) => new SGD(weights, { lr: 0.02, momentum: 0.9 })],
    ['RMSprop', (weights) => new RMSprop(weights, { lr: 0.12, alpha: 0.9 })],
    ['Adam', (weights) => new Adam(weights, { lr: 0.3 })],
  ];
  const walk = (make) => {
    const [x, y] = [-4, 1.4].map((start) => new Parameter([1], { init: new Constant(start) }));
    const optimizer = make([x, y]);
    const path = [];
    for (let i = 0; i <= 40; i++) {
      path.push([x.data[0], y.data[0]]);
      x.mul(x)
        .mul(curvature[0] / 2)
        .add(y.mul(y).mul(curvature[1] / 2))
        .sum()
        .backward();
      optimizer.step();
      optimizer.zeroGrad();
    }
    return path;
  };
  // Level lines by √, half at a time; a value that is NaN parts two of them.
  const levels = { name: 'equal loss', x: [], y: [] };
  for (const level of [0.5, 2, 5, 10, 16]) {
    const [a, b] = curvature.map((c) => Math.sqrt((2 * level) / c));
    const across = Array.from({ length: 121 }, (_, i) => {
      const t = i / 60 - 1; // by t·|…| the points crowd at the ends, where the line turns
      return Math.sign(t) * a * (1 - (1 - Math.abs(t)) * (1 - Math.abs(t)));
    });
    const up = across.map((x) => b * Math.sqrt(Math.max(0, 1 - (x * x) / (a * a))));
    levels.x.push(...across, ...across.toReversed(), Number.NaN);
    levels.y.push(...up, ...up.map((y) => -y), Number.NaN);
  }
  const panels = kinds.map(([title, make]) => {
    const path = walk(make);
    const steps = { name: 'its steps', x: path.map(([x]) => x), y: path.map(([, y]) => y), kind: 'path' };
    return { title, xLabel: 'flat direction', yLabel: 'steep direction', yRange: [-1.6, 1.6], series: [steps, levels] };
  });
  return chart(panels, { title: 'Forty steps down a valley that is twenty times as steep one way as the other', columns: 2 });
}

/** Six schedules over a hundred epochs. */
export function schedules() {
  const drawn = (list) =>
    list.map(([name, schedule]) => ({
      name,
      x: Array.from({ length: 101 }, (_, i) => i),
      y: Array.from({ length: 101 }, (_, i) => schedule.at(i)),
    }));
  const axes = { xLabel: 'epoch', yLabel: 'learning rate', yRange: [0, 0.105] };
  return chart(
    [
      {
        ...axes,
        title: 'They fall',
        series: drawn([
          ['StepDecay', new StepDecay(0.1, { every: 30, factor: 0.3 })],
          ['ExponentialDecay', new ExponentialDecay(0.1, { k: 0.04 })],
          ['CosineDecay', new CosineDecay(0.1, { length: 100 })],
        ]),
      },
      {
        ...axes,
        title: 'They rise first, or again',
        series: drawn([
          [
            'LinearWarmup, then CosineDecay',
            new SequentialSchedule([new LinearWarmup(0.1, { length: 10 }), new CosineDecay(0.1, { length: 90 })], { milestones: [10] }),
          ],
          ['OneCycle', new OneCycle(0.1, { length: 100 })],
          ['CosineRestarts', new CosineRestarts(0.1, { length: 34 })],
        ]),
      },
    ],
    { title: 'Schedules of the learning rate' },
  );
}
