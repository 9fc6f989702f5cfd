// Images in folders or tar archives, one folder per class: decoded once, then read from a cache.
import { isAbortSignal } from '../foreign.js';
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { AbortedError, ArgumentError, checkFlag, checkNumber, checkOptions, describeShape, expected, FileFormatError } from '../errors.js';
import { checkPath, refusal } from '../io/atomic.js';
import { readSafetensors, writeSafetensors } from '../io/safetensors.js';
import { readTar } from '../io/tar.js';
import { Tensor } from '../tensor.js';
import { sizeOf } from './augmentation.js';
import { type DecodedImage, type DecodeProgress, decodeImages, type EncodedImage } from './decode.js';
import { cacheFolder } from './folders.js';
import { type ImageDatasets, imageData, type RawImages } from './images.js';

/** Options of `datasets.imageFolder`. */
export interface ImageFolderOptions {
  /** Images are scaled and cropped to this: a side for squares, or [height, width]. Without it they must all be of one size. */
  readonly size?: number | readonly [height: number, width: number];
  /** One grey channel instead of red, green and blue; default false. */
  readonly grey?: boolean;
  /** Images as uint8 0..255 instead of centred float32; default false. */
  readonly raw?: boolean;
  /** Share of each class that becomes the test set, where there is no folder for it; default 0.1. */
  readonly test?: number;
  /** Keep the decoded images in the cache folder, and read them from there; default true. */
  readonly cache?: boolean;
  /** Called now and then while images are decoded. */
  readonly onProgress?: (progress: DecodeProgress) => void;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/**
 * Images of one's own, decoded by the package `sharp` (`npm install sharp`): `path` is a folder with one folder per class, or with such
 * folders `train` and `test` (or `val`, `validation`), or a `.tar`, `.tar.gz` or `.tgz` of either; parts may be archives too
 * (`train.tar.gz`). Classes are in the order of their names. Images are float32 in 0..1 with the training mean subtracted, as
 * `datasets.mnist` has them; `raw: true` leaves bytes, for {@link augmented}.
 *
 * What was decoded is kept as one file in the cache folder (`$NODEGRAD_CACHE`, or `$XDG_CACHE_HOME/nodegrad`, or `~/.cache/nodegrad`),
 * under a name that depends on the files' names, sizes and dates: the second start takes as long as reading it.
 *
 * @throws {MissingPackageError} if `sharp` is not installed
 * @throws {FileFormatError} if an archive or an image is damaged, or a class has no training images
 * @throws {AbortedError} if the signal stopped it
 * @throws {ArgumentError} if an option is wrong, nothing can be read at `path`, or images are of several sizes and `size` is missing
 *
 * @example
 * ```ts
 * import { datasets } from 'nodegrad';
 * const { train, test } = await datasets.imageFolder('photos', { size: 64 });
 * console.log(train.classes); // the names of the folders
 * ```
 */
export async function imageFolder(path: string, options: ImageFolderOptions & { readonly raw: true }): Promise<ImageDatasets<'uint8'>>;
export async function imageFolder(path: string, options?: ImageFolderOptions & { readonly raw?: false }): Promise<ImageDatasets<'float32'>>;
export async function imageFolder(path: string, options: ImageFolderOptions = {}): Promise<ImageDatasets<'float32' | 'uint8'>> {
  checkPath(path, 'path', 'the path of a folder or archive');
  const known = ['size', 'grey', 'raw', 'test', 'cache', 'onProgress', 'signal'];
  const { size, grey = false, raw = false, test = 0.1 } = checkOptions<ImageFolderOptions>(options, 'options', known);
  checkImageOptions(options);
  checkFlag(grey, 'options.grey');
  checkFlag(raw, 'options.raw');
  checkNumber(test, 'options.test', 0, 1);
  const given = size === undefined ? undefined : sizeOf(size, 'options.size');
  const images = await loadImages(resolve(path), { ...options, size: given, channels: grey ? 1 : 3, test });
  return imageData(basename(resolve(path)), images.train, images.test, images.shape, raw, images.classes);
}

/** Checks the options that all readers of images share. */
export function checkImageOptions({ cache, onProgress, signal }: Pick<ImageFolderOptions, 'cache' | 'onProgress' | 'signal'>): void {
  if (cache !== undefined) checkFlag(cache, 'options.cache');
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new ArgumentError(expected('a function', 'options.onProgress', onProgress));
  if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
  if (signal?.aborted) throw new AbortedError('loading images was stopped', { cause: signal.reason });
}

/** Both parts of a set of images, and the names of its classes. */
export interface LoadedImages {
  readonly train: RawImages;
  readonly test: RawImages;
  readonly shape: readonly number[];
  readonly classes: readonly string[];
}

/** What {@link loadImages} is told; the options are checked. */
export interface LoadOptions extends Pick<ImageFolderOptions, 'cache' | 'onProgress' | 'signal'> {
  readonly size?: readonly [height: number, width: number];
  readonly channels: 1 | 3;
  readonly test: number;
}

/** The images below `path`, from the cache where they are in it. */
export async function loadImages(path: string, options: LoadOptions): Promise<LoadedImages> {
  const { cache = true, size, channels, test } = options;
  const files = await listFiles(path);
  const digest = createHash('sha256').update(JSON.stringify([1, path, files, size ?? null, channels, test]));
  const cached = join(cacheFolder(), 'images', `${basename(path)}-${digest.digest('hex').slice(0, 16)}.safetensors`);
  const kept = cache ? await readCache(cached) : null;
  if (kept !== null) return kept;
  const report = (decoded: number): void => {
    if (decoded % 1000 === 0) options.onProgress?.({ source: path, decoded });
  };
  const decoded = await decodeImages(readImages(path, files), { ...options, onDecoded: report });
  if (decoded.length === 0) throw new FileFormatError(`${path}: there are no images in it`);
  options.onProgress?.({ source: path, decoded: decoded.length });
  const loaded = arrange(path, decoded, test);
  if (cache) await writeCache(cached, loaded);
  return loaded;
}

// ---- files ----

interface Listed {
  /** Relative to the folder; empty for an archive that is itself what was asked for. */
  path: string;
  bytes: number;
  changed: number;
}

const isImage = (path: string): boolean => /\.(jpe?g|png|webp|gif|tiff?|avif)$/i.test(path);
const isArchive = (path: string): boolean => /\.(tar|tar\.gz|tgz)$/i.test(path);
const isHidden = (path: string): boolean => path.split('/').some((part) => part.startsWith('.') || part === '__MACOSX');
/** Links may lead round in circles. */
const deepest = 16;

async function listFiles(path: string): Promise<Listed[]> {
  const files: Listed[] = [];
  const visit = async (relative: string, depth: number): Promise<void> => {
    const status = await stat(join(path, relative));
    if (status.isDirectory()) {
      if (depth > deepest) return;
      for (const name of (await readdir(join(path, relative))).sort())
        if (!isHidden(name)) await visit(relative === '' ? name : `${relative}/${name}`, depth + 1);
    } else if (status.isFile() && (isImage(relative) || isArchive(relative) || relative === '')) {
      files.push({ path: relative, bytes: status.size, changed: status.mtimeMs });
    }
  };
  try {
    await visit('', 0);
  } catch (error) {
    throw refusal('a folder or archive that can be read', path, error);
  }
  if (files.length === 1 && files[0].path === '' && !isArchive(path))
    throw new ArgumentError(expected('the path of a folder or of a .tar, .tar.gz or .tgz', 'path', path));
  return files;
}

async function* readImages(path: string, files: readonly Listed[]): AsyncGenerator<EncodedImage> {
  for (const { path: relative } of files) {
    const full = join(path, relative);
    if (isImage(relative)) yield { path: relative, data: () => readFile(full) };
    else {
      // An archive stands for the folder of its name.
      const prefix = relative === '' ? '' : `${relative.replace(/\.(tar|tar\.gz|tgz)$/i, '')}/`;
      for await (const entry of readTar(full))
        if (isImage(entry.path) && !isHidden(entry.path)) yield { path: `${prefix}${entry.path}`, data: async () => entry.data };
    }
  }
}

// ---- parts and classes ----

const trainNames = ['train', 'training'];
const testNames = ['test', 'val', 'valid', 'validation'];

interface Placed {
  parts: string[];
  image: DecodedImage;
}

/** Takes off the folders that all share, as long as each image keeps a folder: its class. */
function withoutShared(images: Placed[]): Placed[] {
  let shared = 0;
  const isShared = (depth: number): boolean => images.every(({ parts }) => parts.length > depth + 2 && parts[depth] === images[0].parts[depth]);
  while (images.length > 0 && isShared(shared)) shared += 1;
  return images.map(({ parts, image }) => ({ parts: parts.slice(shared), image }));
}

function arrange(path: string, images: readonly DecodedImage[], share: number): LoadedImages {
  const { shape } = images[0];
  const other = images.find((image) => image.shape.join() !== shape.join());
  if (other !== undefined) {
    const found = `${images[0].path} is ${describeShape(shape)}, ${other.path} is ${describeShape(other.shape)}`;
    throw new ArgumentError(`the images of ${path} are of several sizes (${found}): say which with \`size\``);
  }
  const placed = withoutShared(images.map((image) => ({ parts: image.path.split('/'), image })));
  const loose = placed.find(({ parts }) => parts.length < 2);
  if (loose !== undefined) throw new FileFormatError(`${path}: ${loose.image.path} is in no folder, which would name its class`);
  const isPart = (names: readonly string[]) => (one: Placed) => names.includes(one.parts[0].toLowerCase());
  const hasParts = placed.some(isPart(trainNames)) && placed.every(isPart([...trainNames, ...testNames]));
  let train = placed;
  let test: Placed[] = [];
  if (hasParts && placed.every(({ parts }) => parts.length > 2)) {
    train = withoutShared(placed.filter(isPart(trainNames)).map(inside));
    test = withoutShared(placed.filter(isPart(testNames)).map(inside));
  }
  const classes = [...new Set(train.map(({ parts }) => parts[0]))].sort();
  if (test.length === 0) [train, test] = dealOut(train, share);
  return { train: gather(path, train, classes), test: gather(path, test, classes), shape, classes };
}

const inside = ({ parts, image }: Placed): Placed => ({ parts: parts.slice(1), image });

/** Gives `share` of each class to the second part, evenly spread. */
function dealOut(images: readonly Placed[], share: number): [Placed[], Placed[]] {
  const seen = new Map<string, number>();
  const dealt: [Placed[], Placed[]] = [[], []];
  for (const one of images) {
    const count = (seen.get(one.parts[0]) ?? 0) + 1;
    seen.set(one.parts[0], count);
    dealt[Math.floor(count * share) > Math.floor((count - 1) * share) ? 1 : 0].push(one);
  }
  return dealt;
}

function gather(path: string, images: readonly Placed[], classes: readonly string[]): RawImages {
  const index = new Map(classes.map((name, i) => [name, i]));
  const size = images.length === 0 ? 0 : images[0].image.pixels.length;
  const pixels = new Uint8Array(images.length * size);
  const labels = new Int32Array(images.length);
  for (const [i, { parts, image }] of images.entries()) {
    const label = index.get(parts[0]);
    if (label === undefined) throw new FileFormatError(`${path}: ${image.path} is of a class without training images`);
    pixels.set(image.pixels, i * size);
    labels[i] = label;
  }
  return { images: pixels, labels };
}

// ---- the cache ----

async function readCache(path: string): Promise<LoadedImages | null> {
  try {
    const { tensors, metadata } = await readSafetensors(path, { verify: false }); // written whole or not at all
    const shape = tensors.get('train.images')!.shape.slice(1);
    const classes = JSON.parse(metadata.get('classes') ?? '[]') as string[];
    const part = (name: string): RawImages => ({
      images: tensors.get(`${name}.images`)!.data as Uint8Array,
      labels: tensors.get(`${name}.labels`)!.data as Int32Array,
    });
    return { train: part('train'), test: part('test'), shape, classes };
  } catch {
    return null; // not there, or damaged: the images are decoded again
  }
}

async function writeCache(path: string, { train, test, shape, classes }: LoadedImages): Promise<void> {
  const tensors = Object.entries({ train, test }).flatMap(([name, { images, labels }]) => [
    [`${name}.images`, Tensor.from(images, [labels.length, ...shape])] as const,
    [`${name}.labels`, Tensor.from(labels)] as const,
  ]);
  await writeSafetensors(path, new Map(tensors as never), new Map([['classes', JSON.stringify(classes)]])).catch((error: unknown) => {
    if (!(error instanceof ArgumentError)) throw error; // a folder that cannot be written: it is done without
  });
}
