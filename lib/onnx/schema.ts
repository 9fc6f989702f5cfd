// The messages of ONNX that we read and write: a field is a number on the wire, a kind, and whether it repeats.

/** What a field holds: a number, text, bytes, or a message. Whole numbers of 64 bits are numbers, the largest of them rounded. */
export type Kind = 'int64' | 'int32' | 'float' | 'double' | 'string' | 'bytes' | (() => Schema);

/** One field: its number, its kind, and whether it may stand several times; `packed` ones are written as one piece. */
export type Field = readonly [number: number, kind: Kind, repeats?: 'repeated' | 'packed'];

/** The fields of a message by name. */
export type Schema = { readonly [name: string]: Field };

/** A pair of texts. */
export interface Entry {
  key?: string;
  value?: string;
}

/** Numbers of a given shape. */
export interface TensorMessage {
  dims?: number[];
  dataType?: number;
  floatData?: number[];
  int32Data?: number[];
  int64Data?: number[];
  name?: string;
  rawData?: Uint8Array;
  doubleData?: number[];
  uint64Data?: number[];
  externalData?: Entry[];
  dataLocation?: number;
}

/** A constant of a node. */
export interface AttributeMessage {
  name?: string;
  f?: number;
  i?: number;
  s?: Uint8Array;
  t?: TensorMessage;
  g?: GraphMessage;
  floats?: number[];
  ints?: number[];
  strings?: Uint8Array[];
  type?: number;
}

/** One operator of the graph. */
export interface NodeMessage {
  input?: string[];
  output?: string[];
  name?: string;
  opType?: string;
  attribute?: AttributeMessage[];
  domain?: string;
}

/** A dimension: a number, or a name for one that is free. */
export interface DimensionMessage {
  dimValue?: number;
  dimParam?: string;
}

/** Name, element type and shape of an input or output. */
export interface ValueMessage {
  name?: string;
  type?: { tensorType?: { elemType?: number; shape?: { dim?: DimensionMessage[] } } };
  docString?: string;
}

/** Operators in an order in which they can run. */
export interface GraphMessage {
  node?: NodeMessage[];
  name?: string;
  initializer?: TensorMessage[];
  docString?: string;
  input?: ValueMessage[];
  output?: ValueMessage[];
  sparseInitializer?: Uint8Array[];
}

/** A file. */
export interface ModelMessage {
  irVersion?: number;
  producerName?: string;
  producerVersion?: string;
  docString?: string;
  graph?: GraphMessage;
  opsetImport?: { domain?: string; version?: number }[];
  metadataProps?: Entry[];
  functions?: Uint8Array[];
}

const entry: Schema = { key: [1, 'string'], value: [2, 'string'] };

const tensor: Schema = {
  dims: [1, 'int64', 'repeated'],
  dataType: [2, 'int32'],
  floatData: [4, 'float', 'packed'],
  int32Data: [5, 'int32', 'packed'],
  int64Data: [7, 'int64', 'packed'],
  name: [8, 'string'],
  rawData: [9, 'bytes'],
  doubleData: [10, 'double', 'packed'],
  uint64Data: [11, 'int64', 'packed'],
  externalData: [13, () => entry, 'repeated'],
  dataLocation: [14, 'int32'],
};

const attribute: Schema = {
  name: [1, 'string'],
  f: [2, 'float'],
  i: [3, 'int64'],
  s: [4, 'bytes'],
  t: [5, () => tensor],
  g: [6, () => graph],
  floats: [7, 'float', 'repeated'],
  ints: [8, 'int64', 'repeated'],
  strings: [9, 'bytes', 'repeated'],
  type: [20, 'int32'],
};

const node: Schema = {
  input: [1, 'string', 'repeated'],
  output: [2, 'string', 'repeated'],
  name: [3, 'string'],
  opType: [4, 'string'],
  attribute: [5, () => attribute, 'repeated'],
  domain: [7, 'string'],
};

const dimension: Schema = { dimValue: [1, 'int64'], dimParam: [2, 'string'] };
const shape: Schema = { dim: [1, () => dimension, 'repeated'] };
const tensorType: Schema = { elemType: [1, 'int32'], shape: [2, () => shape] };
const type: Schema = { tensorType: [1, () => tensorType] };
const value: Schema = { name: [1, 'string'], type: [2, () => type], docString: [3, 'string'] };

const graph: Schema = {
  node: [1, () => node, 'repeated'],
  name: [2, 'string'],
  initializer: [5, () => tensor, 'repeated'],
  docString: [10, 'string'],
  input: [11, () => value, 'repeated'],
  output: [12, () => value, 'repeated'],
  sparseInitializer: [15, 'bytes', 'repeated'],
};

const operators: Schema = { domain: [1, 'string'], version: [2, 'int64'] };

/** The schema of a file. */
export const model: Schema = {
  irVersion: [1, 'int64'],
  producerName: [2, 'string'],
  producerVersion: [3, 'string'],
  docString: [6, 'string'],
  graph: [7, () => graph],
  opsetImport: [8, () => operators, 'repeated'],
  metadataProps: [14, () => entry, 'repeated'],
  functions: [25, 'bytes', 'repeated'],
};

/** Numbers of attribute types. */
export const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7, strings: 8 } as const;

/** Numbers of the element types that we know. */
export const elementTypes = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11, bfloat16: 16 } as const;

/** A name of an element type of ONNX. */
export type ElementType = keyof typeof elementTypes;
