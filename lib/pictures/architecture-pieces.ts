// The pieces of the drawing of an architecture: boxes, frames around blocks, branches side by side, steps below each other.

import type { Box, Chain, Fork, Frame, Step } from './architecture.js';
import { escape, short } from './svg.js';

export const sizes = { title: 13, small: 11, line: 15, pad: 9, gap: 30, side: 22, frame: 14, header: 24, margin: 24, heading: 76 };

/** Something with a size, that is entered and left in the middle of its width. */
export interface Piece {
  readonly width: number;
  readonly height: number;
  /** Where it is entered and left, from its left edge. */
  readonly axis: number;
  draw(x: number, y: number): string[];
}

/** About how wide a text is in the widest of the fonts. */
export const widthOf = (text: string, size: number, isBold = false): number => text.length * size * (isBold ? 0.67 : 0.6);

const classOf = (names: string): string => ` class="${names}"`;

export function label(x: number, y: number, content: string, size: number, classes: string): string {
  return `<text x="${short(x)}" y="${short(y)}" font-size="${size}"${classOf(classes)}>${escape(content)}</text>`;
}

const line = (...points: readonly (readonly [number, number])[]): string =>
  `<path class="way" d="${points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${short(x)} ${short(y)}`).join('')}"/>`;

export const arrow = (...points: readonly (readonly [number, number])[]): string => line(...points).replace('/>', ' marker-end="url(#head)"/>');

export const shapeText = (shape: readonly number[]): string => (shape.length === 0 ? 'one number' : shape.join('×'));

/** 1,234 up to a million, then 1.23 M, 4.5 G. */
export function amount(count: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
  ] as const)
    if (count >= size) return `${Number((count / size).toPrecision(3))} ${unit}`;
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',');
}

function figures({ parameters, multiplyAccumulates }: Pick<Box, 'parameters' | 'multiplyAccumulates'>): string {
  const words = [];
  if (parameters !== null && parameters > 0) words.push(`${amount(parameters)} parameters`);
  if (multiplyAccumulates !== null && multiplyAccumulates > 0) words.push(`${amount(multiplyAccumulates)} mult-adds`);
  return words.join(' · ');
}

/** The path of the first of what comes so often. */
const nameOf = ({ name, times }: Pick<Box, 'name' | 'times'>): string => (name !== '' && times > 1 ? `${name} …` : name);
const frozen = ({ isFrozen }: Pick<Box, 'isFrozen'>): string => (isFrozen ? ' frozen' : '');

const titled = (path: string, parts: readonly string[]): string[] =>
  path === '' ? [...parts] : ['<g>', `<title>${escape(path)}</title>`, ...parts, '</g>'];

// ---- pieces ----

function boxPiece(box: Box): Piece {
  if (box.family === 'join') return pill([box.title, ...box.notes].join(' · '), 'join');
  const title = box.times > 1 ? `${box.title} ×${box.times}` : box.title;
  const lines = [nameOf(box), ...wrapped(box.notes), figures(box)].filter((text) => text !== '');
  const titleWidth = widthOf(title, sizes.title, true) + (box.detail === '' ? 0 : widthOf(` ${box.detail}`, sizes.small));
  const width = Math.max(90, titleWidth + 2 * sizes.pad, ...lines.map((text) => widthOf(text, sizes.small) + 2 * sizes.pad));
  const height = (lines.length + 1) * sizes.line + 2 * sizes.pad - 2;
  return {
    width,
    height,
    axis: width / 2,
    draw: (x, y) =>
      titled(box.path, [
        ...(box.times > 1
          ? [
              `<rect x="${short(x + 4)}" y="${short(y + 4)}" width="${short(width)}" height="${height}" rx="6"${classOf(`box ${box.family}${frozen(box)}`)}/>`,
            ]
          : []),
        `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${height}" rx="6"${classOf(`box ${box.family}${frozen(box)}`)}/>`,
        titleLine(x + width / 2, y + sizes.pad + 10, title, box.detail),
        ...lines.map((text, i) => {
          const isQuiet = (i === 0 && text === nameOf(box)) || (i === lines.length - 1 && text === figures(box));
          return label(x + width / 2, y + sizes.pad + (i + 1) * sizes.line + 10, text, sizes.small, isQuiet ? 'quiet middle' : 'middle');
        }),
      ]),
  };
}

