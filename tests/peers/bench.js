#!/usr/bin/env node
'use strict'
// bench.js: stock Hypercore doing what scripts/bench.sh times, one step a process.
//
//   node bench.js ingest FILE DIR [CUTS]
//       Appends FILE to a new core in DIR, 16 blocks a commit, and prints {"key","length","append","sync"}: seconds of
//       appending, and of then syncing each file of DIR. A block is a line of CUTS (offset and length, as
//       hc-chunk --cuts writes them), else 64 KiB.
//   node bench.js serve DIR
//       Serves that core on a free loopback port, prints {"port","key"}, and goes on until SIGTERM.
//   node bench.js fetch KEY PORT DIR [BYTE]
//       Downloads the core into DIR and writes its bytes, verified, to standard output as they come in order; with BYTE
//       that one byte and nothing else. Prints {"first"} to standard error: seconds from before the connection to the
//       first byte, without what starting took.
//   node bench.js version

const fs = require('fs')
const net = require('net')
const path = require('path')
const Hypercore = require('hypercore')
const SecretStream = require('@hyperswarm/secret-stream')

const perCommit = 16 // blocks
const ahead = 16 // blocks that are being read at once

let connected, written

const commands = { ingest, serve, fetch, version }
const [verb, ...words] = process.argv.slice(2)
if (!commands[verb]) fail(new Error('unknown command ' + verb))
commands[verb](...words).catch(fail)

async function ingest (file, dir, cuts) {
  const began = seconds()
  const core = new Hypercore(dir)
  await core.ready()
  let batch = []
  for (const block of blocks(file, cuts)) {
    batch.push(block)
    if (batch.length < perCommit) continue
    await core.append(batch)
    batch = []
  }
  if (batch.length > 0) await core.append(batch)
  const result = { key: core.key.toString('hex'), length: core.length }
  await core.close()
  result.append = seconds() - began
  syncAll(dir)
  result.sync = seconds() - began - result.append
  console.log(JSON.stringify(result))
}

function * blocks (file, cuts) {
  const fd = fs.openSync(file)
  for (const [offset, length] of cuts ? listed(cuts) : even(fs.fstatSync(fd).size)) {
    const block = Buffer.allocUnsafeSlow(length)
    for (let at = 0; at < length;) {
      const n = fs.readSync(fd, block, at, length - at, offset + at)
      if (n === 0) throw new Error(file + ' is shorter than its cuts')
      at += n
    }
    yield block
  }
  fs.closeSync(fd)
}

function * listed (cuts) {
  for (const line of fs.readFileSync(cuts, 'latin1').split('\n')) {
    if (line) yield line.split(' ').map(Number)
  }
}

function * even (size) {
  for (let at = 0; at < size; at += 65536) yield [at, Math.min(65536, size - at)]
}

function syncAll (dir) {
  for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
    const name = path.join(dir, entry.name)
    if (entry.isDirectory()) syncAll(name)
    else if (entry.isFile()) syncOne(name)
  }
  syncOne(dir)
}

function syncOne (name) {
  const fd = fs.openSync(name)
  fs.fsyncSync(fd)
  fs.closeSync(fd)
}

async function serve (dir) {
  const core = new Hypercore(dir)
  await core.ready()
  const server = net.createServer((socket) => attach(core, false, socket))
  server.listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({ port: server.address().port, key: core.key.toString('hex') }))
  })
  process.once('SIGTERM', () => process.exit(0))
}

async function fetch (key, port, dir, byte) {
  const core = new Hypercore(dir, Buffer.from(key, 'hex'))
  await core.ready()
  connected = seconds()
  const socket = net.connect(Number(port), '127.0.0.1')
  const found = core.findingPeers()
  const stream = attach(core, true, socket)
  stream.once('close', () => fail(new Error('connection lost')))
  while (core.length === 0) await core.update({ wait: true })
  found()
  if (byte === undefined) await all(core)
  else await one(core, Number(byte))
  process.exit(0)
}

// all keeps some blocks on their way from disk while the download fills it, and writes them in order.
async function all (core) {
  const length = core.length
  core.download({ start: 0, end: length, linear: true })
  const reading = []
  for (let next = 0; next < length || reading.length > 0;) {
    while (next < length && reading.length < ahead) reading.push(core.get(next++))
    await write(await reading.shift())
  }
}

async function one (core, byte) {
  const [index, offset] = byte === 0 ? [0, 0] : await core.seek(byte)
  const block = await core.get(index)
  await write(block.subarray(offset, offset + 1))
}

process.stdout.on('error', (err) => err.code === 'EPIPE' ? process.exit(0) : fail(err)) // whoever reads has enough

function write (bytes) {
  if (!written) process.stderr.write(JSON.stringify({ first: seconds() - connected }) + '\n')
  written = true
  return new Promise((resolve, reject) => process.stdout.write(bytes, (err) => err ? reject(err) : resolve()))
}

function attach (core, initiator, socket) {
  socket.setNoDelay(true)
  const stream = new SecretStream(initiator, socket)
  stream.on('error', () => {})
  core.replicate(stream)
  return stream
}

async function version () {
  console.log(require('hypercore/package.json').version)
}

function seconds () {
  return Number(process.hrtime.bigint()) / 1e9
}

function fail (err) {
  process.stderr.write('bench: ' + (err.stack || err) + '\n')
  process.exit(1)
}
