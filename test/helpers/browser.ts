// A real Chromium for tests of pages: what it wrote to its console, and what it asked the network for.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core';
import { root } from './sources.js';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));

/** Why there is no browser; undefined where there is one. */
export const noBrowser = executablePath === undefined ? 'Chromium is not installed (Debian: apt-get install chromium)' : undefined;

/** A page in a browser, with all that it complained of or asked for beside the document itself. */
export interface Visit {
  readonly page: Page;
  readonly complaints: string[];
  readonly requests: string[];
}

let browser: Promise<Browser> | undefined;

/** Opens an address in a window of its own; `close` it. */
export async function visit(url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  browser ??= chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  const context = await (await browser).newContext({ viewport: { width: 1280, height: 900 }, ...options });
  await context.addInitScript({ path: join(root, 'test/helpers/in-page.js') });
  const page = await context.newPage();
  const [complaints, requests]: [string[], string[]] = [[], []];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (request.url() !== url && !/^(?:data|blob):/.test(request.url())) requests.push(request.url());
  });
  await page.goto(url);
  return { page, complaints, requests };
}

/** Ends the browser. */
export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
}
