#!/usr/bin/env bash
# h5wasm 0.10.3 (HDF5 in WebAssembly): a file in whose global heap, where texts of any length are kept, the free piece is said to have 0 bytes is read
# without end: the library goes on by 0 bytes, again and again. One damaged number in a file hangs whoever reads an attribute, and in
# WebAssembly nobody but the end of the process stops it. Look at the sizes of the heaps (`GCOL`) first: each step must be at least 16 bytes, and end inside.
# Seen:
#   whole: hello   damaged: still reading after 5 s
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --no-audit --no-fund --silent h5wasm@0.10.3
cat > write.mjs <<'JS'
import { File, ready } from 'h5wasm/node';
await ready;
const file = new File('whole.h5', 'w');
file.create_attribute('greeting', 'hello', null, 'S');
file.close();
JS
cat > damage.mjs <<'JS'
import { readFileSync, writeFileSync } from 'node:fs';
const bytes = readFileSync('whole.h5');
let object = bytes.indexOf('GCOL') + 16;
while (bytes.readUInt16LE(object) !== 0) object += 16 + 8 * Math.ceil(Number(bytes.readBigUInt64LE(object + 8)) / 8);
bytes.writeBigUInt64LE(0n, object + 8);
writeFileSync('damaged.h5', bytes);
JS
cat > read.mjs <<'JS'
import { File, ready } from 'h5wasm/node';
await ready;
console.log(new File(process.argv[2], 'r').attrs.greeting.value);
JS
node write.mjs && node damage.mjs
whole=$(timeout 60 node read.mjs whole.h5)
status=0
timeout 5 node read.mjs damaged.h5 > damaged.txt 2>&1 || status=$?
if [ "$status" != 124 ]; then echo "the behaviour has changed: ended with $status: $(head -c 300 damaged.txt)"; exit 1; fi
echo "whole: $whole   damaged: still reading after 5 s"
