// A small transformer learns a text, character by character, and goes on writing. Without a file it learns to count in words: lines such as
// `ninety-nine, one hundred`, of nine numbers in ten; then it is asked what follows the others. After half a minute it knows most of them.
// `node examples/transformer.ts 1000`: so many steps. `node examples/transformer.ts 1000 poems.txt "Once upon"`: a text and a beginning of yours.

import { readFileSync } from 'node:fs';
import { AdamW, OneCycle, Random, Tensor, characterTransformer, clipGradNorm } from 'nodegrad';
import { compileStep, crossEntropy, noGrad, setSeed, softmax } from 'nodegrad';

const [, , given = '800', file, beginning = '\n'] = process.argv;
const steps = Number(given);
const [batch, context] = [32, 64];

const small =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  );
const tens = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
/** A number below 1000 in words. */
function inWords(n: number): string {
  if (n < 20) return small[n];
  if (n < 100) return tens[Math.floor(n / 10) - 2] + (n % 10 === 0 ? '' : `-${small[n % 10]}`);
  return `${small[Math.floor(n / 100)]} hundred${n % 100 === 0 ? '' : ` ${inWords(n % 100)}`}`;
}
const isKept = (n: number): boolean => (n * 37) % 101 < 10; // for the test

setSeed(1);
const random = new Random(7);
const draw = (most: number): number => Math.floor(most * random.uniform());
const lines = Array.from({ length: 998 }, (_, n) => n + 1)
  .filter((n) => !isKept(n))
  .map((n) => `${inWords(n)}, ${inWords(n + 1)}\n`);
const text = file === undefined ? Array.from({ length: 5000 }, () => lines[draw(lines.length)]).join('') : readFileSync(file, 'utf8');
const characters = [...new Set(text)].sort();
const codes = Int32Array.from(text, (character) => characters.indexOf(character));
console.log(`${text.length.toLocaleString('en')} characters, ${characters.length} different ones`);

const model = characterTransformer({ characters: characters.length, context, features: 96, heads: 4, layers: 2 });
const lr = new OneCycle(3e-3, { length: Math.max(2, steps), per: 'step' }); // up, and down to almost nothing
const optimizer = new AdamW(model, { lr, weightDecay: 0.01 });
const step = compileStep((x: Tensor<'int32'>, y: Tensor<'int32'>) => {
  const loss = crossEntropy(model.forward(x), y);
  loss.backward();
  clipGradNorm(model.parameters(), 1);
  optimizer.step();
  optimizer.zeroGrad();
  return { loss };
});

let mean = Math.log(characters.length);
for (let i = 0; i < steps; i++) {
  // Pieces of the text, and the same pieces one character further on: what is to be guessed at every place.
  const starts = Array.from({ length: batch }, () => draw(codes.length - context));
  const read = (ahead: number) =>
    Tensor.from(
      Int32Array.from({ length: batch * context }, (_, k) => codes[starts[Math.floor(k / context)] + (k % context) + ahead]),
      [batch, context],
    );
  const { loss } = await step(read(0), read(1));
  mean += (loss.item() - mean) * (i < 20 ? 0.3 : 0.05);
  if (i % Math.ceil(steps / 10) === 0 || i === steps - 1) console.log(`step ${i + 1}: loss ${mean.toFixed(3)}`);
}
step.dispose();

/** Goes on from a beginning until the line or the room ends; at temperature 0 always with the likeliest character. */
function write(from: string, length: number, temperature: number, end = ''): string {
  let written = from;
  while (written.length < from.length + length && (end === '' || !written.endsWith(end))) {
    const seen = Int32Array.from([...written].slice(-context), (character) => characters.indexOf(character));
    const scores = noGrad(() => model.forward(Tensor.from(seen, [1, seen.length])));
    const last = scores.slice([0, seen.length - 1]).reshape([characters.length]);
    let rest = random.uniform();
    const next = temperature === 0 ? last.argmax().item() : softmax(last.div(temperature)).data.findIndex((chance) => (rest -= chance) < 0);
    written += characters[Math.max(0, next)];
  }
  return written.slice(from.length);
}

model.eval();
if (file === undefined) {
  const asked = Array.from({ length: 998 }, (_, n) => n + 1).filter(isKept);
  const answers = asked.map((n) => write(`\n${inWords(n)}, `, 40, 0, '\n').trim());
  for (const i of [5, 25, 45, 65, 85]) console.log(`${inWords(asked[i])}, ${answers[i]}`);
  console.log(
    `${answers.filter((answer, i) => answer === inWords(asked[i] + 1)).length} of ${asked.length} numbers that it never saw are followed by the right one`,
  );
} else console.log(beginning + write([...beginning].filter((character) => characters.includes(character)).join(''), 400, 0.8));
