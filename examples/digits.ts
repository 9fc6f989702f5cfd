// A first network: it learns to read drawn digits, about 99 of 100 after five epochs, in a few seconds. Nothing is downloaded: the digits are drawn on
// the spot. Then it is shown three new ones. `node examples/digits.ts`; `node examples/digits.ts 600 1` takes 600 digits, and one epoch.

import {
  Adam,
  Conv2d,
  CrossEntropyLoss,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
  type Tensor,
  datasets,
  setSeed,
  softmax,
} from 'nodegrad';

const [digits, epochs] = [Number(process.argv[2] ?? 12_000), Number(process.argv[3] ?? 5)];

setSeed(1);
const { train, test } = await datasets.digits({ train: digits, test: Math.ceil(digits / 6) });

const model = new Sequential(
  [
    new Conv2d(1, 16, 3, { padding: 'same' }), // 16 small patterns are looked for, everywhere in the image
    new ReLU(),
    new MaxPool2d(2), // 28×28 becomes 14×14
    new Conv2d(16, 32, 3, { padding: 'same' }),
    new ReLU(),
    new MaxPool2d(2), // 7×7
    new Flatten(),
    new Linear(7 * 7 * 32, 10), // ten scores, one for each digit
  ],
  { inputShape: [28, 28, 1] },
);
console.log(`${train.length} digits to learn from, ${test.length} to be tested on; ${model.parameterCount().toLocaleString('en')} weights`);

const loss = new CrossEntropyLoss();
await model.fit(train, { loss, optimizer: new Adam(model, { lr: 2e-3 }), epochs, batchSize: 64, validation: test, log: false });
const { metrics } = await model.evaluate(test, { loss });
console.log(`test accuracy ${(100 * metrics.accuracy).toFixed(1)} %`);

// Three digits that it never saw: as they look, and what it takes them for.
const { inputs, targets } = test.batch(Int32Array.of(0, 1, 2));
const chances = softmax(await model.predict<Tensor>(inputs));
const [guessed, sure] = [chances.argmax(-1).data, chances.max(-1).data];
for (let i = 0; i < 3; i++) {
  for (let row = 4; row < 24; row += 2) {
    const pixels = inputs.data.subarray(784 * i + 28 * row, 784 * i + 28 * row + 28);
    console.log(
      Array.from(pixels, (grey) => ' .:#'[Math.min(3, Math.max(0, Math.round(4 * grey)))])
        .join('')
        .trimEnd(),
    );
  }
  console.log(`looks like a ${guessed[i]} (${(100 * sure[i]).toFixed(0)} % sure), and is a ${targets.data[i]}\n`);
}
