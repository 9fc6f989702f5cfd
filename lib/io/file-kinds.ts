// What a file is by its first bytes: whoever is given a file of another kind says what it is, and who reads it.

import { Buffer } from 'node:buffer';

/** Kinds of files that functions of ours read. */
export type OwnKind = 'safetensors' | 'model' | 'index' | 'onnx' | 'npy' | 'npz' | 'keras' | 'hdf5' | 'idx' | 'arrow' | 'parquet';

/** A kind of file: what it is, and the way from there. */
interface FileKind {
  readonly kind: OwnKind | null;
  /** As a sentence goes on behind "It is". */
  readonly what: string;
  readonly way: string;
  matches(begin: Buffer, text: string): boolean;
}

/** How many bytes of a file say what it is. */
export const kindBytes = 512;

const starts =
  (...bytes: readonly number[]) =>
  (begin: Buffer): boolean =>
    begin.length >= bytes.length && bytes.every((byte, i) => begin[i] === byte);
const says =
  (...words: readonly string[]) =>
  (_begin: Buffer, text: string): boolean =>
    words.some((word) => text.startsWith(word));
const holds =
  (first: string, ...words: readonly string[]) =>
  (_begin: Buffer, text: string): boolean =>
    text.startsWith(first) && words.some((word) => text.includes(word));

const isZip = starts(0x50, 0x4b, 3, 4);
/** A zip archive by the name of its first member. */
const packs =
  (name: RegExp) =>
  (begin: Buffer): boolean =>
    isZip(begin) && begin.length >= 30 && name.test(begin.toString('latin1', 30, 30 + begin.readUInt16LE(26)));

/** A pickle begins with its version; the names of the classes in it follow. */
const pickles =
  (...words: readonly string[]) =>
  (begin: Buffer, text: string): boolean =>
    begin[0] === 0x80 && begin[1] >= 2 && begin[1] <= 5 && (words.length === 0 || words.some((word) => text.includes(word)));

/** A header of JSON behind its length. */
const isSafetensors = (begin: Buffer): boolean =>
  begin.length > 9 && begin[8] === 0x7b && begin.readBigUInt64LE(0) < 1n << 32n && begin.readBigUInt64LE(0) > 1n;

const fromPyTorch =
  "safetensors.torch.save_file(torch.load('a.pth', weights_only=True), 'a.safetensors') in Python, and then loadPyTorch(). " +
  "Of a checkpoint that holds more than weights, it is torch.load(…)['model'] or ['state_dict']; a whole model needs weights_only=False and .state_dict()";
const fromSklearn = "numpy.savez('a.npz', w=model.coef_, b=model.intercept_), and then readNpz()";
const throughOnnx = 'tf2onnx turns it into ONNX, which loadOnnx() reads: python -m tf2onnx.convert';

