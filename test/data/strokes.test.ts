// Proves lib/data/strokes.ts: ten digits, each with several ways to write it, every stroke drawable.
import test from 'ava';
import { GLYPHS } from '../../lib/data/strokes.js';

test('there are ten digits with at least three ways each, and every point lies in the unit square', (t) => {
  t.is(GLYPHS.length, 10);
  for (const [digit, ways] of GLYPHS.entries()) {
    t.true(ways.length >= 3, `digit ${digit}`);
    for (const { weight, width, strokes } of ways) {
      t.true(Number.isInteger(weight) && weight > 0 && width > 0.4 && width < 1);
      for (const stroke of strokes) {
        t.true(stroke.length % 2 === 0 && stroke.length >= 4 && stroke.length <= 64, `digit ${digit}`);
        t.true(stroke.every((value) => value >= 0 && value <= 1));
      }
      const heights = strokes.flatMap((stroke) => stroke.filter((_, i) => i % 2 === 1));
      t.true(Math.max(...heights) - Math.min(...heights) > 0.88, `digit ${digit} fills its height`);
    }
  }
});