function titleLine(x: number, y: number, title: string, detail: string, classes = 'bold middle'): string {
  const rest = detail === '' ? '' : ` <tspan font-size="${sizes.small}" font-weight="400">${escape(detail)}</tspan>`; // inside of it, some programs drop the space
  return `<text x="${short(x)}" y="${short(y)}" font-size="${sizes.title}"${classOf(classes)}>${escape(title)}${rest}</text>`;
}

/** Notes in lines that do not make a box wider than it needs to be. */
function wrapped(notes: readonly string[]): string[] {
  const lines: string[] = [];
  for (const note of notes) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + note.length < 26) lines[lines.length - 1] = `${last} · ${note}`;
    else lines.push(note);
  }
  return lines;
}

function pill(text: string, family: string): Piece {
  const width = Math.max(26, widthOf(text, sizes.title, true) + 16);
  const height = 26;
  return {
    width,
    height,
    axis: width / 2,
    draw: (x, y) => [
      `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${height}" rx="13"${classOf(`box ${family}`)}/>`,
      label(x + width / 2, y + 17.5, text, sizes.title, 'bold middle'),
    ],
  };
}

function framePiece(frame: Frame): Piece {
  const body = chainPiece(frame.body);
  const name = [frame.title, frame.times > 1 ? `×${frame.times}` : ''].filter((text) => text !== '').join(' ');
  const more = [nameOf(frame), frame.isFrozen ? 'frozen' : ''].filter((text) => text !== '').join(', ');
  const tail = figures(frame);
  const heading = widthOf(name, sizes.title, true) + widthOf(` ${more}`, sizes.small) + 14 + widthOf(tail, sizes.small);
  const width = Math.max(body.width, heading) + 2 * sizes.frame;
  const height = body.height + sizes.header + 2 * sizes.frame + 8;
  const left = Math.max(sizes.frame, Math.min(width - sizes.frame - body.width, (width - body.width) / 2));
  const axis = left + body.axis;
  return {
    width,
    height,
    axis,
    draw: (x, y) =>
      titled(frame.path, [
        ...(frame.times > 1
          ? [
              `<rect x="${short(x + 5)}" y="${short(y + 5)}" width="${short(width)}" height="${short(height)}" rx="9"${classOf(`frame${frozen(frame)}`)}/>`,
            ]
          : []),
        `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" rx="9"${classOf(`frame${frozen(frame)}`)}/>`,
        titleLine(x + sizes.frame, y + 19, name, more, 'bold'),
        label(x + width - sizes.frame, y + 19, tail, sizes.small, 'quiet end'),
        (frame.body.steps[0]?.kind === 'fork' ? line : arrow)([x + axis, y + sizes.header + 2], [x + axis, y + sizes.header + sizes.frame]),
        ...body.draw(x + left, y + sizes.header + sizes.frame),
        line([x + axis, y + height - 8 - sizes.frame], [x + axis, y + height]),
      ]),
  };
}

/** Shape of what a step gives; null where a fork is what gives it. */
export const outputOf = (step: Step | undefined): readonly number[] | null => (step === undefined || step.kind === 'fork' ? null : step.output);

function forkPiece(fork: Fork): Piece {
  const parts = fork.branches.map((chain) => ({ piece: chainPiece(chain), output: outputOf(chain.steps.at(-1)) }));
  const lanes = parts.map(({ piece, output }) => {
    const side = output === null ? 0 : widthOf(shapeText(output), sizes.small) + 8;
    return { piece, output, width: Math.max(28, piece.width, piece.axis + side) };
  });
  const width = lanes.reduce((total, lane) => total + lane.width + sizes.side, -sizes.side);
  const tallest = Math.max(...lanes.map(({ piece }) => piece.height));
  const [top, bottom] = [22, 30];
  const height = tallest + top + bottom;
  const places: number[] = [];
  let at = 0;
  for (const lane of lanes) {
    places.push(at);
    at += lane.width + sizes.side;
  }
  const axes = lanes.map(({ piece }, i) => places[i] + (piece.height === 0 ? 14 : piece.axis));
  // One way and a way past it: that one goes straight on.
  const ways = lanes.flatMap(({ piece }, i) => (piece.height === 0 ? [] : [axes[i]]));
  const axis = ways.length === 1 ? ways[0] : (axes[0] + axes[axes.length - 1]) / 2;
  return {
    width: Math.max(width, axis),
    height,
    axis,
    draw: (x, y) => {
      const drawn = [line([x + axis, y], [x + axis, y + 8])];
      for (const [i, { piece, output }] of lanes.entries()) {
        const own = x + axes[i];
        const end = y + top + piece.height;
        if (piece.height === 0) {
          drawn.push(line([x + axis, y + 8], [own, y + 8], [own, y + height - 8], [x + axis, y + height - 8]));
          continue;
        }
        drawn.push(arrow([x + axis, y + 8], [own, y + 8], [own, y + top]));
        drawn.push(...piece.draw(x + places[i], y + top));
        drawn.push(line([own, end], [own, y + height - 8], [x + axis, y + height - 8]));
        if (output !== null) drawn.push(label(own + 6, end + 14, shapeText(output), sizes.small, 'quiet'));
      }
      drawn.push(line([x + axis, y + height - 8], [x + axis, y + height]));
      return drawn;
    },
  };
}

