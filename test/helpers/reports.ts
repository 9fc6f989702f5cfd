// Runs with logs for tests of reports, in a folder that goes away.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Callback, type FitOptions, type History, SGD, type Sequential } from '../../lib/index.js';
import { loss, makeModel, points } from './training.js';

/** Runs a test in a folder of its own. */
export async function inFolder<T>(use: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-report-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Observes, and does nothing else. */
export const observer: Partial<Callback> = { onObserve: () => undefined };

/** Four epochs of 16 steps on points in the plane, with a log in `folder`. */
export function train(
  folder: string,
  { lr = 0.1, model = makeModel(), ...options }: Partial<FitOptions> & { lr?: number; model?: Sequential } = {},
): Promise<History> {
  return model.fit(points(512), {
    loss,
    optimizer: new SGD(model, { lr }),
    epochs: 4,
    seed: 1,
    validation: points(128, 2),
    progress: false,
    runDir: folder,
    ...options,
  });
}
