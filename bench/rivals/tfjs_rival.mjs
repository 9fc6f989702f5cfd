// TensorFlow.js with its WebAssembly backend as a contestant; the packages come from NODEGRAD_BENCH_NODE_MODULES.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readFloats, readIntegers } from '../../dist/bench/data.js';
import { Skip, serve } from '../../dist/bench/protocol.js';

const modules = process.env.NODEGRAD_BENCH_NODE_MODULES;
const require = createRequire(join(modules, 'none.js'));
console.log = console.error; // stdout belongs to the runner
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');

function mlp(work, folder) {
  const { layers, batch, batches } = work;
  const values = readFloats(folder, 'weights.bin');
  const variables = [];
  let at = 0;
  for (let index = 0; index + 1 < layers.length; index++) {
    const [inputs, outputs] = [layers[index], layers[index + 1]];
    variables.push(tf.variable(tf.tensor2d(values.subarray(at, at + inputs * outputs), [inputs, outputs])));
    variables.push(tf.variable(tf.tensor1d(values.subarray(at + inputs * outputs, at + (inputs + 1) * outputs))));
    at += (inputs + 1) * outputs;
  }
  const { kind, lr } = work.optimizer;
  const optimizer = kind === 'adam' ? tf.train.adam(lr, 0.9, 0.999, 1e-8) : tf.train.sgd(lr);
  const inputs = readFloats(folder, 'inputs.bin');
  const targets = readIntegers(folder, 'targets.bin');
  const classes = layers[layers.length - 1];
  const size = batch * layers[0];
  const x = Array.from({ length: batches }, (_, index) => tf.tensor2d(inputs.subarray(index * size, (index + 1) * size), [batch, layers[0]]));
  const y = Array.from({ length: batches }, (_, index) =>
    tf.oneHot(tf.tensor1d(targets.subarray(index * batch, (index + 1) * batch), 'int32'), classes).toFloat(),
  );
  let position = 0;
  const step = () => {
    const loss = optimizer.minimize(
      () => {
        let hidden = x[position];
        for (let index = 0; index < variables.length; index += 2) {
          hidden = hidden.matMul(variables[index]).add(variables[index + 1]);
          if (index + 2 < variables.length) hidden = hidden.relu();
        }
        return tf.losses.softmaxCrossEntropy(y[position], hidden);
      },
      true,
      variables,
    );
    position = (position + 1) % batches;
    const value = loss.dataSync()[0];
    loss.dispose();
    return value;
  };
  return {
    check: () => Array.from({ length: 20 }, step),
    run: (steps) => {
      for (let index = 0; index < steps; index++) step();
    },
  };
}

function tiny(work, folder) {
  const x = tf.tensor1d(readFloats(folder, 'a.bin'));
  const y = tf.tensor1d(readFloats(folder, 'b.bin'));
  const call = work.operation === 'add' ? () => x.add(y) : () => x.relu();
  return {
    check: () => Array.from(call().dataSync().subarray(0, 20)),
    run: (steps) => {
      for (let index = 0; index < steps; index++) call().dispose();
    },
  };
}

await serve(async (setup) => {
  const kinds = { mlp, tiny };
  if (kinds[setup.work.kind] === undefined) throw new Skip(`no ${setup.work.kind} here`);
  wasm.setThreadsCount(setup.threads);
  wasm.setWasmPaths(join(modules, '@tensorflow/tfjs-backend-wasm/dist/'));
  if (!(await tf.setBackend('wasm'))) throw new Skip('the WebAssembly backend does not start');
  await tf.ready();
  const threaded = await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT');
  return {
    versions: { '@tensorflow/tfjs': tf.version.tfjs },
    note: threaded ? undefined : 'one thread: its WebAssembly threads do not start in Node.js',
    ...kinds[setup.work.kind](setup.work, setup.folder),
  };
});
