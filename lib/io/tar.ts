// Tar archives, plain or gzip, read as a stream without trusting them: files and links to files, nothing is ever written to a disk.
import { AbortedError, checkInteger, checkOptions, FileFormatError } from '../errors.js';
import { checkPath } from './atomic.js';
import { nameOf } from './names.js';
import {
  block,
  checkEntryPath,
  type Extension,
  type Header,
  kindOfMember,
  linkedPath,
  oldSparse,
  paxSparse,
  readHeader,
  readPax,
  type Sparse,
  upToZero,
} from './tar-header.js';
import { openArchive, Source } from './tar-source.js';

/** A file of an archive. */
export interface TarEntry {
  /** Its path: parts with `/` between, none of them empty, `.` or `..`. */
  readonly path: string;
  /** Its content, which belongs to the caller. */
  readonly data: Uint8Array;
}

/** Options of {@link readTar}. */
export interface TarOptions {
  /** Largest file in bytes; default 256 MiB. */
  readonly maxEntryBytes?: number;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/** A file of an archive as {@link listTar} finds it. */
export interface TarFile {
  readonly path: string;
  /** The number of the member that holds its content: links have that of the file to which they lead. */
  readonly member: number;
  /** The path of that file, where this is a symbolic link to it. */
  readonly link: string | null;
  /** Its first bytes, where they were asked for. */
  readonly head: Uint8Array | null;
}

/** What is in an archive. */
export interface TarListing {
  readonly files: TarFile[];
  readonly folders: string[];
  /** What is neither a file nor a folder, nor leads to a file. */
  readonly leftOut: { readonly path: string; readonly reason: string }[];
}

const longestName = 1 << 16;
/** The holes of a sparse file stand in it. */
const longestPax = 1 << 22;

/**
 * The files of a tar archive, one after the other: only the one in hand is in memory. Hard links, and symbolic links that stay inside of
 * the archive, come last, with the content of the file that they lead to; a path that occurs twice comes twice, and the later one is meant.
 * Understands ustar, GNU and pax, sparse files included.
 *
 * @throws {FileFormatError} if the archive is damaged or cut off, a file is too large, or a path is absolute or leads out of the archive
 * @throws {ArgumentError} if the file cannot be read
 */
export async function* readTar(path: string, options: TarOptions = {}): AsyncGenerator<TarEntry, void, undefined> {
  const links = new Links();
  for await (const member of membersOf(path, options)) {
    links.add(member, null);
    if (member.kind === 'file') yield { path: member.path, data: await member.read() };
  }
  const wanted = new Map<number, string[]>();
  for (const file of links.resolve().files) if (file.isLink) wanted.set(file.member, [...(wanted.get(file.member) ?? []), file.path]);
  if (wanted.size > 0) yield* readMembers(path, wanted, options);
}

/**
 * What is in an archive, in one pass that keeps no content.
 *
 * @param wantsHead - Whether the first bytes of a file are wanted.
 */
export async function listTar(path: string, wantsHead: (path: string) => boolean, options: TarOptions = {}): Promise<TarListing> {
  const links = new Links();
  for await (const member of membersOf(path, options))
    links.add(member, member.kind === 'file' && wantsHead(member.path) ? (await member.read()).slice(0, headBytes) : null);
  return links.resolve();
}

/** As much as is needed to tell what a file is. */
export const headBytes = 64;

/** The contents of members by their number, each under the paths that are wanted for it. */
export async function* readMembers(
  path: string,
  wanted: ReadonlyMap<number, readonly string[]>,
  options: TarOptions = {},
): AsyncGenerator<TarEntry, void, undefined> {
  let found = 0;
  for await (const member of membersOf(path, options)) {
    const paths = wanted.get(member.number);
    if (paths === undefined) continue;
    found += 1;
    const data = await member.read();
    for (const [i, name] of paths.entries()) yield { path: name, data: i === 0 ? data : data.slice() };
    if (found === wanted.size) return;
  }
  throw new FileFormatError(`${path}: the archive became shorter while it was read`);
}

// ---- links ----

/** Sorts members into files and what leads to them. */
class Links {
  readonly #files = new Map<string, TarFile & { isLink: boolean }>();
  readonly #symbolic = new Map<string, string>();
  readonly #folders = new Set<string>();
  readonly #leftOut: TarListing['leftOut'] = [];

