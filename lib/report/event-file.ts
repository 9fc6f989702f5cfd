// TensorBoard's event files: records with checksums (TFRecord), in each an event as protocol buffer.

/** An event: at a step, either scalars and histograms by their tags, or the version of the file. */
export interface TensorBoardEvent {
  /** Seconds since 1970. */
  readonly time: number;
  readonly step: number;
  readonly version?: string;
  readonly scalars?: Readonly<Record<string, number>>;
  readonly histograms?: Readonly<Record<string, TensorBoardHistogram>>;
}

/** A histogram: `counts[i]` numbers up to `limits[i]`. */
export interface TensorBoardHistogram {
  readonly min: number;
  readonly max: number;
  readonly count: number;
  readonly sum: number;
  readonly sumSquares: number;
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

/** An event as it stands in a file: length, checksum of the length, the event, its checksum. */
export function encodeRecord(event: TensorBoardEvent): Buffer {
  const body = encodeEvent(event);
  const record = Buffer.alloc(body.length + 16);
  record.writeBigUInt64LE(BigInt(body.length), 0);
  record.writeUInt32LE(maskedChecksum(record.subarray(0, 8)), 8);
  body.copy(record, 12);
  record.writeUInt32LE(maskedChecksum(body), 12 + body.length);
  return record;
}

// Numbers of fields: tensorflow/core/util/event.proto and framework/summary.proto.
function encodeEvent({ time, step, version, scalars = {}, histograms = {} }: TensorBoardEvent): Buffer {
  const values = [
    ...Object.entries(scalars).map(([tag, value]) => Buffer.concat([text(1, tag), float(2, value)])),
    ...Object.entries(histograms).map(([tag, histogram]) => Buffer.concat([text(1, tag), message(5, encodeHistogram(histogram))])),
  ];
  const summary = values.length === 0 ? [] : [message(5, Buffer.concat(values.map((value) => message(1, value))))];
  return Buffer.concat([double(1, time), key(2, 0), varint(step), ...(version === undefined ? [] : [text(3, version)]), ...summary]);
}

function encodeHistogram({ min, max, count, sum, sumSquares, limits, counts }: TensorBoardHistogram): Buffer {
  return Buffer.concat([
    double(1, min),
    double(2, max),
    double(3, count),
    double(4, sum),
    double(5, sumSquares),
    doubles(6, limits),
    doubles(7, counts),
  ]);
}

const key = (field: number, wire: number): Buffer => varint(field * 8 + wire);
const message = (field: number, content: Buffer): Buffer => Buffer.concat([key(field, 2), varint(content.length), content]);
const text = (field: number, content: string): Buffer => message(field, Buffer.from(content));

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, 1), bytes]);
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, 5), bytes]);
}

function doubles(field: number, values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length);
  for (const [i, value] of values.entries()) bytes.writeDoubleLE(value, 8 * i);
  return message(field, bytes);
}

/** CRC-32C (Castagnoli), reflected. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ ((rest & 1) * 0x82f63b78);
  return rest;
});

/** The CRC-32C of some bytes. */
export function checksum(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = table[(rest ^ byte) & 255] ^ (rest >>> 8);
  return (rest ^ 0xffffffff) >>> 0;
}

/** TFRecord turns checksums, or those of records that hold records would be the same over and over. */
function maskedChecksum(bytes: Uint8Array): number {
  const plain = checksum(bytes);
  return (((plain >>> 15) | (plain << 17)) + 0xa282ead8) >>> 0;
}
