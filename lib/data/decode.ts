// Decoding of JPEG, PNG and what else `sharp` reads: many images at once, all to one size, as bytes.
import { types } from 'node:util';
import { AbortedError } from '../errors.js';
import { otherThing } from './image-kinds.js';
import { loadSharp, type Sharp } from './sharp.js';

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
  /** Images in all, where that is known. */
  readonly total?: number;
}

/** Options of {@link decodeImages}. */
export interface DecodeOptions {
  /** Images are scaled and cropped to this; undefined leaves them as they are. */
  readonly size?: readonly [height: number, width: number];
  /** 3 for colours, 1 for grey. */
  readonly channels: 1 | 3;
  readonly signal?: AbortSignal;
}

/** The size of a picture, in the order that people say it. */
export const sizeText = ([height, width]: readonly number[]): string => `${width}×${height}`;

/** How many are under way: enough for the four threads that decode. */
const atOnce = 16;
/** Bytes of decoded images that are under way, beside the first of them. */
const mostBytes = 256 << 20;
/** A smaller file is not asked for its size first. */
const smallFile = 1 << 16;
/** A file of a few bytes may declare an image of any size. */
const mostPixels = 1 << 26;

/**
 * Decodes images and hands them to `use`, the first one before all others, those in any order. An image that cannot be read or decoded goes
 * to `refuse`, which throws or has it left out.
 *
 * @throws {MissingPackageError} if `sharp` is not installed
 * @throws {AbortedError} if the signal stopped it
 */
export async function decodeImages(
  images: AsyncIterable<EncodedImage>,
  options: DecodeOptions,
  use: (image: DecodedImage) => void,
  refuse: (path: string, problem: Error) => void,
): Promise<void> {
  const sharp = await loadSharp();
  const { signal } = options;
  const threads = sharp.concurrency();
  sharp.concurrency(1); // there are many images, and each is small
  const pending = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const budget = new Budget(mostBytes);
  let isFirst = true;
  try {
    for await (const image of images) {
      if (signal?.aborted) throw new AbortedError('decoding images was stopped', { cause: signal.reason });
      if (failures.length > 0) break;
      const work = decodeImage(sharp, image, options, budget)
        .then((one) => {
          if (types.isNativeError(one)) refuse(image.path, one);
          else {
            isFirst = false;
            use(one);
          }
        })
        .catch((error: unknown) => {
          failures.push(error);
        })
        .finally(() => pending.delete(work));
      pending.add(work);
      if (isFirst || pending.size >= atOnce) await Promise.race(pending);
    }
  } finally {
    await Promise.all(pending);
    sharp.concurrency(threads);
  }
  if (failures.length > 0) throw failures[0];
}

/** An image that was decoded, and is of no use. */
class Unfit extends Error {}

/** The image, or why there is none. */
async function decodeImage(
  sharp: Sharp,
  image: EncodedImage,
  { size, channels }: DecodeOptions,
  budget: Budget,
): Promise<DecodedImage | Error> {
  const settings = { failOn: 'error', limitInputPixels: mostPixels } as const;
  let taken = 0;
  let bytes: Uint8Array | null = null;
  try {
    bytes = await image.data();
    if (bytes.length >= smallFile) {
      const { width = 0, height = 0 } = await sharp(bytes, settings).metadata();
      taken = 4 * width * height;
      await budget.take(taken);
    }
    let pipeline = sharp(bytes, settings).autoOrient().flatten();
    if (size !== undefined) pipeline = pipeline.resize({ height: size[0], width: size[1], fit: 'cover' });
    const { data, info } = await pipeline
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== channels) throw new Unfit(`it has ${info.channels} channels, not ${channels}`);
    return { path: image.path, pixels: data, shape: [info.height, info.width, channels] };
  } catch (error) {
    return reasonOf(error as NodeJS.ErrnoException, bytes);
  } finally {
    budget.give(taken);
  }
}

/** Why there is no image, in the same words whatever else is being read, and to what size: what libvips says of one, and whether, depends on both. */
function reasonOf(error: NodeJS.ErrnoException, bytes: Uint8Array | null): Error {
  const { code, message } = error;
  if (typeof code === 'string' || error instanceof Unfit) return error;
  const reason = message.includes('unsupported image format')
    ? otherThing(bytes ?? new Uint8Array(0))
    : message.includes('pixel limit')
      ? `it has more than ${mostPixels} pixels`
      : 'it is damaged, or not whole';
  return new Error(reason, { cause: error });
}

/** An amount that is taken and given back; who wants more than there is waits, in the order of coming. */
class Budget {
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(readonly most: number) {}

  async take(amount: number): Promise<void> {
    // One that is larger than all there is runs alone.
    while (this.#taken > 0 && this.#taken + amount > this.most) await new Promise<void>((go) => this.#waiting.push(go));
    this.#taken += amount;
  }

  give(amount: number): void {
    this.#taken -= amount;
    for (const go of this.#waiting.splice(0)) go();
  }
}
