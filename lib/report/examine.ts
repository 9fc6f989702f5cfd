// What a trained model makes of a data set, example by example: what it takes for what, where it is wrong, and where it is least sure.

import { isStreamed } from '../data/cursor.js';
import { type AnyDataset, type Batch, isInMemory } from '../data/dataset.js';
import { subset } from '../data/parts.js';
import { baseline, targetsOf } from '../evaluation/baseline.js';
import { type Judged, judgeAnswers, judgeScores } from '../evaluation/judged.js';
import { BinaryCrossEntropyLoss } from '../losses/binary.js';
import type { Loss } from '../losses/loss.js';
import type { AnyLayer } from '../layers/layer.js';
import { Tensor } from '../tensor.js';
import { classNamesOf } from '../training/class-names.js';
import { predict } from '../training/evaluate.js';

/** The input of an example as it is shown. */
export type ShownInput =
  | {
      /** An image. */
      readonly kind: 'image';
      /** Rows of pixels. */
      readonly height: number;
      /** Pixels of a row. */
      readonly width: number;
      /** 1 for grey, 3 for red, green and blue. */
      readonly channels: number;
      /** A byte for each, row by row, in base64: from the least value of the image to its largest. */
      readonly pixels: string;
    }
  | {
      /** A row of numbers or of a table. */
      readonly kind: 'row';
      /** Values by the names of their columns. */
      readonly values: readonly (readonly [name: string, value: number | string])[];
    };

/** An example and what the model made of it. */
export interface ExaminedExample {
  /** Where it stands in the data set. */
  readonly index: number;
  /** The file that it was read from; left out where the data set does not know. */
  readonly file?: string;
  /** What it is: a class, or a number. */
  readonly target: number;
  /** What the model says. */
  readonly prediction: number;
  /** The share of the softmax, or the probability, that the predicted class got; null for numbers. */
  readonly share: number | null;
  /** The input; null where it is neither an image nor a short row. */
  readonly input: ShownInput | null;
}

/** What a model makes of a data set. */
export interface Examination {
  /** Name of the data set. */
  readonly data: string;
  /** How many examples were looked at; of a large set ten thousand, evenly taken. */
  readonly examples: number;
  /** Names of the classes; null where the targets are numbers. */
  readonly classes: readonly string[] | null;
  /** What always saying the commonest class, or the mean, of the training data is worth on it: see {@link Baseline}. Not in logs of earlier versions. */
  readonly baseline?: string;
  /** How often class t was taken for class p, `confusion[t][p]`; null where the targets are numbers. */
  readonly confusion: readonly (readonly number[])[] | null;
  /** How many are wrong; null where the targets are numbers. */
  readonly wrong: number | null;
  /** Those that are wrong, the surest first; of numbers those that are farthest off. */
  readonly worst: readonly ExaminedExample[];
  /** Those that are right by the narrowest margin before the second class; none where the targets are numbers. */
  readonly leastSure: readonly ExaminedExample[];
}

const mostExamples = 10_000;
const mostShown = 12;
const mostClasses = 1000;
const mostColumns = 16;
/** Larger images are shown at every second, third … pixel. */
const largestSide = 96;

