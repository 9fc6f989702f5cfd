// The images below a folder or in archives, told from other files by name or first bytes.
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AbortedError } from '../errors.js';
import { headBytes, listTar, readMembers } from '../io/tar.js';
import type { EncodedImage } from './decode.js';
import { type FoundFile, isHidden } from './folder-files.js';
import { type Formats, isArchive, isImageName, isOtherName, noImage, whyNoImage } from './image-kinds.js';
import type { LeftOutList } from './left-out.js';
import { loadSharp } from './sharp.js';

/** Where an image lies: in a file, or in a member of an archive. */
export interface Found {
  readonly path: string;
  readonly file: FoundFile;
  readonly member: number | null;
}

/** What {@link findImages} finds. */
export interface Images {
  /** In the order of their paths. */
  readonly images: Found[];
  readonly others: { path: string; reason: string }[];
  readonly folders: string[];
}

/** Tells images from other files, in folders and in archives. */
export async function findImages(
  path: string,
  files: readonly FoundFile[],
  folders: readonly string[],
  signal: AbortSignal | undefined,
  leftOut: LeftOutList,
): Promise<Images> {
  const formats = (await loadSharp()).format as unknown as Formats;
  const found: Images = { images: [], others: [], folders: [...folders] };
  const other = (name: string, reason: string): void => {
    found.others.push({ path: name, reason });
    // One line for all that is no image, and never was meant to be one.
    leftOut.add(name, reason, reason === noImage ? '' : undefined);
  };
  for (const file of files) {
    if (signal?.aborted) throw new AbortedError('loading images was stopped', { cause: signal.reason });
    const { path: relative, place } = file;
    if (isArchive(relative === '' ? path : relative)) {
      if (relative !== '' && found.folders.includes(folderOf(relative))) {
        leftOut.add(relative, 'an archive beside a folder, or another archive, of its name');
        continue;
      }
      await findInArchive(file, relative === '' ? path : join(path, relative), formats, signal, found, other, leftOut);
      continue;
    }
    const why = isImageName(relative) ? null : whyNoImage(relative, isOtherName(relative) ? new Uint8Array(0) : await headOf(place), formats);
    if (why === null) found.images.push({ path: relative, file, member: null });
    else other(relative, why);
  }
  found.images.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return found;
}

/** An archive stands for the folder of its name. */
const folderOf = (archive: string): string => archive.replace(/\.(tar|tar\.gz|tgz)$/i, '');

async function findInArchive(
  file: FoundFile,
  name: string,
  formats: Formats,
  signal: AbortSignal | undefined,
  found: Images,
  other: (path: string, reason: string) => void,
  leftOut: LeftOutList,
): Promise<void> {
  const prefix = file.path === '' ? '' : `${folderOf(file.path)}/`;
  const listing = await listTar(name, (member) => !isImageName(member) && !isOtherName(member) && !isHidden(member), { signal });
  for (const folder of listing.folders) if (!isHidden(folder)) found.folders.push(`${prefix}${folder}`);
  if (prefix !== '') found.folders.push(prefix.slice(0, -1));
  for (const { path, reason } of listing.leftOut) if (!isHidden(path)) leftOut.add(`${prefix}${path}`, reason);
  const taken = new Set<number>();
  // As in folders: a symbolic link counts where it leads to what is not there without it.
  const isSymbolic = ({ link }: { link: string | null }): boolean => link !== null;
  for (const one of [...listing.files.filter((each) => !isSymbolic(each)), ...listing.files.filter(isSymbolic)]) {
    if (isHidden(one.path)) continue;
    const why = isImageName(one.path) ? null : whyNoImage(one.path, one.head ?? new Uint8Array(0), formats);
    if (why !== null) other(`${prefix}${one.path}`, why);
    else if (isSymbolic(one) && taken.has(one.member)) leftOut.add(`${prefix}${one.path}`, 'a symbolic link to a file that is read without it');
    else {
      taken.add(one.member);
      found.images.push({ path: `${prefix}${one.path}`, file, member: one.member });
    }
  }
}

/** The first bytes of a file; none where it cannot be read. */
async function headOf(place: string | Buffer): Promise<Uint8Array> {
  const head = new Uint8Array(headBytes);
  try {
    const file = await open(place, 'r');
    try {
      return head.subarray(0, (await file.read(head, 0, headBytes, 0)).bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return head.subarray(0, 0);
  }
}

/** The files of images that are wanted, archive by archive. */
export async function* encodedImages(path: string, images: readonly Found[], signal: AbortSignal | undefined): AsyncGenerator<EncodedImage> {
  const packed = new Map<FoundFile, Map<number, string[]>>();
  for (const { path: name, file, member } of images) {
    if (member === null) yield { path: name, data: () => readFile(file.place) };
    else {
      const members = packed.get(file) ?? new Map<number, string[]>();
      members.set(member, [...(members.get(member) ?? []), name]);
      packed.set(file, members);
    }
  }
  for (const [file, members] of packed) {
    const name = file.path === '' ? path : join(path, file.path);
    for await (const { path: entry, data } of readMembers(name, members, { signal })) yield { path: entry, data: async () => data };
  }
}
