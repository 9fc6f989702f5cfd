// Data that are read as a stream are let go again: at the end of a run, or at once when its signal fires.

import type { AnyLoader } from '../data/loader.js';

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
