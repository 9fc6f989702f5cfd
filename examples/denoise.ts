// An autoencoder cleans images: it sees drawn digits under noise, and learns to draw them without. What it makes of eight new ones stands in denoise.svg, above
// them what it saw, below what they were. Two seconds. `node examples/denoise.ts`; `node examples/denoise.ts 500 1` takes 500 digits, and one epoch.

import { writeFileSync } from 'node:fs';
import { Adam, Conv2d, ConvTranspose2d, MSELoss, Random, ReLU, Sequential, Tensor, TensorDataset, datasets, setSeed } from 'nodegrad';

const [digits, epochs] = [Number(process.argv[2] ?? 3000), Number(process.argv[3] ?? 8)];

/** Images [N, 28, 28, 1] from 0 to 1, clean as targets and noisy as inputs. */
function noisy(data: TensorDataset<'uint8'>, seed: number): TensorDataset<'float32', 'float32'> {
  const random = new Random(seed);
  const clean = data.inputs.to('float32').div(255);
  const seen = clean.data.map((grey) => Math.min(1, Math.max(0, grey + 0.5 * random.normal())));
  return new TensorDataset(Tensor.from(seen, clean.shape), clean);
}

setSeed(1);
const drawn = await datasets.digits({ train: digits, test: 200, raw: true });
const [train, test] = [noisy(drawn.train, 1), noisy(drawn.test, 2)];

// Down to 7×7 and back: what passes through the middle is what digits have in common, and noise has not.
const model = new Sequential(
  [
    new Conv2d(1, 16, 3, { stride: 2, padding: 1 }), // 14×14
    new ReLU(),
    new Conv2d(16, 32, 3, { stride: 2, padding: 1 }), // 7×7
    new ReLU(),
    new ConvTranspose2d(32, 16, 4, { stride: 2, padding: 1 }), // 14×14
    new ReLU(),
    new ConvTranspose2d(16, 1, 4, { stride: 2, padding: 1 }), // 28×28, from about 0, paper, to about 1, ink
  ],
  { inputShape: [28, 28, 1] },
);
const loss = new MSELoss();
await model.fit(train, { loss, optimizer: new Adam(model, { lr: 2e-3 }), epochs, batchSize: 32, validation: test, log: false });

const before = test.inputs.sub(test.targets).pow(2).mean().item();
const after = (await model.evaluate(test, { loss })).loss;
console.log(`mean squared error: ${before.toFixed(4)} with noise, ${after.toFixed(4)} cleaned`);

/** An image as SVG: a path for each of eight greys. */
function picture(pixels: ArrayLike<number>, x: number, y: number): string {
  const paths = Array.from({ length: 9 }, () => '');
  for (let i = 0; i < 784; i++) paths[Math.min(8, Math.max(0, Math.round(8 * pixels[i])))] += `M${i % 28} ${Math.floor(i / 28)}h1v1h-1z`;
  const drawn = paths.map((path, grey) => (grey === 0 ? '' : `<path d="${path}" fill-opacity="${grey / 8}"/>`));
  return `<g transform="translate(${x} ${y})"><rect width="28" height="28" fill="#fff"/>${drawn.join('')}</g>`;
}
const shown = test.batch(Int32Array.from({ length: 8 }, (_, i) => i));
const rows = [shown.inputs, await model.predict<Tensor>(shown.inputs), shown.targets];
const pictures = rows.flatMap(({ data }, row) =>
  Array.from({ length: 8 }, (_, i) => picture(data.subarray(784 * i, 784 * (i + 1)), 2 + 30 * i, 2 + 30 * row)),
);
const ground = '<rect width="242" height="92" fill="#ccc"/>';
writeFileSync('denoise.svg', `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 242 92" width="968">${ground}${pictures.join('')}</svg>\n`);
console.log('denoise.svg');
