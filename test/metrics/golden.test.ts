// Every metric against scikit-learn in float64: whole, in batches, and inside of a compiled step.
import test from 'ava';
import * as lib from '../../lib/index.js';
import { f64, i32 } from '../helpers/build.js';
import { type GoldenArray, golden, type MetricCase, values } from '../helpers/golden.js';

type Kind = new (options: never) => lib.Metric;

const { cases } = golden('metrics');
const kinds = ['ConfusionMatrix', 'Precision', 'Recall', 'F1', 'BalancedAccuracy', 'MatthewsCorrelation', 'CohensKappa', 'TopKAccuracy'];
const others = [
  'BinaryAccuracy',
  'LogLoss',
  'CalibrationError',
  'RocAuc',
  'AveragePrecision',
  'MeanAbsoluteError',
  'RootMeanSquaredError',
  'R2',
];

const tensorOf = (array: GoldenArray): lib.AnyTensor =>
  array.dtype === 'int32' ? i32(values(array, 'int32'), array.shape) : f64(values(array, 'float64'), array.shape);

function makeMetric(label: string): lib.Metric {
  const [name, options = '{}'] = label.split(/ (.*)/);
  return new (lib as unknown as Record<string, Kind>)[name](JSON.parse(options) as never);
}

/** The rows in three batches of different sizes. */
function* batches({ prediction, target }: MetricCase): Generator<[lib.AnyTensor, lib.AnyTensor]> {
  const [given, wanted] = [tensorOf(prediction), tensorOf(target)];
  const rows = given.shape[0];
  for (const [begin, end] of [
    [0, 7],
    [7, 30],
    [30, rows],
  ])
    yield [given.slice(begin, end), wanted.slice(begin, end)];
}

const near = (given: number, wanted: number): boolean => Math.abs(given - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted));

for (const name of [...kinds, ...others]) {
  test(`${name} is that of scikit-learn, over batches and by compiled steps alike`, async (t) => {
    let count = 0;
    for (const one of cases)
      for (const [label, wanted] of Object.entries(one.values)) {
        if (label.split(' ')[0] !== name) continue;
        const [eager, compiled, restored] = [makeMetric(label), makeMetric(label), makeMetric(label)];
        const step = lib.compileStep((prediction: lib.AnyTensor, target: lib.AnyTensor) =>
          lib.noGrad(() => compiled.measure?.(prediction, target)),
        );
        let batch = 0;
        for (const [prediction, target] of batches(one)) {
          eager.update(prediction, target);
          compiled.add?.(await step(prediction as never, target as never));
          if (batch === 1) restored.loadStateDict?.(JSON.parse(JSON.stringify(eager.stateDict?.())));
          if (batch === 2) restored.update(prediction, target);
          batch += 1;
        }
        step.dispose();
        t.true(near(eager.result(), wanted), `${one.name}, ${label}: ${eager.result()} for ${wanted}`);
        t.is(compiled.result(), eager.result(), `${one.name}, ${label}, compiled`);
        t.is(restored.result(), eager.result(), `${one.name}, ${label}, from its state`);
        eager.reset();
        t.is(eager.result(), Number.NaN, 'nothing is left after a reset');
        count += 1;
      }
    t.true(count >= 2, `${count} values`);
  });
}

test('the golden file holds no metric that is not compared', (t) => {
  const named = new Set(cases.flatMap((one) => Object.keys(one.values).map((label) => label.split(' ')[0])));
  t.deepEqual([...named].sort(), [...kinds, ...others].sort());
});
