// Everything that the library exports is called with hostile arguments, in a process of its own: it may return or throw an error of its
// own kind, but not crash, hang, or change its operands when it fails. NODEGRAD_FUZZ=100000 sets the number of calls, NODEGRAD_SEED the seed.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { beside, start } from '../native/child.js';

const calls = Number(process.env['NODEGRAD_FUZZ'] ?? 6000);
const seed = Number(process.env['NODEGRAD_SEED'] ?? 1);
const script = beside(import.meta.url, 'api.child.js');

// A call that takes longer than this is a hang. The child counts its own computing time; this is for calls that never come back.
const patience = 30_000;
const share = 5000; // calls of one process: a leak of one must not weigh on the others

interface Report {
  readonly done: number;
  readonly targets: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly faults: readonly { readonly key: string; readonly count: number; readonly call: string; readonly error: string }[];
}

interface Outcome {
  readonly report?: Report;
  /** How the process ended when it should not have, and in which call. */
  readonly crash?: string;
}

function fuzz(count: number, childSeed: number): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-fuzz-'));
  const path = join(folder, 'report.json');
  const child = start(script, { args: [String(count), String(childSeed), path], cwd: folder });
  let stderr = '';
  child.stderr?.on('data', (data: Buffer) => {
    stderr = (stderr + String(data)).slice(-3000);
  });
  child.stdout?.resume(); // progress lines of fit()
  const position = (): string => {
    try {
      return readFileSync(`${path}.at`, 'utf8').trim();
    } catch {
      return 'before the first call';
    }
  };
  return new Promise((resolve, reject) => {
    let last = '';
    let since = Date.now();
    let hung = false;
    const watch = setInterval(() => {
      const now = position();
      if (now !== last) {
        last = now;
        since = Date.now();
      } else if (Date.now() - since > patience) {
        hung = true;
        child.kill('SIGKILL');
      }
    }, 500);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearInterval(watch);
      const at = position();
      let report: Report | undefined;
      if (code === 0) report = JSON.parse(readFileSync(path, 'utf8')) as Report;
      rmSync(folder, { recursive: true, force: true });
      resolve(
        report === undefined ? { crash: `${hung ? 'hung' : (signal ?? `ended with code ${code}`)} in call ${at}\n${stderr}` } : { report },
      );
    });
  });
}

test(`${calls} hostile calls of the public API return or throw errors of the library: no crash, no hang, no operand changed`, async (t) => {
  t.timeout(60_000 + calls * 60);
  t.log(`seed ${seed} (NODEGRAD_SEED), ${calls} calls (NODEGRAD_FUZZ)`);
  const outcomes: Record<string, number> = {};
  const faults: string[] = [];
  let done = 0;
  for (let begin = 0, part = 0; begin < calls; begin += share, part++) {
    const { report, crash } = await fuzz(Math.min(share, calls - begin), seed + part);
    if (report === undefined) {
      faults.push(`seed ${seed + part}: ${crash}`);
      continue;
    }
    done += report.done;
    for (const [name, count] of Object.entries(report.outcomes)) outcomes[name] = (outcomes[name] ?? 0) + count;
    for (const { key, count, call, error } of report.faults) faults.push(`seed ${seed + part}, ${count} times: ${key}\n  ${call}\n  ${error}`);
    if (part === 0) t.true(report.targets > 300, `only ${report.targets} functions and members were found`);
  }
  t.log(Object.entries(outcomes).sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(', ')); // biome-ignore format: one line
  t.is(faults.length, 0, faults.slice(0, 10).join('\n\n'));
  t.is(done, calls);
});
