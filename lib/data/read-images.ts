// Single images, from files or from memory, as the tensor that a model of images takes.

import { readFile } from 'node:fs/promises';
import { types } from 'node:util';
import { ArgumentError, FileFormatError, checkFlag, checkOptions, describeShape, expected } from '../errors.js';
import { isAbortSignal } from '../foreign.js';
import { systemReason } from '../io/atomic.js';
import { checkAvailable } from '../memory.js';
import { ProgressBar, type ProgressOption } from '../progress.js';
import { Tensor } from '../tensor.js';
import { sizeOf } from './augmentation.js';
import { type DecodedImage, type EncodedImage, decodeImages, sizeText } from './decode.js';

/** Options of {@link readImages}. */
export interface ReadImagesOptions {
  /** Images are scaled and cropped to this: a side for squares, or [height, width]. Without it they must all be of one size. */
  readonly imageSize?: number | readonly [height: number, width: number];
  /** One grey channel instead of red, green and blue; default false. */
  readonly grey?: boolean;
  /** A bar on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/**
 * Images as uint8 [N, height, width, channels], decoded, turned, scaled and cropped as `datasets.imageFolder` with `raw: true` does, by the package `sharp`
 * (`npm install sharp`): what a model is asked about that was trained on a folder.
 *
 * @param images - Paths of files, or the bytes of files, such as the body of a request; one of them, or a list.
 * @throws {@link FileFormatError} for one that is no image, with its path or place; {@link ArgumentError} for one that cannot be read, for images of several sizes
 *   without `imageSize`, and for wrong options; {@link MissingPackageError} without the package; {@link AbortedError} if the signal stopped it.
 * @example
 * ```ts
 * import { load, readImages } from 'nodegrad';
 * const model = await load('pets.safetensors');
 * const scores = await model.predict(await readImages('rex.jpg', { imageSize: 64 })); // [1, classes]
 * ```
 */
export async function readImages(
  images: string | Uint8Array | readonly (string | Uint8Array)[],
  options: ReadImagesOptions = {},
): Promise<Tensor<'uint8'>> {
  const { imageSize, grey, progress, signal } = checkOptions<ReadImagesOptions>(options, 'options', [
    'imageSize',
    'grey',
    'progress',
    'signal',
  ]);
  if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
  const size = imageSize === undefined ? undefined : sizeOf(imageSize as number, 'options.imageSize');
  const channels = checkFlag(grey ?? false, 'options.grey') ? 1 : 3;
  const list = Array.isArray(images) ? (images as readonly (string | Uint8Array)[]) : [images as string | Uint8Array];
  if (list.length === 0) throw new ArgumentError('`images` is empty: a batch has at least one');
  const names = list.map((image, i) => nameOf(image, Array.isArray(images) ? `images[${i}]` : 'images'));

  const bar = new ProgressBar(progress, 'decoding images', list.length);
  let decoded = 0;
  let pixels = new Uint8Array(0);
  let first: DecodedImage | null = null;
  const use = (image: DecodedImage): void => {
    if (first === null) {
      first = image;
      const bytes = list.length * image.pixels.length;
      checkAvailable(bytes, `${list.length} images of ${describeShape(image.shape)}`, 'A smaller `imageSize` takes less');
      pixels = new Uint8Array(bytes);
    } else if (image.shape.join() !== first.shape.join()) {
      const [one, other] = [first, image].map(({ path, shape }) => `${names[Number(path)]} is ${sizeText(shape)}`);
      throw new ArgumentError(`the images are of several sizes (${one}, ${other}): say which with \`imageSize\``);
    }
    pixels.set(image.pixels, Number(image.path) * image.pixels.length);
    bar.update(++decoded);
  };
  const refuse = (place: string, problem: Error): never => {
    const name = names[Number(place)];
    const { code } = problem as NodeJS.ErrnoException;
    if (typeof code === 'string') throw new ArgumentError(`${name} cannot be read: ${systemReason(problem)}`, { cause: problem });
    const what = typeof list[Number(place)] === 'string' ? 'this image' : 'these bytes, as an image,';
    throw new FileFormatError(`${name}: ${what} cannot be decoded: ${problem.message}`, { cause: problem });
  };
  await decodeImages(encodedOf(list), { size, channels, signal }, use, refuse).finally(() => bar.end());
  return Tensor.from<'uint8'>(pixels, [list.length, ...(first as unknown as DecodedImage).shape]);
}

function nameOf(image: unknown, argument: string): string {
  if (typeof image === 'string' && image !== '') return image;
  if (types.isUint8Array(image)) return argument;
  throw new ArgumentError(expected('the path of an image, or its bytes (a Uint8Array or Buffer),', argument, image));
}

/** The images by their places in the list. */
async function* encodedOf(list: readonly (string | Uint8Array)[]): AsyncGenerator<EncodedImage> {
  for (const [i, image] of list.entries()) yield { path: `${i}`, data: async () => (typeof image === 'string' ? readFile(image) : image) };
}
