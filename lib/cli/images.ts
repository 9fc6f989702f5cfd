// Runs on images: the data, a model of their shape, and which of them it takes for what.

import type { AnyDataset, Dataset } from '../data/dataset.js';
import type { AnyModel } from '../training/model.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import { predict } from '../training/functions.js';
import type { Job, Report } from './job.js';
import { buildModel } from './models.js';
import { type CommandData, type TrainOptions, isMirrored, loadData } from './options.js';
import { type Terminal, confusionMatrix, formatCount, gallery, greyOf, imageLines, matrixLines, percent } from './terminal.js';

/** The job of training a model on images. */
export async function imageJob(options: TrainOptions, signal: AbortSignal): Promise<Job> {
  const data = await loadData(options, signal, process.stderr);
  const { train, test } = data;
  const another = ({ model, hidden }: TrainOptions): AnyModel => buildModel(model, train.inputShape, train.classes?.length ?? 10, hidden);
  const augmentation = isMirrored(options.data) ? 'cropped at random places and mirrored' : 'cropped at random places';
  const counts = `${formatCount(train.length)} images to train on, ${formatCount(test.length)} to test with`;
  return {
    train,
    test,
    model: another(options),
    loss: new CrossEntropyLoss(),
    data: `${options.data}: ${counts}, ${train.inputShape.join('×')}${options.augment ? `; training images are ${augmentation}` : ''}`,
    notes: [],
    another,
    finish: () => {},
    judge: (model) => judge(model, data),
  };
}

async function judge(model: AnyModel, { test, mean }: CommandData): Promise<Report> {
  const report = await scores(model, test);
  const wrong = [...report.targets].flatMap((target, index) =>
    report.predictions[index] === target ? [] : [{ index, target, prediction: report.predictions[index] }],
  );
  return { ...report, details: (terminal) => details(terminal, test, mean, report.json.confusion, wrong) };
}

/** What a classifier makes of a test set. */
export async function scores(
  model: AnyModel,
  given: AnyDataset,
): Promise<Report & { json: { accuracy: number; confusion: number[][] }; targets: Int32Array; predictions: Int32Array }> {
  const test = given as Dataset;
  const logits = await predict(model, test);
  const { targets } = test.batch(Int32Array.from({ length: test.length }, (_, i) => i));
  const predictions: Int32Array = logits.argmax(-1).data;
  const confusion = confusionMatrix(targets.data, predictions, logits.shape[1]);
  const hits = confusion.reduce((sum, row, i) => sum + row[i], 0);
  const loss = new CrossEntropyLoss().forward(logits, targets).item();
  const accuracy = hits / test.length;
  return {
    text: `accuracy ${percent(accuracy)}, loss ${loss.toFixed(4)}`,
    json: { loss, accuracy, confusion },
    targets: targets.data,
    predictions,
  };
}

function details(
  terminal: Terminal,
  test: Dataset,
  mean: readonly number[],
  matrix: number[][],
  wrong: readonly { index: number; target: number; prediction: number }[],
): void {
  const names = test.classes ?? matrix.map((_, i) => String(i));
  terminal.print('', terminal.style('bold', 'What the test images were taken for'), ...matrixLines(matrix, names, terminal));
  if (wrong.length === 0) return;
  const [height, width] = test.inputShape;
  const images = wrong.slice(0, 4).map(({ index, target, prediction }) => ({
    lines: imageLines(greyOf(test.batch(Int32Array.of(index)).inputs.data, mean), height, width, terminal),
    caption: `${names[target]} taken for ${names[prediction]}`,
  }));
  terminal.print('', terminal.style('bold', `Some of the ${formatCount(wrong.length)} wrong ones`), ...gallery(images, width, terminal));
}
