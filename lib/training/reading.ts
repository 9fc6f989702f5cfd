// A pass over data: how far it is, and that data which are read as a stream are let go again, at its end or at once when its signal fires.

import type { AnyLoader } from '../data/loader.js';
import { ProgressBar, type ProgressOption } from '../progress.js';
import type { TensorTree } from '../tree.js';

/** Runs `body`; what the loader reads from is closed when it is over, or when the signal fires: a source that is silent for ever holds nobody up. */
export async function reading<R>(loader: AnyLoader, signal: AbortSignal | undefined, body: () => Promise<R>): Promise<R> {
  const close = (): void => loader.close();
  signal?.addEventListener('abort', close, { once: true });
  try {
    return await body();
  } finally {
    signal?.removeEventListener('abort', close);
    close();
  }
}

type Use<R> = (result: R, examples: number, targets: () => TensorTree) => void;

/** The same for a pass whose results go to `use`: a bar says how many examples have been. */
export async function watched<R>(
  loader: AnyLoader,
  { abort, progress, title }: { readonly abort?: AbortSignal; readonly progress?: ProgressOption; readonly title: string },
  use: Use<R>,
  pass: (follow: Use<R>) => Promise<void>,
): Promise<void> {
  const bar = new ProgressBar(progress, `${title} ${loader.dataset.name}`, loader.dataset.length);
  let seen = 0;
  try {
    await reading(loader, abort, () =>
      pass((result, examples, targets) => {
        use(result, examples, targets);
        seen += examples;
        bar.update(seen);
      }),
    );
  } finally {
    bar.end();
  }
}
