// Tar archives for tests, made by hand: also such as no program would make.

/** What goes into an archive: by default a regular file. */
export interface Member {
  readonly path: string;
  readonly data?: Uint8Array;
  readonly type?: string;
  /** What the header says instead of the true size. */
  readonly size?: string;
  /** Where a link leads. */
  readonly link?: string;
  /** Of a sparse file (type S): offset and length of each stretch of data, and the length with the holes. */
  readonly sparse?: readonly number[];
  readonly realSize?: number;
}

/** A tar archive of these members in their order, with the two blocks of zeros at its end. */
export function tarOf(members: readonly Member[]): Buffer {
  const pieces = members.flatMap(({ path, data = new Uint8Array(0), type = '0', size, link, sparse, realSize = 0 }) => {
    const header = Buffer.alloc(512);
    header.write(path, 0, 100, 'utf8');
    header.write('0000644\0', 100);
    header.write(size ?? `${data.length.toString(8).padStart(11, '0')}\0`, 124, 12, 'latin1');
    header.write('        ', 148);
    header.write(type, 156);
    if (link !== undefined) header.write(link, 157, 100, 'utf8');
    header.write('ustar\x0000', 257, 'latin1');
    const more = sparse === undefined ? [] : writeSparse(header, sparse, realSize);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, ...more, Buffer.from(data), Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return Buffer.concat([...pieces, Buffer.alloc(1024)]);
}

/** The stretches in a header, and the blocks of those that it has no room for. */
function writeSparse(header: Buffer, sparse: readonly number[], realSize: number): Buffer[] {
  const digits = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
  const rest = [...sparse];
  const fill = (into: Buffer, start: number, count: number): void => {
    for (const [i, value] of rest.splice(0, 2 * count).entries()) into.write(digits(value), start + 12 * i, 'latin1');
  };
  fill(header, 386, 4);
  header[482] = rest.length > 0 ? 1 : 0;
  header.write(digits(realSize), 483, 'latin1');
  const blocks: Buffer[] = [];
  while (rest.length > 0) {
    const block = Buffer.alloc(512);
    fill(block, 0, 21);
    block[504] = rest.length > 0 ? 1 : 0;
    blocks.push(block);
  }
  return blocks;
}
