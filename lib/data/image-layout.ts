// Which folders of a tree of images are its parts and which its classes: found where the tree leaves no doubt, refused where it does.
import { ArgumentError, FileFormatError } from '../errors.js';
import { plural } from '../words.js';
import { type FolderFaults, someOf } from './folder-faults.js';
import { type LeftOut, LeftOutList } from './left-out.js';

/** A folder of images, and of what is not one. */
export interface Folder {
  readonly name: string;
  readonly path: string;
  readonly folders: Map<string, Folder>;
  /** Images that lie in it, by their number. */
  readonly images: number[];
  /** Why the other files in it are none, and how many. */
  readonly others: Map<string, number>;
}

/** What the caller says about the tree. */
export interface LayoutOptions {
  readonly classes?: readonly string[];
  readonly parts?: { readonly train: readonly string[]; readonly test: readonly string[] };
  /** Share of the test part where no folder is it. */
  readonly share: number;
}

/** An image's place among the examples. */
export interface Placed {
  /** Its number. */
  readonly image: number;
  readonly label: number;
}

/** Parts and classes. */
export interface Layout {
  readonly classes: string[];
  readonly train: Placed[];
  readonly test: Placed[];
  readonly leftOut: LeftOut[];
  readonly parts: PartFolders | null;
}

/** The folders that are parts, by their paths. */
export interface PartFolders {
  /** Those to train on. */
  readonly train: readonly string[];
  /** Those to test with. */
  readonly test: readonly string[];
}

/** The tree of these paths. `others` are files that are no images, with the reason; `folders` may be empty ones. */
export function folderTree(
  images: readonly string[],
  others: readonly { readonly path: string; readonly reason: string }[],
  folders: readonly string[],
): Folder {
  const make = (name: string, path: string): Folder => ({ name, path, folders: new Map(), images: [], others: new Map() });
  const root = make('', '');
  const at = (parts: readonly string[]): Folder => {
    let folder = root;
    for (const name of parts) {
      let next = folder.folders.get(name);
      if (next === undefined) folder.folders.set(name, (next = make(name, folder === root ? name : `${folder.path}/${name}`)));
      folder = next;
    }
    return folder;
  };
  for (const path of folders) at(path.split('/'));
  for (const [i, path] of images.entries()) at(path.split('/').slice(0, -1)).images.push(i);
  for (const { path, reason } of others) {
    const { others: there } = at(path.split('/').slice(0, -1));
    there.set(reason, (there.get(reason) ?? 0) + 1);
  }
  return root;
}

// ---- what names say ----

const kindOfFolder = String.raw`([-_ .]?(set|data(set)?|images?|imgs?|split|folder))?([-_ .]?\d+)?$`;
const named = {
  train: new RegExp(`^(train|training|trn)${kindOfFolder}`, 'i'),
  test: new RegExp(`^(test|testing|tst|val|valid|validation|dev|eval|evaluation|hold[-_ ]?out)${kindOfFolder}`, 'i'),
  /** Pictures of nothing in particular. */
  plain: new RegExp(
    `^(images?|imgs?|pictures?|photos?|jpe?gimages|data|unknown|unlabell?ed|unsup(ervised)?|pred(ictions?)?)${kindOfFolder}`,
    'i',
  ),
  masks: /^(masks?|labels?|annotations?|segmentations?|segmentationclass|ground[-_ ]?truth|gt|edges|depth|targets?)$/i,
};

type Part = 'train' | 'test' | 'plain' | null;

/** What the name of a folder says about it; words of it count where its content does not speak against it. */
function partOf({ name }: Folder): Part {
  for (const part of ['train', 'test', 'plain'] as const) if (named[part].test(name)) return part;
  const words = name.split(/[-_ .]/);
  for (const part of ['train', 'test', 'plain'] as const) if (words.some((word) => named[part].test(word))) return part;
  return null;
}

const isPart = ({ name }: Folder): boolean => named.train.test(name) || named.test.test(name);

// ---- counts ----

function imagesIn(folder: Folder): number[] {
  return [...folder.images, ...[...folder.folders.values()].flatMap(imagesIn)];
}

const counts = new WeakMap<Folder, number>();

