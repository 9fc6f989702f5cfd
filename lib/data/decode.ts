// Decoding of JPEG, PNG and what else `sharp` reads: many images at once, all to one size, as bytes.
import { AbortedError, FileFormatError, MissingPackageError } from '../errors.js';

/** An image file: its path, for messages and for the order, and its bytes. */
export interface EncodedImage {
  readonly path: string;
  data(): Promise<Uint8Array>;
}

/** An image as bytes [height, width, channels]. */
export interface DecodedImage {
  readonly path: string;
  readonly pixels: Uint8Array;
  readonly shape: readonly [height: number, width: number, channels: number];
}

/** How far the decoding of images is. */
export interface DecodeProgress {
  /** What is being read. */
  readonly source: string;
  /** Images decoded so far. */
  readonly decoded: number;
}

/** Options of {@link decodeImages}. */
export interface DecodeOptions {
  /** Images are scaled and cropped to this; undefined leaves them as they are. */
  readonly size?: readonly [height: number, width: number];
  /** 3 for colours, 1 for grey. */
  readonly channels: 1 | 3;
  readonly signal?: AbortSignal;
  readonly onDecoded?: (decoded: number) => void;
}

/** How many are under way: enough for the four threads that decode. */
const atOnce = 16;
/** A file of a few bytes may declare an image of any size. */
const mostPixels = 1 << 26;

type Sharp = typeof import('sharp').default;

async function loadSharp(): Promise<Sharp> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw new MissingPackageError('images are decoded by the package sharp, which is not installed: npm install sharp', { cause: error });
  }
}

/**
 * The images in the order of their paths.
 *
 * @throws {MissingPackageError} if `sharp` is not installed
 * @throws {FileFormatError} if an image cannot be decoded
 * @throws {AbortedError} if the signal stopped it
 */
export async function decodeImages(images: AsyncIterable<EncodedImage>, options: DecodeOptions): Promise<DecodedImage[]> {
  const sharp = await loadSharp();
  const { signal, onDecoded } = options;
  const threads = sharp.concurrency();
  sharp.concurrency(1); // there are many images, and each is small
  const decoded: DecodedImage[] = [];
  const pending = new Set<Promise<void>>();
  const failures: unknown[] = [];
  try {
    for await (const image of images) {
      if (signal?.aborted) throw new AbortedError('decoding images was stopped', { cause: signal.reason });
      if (failures.length > 0) break;
      const work = decodeImage(sharp, image, options)
        .then((one) => {
          decoded.push(one);
          onDecoded?.(decoded.length);
        })
        .catch((error: unknown) => {
          failures.push(error);
        })
        .finally(() => pending.delete(work));
      pending.add(work);
      if (pending.size >= atOnce) await Promise.race(pending);
    }
  } finally {
    await Promise.all(pending);
    sharp.concurrency(threads);
  }
  if (failures.length > 0) throw failures[0];
  return decoded.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

async function decodeImage(sharp: Sharp, image: EncodedImage, { size, channels }: DecodeOptions): Promise<DecodedImage> {
  const bytes = await image.data();
  try {
    let pipeline = sharp(bytes, { failOn: 'error', limitInputPixels: mostPixels }).autoOrient().flatten();
    if (size !== undefined) pipeline = pipeline.resize({ height: size[0], width: size[1], fit: 'cover' });
    const { data, info } = await pipeline
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== channels) throw new Error(`it has ${info.channels} channels, not ${channels}`);
    return { path: image.path, pixels: data, shape: [info.height, info.width, channels] };
  } catch (error) {
    throw new FileFormatError(`${image.path}: this image cannot be decoded: ${(error as Error).message}`, { cause: error });
  }
}
