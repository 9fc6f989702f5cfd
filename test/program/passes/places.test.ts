// Who touches which bytes when: the same answer as looking at every use.

import test from 'ava';
import { Places, type Use } from '../../../lib/program/passes/places.js';
import { Seeded } from '../../helpers/seeded.js';

test('the uses of a stretch of memory in a stretch of time are those that looking at each would find, in their order', (t) => {
  const random = new Seeded(11);
  for (let round = 0; round < 60; round++) {
    const places = new Places();
    const all: Use[] = [];
    const bytes = 1 + random.integer(400);
    for (let at = 0; at < 10 + 20 * (round % 10); at++) {
      for (let operand = 0; operand <= random.integer(3); operand++) {
        const begin = random.integer(8) === 0 ? 0 : random.integer(bytes);
        const end = random.integer(8) === 0 ? bytes : Math.min(bytes, begin + 1 + random.integer(40));
        if (begin >= end) continue;
        const writes = random.integer(2) === 0;
        all.push({ at, operand, begin, end, writes, reads: !writes });
        places.add(all[all.length - 1]);
      }
    }
    for (let k = 0; k < 60; k++) {
      const [begin, from] = [random.integer(bytes), random.integer(200) - 1];
      const [end, to] = [begin + 1 + random.integer(bytes), from + random.integer(220)];
      const expected = all.filter((use) => use.at > from && use.at < to && use.begin < end && begin < use.end);
      t.deepEqual(places.between(begin, end, from, to), expected);
    }
  }
});
