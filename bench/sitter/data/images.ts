// Images [height, width, channels] with grey values 0 to 255, and the two well-known sets where they are on this machine.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { datasets } from '../../../lib/index.js';
import type { DataSpec, Draw, MakeSource, Row, Source } from './source.js';

/** A canvas that shapes are drawn on. */
class Canvas {
  readonly pixels: Float32Array;
  constructor(
    readonly size: number,
    readonly channels: number,
    noise: (channel: number) => number,
  ) {
    this.pixels = Float32Array.from({ length: size * size * channels }, (_, i) => noise(i % channels));
  }

  /** Paints a rectangle, cut off at the border. */
  paint(row: number, column: number, height: number, width: number, colour: (channel: number) => number): void {
    const { size, channels } = this;
    for (let r = Math.max(0, row); r < Math.min(size, row + height); r++)
      for (let c = Math.max(0, column); c < Math.min(size, column + width); c++)
        for (let k = 0; k < channels; k++) this.pixels[(r * size + c) * channels + k] = colour(k);
  }
}

const imageClasses = (size: number, channels: number, classes: number, rows: number, row: (i: number) => Row): Source => ({
  inputShape: [size, size, channels],
  targetShape: [],
  targets: 'classes',
  classes,
  rows,
  row,
});

/** A square, a vertical or a horizontal bar on noise. */
const shapes: MakeSource = (g, { size = 16 }) =>
  imageClasses(size, 3, 3, 500, () => {
    const label = g.integer(3);
    const canvas = new Canvas(size, 3, () => g.between(0, 90));
    const side = Math.round(size / 3);
    const [height, width] = [
      [side, side],
      [Math.round(size * 0.6), 2],
      [2, Math.round(size * 0.6)],
    ][label];
    const colour = g.list(3, () => g.between(130, 255));
    canvas.paint(g.integer(size - height), g.integer(size - width), height, width, (k) => colour[k]);
    return [canvas.pixels, [label]];
  });

/** `classes` patterns of coloured quarters, moved and noisy: the noise is 40 / `separation`. */
const patterns: MakeSource = (g, { size = 16, classes = 10, separation = 1, noise = 0 }) => {
  const colours = Array.from({ length: classes }, () => g.list(12, () => g.between(20, 235)));
  return imageClasses(size, 3, classes, 500, () => {
    const label = g.integer(classes);
    const canvas = new Canvas(size, 3, () => 128);
    const [top, left] = [g.integer(5) - 2, g.integer(5) - 2];
    const half = size / 2;
    for (let quarter = 0; quarter < 4; quarter++)
      canvas.paint(top + half * (quarter >> 1), left + half * (quarter & 1), half, half, (k) =>
        Math.min(255, Math.max(0, colours[label][quarter * 3 + k] + g.normal(0, 40 / separation))),
      );
    return [canvas.pixels, [g.chance(noise) ? g.integer(classes) : label]];
  });
};

/** Stripes along rows or along columns, of any phase. */
const textures: MakeSource = (g, { size = 16 }) =>
  imageClasses(size, 3, 2, 300, () => {
    const label = g.integer(2);
    const [phase, period] = [g.between(0, 6.28), g.between(3, 5)];
    const x = new Float32Array(size * size * 3);
    for (let i = 0; i < x.length; i++) {
      const at = Math.floor(i / 3);
      const along = label === 0 ? Math.floor(at / size) : at % size;
      x[i] = Math.min(255, Math.max(0, 128 + 70 * Math.sin(phase + (6.28 * along) / period) + g.normal(0, 30)));
    }
    return [x, [label]];
  });

/** Waves of a few lengths: an image without edges, in 0 … 255. */
function smooth(g: Draw, size: number): Float32Array {
  const waves = Array.from({ length: 4 }, () => [g.between(-0.6, 0.6), g.between(-0.6, 0.6), g.between(0, 6.28), g.between(10, 30)]);
  return Float32Array.from({ length: size * size }, (_, i) =>
    waves.reduce((sum, [a, b, phase, high]) => sum + high * Math.sin(a * Math.floor(i / size) + b * (i % size) + phase), 128),
  );
}