function countIn(folder: Folder): number {
  let count = counts.get(folder);
  if (count === undefined) {
    count = [...folder.folders.values()].reduce((sum, one) => sum + countIn(one), folder.images.length);
    counts.set(folder, count);
  }
  return count;
}

const filled = (folder: Folder): Folder[] => [...folder.folders.values()].filter((one) => countIn(one) > 0).sort(byName);
const byName = (a: Folder, b: Folder): number => (a.name < b.name ? -1 : 1);

/** Goes down while a folder holds nothing but one folder, and that one has folders of images itself. */
function inner(folder: Folder): Folder {
  const [only, ...more] = folder.folders.values();
  return only !== undefined && more.length === 0 && folder.images.length === 0 && filled(only).length > 0 ? inner(only) : folder;
}

/** Whether a part holds folders that are classes, not just `test/test` or `val/images`. */
function hasClasses(part: Folder): boolean {
  const level = inner(part);
  const classes = filled(level);
  if (classes.length !== 1) return classes.length > 0;
  return !named.plain.test(classes[0].name) && !isPart(classes[0]) && classes[0].name !== part.name;
}

// ---- the layout ----

const classless = 'in no folder that names a class';
const notAsked = 'not of the classes that were asked for';

/**
 * Finds parts and classes.
 *
 * @throws {FileFormatError} if there are no images or no classes, a class has no image, or the tree can be read in several ways; the message
 *   shows the tree and says which option decides
 */
export function layOut(source: string, root: Folder, paths: readonly string[], options: LayoutOptions, faults: FolderFaults): Layout {
  return faults.with(() => new Arrangement(source, root, paths, options, faults).arrange());
}

class Arrangement {
  readonly #leftOut = new LeftOutList();

  constructor(
    readonly source: string,
    readonly root: Folder,
    readonly paths: readonly string[],
    readonly options: LayoutOptions,
    readonly faults: FolderFaults,
  ) {}

