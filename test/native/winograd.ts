// 3×3 convolutions with stride 1 as native calls, and the shapes that tell Winograd's cases apart.
import { Seeded } from '../helpers/seeded.js';
import { type Float, one, type Sample, uniform } from './calls.js';

export type Direction = 'forward' | 'input gradient' | 'weight gradient';
export const directions: readonly Direction[] = ['forward', 'input gradient', 'weight gradient'];

/** Values of the last attribute: the algorithms that may serve. */
export const choices = { automatic: 0, direct: 1, im2col: 2 } as const;

export interface Geometry {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly k: number;
  /** Top, bottom, left, right. */
  readonly pad: readonly [number, number, number, number];
}

/** A convolution in one direction; operands depend on dtype only by their rounding. */
export function convolutionSample(direction: Direction, geometry: Geometry, dtype: Float, choice: number, seed: number): Sample {
  const { n, h, w, c, k, pad } = geometry;
  const [oh, ow] = [h + pad[0] + pad[1] - 2, w + pad[2] + pad[3] - 2];
  const random = new Seeded(seed);
  const rounded = (length: number) => {
    const values = uniform(random, 'float32', length, -1, 1);
    return dtype === 'float32' ? values : Float64Array.from(values);
  };
  const sizes = { x: n * h * w * c, w: 9 * c * k, y: n * oh * ow * k };
  const [op, output, inputs] = {
    forward: ['conv2d', sizes.y, [sizes.x, sizes.w]] as const,
    'input gradient': ['conv2d_input_gradient', sizes.x, [sizes.y, sizes.w]] as const,
    'weight gradient': ['conv2d_weight_gradient', sizes.w, [sizes.x, sizes.y]] as const,
  }[direction];
  return {
    op,
    form: '',
    outputs: one(dtype, output),
    inputs: inputs.map(rounded),
    ints: [n, h, w, c, oh, ow, k, 3, 3, 1, 1, pad[0], pad[2], 1, 1, 1, choice],
    reals: [],
  };
}

/** Odd and even images from 1 to 14 pixels, channels that do and do not fill vectors and panels, every padding, and batches down to none. */
export function geometries(): Geometry[] {
  const list: Geometry[] = [];
  const random = new Seeded(5);
  const pads = [0, 1, 2];
  for (let h = 1; h <= 14; h++) {
    for (const n of [0, 1, 3]) {
      const [c, k] = [random.integer(3) === 0 ? 16 * (1 + random.integer(5)) : 16 + random.integer(60), 16 + random.integer(60)];
      const pad = [pads[random.integer(3)], pads[random.integer(3)], pads[random.integer(3)], pads[random.integer(3)]] as const;
      const w = 1 + random.integer(14);
      if (h + pad[0] + pad[1] > 2 && w + pad[2] + pad[3] > 2) list.push({ n, h, w, c, k, pad });
    }
    list.push({ n: 2, h, w: h, c: 16 + h, k: 32, pad: [1, 1, 1, 1] });
  }
  // Channels that fill no vector.
  for (const [c, k] of [
    [8, 16],
    [17, 8],
    [12, 12],
    [48, 12],
  ])
    list.push({ n: 2, h: 9, w: 11, c, k, pad: [1, 1, 1, 1] });
  // Weights that no cache holds, few tiles; tiles in several blocks; a last panel of one vector; channels shared among threads.
  list.push({ n: 5, h: 7, w: 7, c: 230, k: 250, pad: [1, 1, 1, 1] }, { n: 30, h: 14, w: 14, c: 24, k: 72, pad: [1, 1, 1, 1] });
  list.push({ n: 9, h: 8, w: 8, c: 130, k: 80, pad: [1, 1, 1, 1] }, { n: 70, h: 8, w: 8, c: 70, k: 150, pad: [2, 2, 2, 2] });
  return list;
}
