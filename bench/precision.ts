// `node dist/bench/precision.js`: what training in bfloat16 costs in accuracy and saves in memory, beside float32.

import { parseArgs } from 'node:util';
import {
  Adam,
  type AnyModel,
  type StepPrecision,
  type Tensor,
  compileStep,
  crossEntropy,
  info,
  ones,
  resnet18,
  resnet50,
  zeros,
} from '../lib/index.js';
import { accuracy, recipeNames } from './accuracy.js';

const both: readonly StepPrecision[] = ['float32', 'bfloat16'];
const usage = `Usage: node dist/bench/precision.js [accuracy] [memory] [options]     (default: both)
  --model name       ${recipeNames.join(', ')}; data sets are looked for below $NODEGRAD_DATA
  --precision a,b    default ${both.join(',')}
  --seeds n          runs in each precision (default 3), from --seed (default 1) on
  --epochs n         default: the recipe's
  --run-dir folder   checkpoints go there; a run that was ended goes on by the same line`;

const print = (text: string): void => void process.stdout.write(`${text}\n`);

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
  options: {
    model: { type: 'string', default: recipeNames[0] },
    precision: { type: 'string', default: both.join(',') },
    seeds: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    epochs: { type: 'string' },
    'run-dir': { type: 'string' },
    help: { type: 'boolean' },
  },
  allowPositionals: true,
});
const precisions = values.precision.split(',') as StepPrecision[];
const known =
  positionals.every((one) => ['accuracy', 'memory'].includes(one)) &&
  recipeNames.includes(values.model) &&
  precisions.every((one) => both.includes(one));
if (values.help || !known) print(usage);
else {
  const { cpu, isa, numThreads } = info();
  print(`${cpu.brand}, ${isa}, ${numThreads} threads`);
  const wanted = (what: string): boolean => positionals.length === 0 || positionals.includes(what);
  if (wanted('memory')) memory();
  if (wanted('accuracy')) {
    const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => Number(values.seed) + i);
    const epochs = values.epochs === undefined ? undefined : Number(values.epochs);
    await accuracy({ model: values.model, precisions, seeds, epochs, runDir: values['run-dir'] }, print);
  }
}
