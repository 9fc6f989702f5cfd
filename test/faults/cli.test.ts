// The command line where its terminal or reader goes away, is told to end, or cannot write: work is never lost in silence.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { load, readRunLog } from '../../lib/index.js';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

interface End {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

type Started = ReturnType<typeof spawn>;

/** Runs a command line; `meanwhile` is called with all of standard error whenever there is more of it. */
function run(
  folder: string,
  command: string,
  words: readonly string[],
  meanwhile: (child: Started, error: string) => void = () => {},
  env: Record<string, string> = {},
): Promise<End> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { cwd: folder, env: { ...process.env, NODEGRAD_DATA: '', NODEGRAD_NUM_THREADS: '1', ...env } });
    let [out, error] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      error += chunk;
      meanwhile(child, error);
    });
    child.on('error', reject);
    child.on('exit', (code) => setImmediate(() => resolve({ code, out, error })));
  });
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-cli-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const node = (words: readonly string[]): string[] => [main, ...words];
const brief = ['train', '--hidden', '16', '--batch-size', '500', '--run-dir', 'out'];

test('a reader that goes away does not end a training: the model is there, the log has its end, the exit code is that of the run (fault R04)', async (t) => {
  await inFolder(async (folder) => {
    let isClosed = false;
    const { code } = await run(folder, process.execPath, node([...brief, '--epochs', '4', '--checkpoint-dir', 'saved']), (child, error) => {
      if (isClosed || !/epoch 1\/4/.test(error)) return;
      isClosed = true;
      child.stdout?.destroy();
      child.stderr?.destroy();
    });
    t.true(isClosed);
    t.is(code, 0);
    const [only] = readRunLog(join(folder, 'out', 'log.jsonl')).runs;
    t.is(only.epochs.length, 4);
    t.is(only.end?.outcome, 'completed');
    t.true((await load(join(folder, 'out', 'model.safetensors'))).parameterCount() > 0);
    t.deepEqual(readdirSync(join(folder, 'out')).sort(), ['log.jsonl', 'model.safetensors']);
    t.true(readdirSync(join(folder, 'saved')).includes('step-000000000080.safetensors'));
    const piped = `${process.execPath} ${main} ${brief.join(' ')} --epochs 2 --json 2>&1 | head -1; echo "codes \${PIPESTATUS[*]}"`;
    t.regex((await run(folder, 'bash', ['-c', piped])).out, /codes 0 0/);
    t.is(readRunLog(join(folder, 'out', 'log.jsonl')).runs.at(-1)?.end?.outcome, 'completed');
    const shown = `${process.execPath} ${main} data digits | head -1; echo "codes \${PIPESTATUS[*]}"`;
    t.regex((await run(folder, 'bash', ['-c', shown])).out, /codes 0 0/, 'what only shows something ends with its reader');
  });
});

test('output that is lost for another reason does not end a training either, and the exit code tells of it (fault R04)', async (t) => {
  if (!existsSync('/dev/full')) return t.pass();
  await inFolder(async (folder) => {
    const full = `${process.execPath} ${main} ${brief.join(' ')} --epochs 2 > /dev/full`;
    t.is((await run(folder, 'bash', ['-c', full])).code, 1);
    t.is(readRunLog(join(folder, 'out', 'log.jsonl')).runs[0].end?.outcome, 'completed');
    t.true(existsSync(join(folder, 'out', 'model.safetensors')));
  });
});

test('the end of a terminal ends a run like Ctrl-C: last checkpoint, model, end of the log, exit code 129 (fault R14)', async (t) => {
  await inFolder(async (folder) => {
    let isSent = false;
    const words = node([...brief, '--epochs', '100000', '--checkpoint-dir', 'saved', '--checkpoint-every', '1000000']);
    const { code } = await run(folder, process.execPath, words, (child, error) => {
      if (isSent || !/epoch +1\//.test(error)) return;
      isSent = true;
      child.stdout?.destroy();
      child.stderr?.destroy();
      // A shell and the system tell of it both.
      child.kill('SIGHUP');
      child.kill('SIGHUP');
    });
    t.is(code, 129);
    t.is(readRunLog(join(folder, 'out', 'log.jsonl')).runs[0].end?.outcome, 'aborted');
    t.true(existsSync(join(folder, 'out', 'model.safetensors')));
    t.is(readdirSync(join(folder, 'saved')).length, 1);
  });
});

test('a signal that comes twice at once, as npm passes it on, still saves what was trained; a later one ends at once (fault R14)', async (t) => {
  await inFolder(async (folder) => {
    let sent = 0;
    const long = node([...brief, '--epochs', '100000']);
    const { code } = await run(folder, process.execPath, long, (child, error) => {
      if (sent > 0 || !/epoch +1\//.test(error)) return;
      sent += 2;
      child.kill('SIGINT');
      child.kill('SIGINT');
      setTimeout(() => child.kill('SIGINT'), 50);
    });
    t.is(code, 130);
    t.true(existsSync(join(folder, 'out', 'model.safetensors')));
  });
});

test('what a run will write is tried before it begins: the folder of the model, its file, the log, the checkpoints (fault R09)', async (t) => {
  await inFolder(async (folder) => {
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'taken', 'model.safetensors'), { recursive: true });
    const refused: [string[], RegExp][] = [
      [
        ['--run-dir', 'file/a/b'],
        /^nodegrad: expected a folder for model and log that can be written for --run-dir, received "file\/a\/b"\. The system says ENOTDIR about .*file, the nearest/,
      ],
      ...(process.platform === 'linux'
        ? [[['--run-dir', '/proc/x'], /received "\/proc\/x"\. The system says ENOENT about \/proc, the/] satisfies [string[], RegExp]]
        : []),
      [['--run-dir', 'taken'], /^nodegrad: taken\/model\.safetensors is no file/],
      [['--checkpoint-dir', 'file/a'], /^nodegrad: .*for --checkpoint-dir,.*ENOTDIR/m],
    ];
    for (const [words, message] of refused) {
      const { code, error } = await run(folder, process.execPath, node(['train', '--epochs', '1', '--hidden', '8', ...words]));
      t.is(code, 1, words.join(' '));
      t.regex(error, message);
      t.notRegex(error, /epoch 1/);
    }
    const missing = await run(folder, process.execPath, node(['train', '--data', 'mnist', '--data-dir', 'file', '--run-dir', 'fresh']));
    t.is(missing.code, 1);
    t.false(existsSync(join(folder, 'fresh')), 'a folder that was tried and not used goes away again');
  });
});

