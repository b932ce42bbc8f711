#!/usr/bin/env bash
# Remakes those golden vectors that need no recorded session: tests/vectors/identifiers.json, from the keys in it and
# the stock package. The others are recordings; tests/vectors/README.md says of what.
set -euo pipefail
cd "$(dirname "$0")/../tests/peers"

node -e '
const { readFileSync, writeFileSync } = require("fs")
const { encode, decode } = require("hypercore-id-encoding")
const file = "../vectors/identifiers.json"
const keys = JSON.parse(readFileSync(file)).keys.map(({ hex }) => {
  const z32 = encode(Buffer.from(hex, "hex"))
  if (decode(z32).toString("hex") !== hex) throw new Error("stock does not read its own " + z32)
  return "  " + JSON.stringify({ hex, z32 })
})
if (keys.length === 0) throw new Error(file + " has no keys")
writeFileSync(file, "{\n \"keys\": [\n" + keys.join(",\n") + "\n ]\n}\n")
console.log(`${file}: ${keys.length} keys`)
'
git diff --stat -- ../vectors
