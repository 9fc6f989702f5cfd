// The binary format of CIFAR-10 and CIFAR-100: for each image its label bytes, then 3072 bytes, channel by channel.
import { isUint8Array } from '../foreign.js';
import { ArgumentError, checkChoice, checkOptions, expected, FileFormatError } from '../errors.js';

/** What a CIFAR file holds. */
export interface CifarImages {
  /** Bytes [N, 32, 32, 3]. */
  readonly images: Uint8Array;
  /** One class index for each image: of CIFAR-100 the fine one. */
  readonly labels: Int32Array;
}

/** Options of {@link decodeCifar}. */
export interface CifarOptions {
  /** One label byte for each image (`'cifar10'`, the default), or a coarse and a fine one (`'cifar100'`). */
  readonly kind?: 'cifar10' | 'cifar100';
  /** What error messages call the source; default `bytes`. */
  readonly name?: string;
}

const pixels = 1024;

/**
 * Images and labels of a CIFAR file (`data_batch_1.bin`, `train.bin` …). The file has its channels one after the other; the images
 * come as [height, width, channels].
 *
 * @throws {FileFormatError} if the file does not consist of whole records, or a label is out of range
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { decodeCifar } from 'nodegrad';
 * const { images, labels } = decodeCifar(readFileSync('cifar-10-batches-bin/test_batch.bin'));
 * ```
 */
export function decodeCifar(bytes: Uint8Array, options: CifarOptions = {}): CifarImages {
  if (!isUint8Array(bytes)) throw new ArgumentError(expected('a Uint8Array', 'bytes', bytes));
  const { kind = 'cifar10', name = 'bytes' } = checkOptions<CifarOptions>(options, 'options', ['kind', 'name']);
  if (typeof name !== 'string') throw new ArgumentError(expected('a string', 'options.name', name));
  const labelBytes = checkChoice(kind, 'options.kind', ['cifar10', 'cifar100']) === 'cifar10' ? 1 : 2;
  const classes = labelBytes === 1 ? 10 : 100;
  const record = labelBytes + 3 * pixels;
  const count = bytes.length / record;
  if (count === 0 || !Number.isSafeInteger(count))
    throw new FileFormatError(
      `${name}: expected records of ${record} bytes, the file has ${bytes.length}: ${bytes.length % record} at its end`,
    );
  const images = new Uint8Array(count * 3 * pixels);
  const labels = new Int32Array(count);
  for (let i = 0, to = 0; i < count; i++) {
    const start = i * record + labelBytes;
    labels[i] = bytes[start - 1];
    if (labels[i] >= classes)
      throw new FileFormatError(`${name}: expected labels from 0 to ${classes - 1}, found ${labels[i]} at byte ${start - 1}`);
    for (let at = start; at < start + pixels; at++) {
      images[to++] = bytes[at];
      images[to++] = bytes[at + pixels];
      images[to++] = bytes[at + 2 * pixels];
    }
  }
  return { images, labels };
}
