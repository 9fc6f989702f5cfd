// A process of a group that makes calls of its own, for the tests: says what came of them as one line of JSON.

import { createHash } from 'node:crypto';
import { type AnyTensor, ProcessGroup, Tensor, compileStep, openStore } from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';

/** What a process of the tests does. */
export interface CollectiveErrand {
  readonly kind: 'bits' | 'compiled' | 'bytes' | 'wrong' | 'shapes' | 'aborted' | 'silent';
  readonly rank: number;
  readonly size: number;
  readonly store: string;
  readonly timeout: number;
}

const said: Record<string, unknown> = {};

/** Numbers of very different sizes, whose sum depends on the order in which they are added. */
function numbers(shape: readonly number[], seed: number): Tensor {
  const values = new Seeded(seed).uniform(shape.reduce((size, side) => size * side, 1));
  return Tensor.from(
    Float32Array.from(values, (value, i) => value * 10 ** (i % 7)),
    shape,
  );
}

const digest = ({ memory: { buffer, byteOffset, byteLength } }: AnyTensor): string =>
  createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex')
    .slice(0, 16);

const kinds: Record<CollectiveErrand['kind'], (group: ProcessGroup, errand: CollectiveErrand) => Promise<void>> = {
  // Below and above what travels whole, in one piece and in several, with an end that is no multiple of anything.
  async bits(group, { rank, size }) {
    const shapes = [[0, 3], [size], [3 * size, 7, 11], [size, 2, 150_001]];
    for (const [i, shape] of shapes.entries())
      for (const dtype of ['float32', 'float64', 'bfloat16'] as const) {
        const x = numbers(shape, 100 * i + rank + 1).to(dtype);
        const before = digest(x);
        const part = group.reduceScatter(x);
        const rows = shape[0] / size;
        const sum = x.clone();
        group.allReduce(sum);
        said[`${shape} ${dtype}`] = {
          shape: part.shape.join() === [rows, ...shape.slice(1)].join(),
          isPart: digest(part) === digest(sum.slice(rank * rows, (rank + 1) * rows)),
          isWhole: group.allGather(part).every((one, owner) => digest(one) === digest(sum.slice(owner * rows, (owner + 1) * rows))),
          isSum: size === 1 || sum.size === 0 || digest(sum) !== before,
          isLeftAlone: digest(x) === before,
        };
      }
  },
  async compiled(group, { rank, size }) {
    const x = numbers([4 * size, 5000], rank + 1);
    const body = (input: Tensor): Tensor => group.reduceScatter(input.mul(2)).add(group.reduceScatter(input).sum());
    const wanted = digest(body(x));
    const before = digest(x);
    const step = compileStep(body);
    said['same'] = [digest(await step(x)), digest(await step(x))].every((one) => one === wanted);
    said['isLeftAlone'] = digest(x) === before;
    const weight = numbers([size, 3], 7);
    weight.requiresGrad = true;
    const loss = weight.mul(weight).sum();
    said['needsGradient'] = group.reduceScatter(weight).requiresGrad;
    loss.backward(); // the weights are as they were in the forward pass
    said['gradient'] = weight.grad !== null;
  },
  async bytes(group, { size }) {
    const x = numbers([64 * size, 4096], 1);
    const sentBy = (body: () => unknown): number => {
      const before = group.bytesSent;
      body();
      return group.bytesSent - before;
    };
    const [scattered, gathered] = [sentBy(() => group.reduceScatter(x)), sentBy(() => group.allGather(x.slice(0, 64)))];
    Object.assign(said, { scattered, gathered, reduced: sentBy(() => group.allReduce(x)), all: 4 * x.size });
  },
  // Refused before anything is sent: the group goes on.
  async wrong(group, { size }) {
    const texts: string[] = [];
    for (const x of [Tensor.from(Float32Array.of(1), []), numbers([size + 1, 2], 1), Tensor.from(new Int32Array(size)), 3, null]) {
      try {
        group.reduceScatter(x as Tensor);
      } catch (error) {
        texts.push(`${(error as { code: string }).code}: ${(error as Error).message}`);
      }
    }
    try {
      group.allReduce(Tensor.from(new Int32Array(size)));
    } catch (error) {
      texts.push((error as { code: string }).code);
    }
    said['texts'] = texts;
    said['goesOn'] = group.reduceScatter(numbers([size, 2], 1)).shape;
  },
  async shapes(group, { rank, size }) {
    group.reduceScatter(numbers([size, 20 + rank], 1));
  },
  async silent(group, { rank, size }) {
    if (rank === 0) group.reduceScatter(numbers([size, 20_000], 1));
    else await new Promise((resolve) => setTimeout(resolve, 4000));
  },
  // The signal comes while the driver's thread waits for the other process.
  async aborted(group, { rank, size }) {
    if (rank === 1) return void (await new Promise((resolve) => setTimeout(resolve, 3000)));
    const step = compileStep((x: Tensor) => group.reduceScatter(x));
    await step(numbers([size, 20_000], 1));
  },
};

async function main(errand: CollectiveErrand): Promise<void> {
  const { kind, rank, size, timeout } = errand;
  const store = await openStore(errand.store);
  const signal = kind === 'aborted' && rank === 0 ? { signal: AbortSignal.timeout(1500) } : {};
  const group = await ProcessGroup.open({ rank, size, timeout, store, ...signal });
  const began = performance.now();
  try {
    await kinds[kind](group, errand);
  } catch (error) {
    said['error'] = (error as Error).message;
    said['code'] = (error as { code?: string }).code;
  }
  said['seconds'] = (performance.now() - began) / 1000;
  await group.close();
  said['afterwards'] = group.bytesSent;
  console.log(JSON.stringify(said));
}

if (process.argv[2] !== undefined) await main(JSON.parse(process.argv[2]) as CollectiveErrand);
