// Fetching a file whose content is known: mirrors in turn, a size cap, a SHA-256 of what it unpacks to, and an atomic rename.
import { createHash, randomUUID } from 'node:crypto';
import { open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { AbortedError, ArgumentError, expected, NetworkError } from '../errors.js';
import { syncFile } from '../io/atomic.js';
import { makeFolder } from '../io/folders.js';
import { ProgressBar, type ProgressOption, formatBytes } from '../progress.js';

/** A file on the mirrors, known by what it unpacks to. */
export interface RemoteFile {
  /** Its name on the mirrors, ending in `.gz`. */
  readonly name: string;
  /** Size in bytes after unpacking. */
  readonly size: number;
  /** SHA-256 after unpacking, in hexadecimal; how a mirror packed it does not matter. */
  readonly sha256: string;
}

/** How far a download is. */
export interface DownloadProgress {
  /** Name of the file. */
  readonly file: string;
  /** Where it comes from. */
  readonly url: string;
  /** Bytes received so far. */
  readonly received: number;
  /** Bytes in all, where the mirror says so. */
  readonly total: number | null;
}

/** Options of a download. */
export interface DownloadOptions {
  /** A bar on a terminal. */
  readonly progress?: ProgressOption;
  /** Called for every piece that arrives. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Stops the download; the promise is rejected with an `AbortedError`. */
  readonly signal?: AbortSignal;
  /** Milliseconds of silence after which a mirror is given up; default 30,000. */
  readonly stallTimeout?: number;
}

const unzip = promisify(gunzip);

/**
 * Downloads one file from the first mirror that delivers the right content into `folder` and returns its path. Nothing appears under
 * its name before it was verified and written to the disk.
 *
 * @throws {NetworkError} if no mirror delivered; the message says what each one did
 * @throws {AbortedError} if the signal stopped it
 * @throws {ArgumentError} if the folder cannot be written
 */
export async function download(file: RemoteFile, mirrors: readonly string[], folder: string, options: DownloadOptions = {}): Promise<string> {
  const failures: string[] = [];
  for (const mirror of mirrors) {
    const url = new URL(file.name, mirror.endsWith('/') ? mirror : `${mirror}/`);
    const body = await receive(url, file, options);
    const content = typeof body === 'string' ? body : await verify(body, file);
    if (typeof content === 'string') {
      failures.push(`${url.href}: ${content}`);
      continue;
    }
    return store(content.packed ? file.name : file.name.replace(/\.gz$/, ''), body as Uint8Array, folder);
  }
  throw new NetworkError(`${file.name} could not be downloaded:\n${failures.map((failure) => `  ${failure}\n`).join('')}`.trimEnd());
}

/** The body, or what went wrong in words. */
async function receive(url: URL, file: RemoteFile, options: DownloadOptions): Promise<Uint8Array | string> {
  const { progress, onProgress, signal, stallTimeout = 30_000 } = options;
  const bar = new ProgressBar(progress, `downloading ${file.name}`, null, formatBytes);
  const stall = new AbortController();
  // Not AbortSignal.any: it refuses signals of other realms.
  const follow = (): void => stall.abort();
  if (signal?.aborted) follow();
  signal?.addEventListener('abort', follow);
  let timer = setTimeout(() => stall.abort(), stallTimeout);
  let listenerFailed = false;
  const limit = file.size + 65536; // packed is smaller than unpacked, apart from a few bytes per block
  const pieces: Uint8Array[] = [];
  let received = 0;
  try {
    const response = await fetch(url, { signal: stall.signal });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      return `the server answered ${response.status} ${response.statusText}`.trimEnd();
    }
    const declared = response.headers.get('content-length');
    // Of a body that fetch itself unpacks, the header tells the packed length.
    const total = declared === null || response.headers.has('content-encoding') ? null : Number(declared);
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      timer = setTimeout(() => stall.abort(), stallTimeout);
      pieces.push(piece);
      received += piece.length;
      bar.total = total;
      bar.update(received);
      if (received > limit) return `the server sent more than ${limit} bytes, the file has ${file.size}`;
      if (onProgress !== undefined) {
        listenerFailed = true;
        onProgress({ file: file.name, url: url.href, received, total });
        listenerFailed = false;
      }
    }
    return Buffer.concat(pieces);
  } catch (error) {
    if (listenerFailed) throw error;
    if (signal?.aborted) throw new AbortedError(`the download of ${file.name} was stopped`, { cause: error });
    if (stall.signal.aborted) return `no answer for ${stallTimeout} ms after ${received} bytes`;
    const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
    return `${cause?.code ?? cause?.message ?? message}${received > 0 ? ` after ${received} bytes` : ''}`;
  } finally {
    bar.end();
    clearTimeout(timer);
    signal?.removeEventListener('abort', follow);
  }
}

/** Whether the body is gzip and holds the right content, or what is wrong with it in words. */
async function verify(body: Uint8Array, file: RemoteFile): Promise<{ packed: boolean } | string> {
  const packed = body[0] === 0x1f && body[1] === 0x8b;
  let content = body;
  if (packed) {
    try {
      content = await unzip(body, { maxOutputLength: file.size });
    } catch (error) {
      return `the ${body.length} bytes received are not the right gzip file (${(error as Error).message})`;
    }
  }
  const digest = createHash('sha256').update(content).digest('hex');
  if (digest !== file.sha256)
    return `wrong content: SHA-256 ${digest} of ${content.length} unpacked bytes, expected ${file.sha256} of ${file.size}`;
  return { packed };
}

async function store(name: string, bytes: Uint8Array, folder: string): Promise<string> {
  const path = join(folder, name);
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    makeFolder(folder);
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(bytes);
      await syncFile(handle);
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(folder);
    return path;
  } catch (error) {
    await unlink(temporary).catch(() => {});
    const reason = `The system says ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
    throw new ArgumentError(expected('a folder that can be written', 'dir', folder, reason), { cause: error });
  }
}

/** Makes a rename survive a power cut; some systems cannot open folders, and there it is done without. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await syncFile(handle);
    } finally {
      await handle.close();
    }
  } catch {
    // not supported here
  }
}
