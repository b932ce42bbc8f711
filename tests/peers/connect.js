'use strict'
// connect.js: what peer.js and drive.js share: connections, on each of which a core, or a store of them, is replicated, and
// the events that they tell of themselves.

const net = require('net')
const { createHash } = require('crypto')
const { spawn } = require('child_process')
const { Duplex } = require('stream')
const SecretStream = require('@hyperswarm/secret-stream')

module.exports = { listen, connect, emit, sha256 }

// listen takes any number of connections, and returns the port.
function listen (replicated, initiator) {
  const server = net.createServer((socket) => {
    socket.setNoDelay(true)
    attach(replicated, initiator, socket)
  })
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server.address().port))
  })
}

// connect makes the connections that --connect and --exec ask for.
async function connect (replicated, options) {
  if (options.connect) attach(replicated, true, await dial(options.connect))
  if (options.exec) attach(replicated, true, run(options.exec))
}

function dial (address) {
  const at = address.lastIndexOf(':')
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)) }, () => resolve(socket))
    socket.setNoDelay(true)
    socket.on('error', reject)
  })
}

// run speaks over a child's standard input and output.
function run (line) {
  const child = spawn('/bin/sh', ['-c', 'exec ' + line], { stdio: ['pipe', 'pipe', 'inherit'] })
  process.on('exit', () => child.kill('SIGTERM'))
  return Duplex.from({ readable: child.stdout, writable: child.stdin })
}

function attach (replicated, initiator, raw) {
  const stream = new SecretStream(initiator, raw)
  stream.on('error', (err) => emit('stream-error', { message: err.message }))
  stream.on('close', () => emit('disconnected', {}))
  raw.on('error', () => {})
  replicated.replicate(stream)
}

function emit (event, fields) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + '\n')
}

function sha256 (bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}
