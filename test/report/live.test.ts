// Proves lib/report/live.ts: who may see a live view and who may not, that it tells everything once, and that it ends with its run.

import test from 'ava';
import { type ClientRequest, type IncomingMessage, type RequestOptions, createServer, request } from 'node:http';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { ArgumentError, readRunLog, watchRuns } from '../../lib/index.js';
import type { RunNews } from '../../lib/report/tail.js';
import { closeBrowser, noBrowser, visit } from '../helpers/browser.js';
import { inFolder, train } from '../helpers/reports.js';

test.after.always(closeBrowser);

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

function ask(url: string, options: RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked: ClientRequest = request(url, options, (response) => {
      let body = '';
      // It would not end.
      if (response.headers['content-type'] === 'text/event-stream') response.destroy();
      response.on('close', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
    });
    asked.on('error', reject).end();
  });
}

/** Listens until `isEnough`, or to the end; what the events said. */
function listen(url: string, isEnough: (news: readonly News[]) => boolean = () => false): Promise<{ news: News[]; hasEnded: boolean }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}events`, (response) => {
      let text = '';
      const seen = (): { news: News[]; hasEnded: boolean } => {
        const events = text.split('\n\n').slice(0, -1);
        const news = events.filter((event) => event.startsWith('data: ')).map((event) => JSON.parse(event.slice(6)) as News);
        return { news, hasEnded: events.some((event) => event.startsWith('event: end')) };
      };
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (!isEnough(seen().news)) return;
        resolve(seen());
        asked.destroy();
      });
      response.on('end', () => resolve(seen()));
      response.on('error', () => resolve(seen()));
    });
    asked.on('error', reject).end();
  });
}

interface News {
  readonly isWhole: boolean;
  readonly runs: readonly RunNews[];
}

test('only who knows the address sees the page: no other path, name, origin or method', async (t) => {
  await inFolder(async (folder) => {
    await train(folder);
    const view = await watchRuns(folder);
    try {
      const { url } = view;
      t.regex(url, /^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/$/);
      const { port, origin, pathname } = new URL(url);
      const wrong = `/${pathname.slice(1, -1).replace(/./g, (letter) => (letter === '0' ? '1' : '0'))}/`;
      const statuses = async (cases: readonly (readonly [string, RequestOptions])[]): Promise<number[]> =>
        Promise.all(cases.map(async ([path, options]) => (await ask(`${origin}${path}`, options)).status));
      t.deepEqual(
        await statuses([
          ['/', {}],
          ['/favicon.ico', {}],
          [wrong, {}],
          [`${wrong}events`, {}],
          [pathname.slice(0, -1), {}],
          [`${pathname}x`, {}],
          [`${pathname}events/x`, {}],
          [`/${pathname}`, {}],
        ]),
        [404, 404, 404, 404, 404, 404, 404, 404],
      );
      const named = (host: string): RequestOptions => ({ headers: { host } });
      t.deepEqual(
        await statuses([
          [pathname, named('evil.example')],
          [pathname, named(`localhost:${port}`)],
          [pathname, named('127.0.0.1')],
          [`${pathname}events`, named(`evil.example:${port}`)],
        ]),
        [403, 403, 403, 403],
      );
      const from = (page: string): RequestOptions => ({ headers: { origin: page } });
      t.deepEqual(
        await statuses([
          [`${pathname}events`, from('http://evil.example')],
          [pathname, from('null')],
          [pathname, from(origin)],
        ]),
        [403, 403, 200],
      );
      t.deepEqual(
        await statuses(['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'].map((method) => [pathname, { method }])),
        [405, 405, 405, 405, 405],
      );
      const { headers, body } = await ask(url);
      t.regex(String(headers['content-security-policy']), /^default-src 'none'; script-src 'sha256-[^;]+'; .*frame-ancestors 'none'$/);
      for (const [name, value] of Object.entries({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
        'cross-origin-resource-policy': 'same-origin',
      }))
        t.is(headers[name], value);
      t.false(body.includes('samplesPerSecond":'), 'the page itself holds no run: who listens hears of them');
    } finally {
      await view.close();
    }
  });
});

test('a page hears all of the runs that are there, then of what is new, once; runs that begin later too', async (t) => {
  await inFolder(async (folder) => {
    await train(join(folder, 'first'));
    const view = await watchRuns(folder);
    const log = join(folder, 'first', 'log.jsonl');
    const [wanted] = readRunLog(log).runs;
    const listening = listen(view.url, (news) => news.some(({ runs }) => runs.some(({ id, end }) => id === 'second' && end)));
    const first = await listen(view.url, (news) => news.length > 0);
    t.true(first.news[0].isWhole);
    const { id, path, ...run } = first.news[0].runs[0];
    t.deepEqual([id, path], ['first', log]);
    t.deepEqual(run as object, wanted);
    mkdirSync(join(folder, 'second'));
    writeFileSync(join(folder, 'second', 'log.jsonl'), '{"type":"run","run":"a","seed":7}\n');
    appendFileSync(log, '{"type":"warning","message":"late"}\n');
    setTimeout(() => appendFileSync(join(folder, 'second', 'log.jsonl'), '{"type":"end","run":"a","outcome":"completed"}\n'), 100);
    const { news } = await listening;
    const later = news.slice(1).flatMap(({ runs }) => runs);
    t.deepEqual(
      later.filter((one) => one.id === 'first').map(({ warnings, epochs }) => [warnings, epochs]),
      [[['late'], undefined]],
    );
    t.deepEqual(later.find((one) => one.id === 'second')?.header, { seed: 7 });
    await view.close();
  });
});

test('closing tells the pages the rest and that it was the end; once more is no error, and nothing is left', async (t) => {
  await inFolder(async (folder) => {
    await train(folder);
    const view = await watchRuns(folder);
    let isHeard = (): void => {};
    const heard = new Promise<void>((resolve) => {
      isHeard = resolve;
    });
    const listening = listen(view.url, (news) => {
      if (news.length > 0) isHeard();
      return false;
    });
    await heard;
    appendFileSync(join(folder, 'log.jsonl'), '{"type":"warning","message":"the last word"}\n');
    await view.close();
    await view.close();
    const { news, hasEnded } = await listening;
    t.true(hasEnded);
    t.deepEqual(news.at(-1)?.runs[0].warnings, ['the last word']);
    await t.throwsAsync(ask(view.url), { code: 'ECONNREFUSED' });
  });
});

test('a port in use, and a place where nothing is, are errors that say so', async (t) => {
  await inFolder(async (folder) => {
    await train(folder);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    await t.throwsAsync(watchRuns(folder, { port }), { instanceOf: ArgumentError, message: new RegExp(`port ${port} of 127.0.0.1 is in use`) });
    other.close();
    await t.throwsAsync(watchRuns(join(folder, 'none')), { instanceOf: ArgumentError, message: /ENOENT/ });
    await t.throwsAsync(watchRuns(folder, { port: 70_000 }), { instanceOf: ArgumentError });
    await t.throwsAsync(watchRuns(folder, { ports: 1 } as never), { instanceOf: ArgumentError, message: /unknown option/ });
  });
});

test('a live view is closed where `await using` ends', async (t) => {
  await inFolder(async (folder) => {
    await train(folder);
    let url: string;
    {
      await using view = await watchRuns(folder);
      url = view.url;
      t.is((await ask(url)).status, 200);
    }
    await t.throwsAsync(ask(url), { message: /ECONNREFUSED|hang up/ });
  });
});

test('fit shows itself while it trains, tells the end, and the process ends with it', async (t) => {
  await inFolder(async (folder) => {
    const notes: string[] = [];
    let listening: Promise<{ news: News[]; hasEnded: boolean }> | undefined;
    const progress = {
      write: (text: string) => {
        notes.push(text);
        const url = /live view: (\S+)/.exec(text)?.[1];
        if (url !== undefined) listening = listen(url);
      },
    };
    const slowly = { onEpochEnd: () => new Promise((resolve) => setTimeout(resolve, 30)) };
    await train(folder, { watch: true, progress, callbacks: [slowly] });
    const { news, hasEnded } = await listening!;
    t.true(hasEnded);
    const all = news.flatMap(({ runs }) => runs);
    t.is(all.at(-1)?.end?.['outcome'], 'completed');
    t.is(all.flatMap(({ epochs = [] }) => epochs).length, 4);
    const url = new URL('../helpers/reports.js', import.meta.url).href;
    const script = `const { train } = await import(${JSON.stringify(url)}); await train(${JSON.stringify(join(folder, 'child'))}, { watch: true });`;
    await t.notThrowsAsync(promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000 }));
  });
});

(noBrowser === undefined ? test : test.skip)(
  'in a browser: a run of another process appears, grows, and stays when the view ends',
  async (t) => {
    await inFolder(async (folder) => {
      const log = join(folder, 'log.jsonl');
      writeFileSync(log, '{"type":"run","run":"a","epochs":3,"stepsPerEpoch":4}\n');
      const view = await watchRuns(log);
      const address = view.url;
      const { page, complaints, requests } = await visit(address);
      await page.getByText('going on, or killed: 0 of 3 epochs').waitFor();
      const epoch = { type: 'epoch', run: 'a', epoch: 1, loss: 0.5, metrics: { accuracy: 0.75 }, lr: 0.1, seconds: 1, samplesPerSecond: 9 };
      appendFileSync(log, `${JSON.stringify(epoch)}\n{"type":"losses","run":"a","step":1,"every":1,"losses":[2,1,0.5,"NaN"]}\n`);
      await page.getByText('going on, or killed: 1 of 3 epochs').waitFor();
      t.is(await page.locator('#curves .uplot').count(), 2);
      await page.locator('#curves').getByText('The numbers as a table').first().click();
      appendFileSync(log, `${JSON.stringify({ ...epoch, epoch: 2, loss: 0.25 })}\n`);
      await page.locator('#curves .scroll tbody tr').nth(1).waitFor();
      t.is(await page.locator('#curves .scroll tbody tr').count(), 2, 'what is open stays open and grows');
      appendFileSync(log, '{"type":"end","run":"a","outcome":"completed","seconds":2}\n');
      await view.close();
      await page.getByText('The live view has ended; this page stays as it is.').waitFor();
      t.true((await page.getByRole('status').textContent())?.startsWith('completed after 2.0 s'));
      t.deepEqual(complaints, []);
      t.deepEqual(requests, [`${address}events`]);
    });
  },
);
