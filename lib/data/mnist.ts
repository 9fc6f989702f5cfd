// MNIST: found in a folder, or downloaded once and verified.
import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { isAbortSignal } from '../foreign.js';
import { join, resolve } from 'node:path';
import { AbortedError, ArgumentError, checkOptions, describeShape, expected, FileFormatError, NetworkError } from '../errors.js';
import { readIdx } from '../io/idx.js';
import { ProgressBar, type ProgressOption, streamOf } from '../progress.js';
import { type DownloadProgress, download, type RemoteFile } from './download.js';
import { dataFolders } from './folders.js';
import { type ImageDatasets, imageData, type RawImages } from './images.js';

/** Where `datasets.mnist` downloads from, in this order: public mirrors of the files that Yann LeCun, Corinna Cortes and Chris Burges made. */
export const MNIST_MIRRORS: readonly string[] = Object.freeze([
  'https://ossci-datasets.s3.amazonaws.com/mnist/',
  'https://storage.googleapis.com/cvdf-datasets/mnist/',
]);

/** The four files: size and SHA-256 of what they unpack to. */
const FILES = {
  trainImages: {
    name: 'train-images-idx3-ubyte.gz',
    size: 47_040_016,
    sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  },
  trainLabels: {
    name: 'train-labels-idx1-ubyte.gz',
    size: 60_008,
    sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  },
  testImages: {
    name: 't10k-images-idx3-ubyte.gz',
    size: 7_840_016,
    sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  },
  testLabels: {
    name: 't10k-labels-idx1-ubyte.gz',
    size: 10_008,
    sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  },
} as const satisfies Record<string, RemoteFile>;
type Role = keyof typeof FILES;
const ROLES = Object.keys(FILES) as Role[];
const NAMES = ROLES.map((role) => FILES[role].name).join(', ');

/** Options of `datasets.mnist`. */
export interface MnistOptions {
  /** The folder with the four files (plain or `.gz`), and where a download goes. Default: `$NODEGRAD_DATA/mnist`, then the cache folder. */
  readonly dir?: string;
  /** Download what is not there; default true. */
  readonly download?: boolean;
  /** Images as uint8 0..255 instead of centred float32; default false. */
  readonly raw?: boolean;
  /** Base URLs to download from, in this order; default {@link MNIST_MIRRORS}. */
  readonly mirrors?: readonly string[];
  /** A line on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
  /** Called for every piece of a download that arrives. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Stops the download. */
  readonly signal?: AbortSignal;
}

/**
 * The MNIST database of handwritten digits: 60,000 training and 10,000 test images, float32 [N, 28, 28, 1] in 0..1 with the training
 * mean (33.3184 / 255, course row B08) subtracted from both parts; targets int32 [N], classes `0` to `9`.
 *
 * The four IDX files are looked for in `dir`, or else in `$NODEGRAD_DATA/mnist` and in the cache folder (`$NODEGRAD_CACHE`, or
 * `$XDG_CACHE_HOME/nodegrad`, or `~/.cache/nodegrad`, each with `/mnist`). If they are nowhere, they are downloaded (11 MB) to `dir` or
 * the cache folder, verified by SHA-256, once. Other data in the same format and under the same names (Fashion-MNIST) is read from
 * `dir` in the same way.
 *
 * @throws {NetworkError} if a download fails; the message says which files to put where
 * @throws {FileFormatError} if a file is damaged, or is not what its name says
 * @throws {AbortedError} if the signal stopped it
 * @throws {ArgumentError} if an option is wrong, or the files are not there and `download` is false
 *
 * @example
 * ```ts
 * import { datasets } from 'nodegrad';
 * const { train, test, mean } = await datasets.mnist({ dir: 'data/mnist' });
 * ```
 */
export async function mnist(options: MnistOptions & { readonly raw: true }): Promise<ImageDatasets<'uint8'>>;
export async function mnist(options?: MnistOptions & { readonly raw?: false }): Promise<ImageDatasets<'float32'>>;
export async function mnist(options: MnistOptions = {}): Promise<ImageDatasets<'float32' | 'uint8'>> {
  checkMnistOptions(options);
  const { dir, download: allowed = true, raw = false, signal } = options;
  checkSignal(signal);
  const folders = dir !== undefined ? [resolve(dir)] : dataFolders('mnist');
  let paths: Partial<Record<Role, string>> = {};
  for (const folder of folders) {
    paths = await locate(folder);
    if (ROLES.every((role) => role in paths)) break;
  }
  if (!ROLES.every((role) => role in paths)) {
    if (!allowed) throw new ArgumentError(`MNIST was not found in ${folders.join(' or in ')}. ${advice(folders)}`);
    paths = await fetchMissing(paths, folders, options);
  }
  const bar = new ProgressBar(options.progress, 'reading MNIST, files:', ROLES.length);
  try {
    const train = await readPart(paths.trainImages!, paths.trainLabels!);
    checkSignal(signal);
    bar.update(2);
    const test = await readPart(paths.testImages!, paths.testLabels!);
    checkSignal(signal);
    if (train.shape.join() !== test.shape.join()) {
      throw new FileFormatError(
        `${paths.testImages}: images of ${describeShape(test.shape)}, the training images have ${describeShape(train.shape)}`,
      );
    }
    bar.update(4);
    return imageData('mnist', train, test, train.shape, raw);
  } finally {
    bar.end();
  }
}

