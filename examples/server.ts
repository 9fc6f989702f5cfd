// An HTTP service that answers while it trains: `npm install fastify`, then `node examples/server.ts 3000` and, in another terminal,
// `curl localhost:3000/status`. Training runs on threads of its own; requests are answered by a copy of the model, which is replaced after every epoch. Without a
// port it asks itself, some hundred times a second, how long answers take while it trains and afterwards, and ends. Fifteen seconds.
// `node examples/server.ts "" 600 2`: 600 digits, two epochs.

import { setTimeout as wait } from 'node:timers/promises';
import Fastify from 'fastify';
import { Adam, ChannelScaler, CrossEntropyLoss, type EpochRecord, Tensor, datasets, setSeed, smallConvNet, softmax } from 'nodegrad';

const [, , port = '', digits = '10000', epochs = '6'] = process.argv;

setSeed(1);
const { train, test } = await datasets.digits({ train: Number(digits), test: 1000, raw: true });
const model = smallConvNet();
model.preprocessing = new ChannelScaler({ layout: 'NHWC', divide: true }).fit(train); // requests bring grey values from 0 to 255
let serving = model.clone(); // what answers: training does not touch it
let state = { epoch: 0, accuracy: 0 };

const app = Fastify();
app.get('/status', () => state);
const pixels = { type: 'array', items: { type: 'number' }, minItems: 784, maxItems: 784 };
const schema = { body: { type: 'object', required: ['pixels'], properties: { pixels } } }; // anything else is answered with 400
app.post<{ Body: { pixels: number[] } }>('/predict', { schema }, async ({ body }) => {
  const chances = softmax(await serving.predict<Tensor>(Tensor.from(Float32Array.from(body.pixels), [1, 28, 28, 1])));
  return { digit: chances.argmax(-1).item(), chance: chances.max().item(), epoch: state.epoch };
});
const address = await app.listen({ port: Number(port) });
console.log(`answers at ${address}/predict`);

const onEpochEnd = ({ epoch, validation }: EpochRecord) => {
  serving = model.clone();
  state = { epoch, accuracy: validation?.metrics.accuracy ?? 0 };
};
const options = { epochs: Number(epochs), batchSize: 64, validation: test, callbacks: [{ onEpochEnd }], log: false } as const;
let isTraining = true;
const training = model.fit(train, { loss: new CrossEntropyLoss(), optimizer: new Adam(model, { lr: 1e-3 }), ...options }).finally(() => {
  isTraining = false;
});

/** Asks until `isOver`, and says how long the answers took. */
async function ask(when: string, isOver: (asked: number) => boolean): Promise<void> {
  const times: number[] = [];
  let right = 0;
  while (!isOver(times.length)) {
    const i = times.length % test.length;
    const { inputs, targets } = test.batch(Int32Array.of(i));
    const began = performance.now();
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${address}/predict`, { method: 'POST', headers, body: JSON.stringify({ pixels: [...inputs.data] }) });
    const { digit } = (await response.json()) as { digit: number };
    times.push(performance.now() - began);
    if (digit === targets.data[0]) right += 1;
    await wait(5);
  }
  const sorted = times.sort((a, b) => a - b);
  const at = (share: number) => `${sorted[Math.floor(share * (sorted.length - 1))].toFixed(1)} ms`;
  console.log(
    `${when}: half of the answers within ${at(0.5)}, 99 % within ${at(0.99)}; ${((100 * right) / times.length).toFixed(0)} % of ${times.length} right`,
  );
}

if (port === '') await ask('while it trains', () => !isTraining);
await training;
console.log(`trained: test accuracy ${(100 * state.accuracy).toFixed(1)} %`);
if (port === '') {
  await ask('afterwards', (asked) => asked === 300);
  await app.close();
}
