// Memory: what is no longer used is collected in time, and what does not fit is an error before the system ends the process.

import test from 'ava';
import { containerLimits } from '../../lib/memory.js';
import { beside, ending } from '../native/child.js';

const child = beside(import.meta.url, 'limits.child.js');

async function run(
  t: { deepEqual: (a: unknown, b: unknown, message?: string) => boolean },
  ...args: string[]
): Promise<{ [name: string]: number } & { messages: string[]; small: string }> {
  const { code, signal, stdout, stderr } = await ending(child, { args, flags: ['--expose-gc'], limit: 100_000 });
  t.deepEqual({ code, signal }, { code: 0, signal: null }, stderr.slice(-2000));
  return JSON.parse(stdout) as never;
}

// Each takes over 800 MB when nothing is collected.
const bound = 400e6;
const loops: Record<string, string> = {
  models: 'a synchronous loop that makes models (fault R07)',
  buffers: 'a synchronous loop that makes buffers of layers (fault R07)',
  optimizers: 'a synchronous loop that makes optimizers with state (fault R07)',
  steps: 'compiled steps that are never disposed of (fault R15)',
};
for (const [mode, title] of Object.entries(loops)) {
  test(`${title} does not grow`, async (t) => {
    t.timeout(120_000);
    const { peak, taken } = await run(t, mode);
    t.log({ peak, taken });
    t.true(taken > 2 * bound, `only ${taken} bytes were taken in all`);
    t.true(peak < bound, `${peak} bytes more`);
  });
}

test('steps that waited with large arguments leave no memory behind: not when they are disposed of, nor when nothing follows (fault R15)', async (t) => {
  t.timeout(120_000);
  // 60 times 8.4 MB waited at once.
  const { disposed, idle } = await run(t, 'queued');
  t.true(disposed < 100e6, `${disposed} bytes are left after dispose()`);
  t.true(idle < 100e6, `${idle} bytes are left when idle`);
});

for (const version of ['1', '2']) {
  test(`in a container of 512 MB what does not fit is an error that says what was wanted, what is there and what helps, cgroups version ${version} (fault R08)`, async (t) => {
    const { messages, small } = await run(t, 'container', version);
    t.log(messages);
    for (const message of messages) {
      t.regex(message, /no memory for .*: [\d.]+ [GM]B are needed, and [\d.]+ MB of 512\.0 MB are left\. .*(smaller|Smaller)/);
    }
    t.regex(messages[0], /a tensor of 200000000 float32 elements: 800\.0 MB are needed, and 412\.0 MB of 512\.0 MB/);
    t.is(messages.length, 3);
    t.is(small, 'whole', 'what fits is made');
  });
}

test('a synchronous loop of compiled steps that are never disposed of ends with an error that says what to do (fault R15)', async (t) => {
  const { messages, made, peak } = await run(t, 'synchronous');
  t.regex(
    messages[0],
    /no memory for the intermediate results of a step: [\d.]+ MB are needed.*smaller batch.*'bfloat16'.*recompute.* dispose\(\)/,
  );
  t.true(made > 5 && peak < bound, `${made} steps, ${peak} bytes`);
});

test('garbage is collected before something is refused (fault R08)', async (t) => {
  t.is((await run(t, 'garbage')).made, 40);
});

test('the tightest of all containers around a process counts, and files in its cache count as free (fault R08)', (t) => {
  const files: Record<string, string> = {
    '/proc/self/cgroup': '12:cpuset:/\n4:memory:/docker/abc\n0::/user/one/two\n',
    '/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': '9223372036854771712\n',
    '/sys/fs/cgroup/memory/docker/memory.limit_in_bytes': '1000000\n',
    '/sys/fs/cgroup/memory/docker/memory.usage_in_bytes': '900000\n',
    '/sys/fs/cgroup/memory/docker/memory.stat': 'cache 700000\ninactive_file 5\ntotal_inactive_file 200000\ntotal_active_file 100000\n',
    '/sys/fs/cgroup/user/one/two/memory.max': 'max\n',
    '/sys/fs/cgroup/user/one/memory.max': '500000\n',
    '/sys/fs/cgroup/user/one/memory.current': '600000\n',
    '/sys/fs/cgroup/user/one/memory.stat': 'anon 1\nfile 250000\ninactive_file 100000\nactive_file 100000\nworkingset_refault_file 7\n',
  };
  const limits = containerLimits((path) => files[path] ?? null);
  t.deepEqual(
    limits.map(({ total, left }) => [total, left()]),
    [
      [1000000, 400000],
      [500000, 100000],
    ],
  );
  t.deepEqual(
    containerLimits(() => null),
    [],
  );
});
