// Messages to bytes and back, by their schema; the wire format is the business of a package.

import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { FileFormatError } from '../errors.js';
import { type Field, type Kind, type Schema, model, type ModelMessage } from './schema.js';

type Message = Record<string, unknown>;

/** The package that knows the wire format, loaded when the first file is read or written. */
const wire = (): Promise<typeof import('@bufbuild/protobuf/wire')> => import('@bufbuild/protobuf/wire');

const [varint, bits64, delimited, bits32] = [0, 1, 2, 5] as const;
const wireTypes: Record<string, 0 | 1 | 2 | 5> = {
  int64: varint,
  int32: varint,
  float: bits32,
  double: bits64,
  string: delimited,
  bytes: delimited,
};

/** More levels of messages than any file that we read has: graphs within attributes of graphs. */
const deepest = 32;

/** The bytes of a file. */
export async function encodeModel(message: ModelMessage): Promise<Uint8Array> {
  const { BinaryWriter } = await wire();
  const writer = new BinaryWriter();
  write(writer, model, message as Message);
  return writer.finish();
}

function write(writer: BinaryWriter, schema: Schema, message: Message): void {
  for (const [name, field] of Object.entries(schema)) {
    const value = message[name];
    if (value === undefined) continue;
    const [number, kind, repeats] = field;
    if (repeats === 'packed') {
      writer.tag(number, delimited).fork();
      for (const item of value as number[]) writeScalar(writer, kind as string, item);
      writer.join();
      continue;
    }
    for (const item of repeats === undefined ? [value] : (value as unknown[])) {
      if (typeof kind === 'function') {
        writer.tag(number, delimited).fork();
        write(writer, kind(), item as Message);
        writer.join();
      } else {
        writer.tag(number, wireTypes[kind]);
        writeScalar(writer, kind, item);
      }
    }
  }
}

function writeScalar(writer: BinaryWriter, kind: string, value: unknown): void {
  if (kind === 'int64') writer.int64(BigInt(value as number));
  else (writer[kind as 'int32'] as (value: unknown) => unknown).call(writer, value);
}

/**
 * The message that the bytes of a file hold; byte fields are views of them.
 *
 * @throws {FileFormatError} when the bytes are no such message; it names the byte.
 */
export async function decodeModel(bytes: Uint8Array, source: string): Promise<ModelMessage> {
  const { BinaryReader } = await wire();
  const reader = new BinaryReader(bytes);
  try {
    return read(reader, model, bytes.length, 0) as ModelMessage;
  } catch (error) {
    // What the package throws are plain errors: cut off, wrong wire types, text that is no UTF-8.
    throw new FileFormatError(
      `${source}: is no ONNX model, or is damaged at byte ${Math.min(reader.pos, bytes.length)}: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

function read(reader: BinaryReader, schema: Schema, end: number, depth: number): Message {
  if (depth > deepest) throw new Error(`messages in messages, more than ${deepest} levels`);
  const fields = new Map(Object.entries(schema).map(([name, field]) => [field[0], [name, field] as const]));
  const message: Message = {};
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const known = fields.get(number);
    if (known === undefined) {
      reader.skip(wireType, number);
      continue;
    }
    const [name, field] = known;
    const values = readField(reader, field, wireType, depth);
    if (field[2] === undefined) message[name] = values[values.length - 1];
    else {
      const before = message[name] as unknown[] | undefined;
      if (before === undefined) message[name] = values;
      else for (const value of values) before.push(value);
    }
  }
  if (reader.pos !== end) throw new Error(`a message ends at byte ${end}, and its last field at ${reader.pos}`);
  return message;
}

// Numbers that repeat may be packed or not, whatever the schema says.
function readField(reader: BinaryReader, [, kind, repeats]: Field, wireType: number, depth: number): unknown[] {
  if (typeof kind === 'function') {
    if (wireType !== delimited) throw new Error('a message was expected');
    return [read(reader, kind(), endOf(reader), depth + 1)];
  }
  const own = wireTypes[kind];
  if (wireType === own) return [readScalar(reader, kind)];
  if (wireType !== delimited || repeats === undefined) throw new Error(`a field of type ${kind} was expected`);
  const values: unknown[] = [];
  const end = endOf(reader);
  while (reader.pos < end) values.push(readScalar(reader, kind));
  if (reader.pos !== end) throw new Error('a list of numbers is cut off');
  return values;
}

/** Where what begins here with its length ends. */
function endOf(reader: BinaryReader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new Error(`it says that ${length} bytes follow, and there are ${reader.len - reader.pos}`);
  return end;
}

function readScalar(reader: BinaryReader, kind: Exclude<Kind, () => Schema>): unknown {
  if (kind === 'int64') return Number(reader.int64());
  return reader[kind]();
}
