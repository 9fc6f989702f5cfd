// Tar archives for tests, made by hand: also such as no program would make.

/** What goes into an archive: by default a regular file. */
export interface Member {
  readonly path: string;
  readonly data?: Uint8Array;
  readonly type?: string;
  /** What the header says instead of the true size. */
  readonly size?: string;
}

/** A tar archive of these members in their order, with the two blocks of zeros at its end. */
export function tarOf(members: readonly Member[]): Buffer {
  const pieces = members.flatMap(({ path, data = new Uint8Array(0), type = '0', size }) => {
    const header = Buffer.alloc(512);
    header.write(path, 0, 100, 'utf8');
    header.write('0000644\0', 100);
    header.write(size ?? `${data.length.toString(8).padStart(11, '0')}\0`, 124, 12, 'latin1');
    header.write('        ', 148);
    header.write(type, 156);
    header.write('ustar\x0000', 257, 'latin1');
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, Buffer.from(data), Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return Buffer.concat([...pieces, Buffer.alloc(1024)]);
}