/** An image halved and blown up again, beside itself in 0 … 1. */
const upscale: MakeSource = (g, { size = 16 }) => ({
  ...imageClasses(size, 1, 0, 120, () => {
    const image = smooth(g, size);
    const coarse = image.map((_, i) => image[(Math.floor(i / size) & ~1) * size + ((i % size) & ~1)]);
    return [coarse, image.map((grey) => grey / 255)];
  }),
  targets: 'numbers',
  targetShape: [size, size, 1],
});

/** Five bumps, and where they are. */
const blobs: MakeSource = (g, { size = 16 }) => ({
  ...imageClasses(size, 1, 0, 300, () => {
    const places = g.list(10, () => g.between(2, size - 2)).map((at, i, all) => (i % 2 === 0 ? Math.min(at, all[i]) : at));
    const x = new Float32Array(size * size);
    for (let i = 0; i < x.length; i++)
      for (let bump = 0; bump < 5; bump++)
        x[i] += 200 * Math.exp(-((Math.floor(i / size) - places[2 * bump]) ** 2 + ((i % size) - places[2 * bump + 1]) ** 2) / 2);
    return [x, places.map((at) => at / size)];
  }),
  targets: 'numbers',
  targetShape: [10],
});

/** A board of the game of life, 40 % alive, and whether each cell lives a step later. */
const life: MakeSource = (g, { size = 16 }) => ({
  ...imageClasses(size, 1, 0, 300, () => {
    const alive = g.list(size * size, () => Number(g.chance(0.4)));
    const next = alive.map((cell, i) => {
      let around = 0;
      for (const [down, right] of neighbours) {
        const [row, column] = [Math.floor(i / size) + down, (i % size) + right];
        if (row >= 0 && column >= 0 && row < size && column < size) around += alive[row * size + column];
      }
      return Number(around === 3 || (cell === 1 && around === 2));
    });
    return [alive, next];
  }),
  targets: 'labels',
  targetShape: [size, size, 1],
});

const neighbours = [-1, 0, 1].flatMap((a) => [-1, 0, 1].map((b) => [a, b])).filter(([a, b]) => a !== 0 || b !== 0);

/** Images that are drawn here. */
export const images: Readonly<Record<string, MakeSource>> = {
  shapes3: shapes,
  patterns,
  signs43: (g, spec) => patterns(g, { classes: 43, ...spec }),
  two_kinds64: textures,
  upscale,
  blobs5: blobs,
  life16: life,
};

const folder = (name: string): string | null => {
  const path = join(process.env['NODEGRAD_DATA'] ?? '', name);
  return process.env['NODEGRAD_DATA'] !== undefined && existsSync(path) ? path : null;
};

/** `mnist`: the real set where `NODEGRAD_DATA` has it, else drawn digits. `cifar10`: coloured patterns of the same shape. Grey values 0 … 255. */
export async function wellKnown(spec: DataSpec, draw: Draw): Promise<Source | null> {
  if (spec.kind === 'cifar10') return patterns(draw, { ...spec, size: 32, classes: 10 });
  if (spec.kind !== 'mnist') return null;
  const dir = folder('mnist');
  const { train } = dir === null ? await datasets.digits() : await datasets.mnist({ dir, download: false });
  const size = 28 * 28;
  const rows = spec.rows ?? 1000;
  // All three parts, see `draw`.
  const order = draw.order(train.length).slice(0, 2 * rows + 100);
  const { inputs, targets } = train.batch(Int32Array.from(order));
  const row = (i: number): Row => {
    const at = i % order.length;
    return [inputs.data.subarray(at * size, (at + 1) * size).map((grey) => grey * 255), [Number(targets.data[at])]];
  };
  return imageClasses(28, 1, 10, 1000, row);
}