/** Examines a model; null where its predictions are neither classes nor one number an example, and for data that are read as a stream. */
export async function examine(model: AnyLayer, data: AnyDataset, loss: Loss, train: AnyDataset = data): Promise<Examination | null> {
  if (isStreamed(data)) return null;
  const { length } = data;
  const examples = Math.min(length, mostExamples);
  const indices = Int32Array.from({ length: examples }, (_, i) => Math.floor((i * length) / examples));
  const shown = subset(data as never, indices) as unknown as AnyDataset;
  const output = await predict(model, shown);
  const targets = (await targetsOf(shown))?.values ?? null;
  if (!(output instanceof Tensor) || targets === null) return null;
  const scored = output as Tensor;
  const judged = loss.takesClasses ? judgeClasses(scored, targets) : judgeOne(scored, targets, loss);
  if (judged === null) return null;
  const { list, classes } = judged;
  const [wrong, right] = [list.filter(({ target, prediction }) => target !== prediction), list.filter((one) => one.target === one.prediction)];
  const worst = (classes === null ? list : wrong).sort((a, b) => b.size - a.size).slice(0, mostShown);
  const leastSure = classes === null ? [] : right.sort((a, b) => a.size - b.size).slice(0, mostShown);
  const full = (all: readonly Judged[]): Promise<ExaminedExample[]> =>
    Promise.all(
      all.map(async ({ at, target, prediction, share }) => ({
        index: indices[at],
        ...(data.fileOf && { file: data.fileOf(indices[at]) }),
        target,
        prediction,
        share,
        input: inputOf(data, (await data.batch(Int32Array.of(indices[at]))) as Batch),
      })),
    );
  return {
    data: data.name,
    examples,
    // Nothing is read for it that is not there.
    ...((isInMemory(train) || train.labels !== undefined) && { baseline: (await baseline(train, shown)).text }),
    classes: classes === null ? null : (classNamesOf(model) ?? data.classes ?? Array.from({ length: classes }, (_, i) => String(i))),
    confusion: classes === null ? null : confusionOf(list, classes),
    wrong: classes === null ? null : wrong.length,
    worst: await full(worst),
    leastSure: await full(leastSure),
  };
}

function judgeClasses(scores: Tensor, targets: Float64Array): { list: Judged[]; classes: number } | null {
  if (scores.rank !== 2 || scores.shape[1] > mostClasses) return null;
  return { list: judgeScores(scores, targets), classes: scores.shape[1] };
}

/** Two classes by one probability, or one number. */
function judgeOne(given: Tensor, targets: Float64Array, loss: Loss): { list: Judged[]; classes: number | null } | null {
  if (given.size !== targets.length) return null;
  if (!(loss instanceof BinaryCrossEntropyLoss)) {
    const list = Array.from(targets, (target, at) => {
      const prediction = given.data[at];
      return { at, target, prediction, share: null, size: Math.abs(prediction - target) };
    });
    return { list, classes: null };
  }
  if (targets.some((target) => target !== 0 && target !== 1)) return null;
  return { list: judgeAnswers(given, targets, loss.fromLogits), classes: 2 };
}

function confusionOf(list: readonly Judged[], classes: number): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (const { target, prediction } of list) matrix[target][prediction] += 1;
  return matrix;
}

function inputOf(data: AnyDataset, { inputs }: Batch): ShownInput | null {
  if (!(inputs instanceof Tensor)) return null;
  const shape = inputs.shape.slice(1);
  if (shape.length === 3 && (shape[2] === 1 || shape[2] === 3)) return imageOf(inputs, shape);
  if (shape.length !== 1) return null;
  type Column = { readonly name: string; readonly kind?: string; readonly categories?: readonly string[] };
  const { features } = data as { features?: readonly Column[] };
  const values = Array.from(inputs.data.slice(0, mostColumns), (value, i): [string, number | string] => {
    const column = Array.isArray(features) ? (features[i] as Column | undefined) : undefined;
    return [column?.name ?? String(i), column?.categories?.[value] ?? value];
  });
  return { kind: 'row', values };
}

function imageOf({ data }: Tensor, [rows, columns, channels]: readonly number[]): ShownInput {
  const every = Math.max(1, Math.ceil(Math.max(rows, columns) / largestSide));
  const [height, width] = [Math.ceil(rows / every), Math.ceil(columns / every)];
  let [low, high] = [Infinity, -Infinity];
  for (const value of data) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const scale = high > low ? 255 / (high - low) : 0;
  const pixels = new Uint8Array(height * width * channels);
  for (let i = 0; i < pixels.length; i++) {
    const [c, x, y] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / channels / width)];
    pixels[i] = Math.round((data[(y * columns + x) * every * channels + c] - low) * scale);
  }
  return { kind: 'image', height, width, channels, pixels: Buffer.from(pixels).toString('base64') };
}
