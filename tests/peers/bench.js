#!/usr/bin/env node
'use strict'
// bench.js: stock Hypercore doing what scripts/bench.sh times, one step a process.
//
//   node bench.js ingest FILE DIR [CUTS]
//       Appends FILE to a new core in DIR, 16 blocks a commit, and prints {"key","length","append","sync"}: seconds of
//       appending, and of then syncing each file of DIR. A block is a line of CUTS (offset and length, as
//       hc-chunk --cuts writes them), else 64 KiB.
//   node bench.js lines FILE DIR [PER-COMMIT]
//       Appends each line of FILE, with its LF, as a block, PER-COMMIT of them a commit (1000 unless it is told), and
//       prints {"key","length","append","median"}: seconds of all commits, and of the median one.
//   node bench.js synced FILE DIR
//       As lines FILE DIR 1, with a sync of the write-ahead log behind each commit, by which stock does not end one.
//   node bench.js read DIR
//       Writes the bytes of that core, which is whole, in order.
//   node bench.js serve DIR
//       Serves that core on a free loopback port, prints {"port","key"}, and goes on until SIGTERM.
//   node bench.js fetch KEY PORT DIR [BYTE | block:BLOCK]
//       Downloads the core into DIR and writes its bytes, verified, to standard output as they come in order; with BYTE
//       that one byte and nothing else, with BLOCK that block. Prints {"first"} to standard error: seconds from before the connection to the
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

const commands = { ingest, lines, synced, read, serve, fetch, version }
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

async function lines (file, dir, perCommit = 1000, sync = () => {}) {
  const core = new Hypercore(dir)
  await core.ready()
  const all = fs.readFileSync(file, 'latin1').split(/(?<=\n)/).map((line) => Buffer.from(line, 'latin1'))
  const each = []
  const began = seconds()
  for (let at = 0; at < all.length; at += Number(perCommit)) {
    const before = seconds()
    await core.append(all.slice(at, at + Number(perCommit)))
    sync()
    each.push(seconds() - before)
  }
  const result = { key: core.key.toString('hex'), length: core.length, append: seconds() - began }
  result.median = each.sort((a, b) => a - b)[each.length >> 1]
  await core.close()
  console.log(JSON.stringify(result))
}

async function synced (file, dir) {
  const open = new Map() // the write-ahead logs of the database, of which an append writes the newest
  await lines(file, dir, 1, () => {
    const names = fs.readdirSync(path.join(dir, 'db')).filter((name) => name.endsWith('.log'))
    for (const name of names) {
      if (!open.has(name)) open.set(name, fs.openSync(path.join(dir, 'db', name)))
      fs.fdatasyncSync(open.get(name))
    }
  })
}

async function read (dir) {
  const core = new Hypercore(dir)
  await core.ready()
  await inOrder(core)
  await core.close()
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

async function fetch (key, port, dir, what) {
  const core = new Hypercore(dir, Buffer.from(key, 'hex'))
  await core.ready()
  connected = seconds()
  const socket = net.connect(Number(port), '127.0.0.1')
  const found = core.findingPeers()
  const stream = attach(core, true, socket)
  stream.once('close', () => fail(new Error('connection lost')))
  while (core.length === 0) await core.update({ wait: true })
  found()
  if (what === undefined) {
    core.download({ start: 0, end: core.length, linear: true })
    await inOrder(core)
  } else if (what.startsWith('block:')) {
    await write(await core.get(Number(what.slice(6))))
  } else {
    await one(core, Number(what))
  }
  process.exit(0)
}

// inOrder keeps some blocks on their way from disk, while a download may still fill it, and writes them in order.
async function inOrder (core) {
  const length = core.length
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

process.stdout.on('error', gone)

// gone ends at once when whoever reads has enough: an exit in good order waits for a database that a download keeps busy.
function gone (err) {
  if (err.code !== 'EPIPE') fail(err)
  process.kill(process.pid, 'SIGKILL')
}

function write (bytes) {
  if (connected && !written) process.stderr.write(JSON.stringify({ first: seconds() - connected }) + '\n')
  written = true
  return new Promise((resolve) => process.stdout.write(bytes, (err) => err ? gone(err) : resolve()))
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