test('two runs at once into one folder: the second is refused before its data are loaded (fault R02)', async (t) => {
  await inFolder(async (folder) => {
    let second: Promise<End> | null = null;
    const first = await run(folder, process.execPath, node([...brief, '--epochs', '100000']), (child, error) => {
      if (second !== null || !/epoch +1\//.test(error)) return;
      second = run(folder, process.execPath, node(brief)).finally(() => child.kill('SIGTERM'));
    });
    const refused = await (second as unknown as Promise<End>);
    t.is(refused.code, 1);
    t.regex(
      refused.error,
      /^nodegrad: out is in use by process \d+ on \S+, since .*\[ERR_BUSY\]\n\(npx nodegrad explain ERR_BUSY says more\)\n$/,
    );
    t.is(first.code, 143);
    t.is(readRunLog(join(folder, 'out', 'log.jsonl')).runs.length, 1);
    const model = readFileSync(join(folder, 'out', 'model.safetensors'));
    t.is((await run(folder, process.execPath, node([...brief, '--epochs', '1']))).code, 0, 'one after the other is fine');
    t.notDeepEqual(readFileSync(join(folder, 'out', 'model.safetensors')), model);
    t.deepEqual(readFileSync(join(folder, 'out', 'model.previous.safetensors')), model, 'the model of the run before is kept');
  });
});

test('a variable that cannot be followed is named in info().warnings, and once by the command line (fault F30)', async (t) => {
  await inFolder(async (folder) => {
    const info = async (env: Record<string, string>): Promise<{ numThreads: number; usableCpus: number; warnings: string[] }> =>
      JSON.parse((await run(folder, process.execPath, node(['info', '--json']), undefined, env)).out);
    for (const value of ['abc', '2.5', '1e9', '0', '-1', '257', '4 cores', '0x2', '99999999999999999999']) {
      const { numThreads, usableCpus, warnings } = await info({ NODEGRAD_NUM_THREADS: value });
      t.is(numThreads, usableCpus, value);
      t.true(warnings.includes(`NODEGRAD_NUM_THREADS=${value} is ignored: it must be a whole number from 1 to 256`), `${value}: ${warnings}`);
    }
    for (const [value, expected] of [
      [' 4 ', 4],
      ['1', 1],
      ['256', 256],
    ] as const) {
      const { numThreads, warnings } = await info({ NODEGRAD_NUM_THREADS: value });
      t.is(numThreads, expected);
      t.false(warnings.some((warning) => warning.includes('NODEGRAD_NUM_THREADS')));
    }
    const empty = await info({ NODEGRAD_NUM_THREADS: '', NODEGRAD_ISA: '', NODEGRAD_GEMM: '', NODEGRAD_CONV: '', NODEGRAD_FUSE: '' });
    t.false(empty.warnings.some((warning) => warning.includes('NODEGRAD_')));
    const wrong = { NODEGRAD_ISA: 'sse9', NODEGRAD_GEMM: 'mkl', NODEGRAD_CONV: 'fft', NODEGRAD_NUM_THREADS: 'many' };
    const { warnings } = await info(wrong);
    for (const name of Object.keys(wrong)) t.is(warnings.filter((warning) => warning.includes(name)).length, 1, `${name}: ${warnings}`);
    const trained = await run(folder, process.execPath, node([...brief, '--epochs', '1', '--json']), undefined, {
      NODEGRAD_NUM_THREADS: 'many',
    });
    t.is(trained.code, 0);
    t.is(trained.error.split('NODEGRAD_NUM_THREADS').length, 2, trained.error);
    t.regex(trained.error, /^nodegrad: warning: NODEGRAD_NUM_THREADS=many is ignored/);
  });
});