/** The first that matches is it. */
const kinds: readonly FileKind[] = [
  { kind: 'model', what: 'a model of nodegrad', way: 'load() builds it', matches: (begin, text) => isSafetensors(begin) && text.includes('"architecture"') },
  { kind: 'safetensors', what: 'a safetensors file', way: 'readSafetensors() reads it, loadPyTorch() and model.load() fill models from it', matches: isSafetensors },
  { kind: 'npy', what: 'an array of NumPy', way: 'readNpy() reads it', matches: starts(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59) },
  { kind: 'npz', what: 'a zip archive of NumPy, as .npz files are', way: 'readNpz() reads it', matches: packs(/\.npy$/) },
  { kind: 'keras', what: 'a .keras file', way: 'loadKeras() makes a model of it, or fills one', matches: packs(/^(metadata|config)\.json$|^model\.weights\.h5$/) },
  { kind: 'hdf5', what: 'an HDF5 file, as Keras writes them', way: 'loadKeras() makes a model of it, or fills one', matches: starts(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a) },
  { kind: null, what: 'a program of torch.export', way: "torch.onnx.export(torch.export.load('a.pt2').module(), (x,), 'a.onnx') writes it as ONNX, which loadOnnx() reads", matches: packs(/\/data\/weights\/|\.pt2\b|\/models\/.*\.json$/) },
  { kind: null, what: 'a program of TorchScript', way: "safetensors.torch.save_file(torch.jit.load('a.pt').state_dict(), 'a.safetensors'), and then loadPyTorch()", matches: packs(/\/data\/\d+$|\/code\//) },
  { kind: null, what: 'a zip archive, as checkpoints of PyTorch (torch.save) are', way: fromPyTorch, matches: packs(/(^|\/)data\.pkl$/) },
  { kind: null, what: 'a workbook or document of an office program', way: 'save the sheet as CSV, which readCsv() reads', matches: packs(/^(\[Content_Types\]\.xml|_rels\/|xl\/|docProps\/|mimetype)/) },
  { kind: null, what: 'a zip archive', way: `unpack it; where it is a checkpoint of PyTorch (torch.save): ${fromPyTorch}; loadKeras() reads .keras files, readNpz() .npz`, matches: isZip },
  { kind: null, what: 'a pickle of scikit-learn, and pickles hold programs, which are not run', way: fromSklearn, matches: pickles('sklearn', 'joblib') },
  { kind: null, what: 'a pickle of pandas, and pickles hold programs, which are not run', way: "frame.to_parquet('a.parquet'), and then readTable()", matches: pickles('pandas') },
  { kind: null, what: 'a pickle, as old checkpoints of PyTorch (torch.save) are, and pickles hold programs, which are not run', way: fromPyTorch, matches: pickles() },
  { kind: null, what: 'a file compressed by zlib, as those of joblib are', way: fromSklearn, matches: (begin) => begin[0] === 0x78 && [0x01, 0x5e, 0x9c, 0xda].includes(begin[1]) },
  { kind: null, what: 'quantized weights of llama.cpp (GGUF)', way: 'the same model as safetensors is read by readSafetensors()', matches: says('GGUF', 'lmgg', 'fmgg', 'tjgg') },
  { kind: null, what: 'a model of TensorFlow Lite', way: `${throughOnnx} --tflite a.tflite --output a.onnx`, matches: (_begin, text) => text.startsWith('TFL3', 4) },
  { kind: null, what: "a model in onnxruntime's own format", way: 'loadOnnx() reads the .onnx file that it was made from', matches: (_begin, text) => text.startsWith('ORTM', 4) },
  { kind: null, what: 'a SavedModel of TensorFlow', way: `model.save('a.keras') in Keras, and then loadKeras(); or ${throughOnnx} --saved-model folder --output a.onnx`, matches: starts(8, 1, 0x12) },
  { kind: 'onnx', what: 'a model in ONNX', way: 'loadOnnx() reads it', matches: (begin) => begin[0] === 8 && begin[1] >= 2 && begin[1] <= 32 && [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(begin[2]) },
  { kind: 'idx', what: 'an IDX file, as MNIST has them', way: 'readIdx() reads it', matches: (begin) => starts(0, 0)(begin) && [8, 9, 11, 12, 13, 14].includes(begin[2]) && begin[3] >= 1 && begin[3] <= 8 },
  { kind: 'arrow', what: 'an Arrow file', way: 'readColumns() and readArrow() read it', matches: says('ARROW1') },
  { kind: 'parquet', what: 'a Parquet file', way: 'readColumns() and readParquet() read it', matches: says('PAR1') },
  { kind: 'index', what: 'the index of a model in several safetensors files', way: 'readSafetensors() and loadPyTorch() read all files that it names, by its path', matches: holds('{', '"weight_map"') },
  { kind: null, what: 'JSON, the topology of a model of tfjs', way: 'its weights are in the .bin files beside it; tensorflowjs_converter writes a Keras file of both, which loadKeras() reads', matches: holds('{', '"modelTopology"', '"tfjs-layers"') },
  { kind: null, what: 'JSON, a notebook', way: 'run it, and save the weights that it makes as safetensors', matches: holds('{', '"nbformat"', '"cell_type"') },
  { kind: null, what: 'JSON', way: 'weights are in another file: in safetensors, or beside the model.json of tfjs in .bin', matches: (_begin, text) => /^\s*[{[]\s*["\]}[{]/.test(text) },
  { kind: null, what: 'a pointer of Git LFS in the place of the file', way: 'git lfs pull brings the file itself', matches: says('version https://git-lfs') },
  { kind: null, what: 'a web page', way: 'the download gave no file: its address may want a login, or be that of a page about the file', matches: (_begin, text) => /^\s*<(!doctype html|html|head|\?xml[^>]*>\s*<html)/i.test(text) },
  { kind: null, what: 'compressed by gzip', way: 'gunzip unpacks it', matches: starts(0x1f, 0x8b) },
  { kind: null, what: 'compressed by Zstandard', way: 'unzstd unpacks it', matches: starts(0x28, 0xb5, 0x2f, 0xfd) },
  { kind: null, what: 'compressed by xz', way: 'unxz unpacks it', matches: starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0) },
  { kind: null, what: 'compressed by bzip2', way: 'bunzip2 unpacks it', matches: says('BZh') },
  { kind: null, what: 'a tar archive', way: 'tar -xf unpacks it', matches: (_begin, text) => text.startsWith('ustar', 257) },
  { kind: null, what: 'a file of MATLAB', way: "numpy.savez('a.npz', **{k: v for k, v in scipy.io.loadmat('a.mat').items() if k[0] != '_'}), and then readNpz()", matches: says('MATLAB 5.0') },
  { kind: null, what: 'an image', way: 'readImages() reads it', matches: (begin, text) => starts(0xff, 0xd8, 0xff)(begin) || starts(0x89, 0x50, 0x4e, 0x47)(begin) || (text.startsWith('RIFF') && text.startsWith('WEBP', 8)) || text.startsWith('GIF8') },
]; // biome-ignore format: a kind a line

function kindOf(begin: Uint8Array): FileKind | null {
  const bytes = Buffer.from(begin.buffer, begin.byteOffset, Math.min(begin.length, kindBytes));
  const text = bytes.toString('latin1');
  return kinds.find(({ matches }) => matches(bytes, text)) ?? null;
}

/** Whether a file is of another kind than those that are read, as far as its first bytes tell. */
export function isOtherKind(begin: Uint8Array, ...wanted: readonly OwnKind[]): boolean {
  const found = kindOf(begin);
  return found !== null && !wanted.some((kind) => kind === found.kind);
}

/**
 * What a file is in place of what was wanted, and the way from there: a sentence that begins with a point and a space, to stand behind a message; '' where its
 * first bytes do not tell.
 *
 * @param begin - The first bytes, `kindBytes` of them where there are as many.
 * @param wanted - What it may be without a word about it.
 */
export function otherKind(begin: Uint8Array, ...wanted: readonly OwnKind[]): string {
  if (begin.length === 0) return '. It is empty';
  const found = kindOf(begin);
  return found === null || wanted.some((kind) => kind === found.kind) ? '' : `. It is ${found.what}: ${found.way}`;
}
