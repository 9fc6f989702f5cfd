#!/usr/bin/env bash
# hyparquet 1.33.0: an error that onChunk throws does not reach whoever awaits parquetRead(). The promise resolves as if all had gone well, and the error
# becomes an unhandled rejection, which ends a Node.js process. A reader that checks values as they come (here: that none is null) therefore
# reports success and then dies. Collect the chunks, and look at them after parquetRead() has resolved.
# Seen:
#   parquetRead resolved; unhandled: not this one
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$here/test/golden/houses.parquet" "$folder"
cd "$folder"
npm init -y > /dev/null
npm install --no-audit --no-fund --silent hyparquet@1.33.0
cat > chunk.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { parquetRead } from 'hyparquet';
let [outcome, unhandled] = ['nothing', 'nothing'];
process.on('unhandledRejection', (error) => { unhandled = error.message; });
const { buffer, byteOffset, length } = readFileSync('houses.parquet');
const onChunk = () => { throw new Error('not this one'); };
await parquetRead({ file: buffer.slice(byteOffset, byteOffset + length), columns: ['rooms'], onChunk }).then(() => { outcome = 'resolved'; }, () => { outcome = 'rejected'; });
await new Promise((resolve) => setTimeout(resolve, 50));
console.log(`parquetRead ${outcome}; unhandled: ${unhandled}`);
if (outcome !== 'resolved' || unhandled === 'nothing') { console.log('the behaviour has changed'); process.exitCode = 1; }
JS
node chunk.mjs