  add({ kind, path, link, number }: Member, head: Uint8Array | null): void {
    // The later member of a path takes the place of the earlier one, as it does when an archive is unpacked.
    if (kind === 'file') this.#put(path, { path, member: number, link: null, head, isLink: false });
    else if (kind === 'folder') this.#folders.add(path);
    else if (kind === 'symbolic link') {
      this.#files.delete(path);
      this.#symbolic.set(path, link);
    } else if (kind === 'hard link') {
      const target = linkedPath('', link) ?? '';
      const [file, further] = [this.#files.get(target), this.#symbolic.get(target)];
      if (file !== undefined) this.#put(path, { ...file, path, isLink: true });
      else if (further !== undefined) this.#symbolic.set(path, further);
      else this.#leftOut.push({ path, reason: `a hard link to ${link}, which is not before it in the archive` });
    } else this.#leftOut.push({ path, reason: kind });
  }

  #put(path: string, file: TarFile & { isLink: boolean }): void {
    this.#symbolic.delete(path);
    this.#files.set(path, file);
  }

  resolve(): { files: (TarFile & { isLink: boolean })[]; folders: string[]; leftOut: TarListing['leftOut'] } {
    for (const [path, link] of this.#symbolic) {
      const target = this.#follow(path);
      const file = target === null ? undefined : this.#files.get(target);
      if (file !== undefined && !this.#symbolic.has(file.path)) this.#files.set(path, { ...file, path, link: file.path, isLink: true });
      else this.#leftOut.push({ path, reason: `a symbolic link to ${link}, which is no file of the archive` });
    }
    return { files: [...this.#files.values()], folders: [...this.#folders], leftOut: this.#leftOut };
  }

  /** Where a link ends; null where it leads out, or round in circles. */
  #follow(path: string): string | null {
    let at: string | null = path;
    for (let followed = 0; followed < mostLinks && at !== null; followed++) {
      const parts: string[] = at.split('/');
      const through = parts.map((_, i) => parts.slice(0, i + 1).join('/')).find((prefix) => this.#symbolic.has(prefix));
      if (through === undefined) return at;
      const target = linkedPath(through, this.#symbolic.get(through) as string);
      at = target === null ? null : [target, ...at.slice(through.length + 1).split('/')].filter((part) => part !== '').join('/');
    }
    return null;
  }
}

const mostLinks = 40;

// ---- members ----

interface Member {
  /** From 0, extension headers not counted. */
  readonly number: number;
  readonly kind: 'file' | 'folder' | 'hard link' | 'symbolic link' | (string & {});
  readonly path: string;
  /** Where a link leads. */
  readonly link: string;
  /** The content, once, before the next member is asked for. */
  read(): Promise<Uint8Array>;
}

async function* membersOf(path: string, options: TarOptions): AsyncGenerator<Member, void, undefined> {
  checkPath(path);
  const { maxEntryBytes = 256 << 20, signal } = checkOptions<TarOptions>(options, 'options', ['maxEntryBytes', 'signal']);
  checkInteger(maxEntryBytes, 'options.maxEntryBytes', 0, 0x7fffffff);
  const source = new Source(await openArchive(path), path);
  try {
    for (let number = 0; ; number++) {
      if (signal?.aborted) throw new AbortedError(`reading ${path} was stopped`, { cause: signal.reason });
      const found = await nextHeader(source, path);
      if (found === null) return;
      const { header, extension, at } = found;
      const name = extension.path ?? header.name;
      const kind = kindOfType(header.type);
      if (kind !== 'file') {
        // Links have no data, whatever their size says: it is that of the file.
        if (kind !== 'hard link' && kind !== 'symbolic link') await source.skipPadded(header.size);
        const isNamed = kind === 'hard link' || kind === 'symbolic link';
        const own = isNamed ? checkEntryPath(name, path, at) : (linkedPath('', nameOf(name)) ?? nameOf(name));
        yield { number, kind, path: own, link: nameOf(extension.link ?? header.link), read: () => Promise.resolve(new Uint8Array(0)) };
        continue;
      }
      const content = new Content(source, header, extension, { archive: path, at, path: checkEntryPath(name, path, at), maxEntryBytes });
      await content.begin();
      yield { number, kind, path: content.path, link: '', read: () => content.read() };
      await content.skip();
    }
  } finally {
    source.close();
  }
}

function kindOfType(type: string): Member['kind'] {
  if (type === '0' || type === 'S') return 'file';
  if (type === '5') return 'folder';
  if (type === '1') return 'hard link';
  return type === '2' ? 'symbolic link' : kindOfMember(type);
}

/** The next header that is a member's, and what stands before it. */
async function nextHeader(source: Source, path: string): Promise<{ header: Header; extension: Extension; at: number } | null> {
  const extension: Extension = {};
  for (;;) {
    const at = source.at;
    const bytes = await source.take(block, true);
    if (bytes === null) {
      if (Object.keys(extension).length > 0) throw new FileFormatError(`${path}: the archive ends behind a long name, at byte ${at}`);
      return null;
    }
    if (bytes.every((byte) => byte === 0)) return null;
    const header = readHeader(bytes, path, at);
    const { type, size } = header;
    if (type === 'g') await source.skipPadded(size);
    else if ('LKxX'.includes(type)) {
      const isName = type === 'L' || type === 'K';
      if (size > (isName ? longestName : longestPax))
        throw new FileFormatError(`${path}: ${isName ? 'a name' : 'a header'} of ${size} bytes at byte ${at}`);
      const text = Buffer.from(await source.takePadded(size));
      if (type === 'L') extension.path = upToZero(text);
      else if (type === 'K') extension.link = upToZero(text);
      else readPax(text, extension);
    } else return { header, extension, at };
  }
}

/** The content of a file in the archive: taken, or passed over. */
class Content {
  readonly path: string;
  readonly #source: Source;
  readonly #header: Header;
  readonly #extension: Extension;
  readonly #where: { archive: string; at: number; path: string; maxEntryBytes: number };
  #sparse: Sparse | null = null;
  /** Bytes that follow, without padding. */
  #left: number;
  #padding: number;

  constructor(
    source: Source,
    header: Header,
    extension: Extension,
    where: { archive: string; at: number; path: string; maxEntryBytes: number },
  ) {
    this.path = where.path;
    this.#source = source;
    this.#header = header;
    this.#extension = extension;
    this.#where = where;
    this.#left = extension.size ?? header.size;
    if (!Number.isSafeInteger(this.#left)) throw this.#wrong('no size in its pax header');
    this.#padding = (block - (this.#left % block)) % block;
  }

  /** Reads what stands between header and data. */
  async begin(): Promise<void> {
    const next = async (): Promise<Buffer> => Buffer.from((await this.#source.take(block)) as Uint8Array);
    const { sparse } = this.#extension;
    if (this.#header.type === 'S') this.#sparse = await oldSparse(this.#header, { next });
    else if (sparse !== undefined) {
      const before = this.#source.at;
      this.#sparse = await paxSparse(sparse, { next });
      this.#left -= this.#source.at - before;
    }
    if (this.#sparse === null) return;
    const stored = this.#sparse.stretches.reduce((sum, { bytes }) => sum + bytes, 0);
    if (Number.isNaN(this.#sparse.size) || stored !== this.#left) throw this.#wrong('the holes of this sparse file make no sense');
  }

  async read(): Promise<Uint8Array> {
    const { maxEntryBytes, archive, at, path } = this.#where;
    const size = this.#sparse?.size ?? this.#left;
    if (size > maxEntryBytes)
      throw new FileFormatError(`${archive}: a file of ${size} bytes at byte ${at}, more than ${maxEntryBytes}: ${path}`);
    const stored = (await this.#source.take(this.#left)) as Uint8Array;
    this.#left = 0;
    if (this.#sparse === null) return stored;
    const whole = new Uint8Array(size);
    let from = 0;
    for (const { offset, bytes } of this.#sparse.stretches) {
      whole.set(stored.subarray(from, from + bytes), offset);
      from += bytes;
    }
    return whole;
  }

  /** Passes over what was not read. */
  async skip(): Promise<void> {
    await this.#source.skip(this.#left + this.#padding);
    this.#left = 0;
    this.#padding = 0;
  }

  #wrong(problem: string): FileFormatError {
    const { archive, at, path } = this.#where;
    return new FileFormatError(`${archive}: ${path}, at byte ${at}: ${problem}`);
  }
}
