// A table of houses in a folder of its own, for commands.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Seeded } from './seeded.js';

const factors: Record<string, number> = { Bonn: 1.3, Köln: 1.6, Ulm: 1 };

/** Houses whose price follows from area, rooms, garden and city, with columns that say nothing. */
export function houses(t: ExecutionContext, rows = 400): string {
  const random = new Seeded(7);
  const lines = ['id,rooms,area,city,note,garden,country,price'];
  for (let i = 1; i <= rows; i++) {
    const rooms = 1 + random.integer(7);
    const area = rooms * 22 + 10 * random.next();
    const city = Object.keys(factors)[random.integer(3)];
    const garden = ['yes', 'no', ''][random.integer(3)];
    const price = Math.round((2000 * area + 15_000 * rooms + (garden === 'yes' ? 20_000 : 0)) * factors[city]);
    lines.push(`${i},${random.next() < 0.05 ? '' : rooms},${area.toFixed(1)},${city},"text ${i}, or so",${garden},DE,${price}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-cli-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'houses.csv'), `${lines.join('\n')}\n`);
  return folder;
}