  arrange(): Layout {
    if (countIn(this.root) === 0) throw new FileFormatError(`${this.source}: there are no images in it${this.#seen(this.root)}`);
    const top = inner(this.root);
    const found = this.#partsOf(top);
    const levels = found === null ? [top] : found.train.map(inner);
    if (found === null) this.#checkClasses(top);
    const byClass = this.#classesOf(levels);
    const classes = this.options.classes?.slice() ?? [...byClass.keys()].sort();
    const labels = new Map(classes.map((name, i) => [name, i]));
    const place = (into: Placed[], name: string, images: readonly number[]): void => {
      for (const image of images) into.push({ image, label: labels.get(name) as number });
    };
    const train: Placed[] = [];
    const test: Placed[] = [];
    if (found !== null && found.test.length > 0) {
      for (const [name, images] of byClass) place(train, name, images);
      const held = this.#testClasses(found.test.map(inner), labels);
      for (const [name, images] of held) place(test, name, images);
      for (const name of classes) if (!held.has(name)) this.#leftOut.remark(name, 'the test part has no image of this class');
    } else {
      for (const [name, images] of byClass) {
        const [kept, held] = dealOut(images, this.options.share);
        place(train, name, kept);
        place(test, name, held);
        if (images.length === 1 && this.options.share > 0)
          this.#leftOut.remark(name, 'a class of one image: it is trained on, and none is for testing');
      }
    }
    const inOrder = (a: Placed, b: Placed): number => a.image - b.image;
    return { classes, train: train.sort(inOrder), test: test.sort(inOrder), leftOut: this.#leftOut.list, parts: pathsOf(found) };
  }

  // ---- parts ----

  #partsOf(top: Folder): { train: Folder[]; test: Folder[] } | null {
    const { parts, classes } = this.options;
    if (parts !== undefined) {
      const train = parts.train.map((path) => this.#find(path));
      const test = parts.test.map((path) => this.#find(path));
      this.#leaveOutRest([...train, ...test]);
      return { train, test };
    }
    if (classes?.every((name) => countOf(top.folders.get(name)) > 0)) return null;
    const folders = filled(top);
    const train = folders.filter((one) => partOf(one) === 'train');
    const test = folders.filter((one) => partOf(one) === 'test');
    if (train.length === 0) {
      if (test.length > 1 && test.every((one) => isPart(one) && hasClasses(one)))
        throw this.#doubt(`${list(test)} look like parts, and none is to train on`);
      return null;
    }
    const rest = folders.filter((one) => !train.includes(one) && !test.includes(one));
    if (!train.some(hasClasses)) {
      // A class may be called `train`, beside `bus` and `tram`; two parts without classes are another matter.
      if (train.some(isPart) && test.some(isPart))
        throw this.#doubt(`${list([...train, ...test])} hold images, but no folders for their classes`);
      return null;
    }
    const strange = rest.filter((one) => (test.length === 0 && partOf(one) !== 'plain') || hasClasses(one));
    if (strange.length > 0) throw this.#doubt(`${list(train)} may be the part to train on, or a class beside ${list(strange)}`);
    const bare = [...train, ...test].filter((one) => !hasClasses(one));
    this.#leaveOut([...top.images, ...[...rest, ...bare].flatMap(imagesIn)], classless);
    return { train: train.filter(hasClasses), test: test.filter(hasClasses) };
  }

  #find(path: string): Folder {
    let folder: Folder | undefined = this.root;
    for (const part of path.split('/').filter((one) => one !== '' && one !== '.')) folder = folder?.folders.get(part);
    if (folder === undefined || countIn(folder) === 0)
      throw new ArgumentError(
        `there is no folder of images ${JSON.stringify(path)} in ${this.source}, which \`parts\` names${this.#seen(this.root)}`,
      );
    return folder;
  }

  #leaveOutRest(parts: readonly Folder[]): void {
    const inParts = new Set(parts.flatMap(imagesIn));
    this.#leaveOut(
      imagesIn(this.root).filter((image) => !inParts.has(image)),
      'in none of the parts',
    );
  }

  // ---- classes ----

  /** Refuses what looks like something else than folders of classes. */
  #checkClasses(top: Folder): void {
    if (this.options.classes !== undefined) return;
    const folders = filled(top);
    const loose = top.images.length;
    const sorted = folders.reduce((sum, one) => sum + countIn(one), 0);
    if (folders.length === 0 || loose > sorted)
      throw new FileFormatError(
        `${this.source}: ${this.paths[top.images[0]]} is in no folder, which would name its class (it is one of ${loose})${this.#seen(top)}`,
      );
    const isMask = ({ name }: Folder): boolean => named.masks.test(name);
    if (folders.length > 1 && folders.some(isMask) && folders.every((one) => isMask(one) || named.plain.test(one.name)))
      throw this.#doubt(`${list(folders)} look like pictures and what belongs to each, not like classes`);
    for (const [i, one] of folders.entries()) {
      if (one.images.length > 0) continue;
      for (const other of folders.slice(i + 1)) {
        const shared = filled(one).filter(({ name }) => countOf(other.folders.get(name)) > 0);
        if (other.images.length === 0 && shared.length > 1)
          throw this.#doubt(`${list([one, other])} hold the same folders (${list(shared)}): either may be the classes`);
      }
    }
  }

  /** The images of each class, in the order of their names. */
  #classesOf(levels: readonly Folder[]): Map<string, number[]> {
    const found = new Map<string, number[]>();
    const empty: Folder[] = [];
    for (const level of levels) {
      this.#leaveOut(level.images, classless);
      for (const folder of [...level.folders.values()].sort(byName)) {
        if (this.options.classes !== undefined && !this.options.classes.includes(folder.name)) this.#leaveOut(imagesIn(folder), notAsked);
        else if (countIn(folder) === 0) empty.push(folder);
        else found.set(folder.name, [...(found.get(folder.name) ?? []), ...imagesIn(folder)]);
      }
    }
    const missing = this.options.classes?.find((name) => !found.has(name));
    if (missing !== undefined && !empty.some(({ name }) => name === missing))
      throw new ArgumentError(
        `there is no folder ${JSON.stringify(missing)} in ${this.source}, which \`classes\` names${this.#seen(this.root)}`,
      );
    const lacking = empty
      .filter(({ name }) => !found.has(name))
      .map((one) => `the folder ${one.path} holds no image that can be read (${contents(one)})`);
    if (lacking.length > 0)
      this.#fault(
        `${someOf(lacking)}. Take it away, put images in it, or name the folders that are classes with \`classes\` (--classes): a class that is left out would change the numbers of the others`,
      );
    for (const images of found.values()) images.sort((a, b) => a - b);
    return found;
  }

  #testClasses(levels: readonly Folder[], labels: ReadonlyMap<string, number>): Map<string, number[]> {
    const held = new Map<string, number[]>();
    const strange: string[] = [];
    for (const level of levels) {
      this.#leaveOut(level.images, classless);
      for (const folder of filled(level)) {
        const images = imagesIn(folder);
        if (labels.has(folder.name)) held.set(folder.name, [...(held.get(folder.name) ?? []), ...images]);
        else if (this.options.classes !== undefined) this.#leaveOut(images, notAsked);
        else strange.push(this.paths[images[0]]);
      }
    }
    if (strange.length > 0) this.#fault(`${someOf(strange)} is of a class without training images${this.#seen(this.root)}`);
    return held;
  }

  #leaveOut(images: readonly number[], reason: string): void {
    for (const image of images) this.#leftOut.add(this.paths[image], reason);
  }

  // ---- words ----

  #doubt(problem: string): FileFormatError {
    return new FileFormatError(
      `${this.source}: ${problem}. Say which folders are parts with \`parts\` ({ train: 'train', test: 'val' }) or which are classes with ` +
        `\`classes\` (--classes), or name the folder that holds the class folders as the path${this.#seen(this.root)}`,
    );
  }

  #fault(problem: string): void {
    this.faults.add(new FileFormatError(`${this.source}: ${problem}`));
  }

  #seen(folder: Folder): string {
    return `. It holds\n${treeLines(folder).join('\n')}`;
  }
}

