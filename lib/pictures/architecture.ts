// An architecture as a drawing in SVG: its pieces in columns on a page, for light and dark pages.

import { arrow, chainPiece, label, outputOf, pieceOf, shapeText, sizes, widthOf } from './architecture-pieces.js';
import { escape } from './svg.js';

/** What kind of thing a box stands for: its colour. */
export type Family = 'weights' | 'norm' | 'activation' | 'pooling' | 'sequence' | 'dropout' | 'shape' | 'join' | 'other';

/** A layer or an operation. */
export interface Box {
  readonly kind: 'box';
  readonly family: Family;
  readonly title: string;
  /** Its arguments, such as 3×3, stride 2. */
  readonly detail: string;
  /** Small layers behind it. */
  readonly notes: readonly string[];
  readonly path: string;
  /** What of the path is shown; '' for nothing. */
  readonly name: string;
  /** Whether it has parameters, and none is in training. */
  readonly isFrozen: boolean;
  /** Null where repetitions differ in it. */
  readonly parameters: number | null;
  readonly multiplyAccumulates: number | null;
  /** Shape of what it gives, without the batch; null where it is not known, or repetitions differ. */
  readonly output: readonly number[] | null;
  /** How often it comes one after the other. */
  readonly times: number;
  /** What it is, in a text that repetitions share. */
  readonly key: string;
}

/** A block of several steps. */
export interface Frame extends Pick<Box, 'title' | 'path' | 'name' | 'isFrozen' | 'parameters' | 'multiplyAccumulates' | 'output' | 'times'> {
  readonly kind: 'frame';
  readonly body: Chain;
}

/** Ways side by side, from the step before to the step behind. An empty one is the way past the others. */
export interface Fork {
  readonly kind: 'fork';
  readonly branches: readonly Chain[];
}

export type Step = Box | Frame | Fork;

/** Steps one after the other. */
export interface Chain {
  readonly steps: readonly Step[];
  /** Ways past steps, from behind step a (−1: from the beginning) to before step b. */
  readonly arcs: readonly (readonly [from: number, to: number])[];
  /** Steps to which there is no way from the step before, arcs alone. */
  readonly gaps: readonly number[];
}

/** A picture of an architecture. */
export interface ArchitectureDrawing {
  readonly title: string;
  readonly subtitle: string;
  readonly input: readonly number[];
  readonly chain: Chain;
  /** Columns that a long picture is cut into; null: as many as make it about as wide as high. */
  readonly columns: number | null;
}

/** The whole as SVG that refers to no other file, for light and dark pages. */
export function drawArchitecture({ title, subtitle, input, chain, columns }: ArchitectureDrawing): string {
  const isWhole = chain.arcs.length > 0;
  const ends = {
    kind: 'box',
    detail: '',
    notes: [],
    path: '',
    name: '',
    isFrozen: false,
    parameters: 0,
    multiplyAccumulates: 0,
    times: 1,
    key: '',
  } as const;
  const first: Step = { ...ends, family: 'join', title: 'input', output: input };
  const last: Step = { ...ends, family: 'join', title: 'output', output: null };
  const steps = [first, ...chain.steps, last];
  const arcs = chain.arcs.map(([from, to]) => [from + 1, to + 1] as const);
  const gaps = chain.gaps.map((gap) => gap + 1);
  const parts = isWhole ? [{ steps, arcs, gaps }] : inColumns(steps, columns);
  const pieces = parts.map((part) => chainPiece(part));
  const { margin, heading } = sizes;
  const height = Math.max(...pieces.map((piece) => piece.height)) + heading + margin + (pieces.length > 1 ? 18 : 0);
  const inner = pieces.reduce((total, piece) => total + piece.width + columnGap, -columnGap);
  const width = Math.max(inner, widthOf(title, 17, true), widthOf(subtitle, sizes.small)) + 2 * margin;
  const drawn: string[] = [];
  let x = margin + Math.max(0, (width - 2 * margin - inner) / 2);
  for (const [i, piece] of pieces.entries()) {
    drawn.push(...piece.draw(x, heading));
    const next = pieces[i + 1];
    if (next !== undefined) {
      // From the foot of a column to the head of the next one.
      const [foot, lane, head] = [heading + piece.height, x + piece.width + columnGap / 2, x + piece.width + columnGap + next.axis];
      drawn.push(
        arrow(
          [x + piece.axis, foot],
          [x + piece.axis, foot + 14],
          [lane, foot + 14],
          [lane, heading - 14],
          [head, heading - 14],
          [head, heading],
        ),
      );
      const shape = outputOf(parts[i].steps.at(-1));
      if (shape !== null) drawn.push(label(x + piece.axis + 7, foot + 11, shapeText(shape), sizes.small, 'quiet'));
    }
    x += piece.width + columnGap;
  }
  return document(Math.ceil(width), Math.ceil(height), title, [
    label(margin, 30, title, 17, 'bold'),
    label(margin, 47, subtitle, sizes.small, 'quiet'),
    ...drawn,
  ]);
}

