// Native calls of augmentation at any length of the batch: beside the samples of the other operations.
import { columnsOf, type Float, type Maker, one, state } from './calls.js';

/** kind, mode, pixels, then what it draws from; see native/ops/augment.h. */
type Stage = readonly [kind: number, mode: number, pixels: number, reals: readonly number[]];

const pipelines: Readonly<Record<string, (height: number, width: number, channels: number) => readonly Stage[]>> = {
  'normalized only': () => [],
  'crop and flips': () => [
    [0, 0, 2, []],
    [1, 0, 0, [0.5]],
    [1, 1, 0, [0.5]],
  ],
  'reflected crop and cutout': (height, width) => [
    [0, 1, Math.min(height, width, 3) - 1, []],
    [7, 2, 1, [0.7]],
  ],
  'affine map, lens and resized crop': () => [
    [2, 1, 0, [-40, 40, -0.2, 0.2, -0.1, 0.3, 0.7, 1.3, 0.9, 1.1, -0.2, 0.2]],
    [4, 0, 0, [-0.3, 0.3]],
    [3, 1, 0, [0.2, 1, 0.75, 1.25]],
  ],
  colours: (_height, _width, channels) => [
    [5, 0, 0, [0.5, 1.5, 0.5, 1.5, 0.5, 1.5]],
    ...(channels === 3 ? ([[6, 0, 0, [0.12, 0.13, 0.11, 0.05, 0, -0.05, 0.01, -0.02, 0.01, 0.5]]] as const) : []),
  ],
};

export const augment: Maker = (n, dtype: Float, random) => {
  const channels = n > 0 && n % 3 === 0 ? 3 : 1;
  const width = columnsOf(n / channels);
  const height = columnsOf(n / channels / width);
  const count = n / (channels * width * height);
  const images = 4;
  const bytes = Uint8Array.from({ length: images * height * width * channels }, () => random.integer(256));
  const rows = Int32Array.from({ length: count }, () => random.integer(images));
  const keys = Int32Array.from({ length: count }, () => random.integer(2 ** 24));
  const statistics = [0.4, 0.5, 0.6].slice(0, channels).concat([0.2, 0.3, 0.25].slice(0, channels));
  return Object.entries(pipelines).map(([form, make]) => {
    const stages = make(height, width, channels);
    return {
      op: 'augment',
      form: `${form}, [${count}, ${height}, ${width}, ${channels}]`,
      outputs: one(dtype, n),
      inputs: [bytes, rows, keys, state(random)],
      ints: [
        ...[count, images, height, width, channels, stages.length],
        ...stages.flatMap(([kind, mode, pixels]) => [kind, height, width, mode, pixels]),
      ],
      reals: [...statistics, ...stages.flatMap(([, , , reals]) => Array.from({ length: 12 }, (_, i) => reals[i] ?? 0))],
    };
  });
};
