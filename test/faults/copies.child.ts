// Starts drivers, queues a step on each and lets go of them. Prints how many threads there were, how many steps settled, how many are left.

import { readdirSync, readFileSync } from 'node:fs';
import '../../lib/index.js';
import { allocateShared, binding } from '../../lib/native.js';

const threads = (): number =>
  readdirSync('/proc/self/task').filter((id) => {
    try {
      return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('nodegrad driver');
    } catch {
      return false; // it ended meanwhile
    }
  }).length;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
declare const gc: () => void;

// Nothing in, nothing out, nothing to do: no arena, slots, ports or instructions.
const code = Float64Array.of(0, 0, 0, 0, 0, 0, 0);
const count = 12;
let settled = 0;
function begin(): void {
  const program = binding.createProgram(code, [], allocateShared(0, 'uint8'), undefined);
  binding.queueProgram(
    binding.startDriver(() => {
      settled += 1;
    }),
    program,
    [],
  );
}
for (let i = 0; i < count; i++) begin();
gc(); // those whose steps have not settled stay
let started = 0;
// A thread has its name a little after its start.
for (let i = 0; i < 2000 && (started < count || settled < count); i++) {
  started = Math.max(started, threads());
  await turn();
}
for (let i = 0; i < 200 && threads() > 0; i++) {
  gc();
  await turn();
}
console.log(JSON.stringify({ started, settled, left: threads() }));
