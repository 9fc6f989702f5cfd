// The sections of the page: each is made once, and shows what the runs are whenever that changes.

import { Chart } from './charts.js';
import { duration, el, fill, isDark, numberOf, numbersOf, percent, seriesColour, shown, table } from './dom.js';
import { confusionTable, exampleList, heatMap } from './pictures.js';

/**
 * @typedef {import('../runs.js').ReportRun} Run
 * @typedef {import('../examine.js').Examination} Examination
 * @typedef {import('../../sitter/what-if.js').WhatIfReport} Tried
 * @typedef {import('./charts.js').Line} Line
 * @typedef {import('./charts.js').Mark} Mark
 * @typedef {import('./pictures.js').LoggedObservation} LoggedObservation
 * @typedef {import('./pictures.js').LoggedLayer} LoggedLayer
 * @typedef {{ runs: Run[], kept: Set<string>, chosen: string, isLog: boolean, edges: readonly number[], choose: (id: string) => void, keep: (id: string, isKept: boolean) => void, change: () => void }} State
 * @typedef {{ node: HTMLElement, title: string, show: (state: State, run: Run) => void }} Section
 */

/**
 * A section with its heading; `show` says whether there is anything in it.
 *
 * @param {string} id
 * @param {string} title
 * @param {readonly HTMLElement[]} content
 * @param {(state: State, run: Run) => boolean} show
 * @returns {Section}
 */
function section(id, title, content, show) {
  const node = el('section', { id, 'aria-labelledby': `${id}-title` }, el('h2', { id: `${id}-title` }, title), ...content);
  return {
    node,
    title,
    show: (state, run) => {
      // What is hidden has no width to draw in.
      node.hidden = false;
      node.hidden = !show(state, run);
    },
  };
}

/** @param {Run} run */
const stepsPerEpoch = (run) => Math.max(1, Number(run.header['stepsPerEpoch'] ?? 1));

/** @param {Run} run */
export const lastStep = (run) => {
  const last = run.losses?.[run.losses.length - 1];
  const done = last === undefined ? 0 : last.step + last.every * last.losses.length - 1;
  return Math.max(done, (run.epochs[run.epochs.length - 1]?.epoch ?? 0) * stepsPerEpoch(run), Number(run.end?.['steps'] ?? 0));
};

/**
 * The best epoch of a run by its loss on the validation data, or else on the training data.
 *
 * @param {Run} run
 */
export function bestEpoch(run) {
  const lossOf = (/** @type {Run['epochs'][number]} */ { loss, validation }) => numberOf((validation ?? { loss }).loss);
  return run.epochs.reduce(
    (/** @type {Run['epochs'][number] | null} */ best, one) => (best === null || lossOf(one) < lossOf(best) ? one : best),
    null,
  );
}

/**
 * Runs by their best loss; those that have none come last.
 *
 * @param {readonly Run[]} runs
 */
export function sortedRuns(runs) {
  const lossOf = (/** @type {Run} */ run) => {
    const best = bestEpoch(run);
    const loss = best === null ? Number.NaN : numberOf((best.validation ?? best).loss);
    return Number.isNaN(loss) ? Infinity : loss;
  };
  const rated = runs.map((run, i) => ({ run, i, loss: lossOf(run) }));
  return rated.sort((a, b) => (a.loss === b.loss ? a.i - b.i : a.loss - b.loss)).map(({ run }) => run);
}

/** @param {Run} run */
export function statusOf(run) {
  const { end, epochs, header } = run;
  if (end === null) return `going on, or killed: ${epochs.length} of ${header['epochs'] ?? '?'} epochs`;
  const why = end['stopped'] ?? end['message'];
  return `${end['outcome']} after ${duration(numberOf(end['seconds']))}${typeof why === 'string' ? `: ${why}` : ''}`;
}

