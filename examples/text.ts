// Learns to write, letter by letter, from sentences of a small grammar: `node examples/text.ts`. The loss falls from 3.3 to
// 0.33 in 600 steps; what cannot be known (which noun, which verb) remains. `node examples/text.ts 5` makes five steps.

import { Adam, LSTM, Layer, Linear, Random, Tensor, clipGradNorm, compileStep, crossEntropy, noGrad, setSeed, softmax } from 'nodegrad';

const steps = Number(process.argv[2] ?? 600);
const [batch, time, hidden] = [16, 40, 128];

// The text. A sentence agrees in number, and a question ends with a question mark: that is what there is to learn.
setSeed(1);
const random = new Random(7);
const pick = (words: readonly string[]): string => words[Math.floor(random.uniform() * words.length)];
const nouns = ['dog', 'cat', 'bird', 'child', 'river', 'cloud', 'stone', 'teacher'];
const adjectives = ['small', 'old', 'quiet', 'yellow', 'strange'];
const verbs = ['see', 'follow', 'remember', 'like', 'find'];
const thing = (many: boolean): string => {
  const noun = `${random.uniform() < 0.4 ? `${pick(adjectives)} ` : ''}${pick(nouns)}`;
  return many ? `many ${noun.replace('child', 'childre')}${noun.endsWith('child') ? 'n' : 's'}` : `the ${noun}`;
};
function sentence(): string {
  const many = random.uniform() < 0.5;
  const [subject, verb, object] = [thing(many), pick(verbs), thing(random.uniform() < 0.5)];
  return random.uniform() < 0.3 ? `${many ? 'do' : 'does'} ${subject} ${verb} ${object}?` : `${subject} ${verb}${many ? '' : 's'} ${object}.`;
}
const text = Array.from({ length: 4000 }, sentence).join('\n');
const letters = [...new Set(text)].sort();
const codes = Int32Array.from(text, (letter) => letters.indexOf(letter));

class Writer extends Layer {
  // `carries`: row i of a batch goes on where row i of the batch before ended, and so does its state.
  readonly memory = new LSTM(letters.length, hidden, { carries: batch });
  readonly head = new Linear(hidden, letters.length);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.memory.forward(x));
  }
}
const model = new Writer();
const optimizer = new Adam(model, { lr: 3e-3 });
const step = compileStep((x: Tensor, y: Tensor<'int32'>) => {
  const loss = crossEntropy(model.forward(x), y);
  loss.backward();
  clipGradNorm(model.parameters(), 5);
  optimizer.step();
  optimizer.zeroGrad();
  return { loss };
});

/** One 1 among zeros for each letter. */
function oneHot(from: ArrayLike<number>, shape: readonly number[]): Tensor {
  const values = new Float32Array(from.length * letters.length);
  for (let i = 0; i < from.length; i++) values[i * letters.length + from[i]] = 1;
  return Tensor.from(values, [...shape, letters.length]);
}

// The text as `batch` streams side by side; a step reads `time` letters of each, and is asked for the letter behind each.
const stream = Math.floor((codes.length - 1) / batch);
const pieces = Math.floor(stream / time);
const read = (piece: number, ahead: number): Int32Array =>
  Int32Array.from({ length: batch * time }, (_, i) => codes[Math.floor(i / time) * stream + piece * time + (i % time) + ahead]);
let mean = Math.log(letters.length);
for (let i = 0; i < steps; i++) {
  const piece = i % pieces;
  if (piece === 0) model.memory.resetState();
  const { loss } = await step(oneHot(read(piece, 0), [batch, time]), Tensor.from(read(piece, 1), [batch, time]));
  mean += (loss.item() - mean) * (i < 20 ? 0.3 : 0.05);
  if (i % Math.ceil(steps / 10) === 0 || i === steps - 1) console.log(`step ${i + 1}: loss ${mean.toFixed(3)}`);
}
step.dispose();

// Writes: the letter drawn from the scores goes in again, with the state that the last one left.
model.eval();
let letter = letters.indexOf('\n');
let state: Tensor[] | undefined;
let written = '';
noGrad(() => {
  for (let i = 0; i < 300; i++) {
    const run = model.memory.run(oneHot([letter], [1, 1]), { state });
    state = run.state;
    const chances = softmax(model.head.forward(run.output).reshape([letters.length])).data;
    let rest = random.uniform();
    letter = chances.findIndex((chance) => (rest -= chance) < 0);
    if (letter < 0) letter = letters.length - 1;
    written += letters[letter];
  }
});
console.log(`\n${written}`);
