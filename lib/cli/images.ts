// Runs on images: the data, a model of their shape that scales them itself, and which of them it takes for what.

import { existsSync } from 'node:fs';
import { randomCrop, randomFlip } from '../data/augmentation.js';
import { augmented } from '../data/augmented.js';
import type { AnyDataset, Dataset } from '../data/dataset.js';
import { ArgumentError, describe } from '../errors.js';
import { baseline } from '../evaluation/baseline.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import { ChannelScaler } from '../preprocessing/channel-scaler.js';
import { Tensor } from '../tensor.js';
import { classNamesOf } from '../training/class-names.js';
import { predict } from '../training/functions.js';
import type { AnyModel } from '../training/model.js';
import { type CommandImages, isMirrored, loadPixels } from './image-data.js';
import { type Job, type Report, classLoss } from './job.js';
import { buildModel } from './models.js';
import { type TrainOptions, isFolder } from './options.js';
import { type Pretrained, begin, readPretrained, tryOut } from './pretrained.js';
import { type Terminal, confusionMatrix, formatCount, gallery, greyOf, imageLines, matrixLines, percent } from './terminal.js';

/** Images as a run takes them. */
interface Prepared extends CommandImages<'float32'> {
  /** What a model does to pixels. The scale is the model's, and saved with it: it takes images as they are, from whoever asks it later. */
  scaler(): ChannelScaler;
}

async function prepared(options: TrainOptions, pretrained: Pretrained | null, signal: AbortSignal): Promise<Prepared> {
  const { data, augment } = options;
  const imageSize = options.imageSize ?? (isFolder(options) ? pretrained?.imageSize : undefined);
  const { train, test, mean, parts } = await loadPixels({ ...options, imageSize }, signal, process.stderr);
  if (train.classes?.length === 1)
    throw new ArgumentError(`${data} holds one class only, ${describe(train.classes[0])}: at least two are needed to tell apart`);
  const padding = Math.max(1, Math.round(Math.min(...train.inputShape.slice(0, 2)) / 8));
  const list = augment ? [randomCrop({ padding }), ...(isMirrored(data) ? [randomFlip()] : [])] : [];
  // Weights go on with the scale that they were trained with.
  const own = pretrained?.statistics?.mean.length === mean.length ? pretrained.statistics : { mean, std: 1 };
  const scaler = (): ChannelScaler => new ChannelScaler({ layout: 'NHWC', ...own });
  return { train: augmented(train, list), test: augmented(test, []), mean: mean.map(() => 0), parts, scaler };
}

/** The job of training a model on images. */
export async function imageJob(options: TrainOptions, signal: AbortSignal): Promise<Job> {
  if (options.weights === undefined && options.freeze !== undefined)
    throw new ArgumentError('--freeze keeps layers as they are, and needs trained ones: --weights <file>');
  const pretrained = options.weights === undefined ? null : await readPretrained(options.weights);
  // Decoding may take minutes.
  if (pretrained !== null && isFolder(options)) await tryOut(options, pretrained);
  const data = await prepared(options, pretrained, signal);
  const { train, test, scaler } = data;
  const made = async (given: TrainOptions): Promise<{ model: AnyModel; weights?: string }> => {
    const model = buildModel(given.model, train.inputShape, train.classes?.length ?? 10, given.hidden);
    model.preprocessing = scaler();
    return { model, ...(pretrained !== null && { weights: await begin(model, given, pretrained) }) };
  };
  const augmentation = isMirrored(options.data) ? 'cropped at random places and mirrored' : 'cropped at random places';
  const [training, testing] = [data.parts?.train, data.parts?.test].map(foldersText);
  const counts = `${formatCount(train.length)} images to train on${training}, ${formatCount(test.length)} to test with${testing}`;
  return {
    train,
    test,
    ...(await made(options)),
    loss: classLoss(train, options),
    data: `${options.data}: ${counts}, ${train.inputShape.join('×')}${options.augment ? `; training images are ${augmentation}` : ''}`,
    example: exampleOf(test.length > 0 ? test : train),
    notes: [],
    another: async (given) => (await made(given)).model,
    finish: () => {},
    judge: async (model) => ({
      ...(await judge(model, data)),
      ...(isFolder(options) && { baseline: await baseline(train as unknown as AnyDataset, test as unknown as AnyDataset) }),
    }),
  };
}

/** The folders that a part is made of. */
function foldersText(folders: readonly string[] = []): string {
  if (folders.length === 0) return '';
  return folders.length === 1 ? ` (${folders[0]})` : ` (${folders.slice(0, -1).join(', ')} and ${folders.at(-1)}, joined)`;
}

/** A file that a model can be asked about; in the place of one that lies in an archive some other. */
function exampleOf({ fileOf }: Dataset): string | undefined {
  const file = fileOf?.(0);
  return file === undefined || existsSync(file) ? file : 'photo.jpg';
}

async function judge(model: AnyModel, { test, mean }: Prepared): Promise<Report> {
  const report = await scores(model, test);
  const wrong = [...report.targets].flatMap((target, index) =>
    report.predictions[index] === target ? [] : [{ index, target, prediction: report.predictions[index] }],
  );
  return { ...report, details: (terminal) => details(terminal, test, mean, report, wrong) };
}

/** What a classifier makes of a test set. */
export interface Scored extends Report {
  readonly json: { readonly loss: number; readonly accuracy: number; readonly confusion: number[][]; readonly classes: readonly string[] };
  readonly targets: Int32Array;
  readonly predictions: Int32Array;
}

/** What a classifier makes of a test set. */
export async function scores(model: AnyModel, given: AnyDataset): Promise<Scored> {
  const test = given as Dataset;
  const logits = await predict(model, test);
  const targets =
    test.labels === undefined ? test.batch(Int32Array.from({ length: test.length }, (_, i) => i)).targets : Tensor.from(test.labels());
  const predictions: Int32Array = logits.argmax(-1).data;
  const confusion = confusionMatrix(targets.data, predictions, logits.shape[1]);
  const hits = confusion.reduce((sum, row, i) => sum + row[i], 0);
  const loss = new CrossEntropyLoss().forward(logits, targets).item();
  const accuracy = hits / test.length;
  const names = classNamesOf(model) ?? test.classes ?? [];
  const classes = Array.from({ length: Math.max(names.length, confusion.length) }, (_, i) => names[i] ?? String(i));
  return {
    text: `accuracy ${percent(accuracy)}, loss ${loss.toFixed(4)}`,
    json: { loss, accuracy, confusion, classes },
    targets: targets.data,
    predictions,
  };
}

function details(
  terminal: Terminal,
  test: Dataset,
  mean: readonly number[],
  { json: { confusion, classes } }: Scored,
  wrong: readonly { index: number; target: number; prediction: number }[],
): void {
  terminal.print('', terminal.style('bold', 'What the test images were taken for'), ...matrixLines(confusion, classes, terminal));
  if (wrong.length === 0) return;
  const [height, width] = test.inputShape;
  const images = wrong.slice(0, 4).map(({ index, target, prediction }) => ({
    lines: imageLines(greyOf(test.batch(Int32Array.of(index)).inputs.data, mean), height, width, terminal),
    caption: `${classes[target]} taken for ${classes[prediction]}`,
  }));
  terminal.print('', terminal.style('bold', `Some of the ${formatCount(wrong.length)} wrong ones`), ...gallery(images, width, terminal));
}
