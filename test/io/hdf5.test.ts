// Proves lib/io/hdf5.ts beside what test/models/keras.test.ts does with files of Keras: declared sizes are compared with the file before the library looks for what is not there.

import test from 'ava';
import { gunzipSync } from 'node:zlib';
import { FileFormatError } from '../../lib/index.js';
import { withHdf5 } from '../../lib/io/hdf5.js';

/** `a`, 1003 zeros of float32 in pieces of 100 that are not compressed, as h5py writes it. */
const inPieces = gunzipSync(
  Buffer.from(
    'H4sIAAAAAAACA+2UMUoDQRSG38zswhAJJopsSFC3tLCwtBWyYQtRMRZbKuQQ6WwsYmfpEXIECw+wR/AIAVv7uJOZQd/TShsl/wfLY+Z7zAzsP3' +
      'NfDkftVr9FDmspoQ59Zhl42ePj6K9DVaHOQp3rOK9Wrhfmu2F92Xd1WRSueymI+xwlvloC60hZnFy4WoVxTGmted+NyGP5y30VpX4tFcc+yUr5' +
      'iVdDrJrGO9PN98lHNqfMUnYb1kubBDuvjVY+z349o/U09S2T5ks+TjD7U/9hfHY+dDc63sPcIJs/wb13ija+vHcP6vv+edvX6CfCH29yXwtfd7' +
      'g/FPtUW9zLcyy2+fyb8NMd7itxL23G/bPwjz3uZa4O+tzfCf804H4hfLnLx6fhhiWIIgAAAAAAAAAAAAAAAADwb3gHgvzGdtgeAAA=',
    'base64',
  ),
);

test('an array in pieces is read, and refused where it is said to be larger than its file', async (t) => {
  const shapeIn = (bytes: Uint8Array): Promise<readonly number[] | undefined> => withHdf5(bytes, 'a file', (file) => file.array('a')?.shape);
  t.deepEqual(await shapeIn(inPieces), [1003]);
  const [own, larger] = [1003n, 1_000_003n].map((size) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(size);
    return bytes;
  });
  const damaged = Buffer.from(inPieces);
  for (let at = damaged.indexOf(own); at >= 0; at = damaged.indexOf(own, at + 1)) larger.copy(damaged, at);
  await t.throwsAsync(shapeIn(damaged), { instanceOf: FileFormatError, message: /"a" is said to have 4000012 bytes, in a file of \d+/ });
});
