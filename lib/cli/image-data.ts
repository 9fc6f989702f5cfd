// The images that a command works on: by the name of a data set, or from a folder or an archive.

import { performance } from 'node:perf_hooks';
import type { Dataset } from '../data/dataset.js';
import { datasets, type MnistOptions } from '../data/index.js';
import { augmented } from '../data/augmented.js';
import type { PartFolders } from '../data/image-layout.js';
import { leftOutText } from '../data/left-out.js';
import { ArgumentError } from '../errors.js';
import { inputShapeOf } from '../layers/costs.js';
import type { AnyModel } from '../training/model.js';
import { printable } from '../words.js';
import { dataNames } from './data-name.js';
import type { DataChoice } from './options.js';
import { formatCount } from './terminal.js';

/** Images to train on and to test with. */
export interface CommandImages<X extends 'float32' | 'uint8'> {
  readonly train: Dataset<X>;
  readonly test: Dataset<X>;
  /** Mean of each channel over the training images, in 0..1. */
  readonly mean: readonly number[];
  /** Of a folder, the folders that are its parts; null where a share of each class is for testing. */
  readonly parts?: PartFolders | null;
}

/** Lines about what is left out. */
const mostLines = 12;

/** Whether a data set is one of the small ones that are numbers already when they are loaded. */
export const isSmall = (data: string): boolean => data === 'digits' || data === 'mnist';

/** Whether augmentation mirrors the images of a data set: a mirrored digit is none. */
export const isMirrored = (data: string): boolean => !isSmall(data);

/** The side of the square images that a model was trained on, or made for; undefined where it does not say. */
export function imageSizeOf(model: AnyModel): number | undefined {
  const [height, width] = shapeOf(model) ?? [];
  return height !== undefined && height === width ? height : undefined;
}

/** The shape of the images that a model was trained on, or made for; null where it does not say. */
export function shapeOf(model: AnyModel): readonly number[] | null {
  const shape = model.preprocessing?.inputShape ?? inputShapeOf(model, undefined);
  return shape?.length === 3 ? shape : null;
}

/** Loads images as numbers, the mean of each channel subtracted; `stream` is told of downloads and decoding. Those that would take much as numbers stay bytes. */
export async function loadNumbers(
  choice: DataChoice,
  signal: AbortSignal | undefined,
  stream: NodeJS.WritableStream,
): Promise<CommandImages<'float32'>> {
  checkChoice(choice);
  const { data, dataDir: dir } = choice;
  if (data === 'digits') return datasets.digits();
  if (data === 'mnist') return datasets.mnist({ ...download(stream), dir, signal });
  const { train, test, mean, parts } = await loadPixels(choice, signal, stream);
  return { train: augmented(train, [], { mean }), test: augmented(test, [], { mean }), mean, parts };
}

/** Loads images as bytes, for a model that scales them itself. */
export async function loadPixels(
  choice: DataChoice,
  signal: AbortSignal | undefined,
  stream: NodeJS.WritableStream,
): Promise<CommandImages<'uint8'>> {
  checkChoice(choice);
  const { data, dataDir: dir, imageSize, test, classes, damaged } = choice;
  const raw = true as const;
  if (data === 'digits') return datasets.digits({ raw });
  if (data === 'mnist') return datasets.mnist({ ...download(stream), dir, signal, raw });
  const onProgress = decodingLines(stream);
  if (data === 'cifar10') return datasets.cifar10({ dir, signal, onProgress, raw });
  const images = await datasets.imageFolder(data, { imageSize, signal, onProgress, raw, test, classes, damaged });
  for (const one of images.leftOut.slice(0, mostLines))
    stream.write(`${one.count === 0 ? 'note' : 'left out'}: ${printable(leftOutText(one))}\n`);
  if (images.leftOut.length > mostLines) stream.write(`and ${images.leftOut.length - mostLines} more\n`);
  return images;
}

/** Lines about decoding, one in so many milliseconds, where no bar is drawn: in a file or a pipe. */
const betweenLines = 10_000;

/** Says now and then how many images are decoded, and of how many. */
export function decodingLines(
  stream: NodeJS.WritableStream & { isTTY?: boolean },
  now = (): number => performance.now(),
): (progress: { decoded: number; total?: number }) => void {
  let said = now();
  return ({ decoded, total }) => {
    if (stream.isTTY === true || decoded === total || now() - said < betweenLines) return;
    said = now();
    stream.write(`decoding images: ${formatCount(decoded)}${total === undefined ? '' : ` of ${formatCount(total)}`}\n`);
  };
}

function checkChoice({ data, test, classes, damaged }: DataChoice): void {
  if (dataNames.some((name) => name === data) && (test ?? classes ?? damaged) !== undefined)
    throw new ArgumentError(`--test, --classes and --damaged are for folders of images, and --data is ${data}`);
}

function download(stream: NodeJS.WritableStream): Pick<MnistOptions, 'onProgress'> {
  let last = '';
  return {
    onProgress: ({ file, received, total }) => {
      const step = total === null ? '' : ` ${Math.floor((10 * received) / total) * 10} %`;
      if (`${file}${step}` === last) return;
      last = `${file}${step}`;
      stream.write(`downloading ${last}\n`);
    },
  };
}