/** The loss of each step, and scores of each epoch: those of training stand in the middle of the epoch that they were gathered in. */
function lossCurves(
  /** @type {State} */ state,
  /** @type {Run} */ chosen,
  /** @type {(scores: Run['epochs'][number] | NonNullable<Run['epochs'][number]['validation']>) => unknown} */ read,
) {
  const shownRuns = state.runs.filter(({ id }) => state.kept.has(id));
  const isOne = shownRuns.length === 1;
  return shownRuns.flatMap((run) => {
    const at = state.runs.indexOf(run);
    const name = isOne ? '' : `${run.id}: `;
    const [first, second] = isOne ? [seriesColour(0), seriesColour(1)] : [seriesColour(at), seriesColour(at)];
    const scored = run.epochs.filter(({ validation }) => validation !== undefined);
    const width = run === chosen ? 2.5 : 1.5;
    return /** @type {Line[]} */ ([
      {
        label: `${name}training`,
        x: run.epochs.map(({ epoch }) => epoch - 0.5),
        y: run.epochs.map((one) => numberOf(read(one))),
        colour: first,
        width,
        points: run.epochs.length < 40,
      },
      {
        label: `${name}validation`,
        x: scored.map(({ epoch }) => epoch),
        y: scored.map(({ validation }) => numberOf(read(/** @type {NonNullable<typeof validation>} */ (validation)))),
        colour: second,
        dash: isOne ? undefined : [7, 4],
        width,
        points: run.epochs.length < 40,
      },
    ]);
  });
}

/** @param {Run} run */
function stepLine(run) {
  const [x, y] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  for (const { step, every, losses } of run.losses ?? []) {
    for (const [i, loss] of losses.entries()) {
      x.push((step - 1 + (i + 0.5) * every) / stepsPerEpoch(run));
      y.push(numberOf(loss));
    }
  }
  return /** @type {Line} */ ({ label: 'each step', x, y, colour: seriesColour(0), width: 1, faint: true });
}

/** @param {number} i */
const findingId = (i) => `finding-${i + 1}`;

/**
 * Where in the curves the findings of a run stand.
 *
 * @param {Run} run
 * @returns {Mark[]}
 */
function marksOf(run) {
  return (run.findings ?? []).map((finding, i) => {
    const step = Number(finding['step'] ?? 0);
    const at = step > 0 ? step / stepsPerEpoch(run) : Number(finding['epoch'] ?? 0);
    return { at, text: String(i + 1), name: `finding ${i + 1}: ${titleOf(finding)}`, verdict: verdictOf(finding), target: findingId(i) };
  });
}

/** @param {Readonly<Record<string, unknown>>} finding */
const titleOf = (finding) => String(finding['id'] ?? finding['about'] ?? 'finding').replaceAll('-', ' ');

/** @param {Readonly<Record<string, unknown>>} finding */
export const verdictOf = (finding) =>
  ['good', 'warning', 'fault'].includes(String(finding['verdict'])) ? String(finding['verdict']) : 'warning';

