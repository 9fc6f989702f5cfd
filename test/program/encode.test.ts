// A program is refused before it can touch memory that is not its own.

import test from 'ava';
import { encode } from '../../lib/program/encode.js';
import { Lister } from './passes/lists.js';

test('an instruction that uses more of a memory than there is ends the recording, whatever pass was wrong', (t) => {
  const l = new Lister();
  const y = l.temporary(3);
  l.run('neg', [y], [l.external(3)]);
  const plan = { arenaBytes: 64, offsets: l.buffers.map(() => 0), sumBytes: 64 };
  const code = (size: number): unknown => {
    const instructions = l.instructions.map((one) => ({ ...one, operands: [{ ...y, size }, ...one.operands.slice(1)] }));
    return encode({ ...l.list(), instructions, inputs: [], live: [] } as never, plan, []);
  };
  t.notThrows(() => code(3));
  t.throws(() => code(4), { code: 'ERR_NATIVE', message: 'an instruction uses 4 elements of memory 0, which has 3' });
});
