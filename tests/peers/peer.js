#!/usr/bin/env node
'use strict'
// peer.js: one stock Hypercore peer, steered line by line, for the interoperability tests.
//
//   node peer.js [--v10] [--storage DIR] [--key HEX | --seed HEX [--compat] [--manifest N]]
//                [--listen] [--connect HOST:PORT] [--exec COMMAND] [--initiator]
//
// --listen takes any number of TCP connections on a free loopback port; --connect and --exec make one.
// The side that listens is the Noise responder, the one that connects or runs a command the initiator.
// Events go to standard output, one JSON object a line. The first is
//   {"event":"ready","key","discoveryKey","length","fork","port","version"}
// and later ones answer commands, read from standard input, one a line:
//   append COUNT SIZE     COUNT generated blocks of SIZE bytes in one commit     -> appended
//   text WORDS            one block with these bytes                             -> appended
//   line WORDS            the same, with an LF behind them                       -> appended
//   file PATH SIZE        the file's bytes in blocks of SIZE                     -> appended
//   truncate LENGTH       cut back under a new fork                              -> truncated
//   clear FROM TO         forget blocks FROM..TO-1                               -> cleared
//   get INDEX             one block, verified                                    -> block
//   all                   every block up to the newest length, in order          -> all
//   seek BYTE             which block holds this byte                            -> seek
//   info                                                                         -> info
//   quit                                                                         -> closed
// "length" events come unasked, whenever the log grew or was cut, with the clock of the moment.

const fs = require('fs')
const os = require('os')
const path = require('path')
const { createHash } = require('crypto')
const readline = require('readline')
const hypercoreCrypto = require('hypercore-crypto')
const { listen, connect, emit, sha256 } = require('./connect.js')

const options = readOptions(process.argv.slice(2))
const Hypercore = require(options.v10 ? 'hypercore10' : 'hypercore')
const version = require((options.v10 ? 'hypercore10' : 'hypercore') + '/package.json').version

main().catch((err) => die(err))

async function main () {
  const storage = options.storage || fs.mkdtempSync(path.join(os.tmpdir(), 'hc-peer-'))
  if (!options.storage) process.on('exit', () => fs.rmSync(storage, { recursive: true, force: true }))

  const core = openCore(storage)
  await core.ready()
  core.on('append', () => emit('length', { length: core.length, fork: core.fork, at: Date.now() }))
  core.on('truncate', () => emit('length', { length: core.length, fork: core.fork, at: Date.now() }))
  core.on('verification-error', (err) => emit('verification-error', { message: err.message }))

  let port = null
  if (options.listen) port = await listen(core, !!options.initiator)
  emit('ready', {
    key: core.key.toString('hex'),
    discoveryKey: core.discoveryKey.toString('hex'),
    length: core.length,
    fork: core.fork,
    port,
    version
  })
  await connect(core, options)

  const lines = readline.createInterface({ input: process.stdin })
  for await (const line of lines) {
    const [verb, ...words] = line.trim().split(' ')
    if (verb === 'quit') break
    // Commands run side by side, as an application's calls would: a get may wait for a block to be announced.
    command(core, verb, words).catch((err) => emit('error', { command: line, message: err.message }))
  }
  await core.close()
  emit('closed', {})
  process.exit(0)
}

function openCore (storage) {
  if (options.key) return new Hypercore(storage, Buffer.from(options.key, 'hex'))
  const keyPair = hypercoreCrypto.keyPair(options.seed ? Buffer.from(options.seed, 'hex') : undefined)
  if (options.compat) return new Hypercore(storage, null, { keyPair, compat: true })
  const manifest = { version: Number(options.manifest || 1), quorum: 1, signers: [{ publicKey: keyPair.publicKey }] }
  return new Hypercore(storage, null, { keyPair, compat: false, manifest })
}

async function command (core, verb, words) {
  switch (verb) {
    case 'append': {
      const blocks = []
      for (let i = 0; i < Number(words[0]); i++) blocks.push(generated(core.length + i, Number(words[1])))
      await core.append(blocks)
      return emit('appended', { length: core.length, byteLength: core.byteLength, at: Date.now() })
    }
    case 'text':
    case 'line': {
      await core.append(Buffer.from(words.join(' ') + (verb === 'line' ? '\n' : '')))
      return emit('appended', { length: core.length, byteLength: core.byteLength, at: Date.now() })
    }
    case 'file': {
      const bytes = fs.readFileSync(words[0])
      const size = Number(words[1])
      for (let at = 0; at < bytes.length; at += size * 16) {
        const blocks = []
        for (let i = at; i < Math.min(bytes.length, at + size * 16); i += size) blocks.push(bytes.subarray(i, Math.min(bytes.length, i + size)))
        await core.append(blocks)
      }
      return emit('appended', { length: core.length, byteLength: core.byteLength, at: Date.now() })
    }
    case 'truncate':
      await core.truncate(Number(words[0]))
      return emit('truncated', { length: core.length, fork: core.fork })
    case 'clear':
      await core.clear(Number(words[0]), Number(words[1]))
      return emit('cleared', {})
    case 'get': {
      const block = await core.get(Number(words[0]))
      return emit('block', { index: Number(words[0]), bytes: block.length, sha256: sha256(block), at: Date.now() })
    }
    case 'all': {
      const done = core.findingPeers()
      setTimeout(done, 3000)
      while (core.length === 0) await core.update({ wait: true })
      const length = core.length
      core.download({ start: 0, end: length })
      const digest = createHash('sha256')
      let bytes = 0
      for (let i = 0; i < length; i++) {
        const block = await core.get(i)
        digest.update(block)
        bytes += block.length
      }
      return emit('all', { length, bytes, sha256: digest.digest('hex'), contiguous: core.contiguousLength })
    }
    case 'seek': {
      const [index, offset] = await core.seek(Number(words[0]))
      return emit('seek', { index, offset })
    }
    case 'info':
      return emit('info', { length: core.length, fork: core.fork, byteLength: core.byteLength, contiguous: core.contiguousLength, peers: core.peers.length })
    default:
      throw new Error('unknown command ' + verb)
  }
}

// generated returns block i: a line that names it, then bytes of a xorshift generator seeded with i.
function generated (i, size) {
  const block = Buffer.alloc(size)
  let state = (Math.imul(i + 1, 0x9e3779b1) >>> 0) || 1
  for (let at = 0; at < size; at++) {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    block[at] = state & 0xff
  }
  block.write(('block ' + i + '\n').slice(0, size), 0, 'latin1')
  return block
}

function die (err) {
  process.stderr.write('peer: ' + (err.stack || err) + '\n')
  process.exit(1)
}

function readOptions (words) {
  const flags = ['v10', 'compat', 'listen', 'initiator']
  const found = {}
  for (let i = 0; i < words.length; i++) {
    const name = words[i].replace(/^--/, '')
    found[name] = flags.includes(name) ? true : words[++i]
  }
  return found
}
