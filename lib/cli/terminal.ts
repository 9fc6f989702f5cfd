// What the commands print with: colours where the terminal has them, tables, confusion matrices, and images as half blocks.

import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import { confusionLines } from '../metrics/confusion-text.js';
import { formatCount } from '../training/progress.js';
import { percentOf, printable } from '../words.js';

/** A colour, as a terminal is told of it. */
const colours = /(\u001b\[[0-9;]*m)/;

type Style = Parameters<typeof styleText>[0];

/** Text with a style, or plain where the output is no terminal or `NO_COLOR` is set. */
export class Terminal {
  /** Bits of colour: 1 for none, 4, 8 or 24. */
  readonly depth: number;

  constructor(
    readonly stream: NodeJS.WritableStream = process.stdout,
    depth?: number,
  ) {
    const { isTTY } = stream as WriteStream;
    this.depth = depth ?? (isTTY && !process.env.NO_COLOR ? (stream as WriteStream).getColorDepth() : 1);
  }

  /** Writes lines. Colours alone may command the terminal. */
  print(...lines: readonly string[]): void {
    this.stream.write(
      `${lines
        .join('\n')
        .split(colours)
        .map((part, i) => (i % 2 === 0 ? printable(part) : part))
        .join('')}\n`,
    );
  }

  /** `text` in a style. */
  style(style: Style, text: string): string {
    // Whether there are colours is decided here; newer versions of Node.js would look at standard output once more.
    const plain = printable(text);
    return this.depth > 1 ? styleText(style, plain, { validateStream: false }) : plain;
  }

  /** Columns of the terminal; 80 elsewhere. */
  get width(): number {
    return (this.stream as WriteStream).columns ?? 80;
  }
}

/** Pairs as lines with aligned values. */
export function pairs(list: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...list.map(([name]) => name.length));
  return list.map(([name, value]) => `  ${printable(name).padEnd(width)}  ${printable(value)}`);
}

/** How often class t was taken for class p: `matrix[t][p]`. */
export function confusionMatrix(targets: ArrayLike<number>, predictions: ArrayLike<number>, classes: number): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < targets.length; i++) matrix[targets[i]][predictions[i]] += 1;
  return matrix;
}

/** A confusion matrix as lines, in colours: a row per true class, a column per prediction, the share of hits at the right. */
export function matrixLines(matrix: readonly (readonly number[])[], names: readonly string[], terminal: Terminal): string[] {
  const styles = { hit: ['green', 'bold'], none: 'dim', miss: 'red' } as const;
  return confusionLines(matrix, names, (cell, kind) => terminal.style(styles[kind] as Style, cell));
}

/** Images as grey values in 0..1: the mean of the channels, after what was subtracted from each is added again. */
export function greyOf(pixels: Float32Array, mean: readonly number[]): Float32Array {
  const channels = mean.length;
  return Float32Array.from(
    { length: pixels.length / channels },
    (_, i) => mean.reduce((sum, m, c) => sum + pixels[i * channels + c] + m, 0) / channels,
  );
}

/** One grey image, values 0 to 1, as lines of half blocks: two rows of pixels a line. */
export function imageLines(pixels: ArrayLike<number>, height: number, width: number, terminal: Terminal): string[] {
  const at = (row: number, column: number): number => (row < height ? Math.min(1, Math.max(0, pixels[row * width + column])) : 0);
  const lines: string[] = [];
  for (let row = 0; row < height; row += 2) {
    let line = '';
    for (let column = 0; column < width; column++) line += halfBlock(at(row, column), at(row + 1, column), terminal.depth);
    lines.push(terminal.depth >= 8 ? `${line}\x1b[0m` : line);
  }
  return lines;
}

function halfBlock(upper: number, lower: number, depth: number): string {
  if (depth < 8) return ' ▀▄█'[(upper >= 0.5 ? 1 : 0) + (lower >= 0.5 ? 2 : 0)];
  const colour = (value: number): string => {
    const grey = Math.round(value * 255);
    return depth >= 24 ? `2;${grey};${grey};${grey}` : `5;${232 + Math.round(value * 23)}`;
  };
  return `\x1b[38;${colour(upper)};48;${colour(lower)}m▀`;
}

/** Images with captions side by side, as many as fit. */
export function gallery(images: readonly { lines: readonly string[]; caption: string }[], imageWidth: number, terminal: Terminal): string[] {
  const shown = images.slice(0, Math.max(1, Math.floor((terminal.width + 2) / (imageWidth + 2))));
  if (shown.length === 0) return [];
  const rows = shown[0].lines.map((_, row) => shown.map(({ lines }) => lines[row]).join('  '));
  return [
    ...rows,
    shown
      .map(({ caption }) => printable(caption).padEnd(imageWidth))
      .join('  ')
      .trimEnd(),
  ];
}

export { formatCount, percentOf as percent };