const pathsOf = (found: { train: Folder[]; test: Folder[] } | null): PartFolders | null =>
  found && { train: found.train.map(({ path }) => path), test: found.test.map(({ path }) => path) };

const countOf = (folder: Folder | undefined): number => (folder === undefined ? 0 : countIn(folder));

function list(folders: readonly Folder[]): string {
  const names = folders.slice(0, 4).map(({ name }) => name);
  if (folders.length > 4) return `${names.join(', ')} and ${folders.length - 4} more`;
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** What is in a folder, in words. */
function contents(folder: Folder): string {
  const others = new Map<string, number>();
  const gather = (one: Folder): void => {
    for (const [reason, count] of one.others) others.set(reason, (others.get(reason) ?? 0) + count);
    for (const below of one.folders.values()) gather(below);
  };
  gather(folder);
  const parts = [...others].map(([reason, count]) => `${plural(count, 'file')}: ${reason}`);
  const images = countIn(folder);
  if (images > 0) parts.unshift(plural(images, 'image'));
  return parts.length === 0 ? 'nothing' : parts.join('; ');
}

const mostLines = 8;

/** The tree in a few indented lines. */
export function treeLines(folder: Folder, indent = '  ', depth = 3): string[] {
  const lines: string[] = [];
  const here = { ...folder, folders: new Map() };
  if (folder.images.length > 0 || folder.others.size > 0 || folder.folders.size === 0) lines.push(`${indent}${contents(here)}`);
  const folders = [...folder.folders.values()].sort(byName);
  for (const one of folders.slice(0, mostLines)) {
    if (one.folders.size === 0 || depth === 1) lines.push(`${indent}${one.name}: ${contents(one)}`);
    else lines.push(`${indent}${one.name}:`, ...treeLines(one, `${indent}  `, depth - 1));
  }
  if (folders.length > mostLines) lines.push(`${indent}and ${folders.length - mostLines} more folders`);
  return lines;
}

/** Gives `share` of a class to the second part, evenly spread: at least one image to each part, where there are two. */
function dealOut(images: readonly number[], share: number): [number[], number[]] {
  const dealt: [number[], number[]] = [[], []];
  const count = images.length;
  const asked = Math.floor(count * share);
  const held = share === 0 ? 0 : Math.min(Math.max(asked, 1), count - 1);
  for (const [i, image] of images.entries()) {
    const isHeld =
      held === asked
        ? Math.floor((i + 1) * share) > Math.floor(i * share)
        : Math.floor(((i + 1) * held) / count) > Math.floor((i * held) / count);
    dealt[isHeld ? 1 : 0].push(image);
  }
  return dealt;
}
