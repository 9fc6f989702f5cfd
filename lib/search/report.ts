// The report of a search: a page of HTML that needs nothing else, with what was found in words, pictures and a table.

import { ArgumentError, expected } from '../errors.js';
import { formatDuration, formatScore } from '../training/progress.js';
import { formatValue } from './edges.js';
import { besideGrid, escaped, importanceBars, kindsOf, learningCurves, parallelCoordinates, slices } from './pictures.js';
import { NumberRange, type Params } from './space.js';
import { Study } from './study.js';
import type { TrialRecord } from './trial-record.js';
import { plural } from '../words.js';

/** In the colours of the report of a run, whose style is lib/report/page/page.css. */
const style = `
:root { color-scheme: light dark; --text: #1d232b; --soft: #56606c; --line: #dfe4ea; --back: #f6f7f9; --card: #fff; --accent: #1f5f9e; --good: #4c97e0; --bad: #a82a24; }
@media (prefers-color-scheme: dark) { :root { --text: #e8ecf1; --soft: #a7b1bd; --line: #303a45; --back: #11151a; --card: #191f26; --accent: #86bcf0; --good: #3d7fc4; --bad: #ff958c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -.01em; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .3rem; }
p { margin: .3rem 0 .6rem; max-width: 46rem; }
.soft { color: var(--soft); }
.best-card { background: var(--card); border-left: 4px solid var(--accent); border-radius: 4px; padding: .8rem 1rem; margin: 1rem 0; }
.best-card dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .4rem 0 0; }
.best-card dt { color: var(--soft); } .best-card dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.warning { background: var(--card); border-left: 4px solid var(--bad); border-radius: 4px; padding: .6rem 1rem; }
.picture { overflow-x: auto; } .picture svg { display: block; width: 100%; height: auto; }
.slices { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .8rem; }
svg text { fill: var(--text); font: 13px system-ui, sans-serif; } svg .tick { fill: var(--soft); font-size: 12px; paint-order: stroke; stroke: var(--back); stroke-width: 3px; } svg .strong { font-weight: 600; }
.axis, .frame { stroke: var(--line); stroke-width: 1; fill: none; }
.curve { fill: none; stroke: var(--soft); stroke-opacity: .4; stroke-width: 1.2; } .curve.good { stroke: var(--good); stroke-opacity: .8; stroke-width: 1.8; }
.curve.best { stroke: var(--accent); stroke-opacity: 1; stroke-width: 3.2; } .curve.failed, .curve.stopped { stroke: var(--bad); stroke-opacity: .6; stroke-dasharray: 4 4; }
.dot { fill: var(--soft); fill-opacity: .6; } .dot.good { fill: var(--good); fill-opacity: 1; } .dot.best { fill: var(--accent); fill-opacity: 1; stroke: var(--text); } .dot.failed, .dot.stopped { fill: var(--bad); }
.rug { stroke: var(--soft); stroke-width: 1; } .rug.good { stroke: var(--good); } .rug.best { stroke: var(--accent); stroke-width: 2; } .bar { fill: var(--good); }
.legend span { display: inline-block; margin-right: 1.2rem; } .legend i { display: inline-block; width: 1.4rem; height: 0; border-top: 3px solid var(--soft); vertical-align: middle; margin-right: .4rem; }
.legend .best i { border-color: var(--accent); } .legend .good i { border-color: var(--good); } .legend .bad i { border-top: 2px dashed var(--bad); }
.table { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; } td.reason { white-space: normal; min-width: 16rem; color: var(--bad); }
tr.best td, tr.best th { color: var(--accent); font-weight: 600; }
`;

/** The page runs nothing and asks nobody. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

const list = (values: readonly string[]): string =>
  values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} and ${values[values.length - 1]}`;

/** Words and no code. */
const spaced = (name: string): string => name.replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`).toLowerCase();

/**
 * A search as a page of HTML in one file: the best trial, warnings about edges of ranges, parallel coordinates, which parameters decide, scores against
 * each parameter, learning curves, the values that were tried beside those of a grid, and a table of all trials. It needs no network, and shows light and dark.
 *
 * @throws {ArgumentError} for anything but a study.
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs';
 * import { readStudy, searchReport } from 'nodegrad';
 * writeFileSync('report.html', searchReport(readStudy('runs/my-search')));
 * ```
 */
export function searchReport<P>(study: Study<P>): string {
  if (!(study instanceof Study)) throw new ArgumentError(expected('a study, such as search() gives,', 'study', study));
  const title = `Search: ${study.name}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${sections(study as unknown as Study).join('\n')}
</main>
</body>
</html>
`;
}