/** Loss and metrics over the epochs. */
export function curvesSection() {
  const box = /** @type {HTMLInputElement} */ (el('input', { type: 'checkbox', id: 'log-scale' }));
  const loss = new Chart('Loss');
  const place = el('div', { class: 'columns' }, loss.node);
  /** @type {Map<string, Chart>} */
  const metrics = new Map();
  /** @type {(() => void) | null} */
  let change = null;
  box.addEventListener('change', () => change?.());
  const chartOf = (/** @type {string} */ name) => {
    const chart = metrics.get(name) ?? new Chart(name);
    metrics.set(name, chart);
    if (!chart.node.isConnected) place.append(chart.node);
    return chart;
  };
  const ofMany = el('p', { class: 'note quiet' }, 'Colours as in the table of runs; solid lines are training, dashed ones validation.');
  const note = el(
    'p',
    { class: 'note quiet' },
    'Scores of training are gathered while the weights move, and stand in the middle of their epoch; those of validation at its end.',
  );
  const content = [note, ofMany, el('div', { class: 'bar' }, el('label', {}, box, ' logarithmic losses')), place];
  return section('curves', 'Curves', content, (state, run) => {
    change = () => {
      state.isLog = box.checked;
      state.change();
    };
    const lines = lossCurves(state, run, ({ loss }) => loss);
    const isOne = state.kept.size === 1;
    ofMany.hidden = isOne;
    loss.show({ lines: isOne ? [stepLine(run), ...lines] : lines, marks: marksOf(run), isLog: state.isLog, hasLegend: isOne, xName: 'epoch' });
    const kept = state.runs.filter(({ id }) => state.kept.has(id));
    const names = new Set(kept.flatMap(({ epochs }) => epochs.flatMap(({ metrics: results }) => Object.keys(results ?? {}))));
    for (const name of names)
      chartOf(name).show({
        lines: lossCurves(state, run, ({ metrics: results }) => results?.[name] ?? null),
        marks: marksOf(run),
        hasLegend: isOne,
        xName: 'epoch',
      });
    for (const [name, chart] of metrics) if (!names.has(name)) chart.node.remove();
    place.classList.toggle('one', names.size === 0);
    return kept.some(({ epochs, losses }) => epochs.length > 0 || (losses ?? []).length > 0);
  });
}

/** The findings of the chosen run, each with what was tried of it. */
export function findingsSection() {
  const list = el('ol', { class: 'findings' });
  const others = el('div');
  let written = '';
  return section('findings', 'Findings', [list, others], (_, run) => {
    const [findings, tried] = [run.findings ?? [], run.tried ?? []];
    const now = JSON.stringify([run.id, findings, tried]);
    if (now !== written) {
      // What the sitter says again, after a fix, was tried once.
      const lastOf = (/** @type {unknown} */ id) => findings.findLastIndex((finding) => finding['id'] === id);
      const of = (/** @type {number} */ i) => tried.filter(({ id }) => lastOf(id) === i);
      fill(list, ...findings.map((finding, i) => findingItem(finding, i, of(i))));
      const left = of(-1);
      fill(others, ...(left.length === 0 ? [] : [el('h3', {}, 'Also tried'), triedTable(left)]));
    }
    written = now;
    return findings.length + tried.length > 0;
  });
}

/** @param {readonly Tried[]} tried */
function triedTable(tried) {
  const lossOf = (/** @type {number} */ loss) => (Number.isNaN(numberOf(loss)) ? 'no number' : shown(numberOf(loss)));
  const verdictText = (/** @type {boolean | null} */ helped) => (helped === null ? 'not compared' : helped ? 'it helped' : 'it did not help');
  const rows = tried.map(({ change, before, after, steps, helped }) => {
    if (!change) return ['nothing: only a person can make it', '', '', '', ''];
    const { kind, ...values } = change;
    const what = `${String(kind).replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${flat(values)
      .map(([, value]) => value)
      .join(', ')}`;
    const counts = [...new Set(steps)].join(' and ');
    return [what, el('span', { class: `tried ${helped === true ? 'good' : ''}` }, verdictText(helped)), lossOf(after), lossOf(before), counts];
  });
  return table('What was tried', ['change', 'verdict', 'loss with it', 'as it is', 'steps'], rows);
}

/**
 * @param {Readonly<Record<string, unknown>>} finding
 * @param {number} i
 * @param {readonly Tried[]} tried
 */
