#!/usr/bin/env bash
# apache-arrow 21.2.0: a column's toArray() gives 0 for what is null, without a word; its iterator and get() give null. A float column of
# [70.5, null, 40] therefore trains as [70.5, 0, 40] for whoever takes the "zero-copy" array, the way that tutorials show. The validity bitmap
# is beside it (nullCount, isValid). Read columns by the iterator, or look at nullCount first. hyparquet 1.33.0 gives null for the same file.
# Seen:
#   iterator: [70.5, null, 40]   toArray(): [70.5, 0, 40]   nullCount: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --no-audit --no-fund --silent apache-arrow@21.2.0
cat > nulls.mjs <<'JS'
import { tableFromIPC, tableToIPC, vectorFromArray, Table, Float64 } from 'apache-arrow';
const written = new Table({ area: vectorFromArray([70.5, null, 40], new Float64()) });
const column = tableFromIPC(tableToIPC(written, 'file')).getChild('area');
const [iterated, array] = [[...column], Array.from(column.toArray())];
console.log(`iterator: ${JSON.stringify(iterated)}   toArray(): ${JSON.stringify(array)}   nullCount: ${column.nullCount}`);
if (!(iterated[1] === null && array[1] === 0)) { console.log('the behaviour has changed'); process.exitCode = 1; }
JS
node nulls.mjs
