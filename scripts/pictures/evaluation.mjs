// Pictures of the course's third part: where networks decide, what they mistake for what, and how sure they are.
import {
  Adam,
  CalibrationError,
  ConfusionMatrix,
  CrossEntropyLoss,
  Linear,
  Random,
  ReLU,
  Sequential,
  Temperature,
  Tensor,
  TensorDataset,
  calibrateTemperature,
  chart,
  datasets,
  mlp,
  noGrad,
  softmax,
} from '../../dist/lib/index.js';
import { page, short, text } from '../../dist/lib/pictures/svg.js';
import { image, inRows, shades } from './image.mjs';

const quiet = { log: false, progress: false, sitter: false };

/** Two half moons with noise, without sines: each point on a half circle comes from a random direction. */
function moons(count, seed) {
  const random = new Random(seed, 'moons');
  const points = new Float32Array(2 * count);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  for (let i = 0; i < count; i++) {
    let [a, b] = [random.normal(), Math.abs(random.normal())];
    const length = Math.sqrt(a * a + b * b);
    [a, b] = [a / length, b / length];
    const [x, y] = i % 2 === 0 ? [a, b] : [1 - a, 0.5 - b];
    points.set([x + 0.3 * random.normal(), y + 0.3 * random.normal()], 2 * i);
  }
  return { points, data: new TensorDataset(Tensor.from(points, [count, 2]), Tensor.from(labels)) };
}

/** Where networks of three sizes draw the border between two classes. */
export async function decisionBoundary() {
  const { points, data } = moons(80, 4);
  const fresh = moons(2000, 5).data;
  const [side, cells, left, top] = [480, 96, 40, 150];
  const [low, high] = [
    [-1.8, -1.9],
    [2.8, 2.4],
  ];
  const at = (k, value) => (value - low[k]) / (high[k] - low[k]);
  const grid = Float32Array.from({ length: 2 * cells * cells }, (_, i) => {
    const cell = i >> 1;
    const place = i % 2 === 0 ? (cell % cells) + 0.5 : cells - Math.floor(cell / cells) - 0.5;
    return low[i % 2] + ((high[i % 2] - low[i % 2]) * place) / cells;
  });
  const parts = [text(40, 52, 'Where a network draws the border between two classes', 30, 'bold')];
  const colours = shades([244, 178, 160], [250, 250, 250], [150, 190, 230]);
  const kinds = [
    ['no hidden layer', [new Linear(2, 2)], 0],
    ['16 hidden units', [new Linear(2, 16), new ReLU(), new Linear(16, 2)], 0],
    ['two layers of 256, trained long', [new Linear(2, 256), new ReLU(), new Linear(256, 256), new ReLU(), new Linear(256, 2)], 1],
  ];
  for (const [k, [name, layers, isLong]] of kinds.entries()) {
    const model = new Sequential(layers);
    const loss = new CrossEntropyLoss();
    await model.fit(data, { loss, optimizer: new Adam(model, { lr: 0.01 }), epochs: isLong ? 600 : 100, batchSize: 16, seed: 1, ...quiet });
    const [seen, held] = [await model.evaluate(data, { loss }), await model.evaluate(fresh, { loss })];
    const probability = noGrad(() => softmax(model.forward(Tensor.from(grid, [cells * cells, 2]))));
    const x = left + k * (side + 40);
    const share = ({ metrics }) => `${(100 * metrics.accuracy).toFixed(1)} %`;
    parts.push(
      text(x, 100, name, 21, 'bold'),
      text(x, 128, `right: ${share(seen)} of the points, ${share(held)} of new ones`, 16, 'quiet'),
      image(
        x,
        top,
        side,
        inRows(
          Array.from({ length: cells * cells }, (_, i) => probability.data[2 * i + 1]),
          cells,
        ),
        { colours },
      ),
    );
    for (let i = 0; i < points.length; i += 2) {
      const [across, up] = [at(0, points[i]), at(1, points[i + 1])];
      const isFirst = (i / 2) % 2 === 0;
      parts.push(
        `<circle cx="${short(x + across * side)}" cy="${short(top + (1 - up) * side)}" r="5" fill="${isFirst ? '#b4473a' : '#2f6ca8'}"/>`,
      );
    }
  }
  return page(1600, top + side + 30, 'Decision boundaries', parts);
}

