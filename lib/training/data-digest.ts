// What tells one data set from another of the same shape: a digest of its examples, cheap enough for the beginning of every run.

import { createHash } from 'node:crypto';
import { type Source, isShape, memoryOf, sourcesIn } from '../data/contract.js';
import { type AnyDataset, type BatchPart, type Dataset, type EpochKey, isInMemory } from '../data/dataset.js';
import { isStreamed } from '../data/cursor.js';
import { DataLoader } from '../data/loader.js';
import { type DType, type TypedArray, arrayTypes, bytesOf } from '../dtype.js';
import { describeShape } from '../errors.js';
import { gatherInto } from '../ops/shape.js';
import { defaultRandom } from '../seed.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type TensorTree, tensorsOf } from '../tree.js';

/** Bytes of inputs that are looked at: small sets whole, of larger ones examples at even distances. */
const sampledBytes = 4 << 20;
/** At least so many examples, however large one is. */
const fewest = 32;
/** At most so many where a set makes its batches itself, which may take long. */
const mostFetched = 64;
/** Bytes of targets that are looked at whole. */
const targetBytes = 16 << 20;

/** What is drawn anew in each epoch is drawn for this one. */
const key: EpochKey = { seed: 0, epoch: 0 };

/**
 * A data set as a run's description holds it. The digest covers the targets of all examples in their order (up to 16 MiB) and the inputs
 * of a sample: all up to 4 MiB, else examples at even distances. Of a set that makes its batches itself it covers what 64 of its examples
 * are, unless they are others each time.
 */
export async function describeData(given: AnyDataset): Promise<Record<string, unknown>> {
  const data = given as Dataset<BatchPart, BatchPart>;
  // To read it once more might not give the same, or not be possible.
  if (isStreamed(given)) return { name: data.name, examples: 'a stream', digest: 'none: it is read as a stream' };
  return {
    name: data.name,
    examples: data.length,
    inputShape: shapeText(data.inputShape),
    targetShape: shapeText(data.targetShape),
    digest: isInMemory(data) ? ofMemory(data) : await ofBatch(data),
  };
}

function ofMemory(data: Dataset<BatchPart, BatchPart>): string {
  const memory = memoryOf(data);
  const { rows } = memory;
  const [inputs, ...others] = [memory.inputs, memory.targets, memory.weights].map((part) => (part === undefined ? [] : sourcesIn(part)));
  const targets = others.flat();
  const rowsOf = (examples: Int32Array): Int32Array => (rows === null ? examples : examples.map((example) => rows[example]));
  const sample = rowsOf(sampleOf(data.length, Math.max(fewest, Math.floor(sampledBytes / Math.max(1, sizeOfRows(inputs))))));
  const isLarge = data.length * sizeOfRows(targets) > targetBytes;
  const hash = createHash('sha256').update(`${[...inputs, ...targets].map(({ dtype }) => dtype).join(' ')} ${sample.length} `);
  const all = isLarge ? sample : rowsOf(sampleOf(data.length, data.length));
  for (const [source, wanted] of [...targets.map((one) => [one, all] as const), ...inputs.map((one) => [one, sample] as const)]) {
    const to = new arrayTypes[source.dtype as DType](wanted.length * widthOf(source));
    if (!(source instanceof Tensor)) source.into(to as never, wanted, key);
    else if (to.length > 0) gatherInto(to, source as AnyTensor, wanted);
    hash.update(bytesOfArray(to));
  }
  return hash.digest('hex').slice(0, 16);
}

async function ofBatch(data: Dataset<BatchPart, BatchPart>): Promise<string> {
  const sample = sampleOf(data.length, mostFetched);
  const loader = new DataLoader(data, { batchSize: sample.length, seed: key.seed });
  // A look must change nothing in the run.
  const random = defaultRandom();
  const { state } = random;
  const look = async (): Promise<string> => {
    const hash = createHash('sha256');
    for (const tensor of tensorsOf((await loader.make(sample, 0, key.epoch)) as TensorTree, 'batch').leaves) {
      hash.update(`${tensor.dtype} ${describeShape(tensor.shape)} `);
      hash.update(bytesOfArray(tensor.data as TypedArray));
    }
    return hash.digest('hex').slice(0, 16);
  };
  const first = await look();
  const second = await look();
  random.state = state;
  return first === second ? first : 'none: its examples are others each time';
}

/** Examples at even distances, the first and the last among them. */
function sampleOf(length: number, most: number): Int32Array {
  const count = Math.min(length, most);
  return Int32Array.from({ length: count }, (_, i) => (count < 2 ? 0 : Math.floor((i * (length - 1)) / (count - 1))));
}

const widthOf = ({ shape }: { readonly shape: readonly number[] }): number => shape.slice(1).reduce((size, side) => size * side, 1);
const bytesOfRow = (source: { readonly shape: readonly number[]; readonly dtype: unknown }): number =>
  widthOf(source) * bytesOf(source.dtype as DType);
const sizeOfRows = (sources: readonly Source[]): number => sources.reduce((size, source) => size + bytesOfRow(source), 0);
const bytesOfArray = ({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);
// Of several tensors, their shapes by name.
const shapeText = (shape: unknown): string =>
  isShape(shape) ? describeShape(shape as number[]) : typeof shape === 'object' && shape !== null ? JSON.stringify(shape) : 'unknown';
