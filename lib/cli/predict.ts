// `nodegrad predict <file>`: what a saved model says of images, or of the rows of a table, as comma-separated values.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type ReadImagesOptions, readImages } from '../data/read-images.js';
import { placeOfRow } from '../data/table.js';
import { ArgumentError, FileFormatError } from '../errors.js';
import { writeFileAtomic } from '../io/atomic.js';
import { csvField } from '../io/csv.js';
import { sigmoid } from '../ops/activations.js';
import { concat } from '../ops/shape.js';
import { softmax } from '../ops/softmax.js';
import type { ColumnTransform } from '../preprocessing/column-transform.js';
import { ProgressBar } from '../progress.js';
import type { Tensor } from '../tensor.js';
import type { AnyModel } from '../training/model.js';
import { plural, printable } from '../words.js';
import { shapeOf } from './image-data.js';
import { savedModel } from './saved.js';
import { type TableChoice, classesOf, rowsFor, tableOfModel, withScores } from './table.js';
import { badRowsNote, farNote } from './table-notes.js';

/** What `predict` is told. */
export interface PredictCommandOptions extends Omit<TableChoice, 'data'> {
  data?: string;
  output?: string;
  /** What becomes of images that cannot be read. */
  damaged?: 'error' | 'skip';
  /** A column for the probability of each class. */
  probabilities?: boolean;
  json: boolean;
}

/** A prediction, by the names of the columns that it is printed in. */
type Row = readonly (string | number)[];

/** Prints a line for each image or row of the table: the prediction, and of a class its probability. */
export async function predictCommand(file: string, images: readonly string[], options: PredictCommandOptions): Promise<number> {
  const model = await savedModel(file);
  const transform = tableOfModel(model, file);
  const { data } = options;
  if (transform !== null && images.length > 0)
    throw new ArgumentError(`${file} was trained on a table: say which one it is asked about with --data <path>`);
  if (transform === null && data !== undefined)
    throw new ArgumentError(`${file} was not trained on a table: name files of images, nodegrad predict ${file} photo.jpg`);
  const { names, found } = transform === null ? await ofImages(file, model, images, options) : await ofTable(file, model, transform, options);
  const { output } = options;
  const isJson = options.json || (output !== undefined && /\.json$/i.test(output));
  const text = isJson
    ? `${JSON.stringify({ file, ...(data !== undefined && { data }), rows: found.map((row) => Object.fromEntries(names.map((one, i) => [one, row[i]]))) }, null, 2)}\n`
    : `${[names, ...found].map((row) => row.map(csvField).join(',')).join('\n')}\n`;
  if (output === undefined) process.stdout.write(text);
  else {
    await writeFileAtomic(output, [Buffer.from(text)]);
    process.stdout.write(`${output}: ${plural(found.length, 'prediction')}${isJson ? ', as JSON' : ''}\n`);
  }
  return 0;
}

interface Predictions {
  readonly names: readonly string[];
  readonly found: readonly Row[];
}

async function ofTable(
  file: string,
  model: AnyModel,
  transform: ColumnTransform,
  { data, ...options }: PredictCommandOptions,
): Promise<Predictions> {
  const { badRows } = options;
  if (data === undefined) throw new ArgumentError(`${file} was trained on a table: say which one it is asked about with --data <path>`);
  const { table, rows } = await rowsFor(transform, { ...options, data }, false);
  const outputs = (await withScores(model, transform).predict(rows)) as Tensor;
  const far = farNote(table, transform);
  if (far !== null) process.stderr.write(`nodegrad: warning: ${far}\n`);
  const wild = outputs.data.findIndex((value) => !Number.isFinite(value));
  if (wild >= 0)
    throw new ArgumentError(
      `the model predicts ${outputs.data[wild]} for ${placeOfRow(table, Math.floor(wild / (outputs.size / rows.length)))} of ${data}, which is no prediction`,
    );
  if (table.badRowCount > 0) process.stderr.write(`${badRowsNote(table)}\n`);
  const name = transform.target?.name ?? 'prediction';
  const classes = classesOf(model, transform);
  // Where rows may be left out, each prediction says whose it is.
  const numbered = (given: Predictions): Predictions =>
    badRows !== 'skip'
      ? given
      : {
          names: [placeOfRow(table, 0).split(' ')[0], ...given.names],
          found: given.found.map((row, i) => [placeOfRow(table, i).replace(/^\w+ /, ''), ...row]),
        };
  if (classes !== null) return numbered(likeliestOf(outputs, classes, name, options.probabilities));
  if (options.probabilities) throw new ArgumentError(`--probabilities is for classes, and ${file} predicts numbers`);
  const width = outputs.size / outputs.shape[0];
  const found = Array.from({ length: outputs.shape[0] }, (_, row) => Array.from(outputs.data.subarray(row * width, (row + 1) * width)));
  return numbered({ names: width === 1 ? [name] : Array.from({ length: width }, (_, j) => `${name} ${j + 1}`), found });
}