function findingItem(finding, i, tried) {
  const verdict = verdictOf(finding);
  const heading = el('h3', {}, `${i + 1}. `, el('span', { class: 'verdict' }, verdict), `: ${titleOf(finding)}`);
  const { epoch, step, layer, confidence, symptoms } = finding;
  const where = [
    Number(epoch) > 0 ? `epoch ${epoch}` : 'before training',
    Number(step) > 0 ? `step ${step}` : '',
    typeof layer === 'string' && layer !== '' ? `layer ${layer}` : '',
  ];
  const facts = /** @type {[string, unknown][]} */ ([
    ['seen', finding['seen'] ?? finding['text']],
    ['why', finding['why']],
    ['what to do', finding['advice']],
    ['where', where.filter((part) => part !== '').join(', ')],
    ['explains', Array.isArray(symptoms) && symptoms.length > 0 ? symptoms.join(', ').replaceAll('-', ' ') : null],
    ['how sure', typeof confidence === 'number' ? percent(confidence) : null],
  ]);
  const terms = facts
    .filter(([, text]) => text !== null && text !== undefined && text !== '')
    .flatMap(([name, text]) => [el('dt', {}, name), el('dd', {}, String(text))]);
  const back = el('a', { href: '#curves' }, 'to the curves');
  return el(
    'li',
    {},
    el(
      'article',
      { id: findingId(i), class: verdict, tabindex: -1, 'aria-label': `Finding ${i + 1}` },
      heading,
      el('dl', {}, ...terms),
      ...(tried.length === 0 ? [] : [triedTable(tried)]),
      back,
    ),
  );
}

/** Layers over time. */
export function layersSection() {
  const place = el('div', { class: 'panels' });
  /** @type {() => HTMLElement} */
  let make = () => el('div');
  const numbers = numbersOf(() => make());
  const note = el(
    'p',
    { class: 'note quiet' },
    'Outputs of each layer over the run: every column is an observed step, dark where many outputs are. Healthy layers keep about the same spread from first to last.',
  );
  let written = '';
  return section('layers', 'Layers over time', [note, place, numbers.node], (state, run) => {
    const observations = run.observations ?? [];
    const now = JSON.stringify([run.id, observations.length, isDark()]);
    if (now === written) return observations.length > 0;
    written = now;
    const seen = seenLayers(observations);
    fill(place, ...seen.map(({ path, type, list }) => heatMap(path, type, list, state.edges)));
    make = () => {
      const heads = ['layer', 'step', 'mean', 'std', 'zeros', 'least', 'largest'];
      const rows = seen.flatMap(({ path, type, list }) =>
        list.map(({ step, layer: { mean, std, zeros, min, max } }) => [
          `${path} ${type}`,
          String(step),
          shown(mean),
          shown(std),
          percent(zeros),
          shown(min),
          shown(max),
        ]),
      );
      return table('Outputs of layers', heads, rows);
    };
    numbers.update();
    return observations.length > 0;
  });
}

/** Layers that are drawn; of a deeper network, evenly taken. */
const mostLayers = 36;

/**
 * The layers of observations, each with its steps.
 *
 * @param {readonly LoggedObservation[]} observations
 */
function seenLayers(observations) {
  /** @type {Map<string, { path: string, type: string, list: { step: number, layer: LoggedLayer }[] }>} */
  const all = new Map();
  for (const { step, layers } of observations) {
    for (const layer of layers) {
      const one = all.get(layer.path) ?? { path: layer.path, type: layer.type, list: [] };
      all.set(layer.path, one);
      // A layer that is called twice in a step is shown by its last call.
      if (one.list[one.list.length - 1]?.step === step) one.list.pop();
      one.list.push({ step, layer });
    }
  }
  const list = [...all.values()];
  return list.filter(
    (_, i) => list.length <= mostLayers || Math.floor((i * mostLayers) / list.length) !== Math.floor(((i - 1) * mostLayers) / list.length),
  );
}

/** Parameters that get a line; of more, evenly taken. */
const mostParameters = 8;