function checkMnistOptions(options: MnistOptions): void {
  checkOptions<MnistOptions>(options, 'options', ['dir', 'download', 'raw', 'mirrors', 'progress', 'onProgress', 'signal']);
  const { dir, download: allowed, raw, mirrors, onProgress, signal } = options;
  if (dir !== undefined && (typeof dir !== 'string' || dir === ''))
    throw new ArgumentError(expected('the path of a folder', 'options.dir', dir));
  for (const [name, value] of Object.entries({ download: allowed, raw })) {
    if (value !== undefined && typeof value !== 'boolean') throw new ArgumentError(expected('true or false', `options.${name}`, value));
  }
  streamOf(options.progress); // checked, also where nothing is downloaded
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new ArgumentError(expected('a function', 'options.onProgress', onProgress));
  if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
  if (mirrors === undefined) return;
  if (!Array.isArray(mirrors) || mirrors.length === 0) throw new ArgumentError(expected('an array of base URLs', 'options.mirrors', mirrors));
  for (const mirror of mirrors) {
    if (typeof mirror !== 'string' || !URL.canParse(mirror) || !/^https?:/i.test(mirror)) {
      throw new ArgumentError(expected('http or https URLs', 'options.mirrors', mirror));
    }
  }
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortedError('loading MNIST was stopped', { cause: signal.reason });
}

const advice = (folders: string[]): string =>
  `Put these four files (as they are or unpacked) into ${folders[folders.length - 1]}, or name the folder that holds them with the option ` +
  `\`dir\` or as $NODEGRAD_DATA/mnist: ${NAMES}. \`datasets.digits()\` needs no files.`;

/** Which of the four files a folder holds, packed or not, also under the names with a dot (`train-images.idx3-ubyte`). */
async function locate(folder: string): Promise<Partial<Record<Role, string>>> {
  const present = new Set(await readdir(folder).catch(() => []));
  const found: Partial<Record<Role, string>> = {};
  for (const role of ROLES) {
    const packed = FILES[role].name;
    const plain = packed.slice(0, -3);
    const names = [packed, plain, packed.replace('-idx', '.idx'), plain.replace('-idx', '.idx')];
    const name = names.find((candidate) => present.has(candidate));
    if (name !== undefined) found[role] = join(folder, name);
  }
  return found;
}

async function fetchMissing(paths: Partial<Record<Role, string>>, folders: string[], options: MnistOptions): Promise<Record<Role, string>> {
  const all: Partial<Record<Role, string>> = { ...paths };
  const { mirrors = MNIST_MIRRORS, progress, onProgress, signal } = options;
  for (const role of ROLES) {
    if (all[role] !== undefined) continue;
    try {
      all[role] = await download(FILES[role], mirrors, folders[folders.length - 1], { progress, onProgress, signal });
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      throw new NetworkError(`MNIST is not in ${folders.join(' or in ')}, and ${error.message}\n${advice(folders)}`, { cause: error });
    }
  }
  return all as Record<Role, string>;
}

async function readPart(imagesPath: string, labelsPath: string): Promise<RawImages & { shape: number[] }> {
  const images = await readFileOf(imagesPath);
  const labels = await readFileOf(labelsPath);
  if (images.dtype !== 'uint8' || images.shape.length !== 3 || images.data.length === 0) {
    throw new FileFormatError(
      `${imagesPath}: expected uint8 images [N, height, width], the header at byte 2 says ${images.dtype} ${describeShape(images.shape)}`,
    );
  }
  if (labels.dtype !== 'uint8' || labels.shape.length !== 1) {
    throw new FileFormatError(
      `${labelsPath}: expected uint8 labels [N], the header at byte 2 says ${labels.dtype} ${describeShape(labels.shape)}`,
    );
  }
  const [count, height, width] = images.shape;
  if (labels.shape[0] !== count) {
    throw new FileFormatError(`${labelsPath}: ${labels.shape[0]} labels (byte 4) for the ${count} images of ${imagesPath}`);
  }
  const wrong = labels.data.findIndex((label) => label > 9);
  if (wrong >= 0) throw new FileFormatError(`${labelsPath}: expected labels from 0 to 9, found ${labels.data[wrong]} at byte ${8 + wrong}`);
  return { images: images.data, labels: Int32Array.from(labels.data), shape: [height, width, 1] };
}

/** Packed or not, read by its own header: what it declares is compared with the size of the file before that size is taken. */
async function readFileOf(path: string): Promise<ReturnType<typeof readIdx>> {
  try {
    await access(path, constants.R_OK);
    if ((await stat(path)).isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
  } catch (error) {
    throw new ArgumentError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
  return readIdx(path);
}
