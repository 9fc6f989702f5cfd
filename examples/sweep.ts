// Searches for good hyperparameters: twenty short trainings at random rates, sizes and kinds of update, which are logged one by one, so that a search that was
// interrupted goes on. It says which were best, which parameter decides, and whether a range ends too early; sweep/report.html shows all of it. Two seconds.
// `node examples/sweep.ts 4` makes four trials.

import { writeFileSync } from 'node:fs';
import { Adam, CrossEntropyLoss, SGD, datasets, mlp, search, searchReport, space, split } from 'nodegrad';

const trials = Number(process.argv[2] ?? 20);
const digits = await datasets.digits({ train: 2000, test: 500 });
const [train, validation] = split(digits.train, [0.8, 0.2], { seed: 1 }); // the test data are for the winner alone
const loss = new CrossEntropyLoss();

const study = await search(
  {
    kind: space.choice(['sgd', 'adam']),
    lr: space.logUniform(1e-5, 1), // a factor counts, not a difference
    hidden: space.choice([[32], [128], [128, 64]]),
  },
  async ({ kind, lr, hidden }, trial) => {
    const model = mlp({ hidden });
    const optimizer = kind === 'adam' ? new Adam(model, { lr }) : new SGD(model, { lr, momentum: 0.9 });
    const callbacks = [trial.watch({ score: 'accuracy' })]; // ends a trial whose loss explodes
    const history = await model.fit(train, { loss, optimizer, epochs: 3, validation, callbacks, progress: false, log: false });
    return history.last?.validation?.metrics.accuracy ?? 0;
  },
  { trials, direction: 'maximize', seed: 1, runDir: 'sweep', resume: true },
);

for (const { params, score } of study.top(3))
  console.log(
    `${(100 * score).toFixed(1)} % with ${params.kind}, learning rate ${params.lr.toExponential(1)}, hidden ${params.hidden.join(' and ')}`,
  );
for (const { parameter, importance } of study.importance())
  console.log(`${parameter} explains ${(100 * importance).toFixed(0)} % of the differences`);
for (const { text } of study.warnings()) console.log(text);
writeFileSync('sweep/report.html', searchReport(study));
console.log('sweep/report.html');
