// A page about runs: one HTML document with everything in it, which may run no script but its own and ask nobody for anything.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { NodegradError } from '../errors.js';
import { packageFile } from '../installation.js';
import { histogramEdges } from '../training/observation.js';
import { plainNumbers } from '../training/run-log.js';
import type { ReportRun } from './runs.js';

/** A page, and what a browser is to allow it. */
export interface Page {
  readonly html: string;
  /** Content security policy. */
  readonly policy: string;
}

/** The browser's part, in the order in which it is read: beside the sources in lib/report/page, also in the package. */
const scripts = ['dom.js', 'charts.js', 'pictures.js', 'sections.js', 'page.js'];

/** @param isLive - Whether the page listens for what is new. */
export function pageOf(runs: readonly ReportRun[], isLive: boolean): Page {
  const style = `${library('dist/uPlot.min.css')}\n${own('page.css')}`;
  const notice = `uPlot is\n${library('LICENSE').trim()}`;
  const script = `/*!\n${notice}\n*/\n${library('dist/uPlot.iife.min.js')}\n(() => {\n'use strict';\n${scripts.map(own).join('\n')}})();\n`;
  const policy = [
    "default-src 'none'",
    `script-src '${digest(script)}'`,
    `style-src '${digest(style)}'`,
    'img-src data:',
    ...(isLive ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const made = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const data = JSON.stringify({ live: isLive, made: `${made} UTC`, edges: histogramEdges, runs }, plainNumbers);
  const html = [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="referrer" content="no-referrer">',
    '<link rel="icon" href="data:,">',
    '<title>nodegrad</title>',
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    '<noscript><p>The charts and tables of this page are drawn by its own script, which this browser does not run. `nodegrad report --json` gives the same as data.</p></noscript>',
    // No text of a run can end this element, or begin another.
    `<script type="application/json" id="data">${data.replaceAll('<', '\\u003c')}</script>`,
    `<script>${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
  return { html, policy };
}

const digest = (text: string): string => `sha256-${createHash('sha256').update(text).digest('base64')}`;

/** A file of the page. Its modules become one script: what they import stands above them in it. */
function own(name: string): string {
  const text = read(() => packageFile(`lib/report/page/${name}`));
  return name.endsWith('.js') ? text.replace(/^import [^;]*;\n/gm, '').replace(/^export /gm, '') : text;
}

/** A file of uPlot. The published package holds those that are read, instead of depending on ten times as much. */
const library = (name: string): string =>
  read(() => {
    const held = packageFile(`lib/report/page/uplot/${name}`);
    return existsSync(held) ? held : new URL(`../${name}`, import.meta.resolve('uplot'));
  });

function read(place: () => URL): string {
  try {
    return readFileSync(place(), 'utf8');
  } catch (error) {
    const hint = 'a bundle leaves them behind. Keep nodegrad out of the bundle, or make the report later: npx nodegrad report <log>';
    throw new NodegradError('ERR_REPORT', `the files that a report is made of are not beside this code: ${hint}`, { cause: error });
  }
}