const columnGap = 56;
/** Most columns that a picture is cut into by itself. */
const mostColumns = 8;

/** Steps in columns of about one height; by themselves as many as make the picture about as wide as high. */
function inColumns(steps: readonly Step[], columns: number | null): Chain[] {
  const heights = steps.map((step) => pieceOf(step).height + sizes.gap);
  const cut = (count: number): Chain[] => {
    const total = heights.reduce((sum, height) => sum + height, 0);
    const parts: Step[][] = [[]];
    let done = 0;
    for (const [i, step] of steps.entries()) {
      // A fork goes with the step that its ways meet in.
      const isBound = steps[i - 1]?.kind === 'fork' || step.kind === 'fork';
      if (parts.length < count && done + heights[i] / 2 > (total * parts.length) / count && !isBound) parts.push([]);
      (parts.at(-1) as Step[]).push(step);
      done += heights[i];
    }
    return parts.map((part) => ({ steps: part, arcs: [], gaps: [] }));
  };
  if (columns !== null) return cut(columns);
  // How large it is on a screen; another column is worth it where a quarter of that goes.
  const largeness = (chains: readonly Chain[]): number => {
    const drawn = chains.map(chainPiece);
    return Math.max(...drawn.map(({ height }) => height), drawn.reduce((sum, { width }) => sum + width + columnGap, 0) / 1.6);
  };
  let best = cut(1);
  for (let count = 2; count <= mostColumns && largeness(best) > 900; count++) {
    const chains = cut(count);
    if (largeness(chains) < 0.75 * largeness(best)) best = chains;
  }
  return best;
}

const light = { page: '#ffffff', ink: '#1d232b', quiet: '#5b6572', way: '#8a94a3', frame: '#f6f7f9', edge: '#c9d0d9' };
const dark = { page: '#14181d', ink: '#e6eaef', quiet: '#9aa5b3', way: '#7b8794', frame: '#1b2128', edge: '#3a444f' };
/** Colours of the families on light and on dark pages: of the box, and of its edge. */
const fills: Readonly<Record<Family, readonly [string, string, string, string]>> = {
  weights: ['#dbe9f8', '#2f6ca8', '#1d3a57', '#6ea8dc'],
  norm: ['#e6e9ee', '#5b6572', '#2b333c', '#8d99a8'],
  activation: ['#dcefe3', '#2c7a5b', '#1d4032', '#62b48f'],
  pooling: ['#fbead0', '#b07712', '#4a3714', '#dba649'],
  sequence: ['#e8dff3', '#6a4c93', '#372a4b', '#aa8bd2'],
  dropout: ['#f7e0dc', '#b4473a', '#4a2621', '#dd8478'],
  shape: ['#eceff2', '#8a94a3', '#262d35', '#7b8794'],
  join: ['#ffffff', '#5b6572', '#14181d', '#9aa5b3'],
  other: ['#eef0e4', '#77803c', '#34381f', '#aab36a'],
};

/** What all rules begin with: they hold for no other part of a page that the picture stands in. */
const scope = '.nodegrad-architecture ';

function styles(): string {
  const rule = (selector: string, body: string): string => `${scope}${selector}{${body}}`;
  const rules = (colours: typeof light, at: 0 | 2): string =>
    [
      rule('.page', `fill:${colours.page}`),
      rule('text', `fill:${colours.ink}`),
      rule('.quiet', `fill:${colours.quiet}`),
      rule('.way', `stroke:${colours.way}`),
      rule('.tip', `fill:${colours.way}`),
      rule('.frame', `fill:${colours.frame};stroke:${colours.edge}`),
      ...Object.entries(fills).map(([family, four]) => rule(`.${family}`, `fill:${four[at]};stroke:${four[at + 1]}`)),
    ].join('');
  const fonts = 'system-ui,-apple-system,"Segoe UI","Helvetica Neue",Arial,"DejaVu Sans",sans-serif';
  return [
    rule('text', `font-family:${fonts}`),
    rule('.bold', 'font-weight:600'),
    rule('.middle', 'text-anchor:middle'),
    rule('.end', 'text-anchor:end'),
    rule('.way', 'fill:none;stroke-width:1.4'),
    rule('.box', 'stroke-width:1.2'),
    rule('.frozen', 'stroke-dasharray:5 3'),
    rules(light, 0),
    `@media(prefers-color-scheme:dark){${rules(dark, 2)}}`,
  ].join('');
}

function document(width: number, height: number, name: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" class="nodegrad-architecture" role="img" aria-label="${escape(name)}">`,
    `<style>${styles()}</style>`,
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
    `<rect class="page" width="${width}" height="${height}"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