/** The digits that a small network takes for others. */
export async function confusion() {
  const { train, test } = await datasets.digits({ train: 2000, test: 5000, seed: 1 });
  const model = mlp({ hidden: [16] });
  const loss = new CrossEntropyLoss();
  await model.fit(train, { loss, optimizer: new Adam(model, { lr: 3e-3 }), epochs: 10, seed: 1, ...quiet });
  const matrix = new ConfusionMatrix();
  await model.evaluate(test, { loss, metrics: [matrix] });
  const counts = matrix.matrix;
  const [cell, left, top] = [64, 130, 150];
  const most = Math.max(...counts.flatMap((row, i) => row.filter((_, j) => i !== j)));
  const parts = [
    text(40, 52, 'What the network takes a digit for', 30, 'bold'),
    text(40, 84, 'Rows: what it is. Columns: what the network says. The darker, the more mistakes.', 18, 'quiet'),
  ];
  for (const [i, row] of counts.entries()) {
    parts.push(
      text(left - 24, top + i * cell + 39, String(i), 20, 'bold middle'),
      text(left + i * cell + 32, top - 14, String(i), 20, 'bold middle'),
    );
    for (const [j, count] of row.entries()) {
      const [x, y] = [left + j * cell, top + i * cell];
      const look = i === j ? 'fill="#2c7a5b" fill-opacity="0.18"' : `fill="#b4473a" fill-opacity="${((0.9 * count) / most).toFixed(2)}"`;
      parts.push(
        `<rect x="${x}" y="${y}" width="${cell - 3}" height="${cell - 3}" ${look}/>`,
        text(x + cell / 2 - 1, y + 38, String(count), 17, i === j ? 'middle bold' : 'middle'),
      );
    }
  }
  const errors = counts.flatMap((row, i) => row.map((count, j) => ({ i, j, count }))).filter(({ i, j }) => i !== j);
  errors.sort((a, b) => b.count - a.count);
  const x = left + 10 * cell + 90;
  parts.push(text(x, top + 30, 'Most frequent mistakes', 21, 'bold'));
  for (const [k, { i, j, count }] of errors.slice(0, 6).entries())
    parts.push(text(x, top + 70 + 32 * k, `${count} of ${counts[i].reduce((a, b) => a + b)} times ${i} was taken for ${j}`, 18));
  return page(1600, top + 10 * cell + 30, 'A confusion matrix', parts);
}

/** How often a network is right, by how sure it is, before and after a temperature. */
export async function calibration() {
  const { train, test } = await datasets.digits({ train: 1000, test: 6000, seed: 1 });
  const all = Int32Array.from({ length: test.length }, (_, i) => i);
  const { inputs, targets } = test.batch(all);
  const part = (from, to) => new TensorDataset(inputs.slice([from, 0, 0, 0], [to, 28, 28, 1]), targets.slice([from], [to]));
  const [held, fresh] = [part(0, 3000), part(3000, 6000)];
  const model = mlp({ hidden: [256, 256] });
  const loss = new CrossEntropyLoss();
  await model.fit(train, { loss, optimizer: new Adam(model, { lr: 2e-3 }), epochs: 40, seed: 1, ...quiet });
  const { temperature } = await calibrateTemperature(model, held);
  const panels = [];
  for (const [title, judged] of [
    ['as it was trained', model],
    [`scores divided by ${temperature.toFixed(2)}`, new Sequential([model, new Temperature(temperature)])],
  ]) {
    const error = new CalibrationError({ bins: 10 });
    await judged.evaluate(fresh, { loss, metrics: [error] });
    const bins = error.reliability.filter(({ count }) => count >= 10);
    panels.push({
      title,
      remark: `calibration error ${error.result().toFixed(3)}`,
      xLabel: 'how sure it is',
      yLabel: 'share that is right',
      yRange: [0, 1],
      series: [
        { name: 'bins of confidence', x: bins.map(({ confidence }) => confidence), y: bins.map(({ accuracy }) => accuracy), kind: 'path' },
        { name: 'as sure as right', x: [0.2, 1], y: [0.2, 1] },
      ],
    });
  }
  return chart(panels, { title: 'Calibration: is it right as often as it is sure?' });
}