/** Updates and gradients of the weights. */
export function ratiosSection() {
  const ratios = new Chart('Update by weights', 'about 0.001 is good, the dashed line');
  const gradients = new Chart('Size of the gradients', 'root of the sum of squares');
  return section('ratios', 'Updates and gradients', [el('div', { class: 'columns' }, ratios.node, gradients.node)], (_, run) => {
    const observations = run.observations ?? [];
    const paths = [
      ...new Set(observations.flatMap(({ parameters }) => parameters.filter(({ shape }) => shape.length >= 2).map(({ path }) => path))),
    ];
    const some = paths.filter(
      (_, i) => paths.length <= mostParameters || i === paths.length - 1 || i % Math.ceil(paths.length / mostParameters) === 0,
    );
    const lines = (/** @type {'updateRatio' | 'gradientNorm'} */ name) =>
      some.map((path, i) => {
        const seen = observations.flatMap(({ step, parameters }) =>
          parameters.filter((one) => one.path === path).map((one) => [step, numberOf(one[name])]),
        );
        return /** @type {Line} */ ({
          label: path,
          x: seen.map(([step]) => step / stepsPerEpoch(run)),
          y: seen.map(([, value]) => value),
          colour: seriesColour(i),
          width: 1.5,
        });
      });
    ratios.show({ lines: lines('updateRatio'), isLog: true, guide: 1e-3, marks: marksOf(run), xName: 'epoch' });
    gradients.show({ lines: lines('gradientNorm'), isLog: true, marks: marksOf(run), xName: 'epoch' });
    return some.length > 0;
  });
}

/** What the model takes for what. */
export function examplesSection() {
  const place = el('div');
  let written = '';
  return section('examples', 'What the model takes for what', [place], (_, run) => {
    const examination = /** @type {Examination | undefined} */ (/** @type {unknown} */ (run.examination));
    const now = JSON.stringify([run.id, examination, isDark()]);
    if (now === written) return examination !== undefined;
    written = now;
    if (examination === undefined) return false;
    const { data, examples, baseline, classes, confusion, wrong, worst, leastSure } = examination;
    const counted =
      classes === null
        ? `${examples} examples of ${data}`
        : `${wrong} of ${examples} examples of ${data} are taken for something else (${percent(Number(wrong) / Math.max(1, examples))})`;
    const parts = confusion === null || classes === null ? [] : [confusionTable(confusion, classes)];
    const title = classes === null ? 'Farthest off' : 'Wrong, the surest first';
    if (worst.length > 0) parts.push(el('h3', {}, title), exampleList(worst, classes, title));
    if (leastSure.length > 0) parts.push(el('h3', {}, 'Right, but least sure'), exampleList(leastSure, classes, 'Right, but least sure'));
    const beside = baseline === undefined ? [] : [el('p', { class: 'note quiet' }, `Without a look at the inputs: ${baseline}.`)];
    fill(place, el('p', { class: 'note quiet' }, counted), ...beside, ...parts);
    return true;
  });
}

/** The layers of the model. As an image, the picture may neither run anything nor ask anybody. */
export function architectureSection() {
  const place = el('figure', { class: 'architecture', tabindex: 0, role: 'group', 'aria-label': 'The layers of the model' });
  let written = '';
  return section('architecture', 'The model', [place], (_, { architecture }) => {
    if (architecture === undefined || architecture === written) return architecture !== undefined;
    written = architecture;
    fill(
      place,
      el('img', {
        src: `data:image/svg+xml,${encodeURIComponent(architecture)}`,
        alt: 'Layers from input to output, with shapes and numbers of parameters',
      }),
    );
    return true;
  });
}

