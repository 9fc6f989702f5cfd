// Takes memory in loops, and in a container that is only said to be one. Prints how much more the process took than at the start.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { Tensor } from '../../lib/index.js';

declare const gc: () => void;
const [mode, version] = process.argv.slice(2);

if (['container', 'garbage', 'synchronous'].includes(mode)) {
  const { readFileSync } = fs;
  const group = version === '1' ? '/sys/fs/cgroup/memory/box' : '/sys/fs/cgroup/box';
  const total = 512e6;
  // With garbage the process is measured as it is, against a limit 300 MB above what it takes now.
  const begin = process.memoryUsage.rss();
  const used = (): number => (mode !== 'container' ? total - 300e6 + process.memoryUsage.rss() - begin : 150e6);
  const cached = mode === 'container' ? 25e6 : 0;
  const files: Record<string, () => string> = {
    '/proc/self/cgroup': () => (version === '1' ? '5:memory:/box\n' : '0::/box\n'),
    [`${group}/memory.max`]: () => `${total}\n`,
    [`${group}/memory.limit_in_bytes`]: () => `${total}\n`,
    [`${group}/memory.current`]: () => `${used()}\n`,
    [`${group}/memory.usage_in_bytes`]: () => `${used()}\n`,
    [`${group}/memory.stat`]: () =>
      `inactive_file ${cached}\nactive_file ${cached}\ntotal_inactive_file ${cached}\ntotal_active_file ${cached}\n`,
  };
  fs.readFileSync = ((path: string, ...rest: []) => files[path]?.() ?? readFileSync(path, ...rest)) as typeof readFileSync;
  syncBuiltinESMExports();
}

const { Adam, Buffer, compileStep, exp, Linear, ones, zeros } = await import('../../lib/index.js');

const start = process.memoryUsage.rss();
let peak = 0;
let taken = 0;
const look = (bytes: number): void => {
  peak = Math.max(peak, process.memoryUsage.rss() - start);
  taken += bytes;
};
const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const w = ones([64, 64]);
const makeStep = () => compileStep((x: Tensor) => exp(x.mul(2)).matmul(w).sum());

switch (mode) {
  case 'models':
    for (let i = 0; i < 220; i++) {
      new Linear(1024, 1024).forward(ones([1, 1024]));
      look(2 ** 22);
    }
    console.log(JSON.stringify({ peak, taken }));
    break;
  case 'buffers':
    for (let i = 0; i < 2200; i++) {
      new Buffer([10_000, 10]).data.fill(1);
      look(4e5);
    }
    console.log(JSON.stringify({ peak, taken }));
    break;
  case 'optimizers': {
    for (let i = 0; i < 60; i++) {
      const model = new Linear(1024, 1024);
      const optimizer = new Adam(model);
      model
        .forward(ones([1, 1024]))
        .sum()
        .backward();
      optimizer.step();
      look(2 ** 24);
    }
    console.log(JSON.stringify({ peak, taken }));
    break;
  }
  case 'steps':
    for (let i = 0; i < 60; i++) {
      await makeStep()(ones([32768, 64]));
      look(2 ** 24); // the arena; the arguments are collected by V8 itself
    }
    console.log(JSON.stringify({ peak, taken }));
    break;
  case 'synchronous': {
    const messages: string[] = [];
    // Made once: else what is left may be too little for the argument, and not for the step.
    const x = ones([32768, 64]);
    let made = 0;
    for (; made < 60 && messages.length === 0; made++) {
      try {
        makeStep().sync(x);
      } catch (error) {
        messages.push((error as Error).message);
      }
      look(2 ** 24);
    }
    console.log(JSON.stringify({ messages, made, peak }));
    break;
  }
  case 'queued': {
    const step = makeStep();
    const x = ones([32768, 64]);
    const wave = () => Promise.all(Array.from({ length: 60 }, () => step(x)));
    await step(x);
    await settle();
    const before = process.memoryUsage.rss();
    await wave();
    step.dispose();
    await settle();
    const disposed = process.memoryUsage.rss() - before;
    await wave();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await settle();
    console.log(JSON.stringify({ disposed, idle: process.memoryUsage.rss() - before }));
    break;
  }
  case 'container': {
    const messages: string[] = [];
    const refused = (make: () => unknown): void => {
      try {
        make();
        messages.push('made');
      } catch (error) {
        messages.push((error as Error).message);
      }
    };
    refused(() => zeros([2e8]));
    refused(() => new Linear(30_000, 10_000).weight.data);
    refused(() => compileStep((x: Tensor) => x.matmul(x.transpose()).sum()).describe(ones([15_000, 1])));
    zeros([1e6]);
    console.log(JSON.stringify({ messages, small: 'whole' }));
    break;
  }
  case 'garbage': {
    let made = 0;
    for (let i = 0; i < 40; i++) {
      new Buffer([100_000, 100]).data.fill(1);
      made += 1;
    }
    console.log(JSON.stringify({ made }));
    break;
  }
  default:
    throw new Error(`no such mode: ${mode}`);
}
