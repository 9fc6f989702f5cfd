// Which files are images: by their names where those say so, else by their first bytes.

const byName = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i;
/** Whether the name alone says that it is an image that sharp decodes. */
export const isImageName = (path: string): boolean => byName.test(path);
/** Whether the name alone says that it is something else: it is not looked into. */
export const isOtherName = (path: string): boolean =>
  /\.(txt|csv|tsv|json|jsonl|xml|ya?ml|md|html?|log|ini|cfg|py|ipynb|js|ts|sh|m|mat|npy|npz|pkl|h5|pt|pth|pdf|docx?|xlsx?|mp[34]|avi|mov|mkv|wav)$/i.test(
    path,
  );
export const isArchive = (path: string): boolean => /\.(tar|tar\.gz|tgz)$/i.test(path);

/** Formats by their first bytes ('.' for any byte, in latin1), with what `sharp` calls those that not every build decodes. */
const signatures: readonly [name: string, pattern: RegExp, build?: string][] = [
  ['JPEG', /^\xff\xd8\xff/s],
  ['PNG', /^\x89PNG\r\n\x1a\n/s],
  ['GIF', /^GIF8/s],
  ['WebP', /^RIFF.{4}WEBP/s],
  ['TIFF', /^(II[*+]\0|MM\0[*+])/s],
  ['AVIF', /^.{4}ftyp(avi[fs]|m[is]f1.*avi[fs])/s],
  ['HEIC', /^.{4}ftyp(hei|hev|mif|msf)/s, 'heic'],
  ['JPEG XL', /^(\xff\x0a|\0\0\0\x0cJXL )/s, 'jxl'],
  ['JPEG 2000', /^(\xff\x4f\xff\x51|\0\0\0\x0cjP {2})/s, 'jp2'],
  ['BMP', /^BM.{4}\0\0\0\0.{3}\0/s, 'magick'],
  ['PNM', /^P[1-6]\s/s, 'ppm'],
  ['Photoshop', /^8BPS/s, 'magick'],
  ['icon', /^\0\0[\x01\x02]\0/s, 'magick'],
];

/** What `sharp` says of the formats that it knows. */
export type Formats = Readonly<Record<string, { input?: { buffer?: boolean } } | undefined>>;

/** Why a file with these first bytes is no image that can be decoded; null where it is one. */
export function whyNoImage(path: string, head: Uint8Array, formats: Formats): string | null {
  if (isOtherName(path)) return noImage;
  const text = Buffer.from(head).toString('latin1');
  const found = signatures.find(([, pattern]) => pattern.test(text));
  if (found !== undefined) {
    const [name, , build] = found;
    if (build === undefined || formats[build]?.input?.buffer === true) return null;
    return `${name} images, which this sharp does not decode: convert them to PNG or JPEG`;
  }
  if (/\.(zip|rar|7z|tar\.\w+|t[bx]z2?)$/i.test(path)) return 'archives of a kind that is not read: unpack them, or make a .tar';
  return noImage;
}

/** What bytes are that are called an image and are in no format that can be decoded, for a sentence about one file. */
export function otherThing(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 512)).toString('latin1');
  if (/^\s*(<!--|<!doctype html|<html|<head)/i.test(text.replace(/^\xef\xbb\xbf/, ''))) return 'it is a web page, not an image';
  const found = signatures.find(([, pattern, build]) => build !== undefined && pattern.test(text));
  return found === undefined
    ? 'it has no format that sharp reads'
    : `it is a ${found[0]} image, which this sharp does not decode: convert it to PNG or JPEG`;
}

export const noImage = 'no images';
