// The pictures of a search's report as SVG: parallel coordinates, slices, learning curves, bars, and points beside those of a grid.

import { formatScore } from '../training/progress.js';
import { formatValue } from './edges.js';
import type { ParameterImportance } from './importance.js';
import { logarithm } from './numbers.js';
import { Choice, type Dimension, NumberRange, type Space } from './space.js';
import { type Direction, type ScoredTrial, type TrialRecord, ranked } from './trial-record.js';
import { plural } from '../words.js';

/** Text as HTML and SVG may hold it, whatever is in it. */
export function escaped(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (letter) => entities[letter]);
}

const short = (text: string, most = 16): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const px = (value: number): string => String(Math.round(value * 10) / 10);

/** A picture with a name that screen readers say; its numbers stand in the table of trials. */
function picture(width: number, height: number, label: string, body: readonly string[]): string {
  return `<div class="picture"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(label)}" style="min-width:${Math.min(width, 560)}px">\n${body.join('\n')}\n</svg></div>`;
}

const text = (x: number, y: number, content: string, more = ''): string => `<text x="${px(x)}" y="${px(y)}" ${more}>${escaped(content)}</text>`;
const line = (x1: number, y1: number, x2: number, y2: number, name: string): string =>
  `<line x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}" class="${name}"/>`;
const dot = (x: number, y: number, name: string, title = ''): string =>
  `<circle cx="${px(x)}" cy="${px(y)}" r="${name === 'best' ? 5 : 3.5}" class="dot ${name}">${title === '' ? '' : `<title>${escaped(title)}</title>`}</circle>`;
const path = (points: readonly (readonly [number, number])[], name: string, title: string): string =>
  `<polyline points="${points.map(([x, y]) => `${px(x)},${px(y)}`).join(' ')}" class="curve ${name}"><title>${escaped(title)}</title></polyline>`;

/** Where values lie on an axis from 0 to 1. */
interface Scale {
  readonly share: (value: number) => number;
  readonly low: string;
  readonly high: string;
}

/** A scale over numbers; logarithmic where they are positive and far apart. */
function scaleOf(values: readonly number[]): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const isLog = low > 0 && high / low > 50;
  const [from, to] = isLog ? [logarithm(low), logarithm(high)] : [low, high];
  return {
    share: (value) => (to === from ? 0.5 : ((isLog ? logarithm(value) : value) - from) / (to - from)),
    low: formatScore(low),
    high: `${formatScore(high)}${isLog ? ' (log)' : ''}`,
  };
}

/** Where a value of a parameter lies on its axis, from 0 to 1; null where it has none. */
function shareOf(inner: Dimension, value: unknown): number | null {
  if (value === undefined) return null;
  return inner instanceof NumberRange ? inner.shareOf(value as number) : inner.positionOf(value);
}

/** The classes of trials, by how good they are: `best`, `good` for the best quarter, `plain`. */
export function kindsOf(trials: readonly TrialRecord[], direction: Direction): ReadonlyMap<number, 'best' | 'good' | 'plain'> {
  const order = ranked(trials, direction);
  return new Map(order.map(({ number }, i) => [number, i === 0 ? 'best' : i < Math.ceil(order.length / 4) ? 'good' : 'plain']));
}

const titleOf = ({ number, score, state }: TrialRecord): string => `trial ${number}: ${score === null ? state : formatScore(score)}`;

/** Worst first, so that the best are drawn on top. */
const drawn = (trials: readonly TrialRecord[], direction: Direction): ScoredTrial[] => ranked(trials, direction).reverse();

