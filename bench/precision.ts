// `node dist/bench/precision.js`: what training in bfloat16 costs in accuracy and saves in memory, beside float32.

import { parseArgs } from 'node:util';
import {
  Adam,
  CrossEntropyLoss,
  type AnyModel,
  type StepPrecision,
  type Tensor,
  compileStep,
  crossEntropy,
  datasets,
  evaluate,
  info,
  lenet5,
  ones,
  resnet18,
  resnet50,
  setSeed,
  zeros,
} from '../lib/index.js';

const usage = `Usage: node dist/bench/precision.js [accuracy] [memory] [options]     (default: both)
  --seeds n     runs of accuracy in each precision (default 3)
  --epochs n    of LeNet-5 on MNIST (default 5); the files are looked for below $NODEGRAD_DATA`;

const both: readonly StepPrecision[] = ['float32', 'bfloat16'];
const print = (text: string): boolean => process.stdout.write(`${text}\n`);

/** Test accuracy of LeNet-5 on MNIST, seed by seed, and the CPU seconds of a run. */
async function accuracy(seeds: number, epochs: number): Promise<void> {
  const { train, test } = await datasets.mnist();
  const found = new Map<StepPrecision, number[]>(both.map((precision) => [precision, []]));
  for (let seed = 1; seed <= seeds; seed++) {
    for (const precision of both) {
      setSeed(seed);
      const model = lenet5() as AnyModel;
      const before = process.cpuUsage();
      const options = { loss: new CrossEntropyLoss(), optimizer: new Adam(model, { lr: 1e-3 }), epochs, batchSize: 64, precision, seed };
      await model.fit(train, { ...options, log: false, progress: false, sitter: false });
      const { user, system } = process.cpuUsage(before);
      const { metrics } = await evaluate(model, test, { loss: new CrossEntropyLoss() });
      found.get(precision)?.push(100 * metrics.accuracy);
      print(
        `LeNet-5, MNIST, seed ${seed}, ${epochs} epochs, ${precision.padEnd(8)}  ${(100 * metrics.accuracy).toFixed(2)} %  ${((user + system) / 1e6).toFixed(0)} s of CPU`,
      );
    }
  }
  const means = both.map((precision) => (found.get(precision) ?? []).reduce((sum, one) => sum + one, 0) / seeds);
  print(
    `mean of ${seeds}: float32 ${means[0].toFixed(2)} %, bfloat16 ${means[1].toFixed(2)} %, apart ${(means[1] - means[0]).toFixed(2)} points`,
  );
}

/** Planned bytes of the arena of a training step. */
function memory(): void {
  for (const [name, make, batch] of [
    ['ResNet-18', resnet18, 16],
    ['ResNet-50', resnet50, 8],
  ] as const) {
    // biome-ignore format: one line
    const model = make() as AnyModel;
    const optimizer = new Adam(model);
    const sizes = both.map((precision) => {
      const step = compileStep(
        (x: Tensor, y: Tensor<'int32'>) => {
          const loss = crossEntropy(model.forward(x) as Tensor, y);
          loss.backward();
          optimizer.step();
          optimizer.zeroGrad();
          return loss;
        },
        { precision },
      );
      const [, size] = /arena ([\d.]+) MiB/.exec(
        step.describe(ones([batch, 224, 224, 3]), zeros([batch], { dtype: 'int32' })),
      ) as RegExpExecArray;
      step.dispose();
      return Number(size);
    });
    print(
      `${name}, batch ${batch}: arena ${sizes[0].toFixed(0)} MiB in float32, ${sizes[1].toFixed(0)} MiB in bfloat16 (${((100 * sizes[1]) / sizes[0]).toFixed(0)} %)`,
    );
  }
}

const { values, positionals } = parseArgs({
  options: { seeds: { type: 'string', default: '3' }, epochs: { type: 'string', default: '5' }, help: { type: 'boolean' } },
  allowPositionals: true,
});
if (values.help || positionals.some((one) => !['accuracy', 'memory'].includes(one))) print(usage);
else {
  const { cpu, isa, numThreads } = info();
  print(`${cpu.brand}, ${isa}, ${numThreads} threads`);
  const wanted = (what: string): boolean => positionals.length === 0 || positionals.includes(what);
  if (wanted('memory')) memory();
  if (wanted('accuracy')) await accuracy(Number(values.seeds), Number(values.epochs));
}
