// CIFAR-10 and CIFAR-100: found in a folder, in the binary format or as image files.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ArgumentError, checkFlag, checkOptions, expected, FileFormatError } from '../errors.js';
import { type CifarImages, decodeCifar } from '../io/cifar.js';
import { readWhole } from '../io/read-whole.js';
import { readTar } from '../io/tar.js';
import type { ProgressOption } from '../progress.js';
import type { DecodeProgress } from './decode.js';
import { dataFolders } from './folders.js';
import { checkImageOptions, filesBelow, type LoadedImages, loadImages } from './image-folder.js';
import { type ImageDatasets, imageData } from './images.js';

/** Options of `datasets.cifar10` and `datasets.cifar100`. */
export interface CifarDatasetOptions {
  /** The folder with the files. Default: `$NODEGRAD_DATA/cifar10` (or `cifar100`), then the cache folder. */
  readonly dir?: string;
  /** Images as uint8 0..255 instead of centred float32; default false. */
  readonly raw?: boolean;
  /** Keep decoded image files in the cache folder, and read them from there; default true. */
  readonly cache?: boolean;
  /** A line on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
  /** Called now and then while image files are decoded. */
  readonly onProgress?: (progress: DecodeProgress) => void;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

interface Kind {
  readonly kind: 'cifar10' | 'cifar100';
  readonly title: string;
  readonly train: readonly string[];
  readonly test: string;
  /** The archive on the site of the data set, and the folder in it. */
  readonly archive: string;
  readonly folder: string;
  /** The file with the names of the classes. */
  readonly names: string;
  readonly classes: readonly string[] | number;
}

const CIFAR10: Kind = {
  kind: 'cifar10',
  title: 'CIFAR-10',
  train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
  test: 'test_batch.bin',
  archive: 'cifar-10-binary.tar.gz',
  folder: 'cifar-10-batches-bin',
  names: 'batches.meta.txt',
  classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
};

const CIFAR100: Kind = {
  kind: 'cifar100',
  title: 'CIFAR-100',
  train: ['train.bin'],
  test: 'test.bin',
  archive: 'cifar-100-binary.tar.gz',
  folder: 'cifar-100-binary',
  names: 'fine_label_names.txt',
  classes: 100,
};

const shape = [32, 32, 3] as const;

/**
 * CIFAR-10 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009): 50,000 training and 10,000 test images of ten
 * classes, float32 [N, 32, 32, 3] in 0..1 with the training mean of each channel subtracted from both parts (course row B06); targets
 * int32 [N].
 *
 * In `dir`, or else in `$NODEGRAD_DATA/cifar10` and the cache folder, it looks for the binary files (`data_batch_1.bin` …), for
 * `cifar-10-binary.tar.gz`, and for image files in folders or archives `train` and `test` with one folder per class, which `sharp`
 * decodes once (see `datasets.imageFolder`). JPEG files have lost a little, and so does accuracy against published figures. Nothing
 * is downloaded.
 *
 * @throws {ArgumentError} if an option is wrong, or the files are not there
 * @throws {FileFormatError} if a file is damaged
 * @throws {MissingPackageError} if image files need `sharp` and it is not installed
 * @throws {AbortedError} if the signal stopped it
 *
 * @example
 * ```ts
 * import { datasets } from 'nodegrad';
 * const { train, test, mean } = await datasets.cifar10({ dir: 'data/cifar10', raw: true });
 * ```
 */
export async function cifar10(options: CifarDatasetOptions & { readonly raw: true }): Promise<ImageDatasets<'uint8'>>;
export async function cifar10(options?: CifarDatasetOptions & { readonly raw?: false }): Promise<ImageDatasets<'float32'>>;
export async function cifar10(options: CifarDatasetOptions = {}): Promise<ImageDatasets<'float32' | 'uint8'>> {
  return cifar(CIFAR10, options);
}

/**
 * CIFAR-100: as `datasets.cifar10`, with 100 classes of 500 training and 100 test images; the binary files are `train.bin` and
 * `test.bin`, the archive `cifar-100-binary.tar.gz`. Targets are the fine labels.
 *
 * @throws {ArgumentError} if an option is wrong, or the files are not there
 * @throws {FileFormatError} if a file is damaged
 * @throws {MissingPackageError} if image files need `sharp` and it is not installed
 * @throws {AbortedError} if the signal stopped it
 *
 * @example
 * ```ts
 * import { datasets } from 'nodegrad';
 * const { train, test } = await datasets.cifar100({ dir: 'data/cifar100' });
 * ```
 */
export async function cifar100(options: CifarDatasetOptions & { readonly raw: true }): Promise<ImageDatasets<'uint8'>>;
export async function cifar100(options?: CifarDatasetOptions & { readonly raw?: false }): Promise<ImageDatasets<'float32'>>;
export async function cifar100(options: CifarDatasetOptions = {}): Promise<ImageDatasets<'float32' | 'uint8'>> {
  return cifar(CIFAR100, options);
}

async function cifar(kind: Kind, options: CifarDatasetOptions): Promise<ImageDatasets<'float32' | 'uint8'>> {
  checkOptions<CifarDatasetOptions>(options, 'options', ['dir', 'raw', 'cache', 'progress', 'onProgress', 'signal']);
  const { dir, raw = false } = options;
  checkImageOptions(options);
  checkFlag(raw, 'options.raw');
  if (dir !== undefined && (typeof dir !== 'string' || dir === ''))
    throw new ArgumentError(expected('the path of a folder', 'options.dir', dir));
  const folders = dir !== undefined ? [resolve(dir)] : dataFolders(kind.kind);
  for (const folder of folders) {
    const found = await look(kind, folder, options);
    if (found !== null) return imageData(kind.kind, found.train, found.test, shape, raw, found.classes);
  }
  throw new ArgumentError(
    `${kind.title} was not found in ${folders.join(' or in ')}. Put ${kind.archive} (from the site of the data set), its files, or folders ` +
      'train and test with one folder per class there, or name the folder that holds them with the option `dir` or as ' +
      `$NODEGRAD_DATA/${kind.kind}.`,
  );
}

/** Whether a folder seems to hold CIFAR-10, without reading it. */
export function holdsCifar(folder: string): boolean {
  return [CIFAR10.archive, CIFAR10.folder, CIFAR10.test, 'train', 'train.tar', 'train.tar.gz', 'train.tgz'].some((name) =>
    existsSync(join(folder, name)),
  );
}

async function look(kind: Kind, folder: string, options: CifarDatasetOptions): Promise<LoadedImages | null> {
  const present = new Set(await readdir(folder).catch(() => []));
  const wanted = [...kind.train, kind.test];
  for (const place of [folder, join(folder, kind.folder)]) {
    const names = place === folder ? present : new Set(await readdir(place).catch(() => []));
    if (wanted.every((name) => names.has(name))) return readFiles(kind, place, names);
  }
  if (present.has(kind.archive)) return readArchive(kind, join(folder, kind.archive));
  if (![...present].some((name) => /^train(\.tar|\.tar\.gz|\.tgz)?$/.test(name))) return null;
  const loaded = await loadImages(folder, {
    ...{ cache: options.cache, progress: options.progress, onProgress: options.onProgress, signal: options.signal, raw: options.raw ?? false },
    ...{ size: [32, 32], channels: 3, damaged: 'error', layout: { share: 0 } },
  });
  const classes = typeof kind.classes === 'number' ? kind.classes : kind.classes.length;
  if (loaded.classes.length !== classes)
    throw new FileFormatError(`${folder}: expected folders of ${classes} classes, found ${loaded.classes.length}`);
  return { ...loaded, train: filesBelow(folder, loaded.train), test: filesBelow(folder, loaded.test) };
}

async function readFiles(kind: Kind, folder: string, present: ReadonlySet<string>): Promise<LoadedImages> {
  const files = new Map<string, Uint8Array>();
  for (const name of [...kind.train, kind.test, kind.names]) {
    if (!present.has(name)) continue;
    files.set(name, await readWhole(join(folder, name), name === kind.names ? mostNames : mostRecords));
  }
  return assemble(kind, folder, files);
}

/** Larger files are something else: ten times what the largest of the data set takes. */
const mostRecords = 10 * 50_000 * 3074;
const mostNames = 1 << 20;

async function readArchive(kind: Kind, path: string): Promise<LoadedImages> {
  const files = new Map<string, Uint8Array>();
  const wanted = [...kind.train, kind.test, kind.names];
  for await (const { path: member, data } of readTar(path)) {
    const name = member.split('/').at(-1) as string;
    if (wanted.includes(name)) files.set(name, data);
  }
  return assemble(kind, path, files);
}

function assemble(kind: Kind, source: string, files: ReadonlyMap<string, Uint8Array>): LoadedImages {
  const decode = (name: string): CifarImages => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new FileFormatError(`${source}: ${name} is missing`);
    return decodeCifar(bytes, { kind: kind.kind, name: join(source, name) });
  };
  const names = Buffer.from(files.get(kind.names) ?? [])
    .toString()
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const count = typeof kind.classes === 'number' ? kind.classes : kind.classes.length;
  const classes =
    names.length === count ? names : typeof kind.classes === 'number' ? Array.from({ length: count }, (_, i) => String(i)) : kind.classes;
  return { train: concatenate(kind.train.map(decode)), test: decode(kind.test), shape, classes, leftOut: [] };
}

function concatenate(parts: readonly CifarImages[]): CifarImages {
  const count = parts.reduce((sum, { labels }) => sum + labels.length, 0);
  const joined = { images: new Uint8Array(count * 3072), labels: new Int32Array(count) };
  let at = 0;
  for (const { images, labels } of parts) {
    joined.images.set(images, at * 3072);
    joined.labels.set(labels, at);
    at += labels.length;
  }
  return joined;
}