export function pieceOf(step: Step): Piece {
  if (step.kind === 'box') return boxPiece(step);
  return step.kind === 'frame' ? framePiece(step) : forkPiece(step);
}

const arcWidth = 14;

/** Steps below each other, an arrow with the shape between two. */
export function chainPiece({ steps, arcs, gaps }: Chain): Piece {
  const pieces = steps.map(pieceOf);
  const labels = steps.map((step) => (outputOf(step) === null ? 0 : widthOf(shapeText(outputOf(step) as number[]), sizes.small) + 10));
  const axis = Math.max(0, ...pieces.map((piece) => piece.axis));
  const right = Math.max(0, ...pieces.map((piece) => piece.width - piece.axis), ...labels.slice(0, -1));
  const hasArcs = arcs.length > 0;
  // The way into a fork, and that out of one, are the fork's own. Where arcs leave and come, there is room for both.
  const gapBelow = steps.map((step, i) =>
    i === steps.length - 1 ? 0 : hasArcs ? 36 : step.kind === 'fork' ? 10 : steps[i + 1].kind === 'fork' ? 20 : sizes.gap,
  );
  const [head, foot] = [arcs.some(([from]) => from < 0) || gaps.includes(0) ? 24 : 0, arcs.some(([, to]) => to >= steps.length) ? 24 : 0];
  const tops: number[] = [];
  let y = head;
  for (const [i, piece] of pieces.entries()) {
    tops.push(y);
    y += piece.height + gapBelow[i];
  }
  const height = y + foot;
  const lanes = arcs.map((_, i) => axis + right + 10 + i * arcWidth);
  return {
    width: axis + right + (hasArcs ? 14 + arcs.length * arcWidth : 0),
    height,
    axis,
    draw: (x, top) => {
      const middle = x + axis;
      const drawn: string[] = [];
      if (head > 0) drawn.push(line([middle, top], [middle, top + 8]));
      if (head > 0 && !gaps.includes(0)) drawn.push(arrow([middle, top + 8], [middle, top + head]));
      for (const [i, piece] of pieces.entries()) {
        drawn.push(...piece.draw(middle - piece.axis, top + tops[i]));
        if (i === pieces.length - 1) continue;
        const [begin, end] = [top + tops[i] + piece.height, top + tops[i + 1]];
        if (!gaps.includes(i + 1)) drawn.push((steps[i + 1].kind === 'fork' ? line : arrow)([middle, begin], [middle, end]));
        const shape = outputOf(steps[i]);
        if (shape !== null)
          drawn.push(label(middle + 7, begin + (hasArcs ? 20 : (end - begin) / 2 + 3), shapeText(shape), sizes.small, 'quiet'));
      }
      if (foot > 0) drawn.push(line([middle, gaps.includes(steps.length) ? top + height - 8 : top + height - foot], [middle, top + height]));
      for (const [i, [from, to]] of arcs.entries()) {
        const begin = from < 0 ? top : top + tops[from] + pieces[from].height;
        const leave = begin + 8;
        const end = to >= pieces.length ? top + height : top + tops[to];
        const come = end - 9;
        drawn.push(
          (to >= pieces.length ? line : arrow)(
            [middle, begin],
            [middle, leave],
            [x + lanes[i], leave],
            [x + lanes[i], come],
            [middle, come],
            [middle, end],
          ),
        );
      }
      return drawn;
    },
  };
}