/** Images that are decoded at a time. */
const atOnce = 256;

async function ofImages(
  file: string,
  model: AnyModel,
  images: readonly string[],
  { damaged, probabilities }: PredictCommandOptions,
): Promise<Predictions> {
  if (images.length === 0) throw new ArgumentError(`name the images that ${file} is asked about: nodegrad predict ${file} photo.jpg`);
  const shape = shapeOf(model);
  if (model.preprocessing === null || shape === null)
    throw new ArgumentError(
      `${file} does not say ${shape === null ? 'how large its images are' : 'how its pixels are scaled'}: it was trained on numbers. A program that knows scales them for model.predict()`,
    );
  const [height, width, channels] = shape;
  const found: Row[] = [];
  let names: readonly string[] = [];
  let done = 0;
  const bar = new ProgressBar('auto', 'predicting images', images.length);
  try {
    for (let from = 0; from < images.length; from += atOnce) {
      const wanted = images.slice(from, from + atOnce);
      const [some, pixels] = await imagesAt(wanted, { imageSize: [height, width], grey: channels === 1, progress: false }, damaged === 'skip');
      done += wanted.length;
      if (pixels === null) continue;
      const scores = (await model.predict(pixels, { progress: false })) as Tensor;
      const classes = likeliestOf(scores, model.classNames ?? [], 'prediction', probabilities);
      names = ['file', ...classes.names];
      found.push(...classes.found.map((row, i) => [some[i], ...row]));
      bar.update(done);
    }
  } finally {
    bar.end();
  }
  if (found.length === 0) throw new ArgumentError(`none of the ${images.length} images can be read`);
  return { names, found };
}

/** The images that can be read, and their pixels; null where none can. With `isSkipping` the others are named on standard error. */
async function imagesAt(
  paths: readonly string[],
  options: ReadImagesOptions,
  isSkipping: boolean,
): Promise<[readonly string[], Tensor<'uint8'> | null]> {
  const isProblem = (error: unknown): error is Error => error instanceof FileFormatError || error instanceof ArgumentError;
  try {
    return [paths, await readImages(paths, options)];
  } catch (error) {
    if (!isProblem(error)) throw error;
    const folder = paths.find((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
    if (!isSkipping && folder !== undefined)
      throw new ArgumentError(
        `${folder} is a folder: name the images in it, ${join(folder, '*.jpg')}. \`nodegrad evaluate --data\` takes folders of classes`,
      );
    if (!isSkipping)
      throw new (error instanceof FileFormatError ? FileFormatError : ArgumentError)(`${error.message}. ${skipHint}`, { cause: error });
  }
  const [read, pixels]: [string[], Tensor<'uint8'>[]] = [[], []];
  for (const path of paths) {
    try {
      pixels.push(await readImages(path, options));
      read.push(path);
    } catch (error) {
      if (!isProblem(error)) throw error;
      process.stderr.write(`left out: ${printable(error.message)}\n`);
    }
  }
  return [read, pixels.length === 0 ? null : concat(pixels)];
}

const skipHint = '--damaged skip leaves out what cannot be read';

/** The likeliest class of each row of scores, by name, and its probability, or those of all; one score is of yes or no. */
function likeliestOf(scores: Tensor, names: readonly string[], head: string, areAllShown = false): Predictions {
  const nameOf = (code: number): string => names[code] ?? String(code);
  const isOne = scores.shape.at(-1) === 1;
  const width = isOne ? 2 : (scores.shape.at(-1) as number);
  const { data } = isOne ? sigmoid(scores) : softmax(scores, -1);
  const of = (row: number): number[] => (isOne ? [1 - data[row], data[row]] : Array.from(data.subarray(row * width, (row + 1) * width)));
  const codes = isOne ? Array.from(data, (yes) => (yes > 0.5 ? 1 : 0)) : scores.argmax(-1).data;
  return {
    names: [head, 'probability', ...(areAllShown ? Array.from({ length: width }, (_, code) => `probability of ${nameOf(code)}`) : [])],
    found: Array.from(codes, (code, row) => {
      const probabilities = of(row);
      return [nameOf(code), probabilities[code], ...(areAllShown ? probabilities : [])];
    }),
  };
}
