// A small transformer learns to add from written sums: `node examples/sums.ts`. It sees nine sums of ten as text, `47+85=231` for
// 132, the last digit first, and is asked for the tenth ones. `node examples/sums.ts 5` makes five steps.

import { AdamW, CosineDecay, Random, Tensor, characterTransformer, clipGradNorm, compileStep, crossEntropy, noGrad, setSeed } from 'nodegrad';

const steps = Number(process.argv[2] ?? 1500);
const batch = 64;
const characters = '0123456789+=';
const [length, question] = [9, 6]; // `47+85=` asks, three digits answer

/** The codes of one sum, and whether it is kept for the test. */
function write(a: number, b: number): Int32Array {
  const pad = (value: number, digits: number): string => String(value).padStart(digits, '0');
  const text = `${pad(a, 2)}+${pad(b, 2)}=${[...pad(a + b, 3)].reverse().join('')}`;
  return Int32Array.from(text, (character) => characters.indexOf(character));
}
const isKept = (a: number, b: number): boolean => (a * 37 + b * 11) % 101 < 10;

setSeed(1);
const random = new Random(7);
const model = characterTransformer({ characters: characters.length, context: length, features: 64, heads: 4, layers: 2 });
const optimizer = new AdamW(model, { lr: new CosineDecay(2e-3, { length: Math.max(1, steps), per: 'step' }), weightDecay: 0.01 });
const step = compileStep((x: Tensor<'int32'>, y: Tensor<'int32'>) => {
  // What stands in a question cannot be known; its places have the label −1.
  const loss = crossEntropy(model.forward(x), y, { ignoreIndex: -1 });
  loss.backward();
  clipGradNorm(model.parameters(), 1);
  optimizer.step();
  optimizer.zeroGrad();
  return { loss };
});

function draw(kept: boolean): [number, number] {
  for (;;) {
    const [a, b] = [Math.floor(100 * random.uniform()), Math.floor(100 * random.uniform())];
    if (isKept(a, b) === kept) return [a, b];
  }
}

let mean = Math.log(characters.length);
for (let i = 0; i < steps; i++) {
  const sums = Array.from({ length: batch }, () => write(...draw(false)));
  const x = Int32Array.from(sums.flatMap((sum) => [...sum.subarray(0, length - 1)]));
  const y = Int32Array.from(sums.flatMap((sum) => [...sum.subarray(1)].map((code, at) => (at + 1 < question ? -1 : code))));
  const shape = [batch, length - 1];
  const { loss } = await step(Tensor.from(x, shape), Tensor.from(y, shape));
  mean += (loss.item() - mean) * (i < 20 ? 0.3 : 0.05);
  if (i % Math.ceil(steps / 10) === 0 || i === steps - 1) console.log(`step ${i + 1}: loss ${mean.toFixed(4)}`);
}
step.dispose();

/** Writes on behind the question, the likeliest character each time. */
function answer(a: number, b: number): number {
  const codes = [...write(a, b).subarray(0, question)];
  while (codes.length < length) {
    const scores = noGrad(() => model.forward(Tensor.from(Int32Array.from(codes), [1, codes.length])));
    const last = scores.data.subarray((codes.length - 1) * characters.length);
    codes.push(last.indexOf(Math.max(...last)));
  }
  return Number(
    [...codes.slice(question)]
      .reverse()
      .map((code) => characters[code])
      .join(''),
  );
}

model.eval();
const asked = Array.from({ length: 200 }, () => draw(true));
const right = asked.filter(([a, b]) => answer(a, b) === a + b).length;
for (const [a, b] of asked.slice(0, 5)) console.log(`${a} + ${b} = ${answer(a, b)}`);
console.log(`${right} of ${asked.length} sums that it never saw are right`);
