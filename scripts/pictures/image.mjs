// Images of few colours inside a picture: a PNG of 16 colours, uncompressed, so that its bytes are the same in every version of Node.js.
import { crc32, deflateSync } from 'node:zlib';

/** 16 colours from one to another through others, each as [red, green, blue]. */
export function shades(...stops) {
  return Array.from({ length: 16 }, (_, i) => {
    const at = (i / 15) * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    return stops[k].map((from, c) => Math.round(from + (stops[k + 1][c] - from) * (at - k)));
  });
}

/** Black to white. */
export const grey = shades([17, 20, 24], [255, 255, 255]);
/** Blue below zero, white at it, red above. */
export const signed = shades([34, 94, 168], [247, 247, 247], [178, 50, 40]);

function chunk(type, data) {
  const named = Buffer.concat([Buffer.from(type), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([frame.subarray(0, 4), named, frame.subarray(4)]);
}

/** Rows of numbers 0 to 15 as a PNG. */
function png(rows, colours) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(rows[0].length, 0);
  header.writeUInt32BE(rows.length, 4);
  header.set([4, 3], 8); // 4 bits a pixel, colours from the list
  const lines = rows.map((row) => {
    const line = Buffer.alloc(1 + Math.ceil(row.length / 2)); // no filter
    for (const [i, value] of row.entries()) line[1 + (i >> 1)] |= i % 2 === 0 ? value << 4 : value;
    return line;
  });
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(colours.flat())),
    chunk('IDAT', deflateSync(Buffer.concat(lines), { level: 0 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Rows of numbers between low and high as an image of this width at x, y: pixels with sharp edges. */
export function image(x, y, width, rows, { low = 0, high = 1, colours = grey } = {}) {
  const level = (value) => Math.max(0, Math.min(15, Math.round((15 * (value - low)) / (high - low))));
  const data = png(
    rows.map((row) => row.map(level)),
    colours,
  ).toString('base64');
  const height = (width * rows.length) / rows[0].length;
  return `<image x="${x}" y="${y}" width="${width}" height="${height}" style="image-rendering:pixelated" href="data:image/png;base64,${data}"/>`;
}

/** A flat list in rows of `width`. */
export const inRows = (values, width) =>
  Array.from({ length: values.length / width }, (_, i) => Array.from(values.slice(i * width, (i + 1) * width)));
