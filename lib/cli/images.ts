// Runs on images: the data, a model of their shape that scales them itself, and which of them it takes for what.

import { randomCrop, randomFlip } from '../data/augmentation.js';
import { augmented } from '../data/augmented.js';
import type { AnyDataset, Dataset } from '../data/dataset.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import { ChannelScaler } from '../preprocessing/channel-scaler.js';
import { Tensor } from '../tensor.js';
import { classNamesOf } from '../training/class-names.js';
import { predict } from '../training/functions.js';
import type { AnyModel } from '../training/model.js';
import { type CommandImages, isMirrored, isSmall, loadNumbers, loadPixels } from './image-data.js';
import { type Job, type Report, classLoss } from './job.js';
import { buildModel } from './models.js';
import type { TrainOptions } from './options.js';
import { type Terminal, confusionMatrix, formatCount, gallery, greyOf, imageLines, matrixLines, percent } from './terminal.js';

/** Images as a run takes them. */
interface Prepared extends CommandImages<'float32'> {
  /** What the models of the run do to pixels; null where the images are numbers already. */
  readonly scaler: (() => ChannelScaler) | null;
}

async function prepared(options: TrainOptions, signal: AbortSignal): Promise<Prepared> {
  const { data, augment } = options;
  if (isSmall(data) && !augment) return { ...(await loadNumbers(options, signal, process.stderr)), scaler: null };
  const { train, test, mean } = await loadPixels(options, signal, process.stderr);
  const padding = Math.max(1, Math.round(Math.min(...train.inputShape.slice(0, 2)) / 8));
  const list = augment ? [randomCrop({ padding }), ...(isMirrored(data) ? [randomFlip()] : [])] : [];
  // The scale is the model's, and saved with it: it takes images as they are, from whoever asks it later.
  const scaler = (): ChannelScaler => new ChannelScaler({ layout: 'NHWC', mean, std: 1 });
  return { train: augmented(train, list), test: augmented(test, []), mean: mean.map(() => 0), scaler };
}

/** The job of training a model on images. */
export async function imageJob(options: TrainOptions, signal: AbortSignal): Promise<Job> {
  const data = await prepared(options, signal);
  const { train, test, scaler } = data;
  const another = ({ model: name, hidden }: TrainOptions): AnyModel => {
    const model = buildModel(name, train.inputShape, train.classes?.length ?? 10, hidden);
    if (scaler !== null) model.preprocessing = scaler();
    return model;
  };
  const augmentation = isMirrored(options.data) ? 'cropped at random places and mirrored' : 'cropped at random places';
  const counts = `${formatCount(train.length)} images to train on, ${formatCount(test.length)} to test with`;
  return {
    train,
    test,
    model: another(options),
    loss: classLoss(train, options),
    data: `${options.data}: ${counts}, ${train.inputShape.join('×')}${options.augment ? `; training images are ${augmentation}` : ''}`,
    example: (test.length > 0 ? test : train).fileOf?.(0),
    notes: [],
    another,
    finish: () => {},
    judge: (model) => judge(model, data),
  };
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
  const classes = classNamesOf(model) ?? test.classes ?? confusion.map((_, i) => String(i));
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
