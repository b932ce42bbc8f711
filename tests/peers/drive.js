#!/usr/bin/env node
'use strict'
// drive.js: one stock Hyperdrive peer, steered line by line as peer.js is, for the interoperability tests.
//
//   node drive.js [--storage DIR] [--key HEX | --compat] [--listen] [--connect HOST:PORT] [--exec COMMAND]
//
// The drive is a new one without --key; with --compat one without a manifest, whose header names its blobs.
// --listen takes any number of TCP connections on a free loopback port; --connect and --exec make one. Each is one stream
// that replicates all cores. Events go to standard output, one JSON object a line. The first is
//   {"event":"ready","key","blobs","length","port","version"}
// and later ones answer commands, read from standard input, one a line, each begun when the one before has ended:
//   import FOLDER [dedup] bring the drive to a folder of the disk; with dedup behind block maps   -> imported
//   update                wait for a newer version than is here, or for 10 seconds                  -> updated
//   mirror FOLDER         bring a folder of the disk to the drive                                 -> mirrored
//   put NAME WORDS        one file                                                                -> put
//   link NAME TARGET      a symbolic link                                                         -> put
//   del NAME                                                                                      -> deleted
//   clear NAME            forget the blocks of one file                                           -> cleared
//   truncate VERSION      cut back, under a new fork of both cores                                -> truncated
//   get NAME              one file, whole                                                         -> file
//   ls                    every entry, with the sha256 of its content                             -> ls
//   quit                                                                                          -> closed
// "length" events come unasked, whenever the drive has a new version, with the clock of the moment.

const fs = require('fs')
const os = require('os')
const path = require('path')
const { createHash } = require('crypto')
const readline = require('readline')
const Corestore = require('corestore')
const Hyperdrive = require('hyperdrive')
const Localdrive = require('localdrive')
const { listen, connect, emit, sha256 } = require('./connect.js')

const options = readOptions(process.argv.slice(2))

main().catch(die)

async function main () {
  const storage = options.storage || fs.mkdtempSync(path.join(os.tmpdir(), 'hc-drive-'))
  if (!options.storage) process.on('exit', () => fs.rmSync(storage, { recursive: true, force: true }))
  const store = new Corestore(storage)
  await store.ready()
  const drive = new Hyperdrive(store, options.key ? Buffer.from(options.key, 'hex') : null, { compat: !!options.compat })
  await drive.ready()
  drive.core.on('append', () => emit('length', { length: drive.version, at: Date.now() }))

  const port = options.listen ? await listen(store, false) : null
  emit('ready', {
    key: drive.key.toString('hex'),
    blobs: drive.contentKey ? drive.contentKey.toString('hex') : null,
    length: drive.version,
    port,
    version: require('hyperdrive/package.json').version
  })
  await connect(store, options)
  if (options.key) {
    const found = drive.findingPeers()
    setTimeout(found, 10000).unref()
  }

  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [verb, ...words] = line.trim().split(' ')
    if (verb === 'quit') break
    try {
      await command(drive, verb, words)
    } catch (err) {
      emit('error', { command: line, message: err.stack })
    }
  }
  await drive.close()
  emit('closed', {})
  process.exit(0)
}

async function command (drive, verb, words) {
  switch (verb) {
    case 'import': {
      const mirror = new Localdrive(words[0]).mirror(drive, { dedup: words[1] === 'dedup' })
      await mirror.done()
      return emit('imported', { length: drive.version, at: Date.now() })
    }
    case 'update':
      await drive.update({ wait: true })
      return emit('updated', { length: drive.version })
    case 'mirror': {
      await updated(drive)
      const mirror = drive.mirror(new Localdrive(words[0]))
      await mirror.done()
      return emit('mirrored', { length: drive.version, files: mirror.count.files })
    }
    case 'put':
      await drive.put(words[0], Buffer.from(words.slice(1).join(' ')))
      return emit('put', { length: drive.version, at: Date.now() })
    case 'link':
      await drive.symlink(words[0], words[1])
      return emit('put', { length: drive.version, at: Date.now() })
    case 'del':
      await drive.del(words[0])
      return emit('deleted', { length: drive.version, at: Date.now() })
    case 'clear':
      await drive.clear(words[0])
      return emit('cleared', {})
    case 'truncate':
      await drive.truncate(Number(words[0]))
      return emit('truncated', { length: drive.version, fork: drive.core.fork })
    case 'get': {
      await updated(drive)
      const bytes = await drive.get(words[0])
      return emit('file', bytes ? { bytes: bytes.length, sha256: sha256(bytes), at: Date.now() } : {})
    }
    case 'ls': {
      await updated(drive)
      const entries = []
      for await (const entry of drive.list('/')) entries.push(await listed(drive, entry))
      return emit('ls', { length: drive.version, entries })
    }
    default:
      throw new Error('unknown command ' + verb)
  }
}

// updated waits for the first version of a drive that is read.
async function updated (drive) {
  while (options.key && drive.core.length === 0) await drive.update({ wait: true })
}

async function listed (drive, { key, value }) {
  const about = { name: key, executable: value.executable, link: value.linkname || '', mapped: !!(value.blob && value.blob.blockMap) }
  if (!value.blob) return about
  const digest = createHash('sha256')
  for await (const part of drive.createReadStream(key)) digest.update(part)
  return { ...about, sha256: digest.digest('hex') }
}

function die (err) {
  process.stderr.write('drive: ' + (err.stack || err) + '\n')
  process.exit(1)
}

function readOptions (words) {
  const found = {}
  for (let i = 0; i < words.length; i++) {
    const name = words[i].replace(/^--/, '')
    found[name] = ['listen', 'compat'].includes(name) ? true : words[++i]
  }
  return found
}
