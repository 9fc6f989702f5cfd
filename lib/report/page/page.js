// The page: reads the runs that stand in it, or hears of them while they go on, and keeps its sections up to date.

import { el, fill, numberOf, shown } from './dom.js';
import {
  architectureSection,
  bestEpoch,
  curvesSection,
  examplesSection,
  findingsSection,
  lastStep,
  layersSection,
  ratiosSection,
  runsSection,
  settingsSection,
  sortedRuns,
  statusOf,
  verdictOf,
} from './sections.js';

/**
 * @typedef {import('./sections.js').Run} Run
 * @typedef {import('./sections.js').State} State
 */

const data = /** @type {{ live: boolean, made: string, edges: number[], runs: Run[] }} */ (
  JSON.parse(document.getElementById('data')?.textContent ?? '{}')
);

/** @type {State} */
const state = {
  runs: data.runs,
  kept: new Set(data.runs.map(({ id }) => id)),
  chosen: sortedRuns(data.runs)[0]?.id ?? '',
  isLog: false,
  edges: data.edges.map(numberOf),
  choose: (id) => {
    state.chosen = id;
    update();
  },
  keep: (id, isKept) => {
    if (isKept) state.kept.add(id);
    else state.kept.delete(id);
    update();
  },
  change: () => update(),
};

const statusLine = el('p', { class: 'quiet', role: 'status' });
const heading = el('h1');
const tiles = el('dl', { class: 'tiles' });
const sections = [
  runsSection(),
  curvesSection(),
  findingsSection(),
  layersSection(),
  ratiosSection(),
  examplesSection(),
  architectureSection(),
  settingsSection(),
];
const links = el('ul');

const themes = /** @type {const} */ (['system', 'light', 'dark']);
/** @type {typeof themes[number]} */
let theme = 'system';
const dark = matchMedia('(prefers-color-scheme: dark)');
const themeButton = el('button', {
  type: 'button',
  click: () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    applyTheme();
    update();
  },
});

function applyTheme() {
  const isNowDark = theme === 'dark' || (theme === 'system' && dark.matches);
  document.documentElement.dataset['theme'] = isNowDark ? 'dark' : 'light';
  themeButton.textContent = `Colours: ${theme}`;
}

function download() {
  const url = URL.createObjectURL(new Blob([JSON.stringify({ runs: state.runs }, null, 1)], { type: 'application/json' }));
  el('a', { href: url, download: 'runs.json' }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/**
 * Figures that say how the chosen run went.
 *
 * @param {Run} run
 * @returns {[string, string, string][]}
 */
function tilesOf(run) {
  const best = bestEpoch(run);
  const last = run.epochs[run.epochs.length - 1];
  const scores = best?.validation ?? best;
  const where = best === null ? '' : `${best.validation === undefined ? 'training' : 'validation'}, epoch ${best.epoch}`;
  const findings = (run.findings ?? []).filter((finding) => verdictOf(finding) !== 'good');
  return [
    ['best loss', scores === null ? '–' : shown(scores.loss), where],
    ...Object.entries(scores?.metrics ?? {})
      .slice(0, 2)
      .map(([name, value]) => /** @type {[string, string, string]} */ ([name, shown(value), where])),
    ['epochs', `${run.epochs.length} of ${run.header['epochs'] ?? '?'}`, `${lastStep(run)} steps`],
    ['speed', last === undefined ? '–' : shown(Math.round(numberOf(last.samplesPerSecond))), 'examples per second'],
    ['findings', String(findings.length), findings.length === 0 ? 'nothing to report' : 'see below'],
  ];
}

function update() {
  const run = state.runs.find(({ id }) => id === state.chosen);
  if (run === undefined) {
    heading.textContent = 'Waiting for a run';
    return;
  }
  heading.textContent = run.id;
  document.title = `${run.id} – nodegrad`;
  fill(tiles, ...tilesOf(run).map(([name, value, more]) => el('div', {}, el('dt', {}, name), el('dd', {}, value, el('small', {}, more)))));
  for (const one of sections) one.show(state, run);
  fill(links, ...sections.filter(({ node }) => !node.hidden).map(({ node, title }) => el('li', {}, el('a', { href: `#${node.id}` }, title))));
  say(statusOf(run));
}

/** @param {string} text */
function say(text) {
  // A statusLine that is set anew is read out anew.
  if (statusLine.textContent !== text) statusLine.textContent = text;
}

/**
 * Takes in what is new: lists grow, everything else is replaced.
 *
 * @param {{ isWhole: boolean, runs: Run[] }} news
 */
function take({ isWhole, runs }) {
  for (const fresh of runs) {
    const at = state.runs.findIndex(({ id }) => id === fresh.id);
    if (at < 0) {
      state.runs.push(fresh);
      state.kept.add(fresh.id);
      state.chosen = fresh.id;
    } else if (isWhole) state.runs[at] = fresh;
    else {
      const run = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (state.runs[at]));
      for (const [name, value] of Object.entries(fresh))
        run[name] = Array.isArray(value) ? [.../** @type {unknown[]} */ (run[name] ?? []), ...value] : value;
    }
  }
  update();
}

function listen() {
  const events = new EventSource('events');
  events.addEventListener('message', ({ data: text }) => take(JSON.parse(text)));
  events.addEventListener('open', () => update());
  events.addEventListener('error', () => say('The connection is lost; trying again. What is shown stays.'));
  events.addEventListener('end', () => {
    events.close();
    update();
    say(`${statusLine.textContent}. The live view has ended; this page stays as it is.`);
  });
}

document.body.append(
  el('a', { class: 'skip', href: '#main' }, 'To the content'),
  el(
    'header',
    {},
    el('div', {}, heading, statusLine),
    el('div', { class: 'tools' }, themeButton, el('button', { type: 'button', click: download }, 'Save as JSON')),
  ),
  el('nav', { 'aria-label': 'Sections' }, links),
  el('main', { id: 'main', tabindex: -1 }, tiles, ...sections.map(({ node }) => node)),
  el('footer', {}, `Made by nodegrad, ${data.made}.`),
);
applyTheme();
dark.addEventListener('change', () => {
  applyTheme();
  update();
});
update();
if (data.live) listen();
