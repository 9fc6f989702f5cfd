// Forecasts a series with two seasons and noise by an LSTM: one hour ahead, then a whole day by itself. It ends near the noise, which nobody can foresee,
// after a second. `node examples/forecast.ts`; `node examples/forecast.ts 1` makes one epoch.

import { Adam, LSTM, Linear, MSELoss, Random, Sequential, Tensor, TensorDataset, noGrad, setSeed } from 'nodegrad';

const epochs = Number(process.argv[2] ?? 40);
const [length, window, season] = [1200, 48, 24];

// A day within a week, and noise of 0.1 that nobody can foresee.
setSeed(1);
const random = new Random(3);
const series = Float32Array.from(
  { length },
  (_, i) => Math.sin((2 * Math.PI * i) / season) + 0.5 * Math.sin((2 * Math.PI * i) / (7 * season)) + 0.1 * random.normal(),
);

/** Examples [N, window, 1] and what follows each, [N, 1], of the series from `begin` to `end`. */
function examples(begin: number, end: number): TensorDataset<'float32', 'float32'> {
  const count = end - begin - window;
  const x = Float32Array.from({ length: count * window }, (_, i) => series[begin + Math.floor(i / window) + (i % window)]);
  return new TensorDataset(Tensor.from(x, [count, window, 1]), Tensor.from(series.slice(begin + window, end), [count, 1]));
}
// The future is tested on, never a mixture.
const [train, test] = [examples(0, 900), examples(900 - window, length)];

const model = new Sequential([new LSTM(1, 32, { returns: 'last' }), new Linear(32, 1)]);
const loss = new MSELoss();
await model.fit(train, { loss, optimizer: new Adam(model, { lr: 5e-3 }), epochs, batchSize: 32, validation: test, log: false });

const deviation = Math.sqrt((await model.evaluate(test, { loss })).loss);
let naive = 0;
for (let i = 900; i < length; i++) naive += (series[i] - series[i - season]) ** 2 / (length - 900);
console.log(
  `one hour ahead it is ${deviation.toFixed(3)} off, yesterday's value at the same hour ${Math.sqrt(naive).toFixed(3)}, the noise is 0.1`,
);

// By itself: each forecast is the last value of the next window.
model.eval();
const values = [...series.subarray(900 - window, 900)];
noGrad(() => {
  for (let i = 0; i < season; i++) values.push(model.forward(Tensor.from(Float32Array.from(values.slice(-window)), [1, window, 1])).item());
});
for (let i = 0; i < season; i += 3) {
  console.log(
    `hour ${String(i + 1).padStart(2)}: forecast ${values[window + i].toFixed(2).padStart(5)}, came ${series[900 + i].toFixed(2).padStart(5)}`,
  );
}