function sections(study: Study): string[] {
  const { space, direction, best, seed } = study;
  const trials = study.trials.filter(({ state }) => state !== 'running');
  const count = (state: string): number => trials.filter((trial) => trial.state === state).length;
  const others = [
    ...(count('stopped') > 0 ? [`${count('stopped')} ${count('stopped') === 1 ? 'was' : 'were'} stopped by a rule`] : []),
    ...(count('failed') > 0 ? [`${count('failed')} failed`] : []),
  ];
  const strategy = spaced(String(study.strategy.name)).replace(/^tpe\b/, 'TPE');
  const names = Object.keys(space);
  const tried = `${plural(trials.length, 'trial')} by ${strategy} over ${list(names)}, seed ${seed}; a ${direction === 'minimize' ? 'lower' : 'higher'} score is better.`;
  const page = [
    `<h1>${escaped(study.name)}</h1>`,
    `<p class="soft">${escaped(`${tried}${others.length > 0 ? ` Of them, ${list(others)}.` : ''}`)}</p>`,
  ];
  if (best === null) return [...page, '<p class="warning">No trial completed. The table says why.</p>', table(study)];
  page.push(
    `<section class="best-card" aria-label="The best trial"><strong>Best: ${escaped(formatScore(best.score))}</strong>, by trial ${best.number}${best.budget === null ? '' : ` with a budget of ${best.budget}`}`,
    `<dl>${Object.entries(best.params).map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(formatValue(value))}</dd>`).join('')}</dl></section>`, // biome-ignore format: one line
  );
  const warnings = study.warnings();
  if (warnings.length > 0)
    page.push(
      '<h2>What to try next</h2>',
      ...warnings.map(({ text }) => `<p class="warning">${escaped(`${text[0].toUpperCase()}${text.slice(1)}.`)}</p>`),
    );
  page.push(
    '<h2>Every trial at a glance</h2>',
    '<p>Each line is a trial. Follow the blue ones: where they run close together, the values are good; where they cross the whole axis, the parameter matters little.</p>',
    legend(others.length > 0),
    parallelCoordinates(space, trials, direction),
  );
  const importance = study.importance();
  if (importance.length > 0)
    page.push(
      '<h2>Which parameters decide</h2>',
      '<p>How much of the differences between scores each parameter explains by itself, without the others. What two explain only together is not in it.</p>',
      importanceBars(importance),
    );
  page.push('<h2>Score against each parameter</h2>', `<div class="slices">${slices(space, trials, direction)}</div>`);
  const curves = learningCurves(trials, direction);
  if (curves !== '')
    page.push(
      '<h2>Learning curves</h2>',
      '<p>A line for each trial, epoch by epoch. A best line that still climbs or falls at its end asks for more epochs.</p>',
      curves,
    );
  page.push(...gridSection(study, trials, importance.map(({ parameter }) => parameter)), table(study)); // biome-ignore format: one line
  return page;
}

const legend = (hasOthers: boolean): string =>
  `<p class="legend soft" aria-hidden="true"><span class="best"><i></i>best</span><span class="good"><i></i>best quarter</span><span><i></i>others</span>${hasOthers ? '<span class="bad"><i></i>stopped or failed</span>' : ''}</p>`;

/** The values that were tried, beside a grid's; where there are two ranges, those that matter most. */
function gridSection({ space, direction }: Study, trials: readonly TrialRecord[], order: readonly string[]): string[] {
  const ranges = Object.keys(space).filter((name) => space[name].inner instanceof NumberRange);
  const [x, y] = [...order.filter((name) => ranges.includes(name)), ...ranges.filter((name) => !order.includes(name))];
  if (y === undefined) return [];
  const words =
    'Mostly one parameter matters more than the others. A grid spends its trials on few values of it, over and over; points at random try a new value every time (Bergstra & Bengio 2012).';
  return ['<h2>Beside a grid</h2>', `<p>${words}</p>`, besideGrid(space, trials, direction, [x, y])];
}

/** All trials, best first; then those without a score. */
function table(study: Study): string {
  const { space, direction, trials } = study;
  const kinds = kindsOf(trials, direction);
  const scored = study.top(trials.length);
  const rest = trials.filter(({ number }) => !kinds.has(number));
  const all: readonly TrialRecord[] = [...scored, ...rest];
  const names = Object.keys(space);
  const hasBudget = all.some(({ budget }) => budget !== null);
  const hasReason = all.some(({ reason }) => reason !== null);
  const cell = (content: string, name = ''): string => `<td${name === '' ? '' : ` class="${name}"`}>${escaped(content)}</td>`;
  const row = ({ number, state, score, params, budget, seconds, reason }: TrialRecord<Params>): string =>
    `<tr class="${kinds.get(number) ?? state}"><th scope="row">${number}</th>${cell(score === null ? state : formatScore(score))}${names
      .map((name) => cell(formatValue(params[name])))
      .join(
        '',
      )}${hasBudget ? cell(String(budget ?? '')) : ''}${cell(seconds === null ? '' : formatDuration(seconds))}${hasReason ? cell(reason ?? '', 'reason') : ''}</tr>`;
  const heads = ['trial', 'score', ...names, ...(hasBudget ? ['budget'] : []), 'time', ...(hasReason ? ['reason'] : [])];
  return `<h2>All trials</h2><div class="table" tabindex="0" role="region" aria-label="All trials, best first"><table><thead><tr>${heads
    .map((head) => `<th scope="col">${escaped(head)}</th>`)
    .join('')}</tr></thead><tbody>${all.map(row).join('')}</tbody></table></div>`;
}