/** A line for each trial across an axis for each parameter and one for the score. */
export function parallelCoordinates(space: Space, trials: readonly TrialRecord[], direction: Direction): string {
  const [top, bottom, missing] = [34, 250, 275];
  const names = Object.keys(space);
  const step = 130;
  const width = step * names.length + 150;
  const at = (i: number): number => 70 + step * i;
  const completed = drawn(trials, direction);
  const scale = scaleOf(completed.map(({ score }) => score));
  const height = (share: number): number => bottom - share * (bottom - top);
  const kinds = kindsOf(trials, direction);
  const body: string[] = [];
  for (const [i, name] of [...names, 'score'].entries()) {
    body.push(line(at(i), top, at(i), bottom, 'axis'), text(at(i), 16, short(name), 'text-anchor="middle" class="strong"'));
    const inner = space[name]?.inner;
    if (inner instanceof Choice) {
      for (const value of inner.values)
        body.push(text(at(i) + 6, height(inner.positionOf(value)) + 4, short(formatValue(value), 14), 'class="tick"'));
    } else {
      const [low, high] = inner instanceof NumberRange ? [formatValue(inner.low), formatValue(inner.high)] : [scale.low, scale.high];
      body.push(text(at(i) + 6, bottom + 4, low, 'class="tick"'), text(at(i) + 6, top + 4, high, 'class="tick"'));
    }
    if (space[name]?.condition) body.push(text(at(i), missing + 14, 'not used', 'text-anchor="middle" class="tick"'));
  }
  const placesOf = (trial: TrialRecord): (readonly [number, number])[] =>
    names.map((name, i) => {
      const share = shareOf(space[name].inner, trial.params[name]);
      return [at(i), share === null ? missing : height(share)] as const;
    });
  const ended = trials.filter(({ state }) => state === 'failed' || state === 'stopped');
  for (const trial of ended) body.push(path(placesOf(trial), trial.state, titleOf(trial)));
  for (const trial of completed)
    body.push(
      path([...placesOf(trial), [at(names.length), height(scale.share(trial.score))]], kinds.get(trial.number) ?? 'plain', titleOf(trial)),
    );
  return picture(width, 300, 'A line for each trial through the values of its parameters to its score', body);
}

/** The score against each parameter, side by side. */
export function slices(space: Space, trials: readonly TrialRecord[], direction: Direction): string {
  const completed = drawn(trials, direction);
  const scale = scaleOf(completed.map(({ score }) => score));
  const kinds = kindsOf(trials, direction);
  return Object.entries(space)
    .map(([name, { inner }]) => {
      const [left, right, top, bottom] = [52, 300, 12, 150];
      const body = [line(left, bottom, right, bottom, 'axis'), line(left, top, left, bottom, 'axis')];
      body.push(text(left - 5, top + 8, scale.high.replace(' (log)', ''), 'text-anchor="end" class="tick"'));
      body.push(text(left - 5, bottom, scale.low, 'text-anchor="end" class="tick"'));
      body.push(text((left + right) / 2, bottom + 32, name, 'text-anchor="middle" class="strong"'));
      const x = (share: number): number => left + 8 + share * (right - left - 16);
      if (inner instanceof NumberRange) {
        body.push(text(left, bottom + 16, formatValue(inner.low), 'class="tick"'));
        body.push(text(right, bottom + 16, `${formatValue(inner.high)}${inner.isLog ? ' (log)' : ''}`, 'text-anchor="end" class="tick"'));
      } else if (inner instanceof Choice) {
        const room = Math.max(3, Math.floor(40 / inner.values.length));
        for (const value of inner.values)
          body.push(text(x(inner.positionOf(value)), bottom + 16, short(formatValue(value), room), 'text-anchor="middle" class="tick"'));
      }
      for (const trial of completed) {
        const share = shareOf(inner, trial.params[name]);
        if (share === null) continue;
        body.push(
          dot(
            x(share),
            bottom - 6 - scale.share(trial.score) * (bottom - top - 12),
            kinds.get(trial.number) ?? 'plain',
            `${titleOf(trial)}, ${name} ${formatValue(trial.params[name])}`,
          ),
        );
      }
      return picture(310, 190, `Score against ${name}, a point for each trial`, body).replace('min-width:310px', '');
    })
    .join('\n');
}

/** The score of each trial, or else its loss, over its epochs. */
export function learningCurves(trials: readonly TrialRecord[], direction: Direction): string {
  const kinds = kindsOf(trials, direction);
  const isScored = trials.some(({ reports }) => reports.some(({ score }) => score !== null));
  const curves = trials
    .map((trial) => ({
      trial,
      points: trial.reports.flatMap(({ epoch, score, loss }) => {
        const value = isScored ? score : loss;
        return value === null ? [] : [[epoch, value] as const];
      }),
    }))
    .filter(({ points }) => points.length > 0);
  if (curves.length === 0) return '';
  const all = curves.flatMap(({ points }) => points);
  const scale = scaleOf(all.map(([, value]) => value));
  const last = Math.max(...all.map(([epoch]) => epoch));
  const [left, right, top, bottom] = [70, 690, 14, 250];
  const x = (epoch: number): number => (last <= 1 ? (left + right) / 2 : left + ((epoch - 1) / (last - 1)) * (right - left - 20) + 10);
  const y = (value: number): number => bottom - 8 - scale.share(value) * (bottom - top - 16);
  const body = [line(left, bottom, right, bottom, 'axis'), line(left, top, left, bottom, 'axis')];
  body.push(
    text(left - 6, top + 8, scale.high, 'text-anchor="end" class="tick"'),
    text(left - 6, bottom, scale.low, 'text-anchor="end" class="tick"'),
  );
  body.push(text(x(1), bottom + 18, '1', 'text-anchor="middle" class="tick"'));
  if (last > 1) body.push(text(x(last), bottom + 18, String(last), 'text-anchor="middle" class="tick"'));
  body.push(text((left + right) / 2, bottom + 18, 'epoch', 'text-anchor="middle" class="strong"'));
  const weight = ({ number, state }: TrialRecord): number => ['failed', 'stopped', 'plain', 'good', 'best'].indexOf(kinds.get(number) ?? state);
  for (const { trial, points } of curves.sort((a, b) => weight(a.trial) - weight(b.trial))) {
    const kind = kinds.get(trial.number) ?? trial.state;
    const places = points.map(([epoch, value]) => [x(epoch), y(value)] as const);
    body.push(path(places, kind, titleOf(trial)));
    if (points.length === 1 || kind === 'best') for (const [px1, py1] of places) body.push(dot(px1, py1, kind, titleOf(trial)));
  }
  return picture(700, 280, `${isScored ? 'Score' : 'Training loss'} of each trial after each epoch`, body);
}

