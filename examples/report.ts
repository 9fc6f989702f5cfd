// A script that reads like a notebook and leaves a page behind: each section computes something and writes down, as text, table or picture, what came of it. The
// question here is how many examples a network needs. Three seconds. `node examples/report.ts` writes report.html; `node examples/report.ts 1` makes one epoch.

import { writeFileSync } from 'node:fs';
import { Adam, CrossEntropyLoss, chart, datasets, info, plotText, setSeed, smallConvNet, subset } from 'nodegrad';

const epochs = Number(process.argv[2] ?? 6);
const page: string[] = [];
/** A paragraph on the page, and in the terminal. */
function say(text: string): void {
  console.log(text);
  page.push(`<p>${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</p>`);
}
const heading = (text: string) => page.push(`<h2>${text}</h2>`);
const table = (rows: readonly (readonly (string | number)[])[]) =>
  page.push(`<table>${rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')}</table>`);
const picture = (svg: string) => page.push(`<figure>${svg.slice(svg.indexOf('<svg'))}</figure>`);

heading('The data');
const { train, test } = await datasets.digits({ train: 2000, test: 1000 });
say(`${train.length} drawn digits to learn from, ${test.length} to be tested on, ${train.inputShape.join('×')} each.`);

heading(`The same network on more and more of them, each seen ${epochs} times`);
const loss = new CrossEntropyLoss();
const sizes = [125, 250, 500, 1000, 2000];
const accuracies: number[] = [];
const curves: { name: string; x: number[]; y: number[] }[] = [];
for (const size of sizes) {
  setSeed(1);
  const model = smallConvNet();
  const part = subset(
    train,
    Array.from({ length: size }, (_, i) => i),
  );
  const optimizer = new Adam(model, { lr: 2e-3 });
  const history = await model.fit(part, { loss, optimizer, epochs, validation: test, progress: false, log: false, sitter: false });
  accuracies.push(history.last?.validation?.metrics.accuracy ?? 0);
  curves.push({
    name: `${size}`,
    x: history.epochs.map(({ epoch }) => epoch),
    y: history.epochs.map(({ validation }) => validation?.loss ?? 0),
  });
  say(`${size} digits: ${(100 * accuracies[accuracies.length - 1]).toFixed(1)} % of the test digits are read right.`);
}
table([
  ['digits', ...sizes],
  ['test accuracy', ...accuracies.map((accuracy) => `${(100 * accuracy).toFixed(1)} %`)],
]);

heading('What that looks like');
const learning = {
  title: 'errors',
  xLabel: 'digits to learn from',
  yLabel: 'share of errors',
  xScale: 'log',
  yScale: 'log',
  series: [{ name: 'test errors', x: sizes, y: accuracies.map((accuracy) => 1 - accuracy), kind: 'path' }],
} as const;
picture(chart([learning, { title: 'loss on test data', xLabel: 'epoch', yLabel: 'loss', yScale: 'log', series: curves }]));
console.log(plotText(learning, 60, 8).join('\n'));

heading('What to take from it');
const halved = (1 - accuracies[3]) / (1 - accuracies[4]);
say(
  `The last doubling of the data divides the errors by ${halved.toFixed(1)}. Before you look for a better network, ask what more data would cost.`,
);

const { version, node } = info();
page.push(`<footer>nodegrad ${version}, Node.js ${node}</footer>`);
const style = `:root{color-scheme:light dark} body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem} td{padding:.2rem .8rem}
svg{max-width:100%;height:auto} footer{color:GrayText;margin-top:2rem}`;
writeFileSync(
  'report.html',
  `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>How many examples?</title>
<style>${style}</style><h1>How many examples does a network need?</h1>${page.join('\n')}</html>\n`,
);
console.log('report.html');
