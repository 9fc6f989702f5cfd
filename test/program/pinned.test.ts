// A step keeps to the matrix product that it began with: its workspace was measured for that one.

import test from 'ava';
import { beside, ending } from '../native/child.js';

test('setReproducible() in the middle of a step counts from the next one', async (t) => {
  const script = beside(import.meta.url, 'pinned.child.js');
  const { code, signal, stdout, stderr } = await ending(script, { env: { NODEGRAD_GEMM: 'openblas' } });
  t.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
  const { once, changed } = JSON.parse(stdout);
  t.deepEqual({ once, changed }, { once: true, changed: true });
});