/** All runs, side by side. */
export function runsSection() {
  const place = el('div');
  const note = el(
    'p',
    { class: 'note quiet' },
    'Best first, by the loss on the validation data. Tick the runs whose curves are to be drawn; the name of a run shows its details.',
  );
  return section('runs', 'Runs', [note, place], (state, chosen) => {
    const focused = document.activeElement?.id;
    const sorted = sortedRuns(state.runs).map((run) => ({ run, best: bestEpoch(run) }));
    const metric = sorted.flatMap(({ best }) => Object.keys((best?.validation ?? best)?.metrics ?? {}))[0];
    const heads = [
      'run',
      'model',
      'optimizer',
      'learning rate',
      'batch',
      'seed',
      'epochs',
      'best loss',
      ...(metric === undefined ? [] : [metric]),
      'status',
    ];
    const rows = sorted.map(({ run, best }) => {
      const at = state.runs.indexOf(run);
      const box = /** @type {HTMLInputElement} */ (el('input', { type: 'checkbox', id: `keep-${at}`, 'aria-label': `draw ${run.id}` }));
      box.checked = state.kept.has(run.id);
      box.addEventListener('change', () => state.keep(run.id, box.checked));
      const swatch = el('span', { class: 'swatch' });
      swatch.style.backgroundColor = seriesColour(at);
      const name = el('button', { id: `run-${at}`, 'aria-pressed': String(run === chosen), click: () => state.choose(run.id) }, run.id);
      const score = best?.validation ?? best;
      const { optimizer, model, batchSize, seed } = /** @type {Record<string, Record<string, unknown> | undefined>} */ (run.header);
      const values = [optimizer?.['kind'], run.epochs[0]?.lr, batchSize, seed].map((value) =>
        value === undefined ? '' : typeof value === 'number' ? shown(value) : String(value),
      );
      const results = metric === undefined ? [] : [shown(score?.metrics?.[metric] ?? NaN)];
      return [
        el('span', {}, box, ' ', swatch, name),
        String(model?.['type'] ?? ''),
        ...values,
        String(run.epochs.length),
        score === undefined ? '' : shown(score?.loss ?? NaN),
        ...results,
        run.end === null ? 'going on' : String(run.end['outcome']),
      ];
    });
    fill(place, table('Best first', heads, rows));
    if (focused !== undefined && focused !== '') document.getElementById(focused)?.focus({ preventScroll: true });
    return state.runs.length > 1;
  });
}

/** What the run set out with. */
export function settingsSection() {
  const place = el('div', { class: 'settings' });
  const names = { model: 'Model', data: 'Data', optimizer: 'Optimizer', environment: 'Machine', resumed: 'Resumed from' };
  return section('settings', 'Settings and machine', [place], (_, run) => {
    const group = (/** @type {string} */ title, /** @type {readonly (readonly [string, string])[]} */ pairs) =>
      el('div', {}, el('h3', {}, title), el('dl', {}, ...pairs.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])));
    const entries = Object.entries(run.header);
    const single = entries.filter(([, value]) => typeof value !== 'object' || value === null);
    const groups = entries.filter(([, value]) => typeof value === 'object' && value !== null);
    const more = [
      ...(run.end === null ? [] : [group('End', flat(run.end))]),
      ...(run.fixes === undefined
        ? []
        : [
            group(
              'What the sitter changed',
              run.fixes.map((text, i) => [String(i + 1), text]),
            ),
          ]),
      ...(run.warnings === undefined
        ? []
        : [
            group(
              'Warnings',
              run.warnings.map((text, i) => [String(i + 1), text]),
            ),
          ]),
    ];
    fill(
      place,
      group('Run', [['log', run.path], ...flat(Object.fromEntries(single))]),
      ...groups.map(([name, value]) => group(names[/** @type {keyof typeof names} */ (name)] ?? name, flat(value))),
      ...more,
    );
    return true;
  });
}

/**
 * A tree of settings as names and values; what is null says nothing.
 *
 * @param {unknown} value
 * @param {string} [name]
 * @returns {[string, string][]}
 */
function flat(value, name = '') {
  if (value === null || value === undefined) return [];
  if (typeof value !== 'object') return [[name, typeof value === 'number' ? shown(value) : String(value)]];
  if (!Array.isArray(value)) return Object.entries(value).flatMap(([key, inner]) => flat(inner, name === '' ? key : `${name}.${key}`));
  if (value.every((one) => typeof one !== 'object')) return [[name, value.join(', ')]];
  return value.flatMap((inner, i) => flat(inner, value.length === 1 ? name : `${name}.${i + 1}`));
}
