// A folder of photographs that one colour tells apart.

import type { ExecutionContext } from 'ava';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';

const hues = { green: 1, red: 0 };

/** A folder in which `photos/green` and `photos/red` hold so many images each, of several sizes; it is gone after the test. */
export async function photographs(t: ExecutionContext, perClass = 20): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-photos-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, hue] of Object.entries(hues)) {
    mkdirSync(join(folder, 'photos', name), { recursive: true });
    for (let n = 0; n < perClass; n++) {
      const [width, height] = [12 + (n % 5), 12 + (n % 3)];
      const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i % 3 === hue ? 120 + 5 * n : (i * 7 + n * 13) % 90));
      await sharp(pixels, { raw: { width, height, channels: 3 } })
        .jpeg({ quality: 95 })
        .toFile(join(folder, 'photos', name, `${n}.jpg`));
    }
  }
  return folder;
}
