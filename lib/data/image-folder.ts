// Images in folders or tar archives, one folder per class: decoded once, then read from a cache.
import { isAbortSignal } from '../foreign.js';
import { createHash } from 'node:crypto';
import { TextDecoder, TextEncoder } from 'node:util';
import { basename, join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import {
  AbortedError,
  ArgumentError,
  checkChoice,
  checkFlag,
  checkList,
  checkNumber,
  checkOptions,
  expected,
  FileFormatError,
} from '../errors.js';
import { checkPath, writeFileAtomic } from '../io/atomic.js';
import { encodeInTurns, readSafetensors } from '../io/safetensors.js';
import { checkAvailable } from '../memory.js';
import { ProgressBar, type ProgressOption, streamOf } from '../progress.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { sizeOf } from './augmentation.js';
import { type DecodedImage, type DecodeProgress, decodeImages, sizeText } from './decode.js';
import { FolderFaults } from './folder-faults.js';
import { listFiles } from './folder-files.js';
import { cacheFolder } from './folders.js';
import { encodedImages, findImages, type Images } from './image-files.js';
import { isArchive } from './image-kinds.js';
import { folderTree, type Layout, layOut, type LayoutOptions, type PartFolders } from './image-layout.js';
import { type ImageDatasets, imageData, type RawImages } from './images.js';
import { type LeftOut, LeftOutList } from './left-out.js';

/** Options of `datasets.imageFolder`. */
export interface ImageFolderOptions {
  /** Images are scaled and cropped to this: a side for squares, or [height, width]. Without it they must all be of one size. */
  readonly imageSize?: number | readonly [height: number, width: number];
  /** One grey channel instead of red, green and blue; default false. */
  readonly grey?: boolean;
  /** Images as uint8 0..255 instead of centred float32; default false. */
  readonly raw?: boolean;
  /**
   * Share of each class that becomes the test set, where there is no folder for it: at least one image of each class that has two or more, and
   * never all. 0 for no test set. Default 0.1.
   */
  readonly test?: number;
  /** The folders that are classes, in the order of their indices; all others are left out. Default: all folders, in the order of their names. */
  readonly classes?: readonly string[];
  /** The folders that are parts, by their path in `path`; what is in none of them is left out. Default: found by their names. */
  readonly parts?: {
    /** To train on. */
    readonly train: string | readonly string[];
    /** To test with; without it, `test` says which share of each class is taken. */
    readonly test?: string | readonly string[];
  };
  /** What becomes of images that cannot be read or decoded: `'error'` names them, `'skip'` lists them in `leftOut`. Default `'error'`. */
  readonly damaged?: 'error' | 'skip';
  /** Keep the decoded images in the cache folder, and read them from there; default true. */
  readonly cache?: boolean;
  /** A line on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
  /** Called now and then while images are decoded. */
  readonly onProgress?: (progress: DecodeProgress) => void;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/** What `datasets.imageFolder` finds. */
export interface ImageFolder<X extends 'float32' | 'uint8' = 'float32'> extends ImageDatasets<X> {
  /** Files that are not among the examples, and remarks on those that are; hidden files are not mentioned. */
  readonly leftOut: readonly LeftOut[];
  /** The folders that became the parts, by their paths in `path`; null where a share of each class is the test set. */
  readonly parts: PartFolders | null;
}

/**
 * Images of one's own, decoded by the package `sharp` (`npm install sharp`): `path` is a folder with one folder per class, or with such
 * folders `train` and `test` (or `val`, `validation`, `dev` …; several are joined), or a `.tar`, `.tar.gz` or `.tgz` of either; parts and
 * classes may be archives too (`train.tar.gz`). Classes are in the order of their names. Images are float32 in 0..1 with the training mean
 * subtracted, as `datasets.mnist` has them; `raw: true` leaves bytes, for {@link augmented}.
 *
 * Nothing is dropped in silence: what is no image, or in no class, stands in `leftOut`; a class without an image, and a tree that can be read
 * in several ways, are errors that show the tree (`classes` and `parts` decide). An image is what its first bytes say, whatever its name.
 * Links are followed where they lead to something that is not there without them, so that no image counts twice.
 *
 * What was decoded is kept as one file in the cache folder (`$NODEGRAD_CACHE`, or `$XDG_CACHE_HOME/nodegrad`, or `~/.cache/nodegrad`),
 * under a name that depends on the files' names, sizes and dates: the second start takes as long as reading it.
 *
 * @throws {MissingPackageError} if `sharp` is not installed
 * @throws {FileFormatError} if an archive or an image is damaged, a class has no training images, or parts and classes cannot be told apart
 * @throws {AbortedError} if the signal stopped it
 * @throws {ArgumentError} if an option is wrong, nothing can be read at `path`, images are of several sizes and `imageSize` is missing, or they take
 *   more memory than there is
 *
 * @example
 * ```ts
 * import { datasets } from 'nodegrad';
 * const { train, test, leftOut } = await datasets.imageFolder('photos', { imageSize: 64 });
 * console.log(train.classes, leftOut); // the names of the folders, and what is not among the examples
 * ```
 */
export async function imageFolder(path: string, options: ImageFolderOptions & { readonly raw: true }): Promise<ImageFolder<'uint8'>>;
export async function imageFolder(path: string, options?: ImageFolderOptions & { readonly raw?: false }): Promise<ImageFolder<'float32'>>;
export async function imageFolder(path: string, options: ImageFolderOptions = {}): Promise<ImageFolder<'float32' | 'uint8'>> {
  checkPath(path, 'path', 'the path of a folder or archive');
  const known = ['imageSize', 'grey', 'raw', 'test', 'classes', 'parts', 'damaged', 'cache', 'progress', 'onProgress', 'signal'];
  const { imageSize, grey = false, raw = false, test = 0.1, damaged = 'error' } = checkOptions<ImageFolderOptions>(options, 'options', known);
  checkImageOptions(options);
  checkFlag(grey, 'options.grey');
  checkFlag(raw, 'options.raw');
  checkNumber(test, 'options.test', 0, 1);
  checkChoice(damaged, 'options.damaged', ['error', 'skip']);
  const { cache, progress, onProgress, signal } = options;
  const images = await loadImages(resolve(path), {
    ...{ cache, progress, onProgress, signal, raw, damaged },
    size: imageSize === undefined ? undefined : sizeOf(imageSize, 'options.imageSize'),
    channels: grey ? 1 : 3,
    layout: { share: test, classes: checkNames(options.classes), parts: checkParts(options.parts) },
  });
  const [train, held] = [images.train, images.test].map((part) => filesBelow(path, part));
  const parts = imageData(basename(resolve(path)), train, held, images.shape, raw, images.classes);
  return { ...parts, leftOut: images.leftOut, parts: images.parts ?? null };
}

/** Images with the paths of their files as somebody would type them who named the folder so. */
export function filesBelow(folder: string, part: Required<RawImages>): RawImages {
  return { ...part, files: part.files.map((file) => join(folder, file)) };
}

function checkNames(classes: unknown): readonly string[] | undefined {
  if (classes === undefined) return undefined;
  const names = checkList(classes, 'options.classes', 'an array of names of folders');
  if (names.length === 0 || new Set(names).size < names.length || !names.every((name) => typeof name === 'string' && name !== ''))
    throw new ArgumentError(expected('an array of different names of folders', 'options.classes', classes));
  return names as readonly string[];
}

function checkParts(parts: unknown): LayoutOptions['parts'] {
  if (parts === undefined) return undefined;
  const { train, test } = checkOptions<NonNullable<ImageFolderOptions['parts']>>(parts, 'options.parts', ['train', 'test']);
  const paths = (value: unknown, name: string): readonly string[] => {
    const list = typeof value === 'string' ? [value] : checkList(value ?? [], `options.parts.${name}`, 'the path of a folder, or several');
    if (!list.every((one) => typeof one === 'string' && one !== ''))
      throw new ArgumentError(expected('the path of a folder, or several', `options.parts.${name}`, value));
    return list as readonly string[];
  };
  if (train === undefined || train.length === 0)
    throw new ArgumentError(expected('the path of a folder, or several', 'options.parts.train', train));
  return { train: paths(train, 'train'), test: paths(test, 'test') };
}

type SharedOptions = Pick<ImageFolderOptions, 'cache' | 'progress' | 'onProgress' | 'signal'>;

/** Checks the options that all readers of images share. */
export function checkImageOptions({ cache, progress, onProgress, signal }: SharedOptions): void {
  streamOf(progress);
  if (cache !== undefined) checkFlag(cache, 'options.cache');
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new ArgumentError(expected('a function', 'options.onProgress', onProgress));
  if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
  if (signal?.aborted) throw new AbortedError('loading images was stopped', { cause: signal.reason });
}

/** Both parts of a set of images, and the names of its classes. */
export interface LoadedImages<Part extends RawImages = RawImages> {
  readonly train: Part;
  readonly test: Part;
  readonly shape: readonly number[];
  readonly classes: readonly string[];
  readonly leftOut: readonly LeftOut[];
  readonly parts?: PartFolders | null;
}

/** What {@link loadImages} is told; the options are checked. */
export interface LoadOptions extends SharedOptions {
  readonly size?: readonly [height: number, width: number];
  readonly channels: 1 | 3;
  /** Whether they stay bytes. */
  readonly raw: boolean;
  readonly damaged: 'error' | 'skip';
  readonly layout: LayoutOptions;
}

/** Images of which each has a file, by its path below the folder. */
type FiledImages = LoadedImages<Required<RawImages>>;

/** The images below `path`, from the cache where they are in it. */
export async function loadImages(path: string, options: LoadOptions): Promise<FiledImages> {
  const { cache = true, size, channels, damaged, layout } = options;
  const found = await listFiles(path, options.signal);
  if (found.files.length === 1 && found.files[0].path === '' && !isArchive(path))
    throw new ArgumentError(
      `${expected('the path of a folder or of a .tar, .tar.gz or .tgz', 'path', path)}. Tables end in .csv, .tsv, .txt, .parquet, .arrow or .feather; ` +
        'JSON is read in a program, by tableFromRows(JSON.parse(text))',
    );
  const files = found.files.map(({ path: name, bytes, changed }) => [name, bytes, changed]);
  const settings = [4, path, files, found.folders, found.passedOver, found.unreadable, size ?? null, channels, damaged, layout];
  const digest = createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 16);
  const cached = join(cacheFolder(), 'images', `${basename(path)}-${digest}.safetensors`);
  const kept = cache ? await readCache(cached) : null;
  if (kept !== null) return kept;
  const leftOut = new LeftOutList();
  const faults = new FolderFaults(path);
  for (const one of found.passedOver) leftOut.add(one.path, one.reason);
  for (const one of found.unreadable) {
    if (damaged === 'error') faults.addFile(one.path, ` is ${one.reason}`);
    else leftOut.add(one.path, one.reason);
  }
  const images = await findImages(path, found.files, found.folders, options.signal, leftOut);
  const loaded = await decodeInto(path, images, options, leftOut, faults);
  if (cache) await writeCache(cached, loaded);
  return loaded;
}

// ---- pixels ----

/** Bytes that a pixel's channel takes: one, or beside it the float32 that it becomes. */
const bytesPerValue = (raw: boolean): number => (raw ? 1 : 5);

/** After images of another size, so many more are looked at for what else is wrong: to scale them anyhow, all are decoded again. */
const mostAfterSizes = 200;

async function decodeInto(
  path: string,
  { images, others, folders }: Images,
  options: LoadOptions,
  leftOut: LeftOutList,
  faults: FolderFaults,
): Promise<FiledImages> {
  const paths = images.map((image) => image.path);
  const layout = layOut(path, folderTree(paths, others, folders), paths, options.layout, faults);
  for (const one of layout.leftOut) leftOut.take(one);
  const rows = new Rows(path, layout, paths, options, faults);
  const wanted = [...layout.train, ...layout.test].map(({ image }) => images[image]);
  let decoded = 0;
  let told = 0;
  const bar = new ProgressBar(options.progress, `decoding ${basename(path)}`, wanted.length);
  const use = (image: DecodedImage): void => {
    rows.put(image);
    decoded += 1;
    bar.update(decoded);
    if (rows.strange > 0) {
      if (rows.strange > mostAfterSizes) faults.refuse();
      return;
    }
    // Large photographs take their time.
    if (decoded === 1) told = performance.now();
    if (decoded % 1000 !== 0 && performance.now() - told < 1000) return;
    told = performance.now();
    options.onProgress?.({ source: path, decoded, total: wanted.length });
  };
  const refuse = (name: string, problem: Error): void => {
    if (options.damaged === 'error') faults.addFile(name, `: this image cannot be decoded: ${problem.message}`, problem);
    else leftOut.add(name, `cannot be decoded: ${problem.message}`);
  };
  try {
    await decodeImages(encodedImages(path, wanted, options.signal), options, use, refuse);
  } finally {
    bar.end();
  }
  faults.refuse();
  options.onProgress?.({ source: path, decoded, total: wanted.length });
  const { classes, parts } = layout;
  return { ...rows.parts(), classes, leftOut: leftOut.list, parts };
}

/** Takes decoded images to their rows. */
class Rows {
  #shape: readonly number[] | null = null;
  #first = '';
  /** Images since the first of another size, itself counted. */
  strange = 0;
  readonly #rows: ReadonlyMap<string, { part: number; row: number }>;
  readonly #pixels: Uint8Array[] = [];
  readonly #isThere: readonly Uint8Array[];

  constructor(
    readonly path: string,
    readonly layout: Layout,
    readonly paths: readonly string[],
    readonly options: LoadOptions,
    readonly faults: FolderFaults,
  ) {
    const parts = [layout.train, layout.test];
    this.#rows = new Map(parts.flatMap((placed, part) => placed.map(({ image }, row) => [paths[image], { part, row }] as const)));
    this.#isThere = parts.map(({ length }) => new Uint8Array(length));
  }

  put({ path, pixels, shape }: DecodedImage): void {
    if (this.strange > 0) this.strange += 1;
    if (this.#shape === null) this.#begin(path, shape);
    else if (shape.join() !== this.#shape.join()) {
      if (this.strange > 0) return;
      this.strange = 1;
      const found = `${this.#first} is ${sizeText(this.#shape)}, ${path} is ${sizeText(shape)}`;
      this.faults.add(new ArgumentError(`the images of ${this.path} are of several sizes (${found}): say which with \`imageSize\``));
      return;
    }
    const { part, row } = this.#rows.get(path) as { part: number; row: number };
    this.#pixels[part].set(pixels, row * pixels.length);
    this.#isThere[part][row] = 1;
  }

  /** The first image says how large all are. */
  #begin(path: string, shape: readonly number[]): void {
    const size = shape.reduce((product, side) => product * side, 1);
    const count = this.#rows.size;
    const { size: given, raw } = this.options;
    const [height, width] = shape;
    checkAvailable(
      count * size * bytesPerValue(raw),
      `the ${count} images of ${this.path}, ${width}×${height}${raw ? '' : ' (as numbers)'}`,
      given === undefined ? 'Name a smaller `imageSize`' : `A smaller \`imageSize\`${raw ? '' : ', or `raw: true`,'} takes less`,
    );
    this.#shape = shape;
    this.#first = path;
    for (const isThere of this.#isThere) this.#pixels.push(new Uint8Array(isThere.length * size));
  }

  parts(): Pick<FiledImages, 'train' | 'test' | 'shape'> {
    if (this.#shape === null) throw new FileFormatError(`${this.path}: none of its ${this.#rows.size} images can be decoded`);
    const size = this.#shape.reduce((product, side) => product * side, 1);
    const [train, test] = [this.layout.train, this.layout.test].map((placed, part): Required<RawImages> => {
      const rows = placed.flatMap((_, row) => (this.#isThere[part][row] === 1 ? [row] : []));
      const pixels = this.#pixels[part];
      // Rows move up where images were left out.
      for (const [to, from] of rows.entries()) if (to !== from) pixels.copyWithin(to * size, from * size, (from + 1) * size);
      return {
        images: pixels.subarray(0, rows.length * size),
        labels: Int32Array.from(rows, (row) => placed[row].label),
        files: rows.map((row) => this.paths[placed[row].image]),
      };
    });
    const bare = this.layout.classes.find((_, label) => !train.labels.includes(label));
    if (bare !== undefined) throw new FileFormatError(`${this.path}: none of the training images of class ${bare} can be decoded`);
    return { train, test, shape: this.#shape };
  }
}

// ---- the cache ----

/** The one character that no path has stands between two. */
const namesIn = (bytes: Uint8Array): string[] => (bytes.length === 0 ? [] : new TextDecoder().decode(bytes).split('\0'));

async function readCache(path: string): Promise<FiledImages | null> {
  try {
    const { tensors, metadata } = await readSafetensors(path, { verify: false }); // written whole or not at all
    const shape = tensors.get('train.images')!.shape.slice(1);
    const classes = JSON.parse(metadata.get('classes') as string) as string[];
    const leftOut = JSON.parse(metadata.get('leftOut') as string) as LeftOut[];
    const parts = JSON.parse(metadata.get('parts') as string) as PartFolders | null;
    const part = (name: string): Required<RawImages> => ({
      images: tensors.get(`${name}.images`)!.data as Uint8Array,
      labels: tensors.get(`${name}.labels`)!.data as Int32Array,
      files: namesIn(tensors.get(`${name}.files`)!.data as Uint8Array),
    });
    return { train: part('train'), test: part('test'), shape, classes, leftOut, parts };
  } catch {
    return null; // not there, or damaged: the images are decoded again
  }
}

async function writeCache(path: string, { train, test, shape, classes, leftOut, parts = null }: FiledImages): Promise<void> {
  const tensors = new Map<string, AnyTensor>();
  for (const [name, { images, labels, files }] of Object.entries({ train, test })) {
    tensors.set(`${name}.images`, Tensor.from(images, [labels.length, ...shape]) as unknown as AnyTensor);
    tensors.set(`${name}.labels`, Tensor.from(labels) as unknown as AnyTensor);
    tensors.set(`${name}.files`, Tensor.from(new TextEncoder().encode(files.join('\0'))) as unknown as AnyTensor);
  }
  const texts = new Map(Object.entries({ classes, leftOut, parts }).map(([key, value]) => [key, JSON.stringify(value)]));
  try {
    // In pieces: a copy of all images is not needed.
    await writeFileAtomic(path, await encodeInTurns(tensors, texts));
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error; // a folder that cannot be written: it is done without
  }
}
