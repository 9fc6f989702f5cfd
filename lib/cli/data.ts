// `nodegrad data`: which data sets there are, what is in them, and how their images look.

import { holdsCifar } from '../data/cifar.js';
import { dataFolders } from '../data/folders.js';
import { datasets } from '../data/index.js';
import type { Dataset } from '../data/dataset.js';
import { ArgumentError } from '../errors.js';
import { type CommandImages, loadNumbers } from './image-data.js';
import type { DataChoice } from './options.js';
import { dataNames } from './data-name.js';
import { Terminal, formatCount, gallery, greyOf, imageLines, pairs } from './terminal.js';

/** What `data` is told. */
export interface DataCommandOptions extends Omit<DataChoice, 'data'> {
  samples: number;
  json: boolean;
}

/** Without a name, lists the data sets; with one, loads it (downloading it where need be) and shows what is in it. */
export async function dataCommand(name: string | undefined, options: DataCommandOptions): Promise<number> {
  const terminal = new Terminal();
  if (name === undefined) return list(terminal, options);
  const data = await loadNumbers({ ...options, data: name }, undefined, process.stderr);
  if (options.json) terminal.print(JSON.stringify({ name, train: describe(data.train), test: describe(data.test), mean: data.mean }, null, 2));
  else show(terminal, data, options.samples);
  return 0;
}

async function list(terminal: Terminal, { dataDir, json }: DataCommandOptions): Promise<number> {
  const isThere = (loading: Promise<unknown>): Promise<boolean> =>
    loading.then(
      () => true,
      (error: unknown) => {
        if (error instanceof ArgumentError) return false;
        throw error;
      },
    );
  const here = {
    digits: true,
    mnist: await isThere(datasets.mnist({ dir: dataDir, download: false, raw: true })),
    cifar10: (dataDir === undefined ? dataFolders('cifar10') : [dataDir]).some(holdsCifar),
  };
  const state = {
    digits: 'made on the spot',
    mnist: here.mnist ? 'here, complete' : 'not here yet: `nodegrad data mnist` downloads it (11 MB)',
    cifar10: here.cifar10 ? 'here' : 'not here: `nodegrad data cifar10` says what to put where',
  };
  if (json)
    terminal.print(
      JSON.stringify(
        dataNames.map((name) => ({ name, state: state[name], isHere: here[name] })),
        null,
        2,
      ),
    );
  else {
    terminal.print(
      ...pairs([
        ['digits', `handwritten-like digits, 28×28, 10 classes, 10,000 and 2,000 images; ${state.digits}`],
        ['mnist', `handwritten digits, 28×28, 10 classes, 60,000 and 10,000 images; ${state.mnist}`],
        ['cifar10', `small photos, 32×32, 10 classes, 50,000 and 10,000 images; ${state.cifar10}`],
      ]),
    );
  }
  return 0;
}

function describe(part: Dataset): Record<string, unknown> {
  const { name, length, inputShape, classes } = part;
  return { name, examples: length, inputShape, classes, perClass: countClasses(part.labels?.() ?? new Int32Array(0), classes?.length ?? 0) };
}

function countClasses(labels: Int32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label] += 1;
  return counts;
}

function show(terminal: Terminal, { train, test, mean }: CommandImages<'float32'>, samples: number): void {
  for (const part of [train, test]) {
    const { perClass } = describe(part) as { perClass: number[] };
    const [fewest, most] = [Math.min(...perClass), Math.max(...perClass)].map(formatCount);
    terminal.print(
      `  ${part.name}: ${formatCount(part.length)} images of ${part.inputShape.join('×')}, ${fewest === most ? fewest : `${fewest} to ${most}`} per class`,
    );
  }
  terminal.print(`  mean of the training pixels: ${mean.map((value) => value.toFixed(4)).join(', ')} (subtracted)`, '');
  const [height, width] = train.inputShape;
  const size = height * width * mean.length;
  const perRow = Math.max(1, Math.floor((terminal.width + 2) / (width + 2)));
  for (let start = 0; start < Math.min(samples, train.length); start += perRow) {
    const rows = Int32Array.from({ length: Math.min(perRow, samples - start, train.length - start) }, (_, i) => start + i);
    const { inputs, targets } = train.batch(rows);
    const images = [...targets.data].map((target, i) => ({
      lines: imageLines(greyOf(inputs.data.subarray(i * size, (i + 1) * size), mean), height, width, terminal),
      caption: train.classes?.[target] ?? String(target),
    }));
    terminal.print(...gallery(images, width, terminal));
  }
}