/** A bar for each parameter. */
export function importanceBars(list: readonly ParameterImportance[]): string {
  const body = list.flatMap(({ parameter, importance }, i) => {
    const y = 8 + 28 * i;
    return [
      text(150, y + 15, short(parameter, 20), 'text-anchor="end"'),
      `<rect x="160" y="${y}" width="${px(Math.max(1, 420 * importance))}" height="20" rx="3" class="bar"/>`,
      text(168 + 420 * importance, y + 15, `${Math.round(100 * importance)} %`, 'class="tick"'),
    ];
  });
  return picture(640, 28 * list.length + 12, 'How much of the scores each parameter explains by itself', body);
}

/** Two parameters that matter most: the values that were tried, and those of a grid with as many trials. */
export function besideGrid(space: Space, trials: readonly TrialRecord[], direction: Direction, names: readonly [string, string]): string {
  const ranges = names.map((name) => space[name].inner) as [Dimension, Dimension];
  // A grid takes every choice, and of each range as many points as the trials allow.
  const all = Object.values(space).map(({ inner }) => inner);
  const choices = all.reduce((product, inner) => product * (inner instanceof Choice ? inner.values.length : 1), 1);
  const rest = all.filter((inner) => !(inner instanceof Choice)).length;
  let side = 1;
  while (choices * power(side + 1, rest) <= trials.length) side += 1;
  const axis = Array.from({ length: side }, (_, i) => (side === 1 ? 0.5 : i / (side - 1)));
  const kinds = kindsOf(trials, direction);
  const tried = trials.flatMap((trial) => {
    const [x, y] = ranges.map((range, i) => shareOf(range, trial.params[names[i]]));
    return x === null || y === null ? [] : [{ x, y, kind: kinds.get(trial.number) ?? trial.state, title: titleOf(trial) }];
  });
  const grid = axis.flatMap((x) => axis.map((y) => ({ x, y, kind: 'plain', title: '' })));
  const body = [
    { points: tried, left: 50, label: 'This search' },
    { points: grid, left: 380, label: `A grid of at most ${plural(trials.length, 'trial')}` },
  ].flatMap(({ points, left, label }) => {
    const [right, top, bottom] = [left + 270, 30, 230];
    const place = ({ x, y }: { x: number; y: number }): [number, number] => [
      left + 10 + x * (right - left - 20),
      bottom - 10 - y * (bottom - top - 20),
    ];
    const values = new Set(points.map(({ x }) => px(x * 1000))).size;
    return [
      text((left + right) / 2, 18, label, 'text-anchor="middle" class="strong"'),
      `<rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" class="frame"/>`,
      ...points.flatMap((point) => {
        const [x, y] = place(point);
        return [
          dot(x, y, point.kind, point.title),
          line(x, bottom, x, bottom + 8, `rug ${point.kind}`),
          line(left - 8, y, left, y, `rug ${point.kind}`),
        ];
      }),
      text(
        (left + right) / 2,
        bottom + 26,
        `${short(names[0])}: ${values} different ${values === 1 ? 'value' : 'values'}`,
        'text-anchor="middle" class="tick"',
      ),
      `<text transform="translate(${left - 14} ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle" class="tick">${escaped(short(names[1]))}</text>`,
    ];
  });
  return picture(670, 265, `Values of ${names[0]} and ${names[1]} that were tried, and those that a grid would have tried`, body);
}

function power(base: number, exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result *= base;
  return result;
}
