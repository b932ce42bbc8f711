package main

import "strings"

// The stages, in the order in which they are printed.
const (
	readFile   = "read files"
	readPipe   = "read the pipe"
	readSocket = "read the socket"
	cut        = "cut"
	decrypt    = "encrypt or decrypt"
	decompress = "decompress"
	compress   = "compress, or see that it is no use"
	hashing    = "hash"
	checksums  = "checksums"
	copies     = "copies"
	index      = "the store: look-ups, the tree, commits"
	protocol   = "questions, answers, frames"
	writeFile  = "write files"
	syncing    = "sync"
	lendPages  = "lend a file's pages to the pipe"
	writePipe  = "write to the pipe"
	writeSock  = "write to the socket"
	memory     = "memory: allocation, collection, page faults"
	waiting    = "runtime: scheduling, waking, polling"
	rest       = "all else"
)

var order = []string{
	readFile, readPipe, readSocket, cut, decrypt, decompress, compress, hashing, checksums, copies, index, protocol, writeFile, syncing, lendPages, writePipe, writeSock,
	memory, waiting, rest,
}

// rules name the stage of a frame by the beginning of its symbol. Of a sample the innermost frame that any of them fits counts, and
// the first rule that fits it. Time that the system spends on behalf of a call is that call's.
var rules = []struct{ prefix, stage string }{
	{"pipe_read", readPipe}, {"anon_pipe_read", readPipe},
	{"pipe_write", writePipe}, {"anon_pipe_write", writePipe},
	{"__do_splice", lendPages}, {"do_splice", lendPages},
	{"sock_read_iter", readSocket}, {"tcp_recvmsg", readSocket},
	{"sock_write_iter", writeSock}, {"tcp_sendmsg", writeSock},
	{"ext4_sync_file", syncing}, {"vfs_fsync_range", syncing}, {"do_fsync", syncing}, {"ksys_sync_file_range", syncing}, {"do_sync_file_range", syncing}, {"sync_file_range", syncing},
	{"asm_exc_page_fault", memory}, {"exc_page_fault", memory}, {"do_madvise", memory}, {"ksys_mmap", memory}, {"__x64_sys_munmap", memory},
	{"vfs_write", writeFile}, {"vfs_writev", writeFile}, {"do_pwritev", writeFile}, {"ksys_pwrite64", writeFile},
	{"vfs_read", readFile}, {"vfs_readv", readFile}, {"ksys_pread64", readFile},

	{"hc/lib/chunk.", cut},
	{"hc/lib/hash.", hashing}, {"golang.org/x/crypto/blake2b.", hashing},
	{"hc/lib/checksum.", checksums}, {"hash/crc32.", checksums},
	{"hc/lib/secretstream.", decrypt}, {"golang.org/x/crypto/chacha20", decrypt}, {"golang.org/x/crypto/internal/poly1305", decrypt},
	{"github.com/klauspost/compress/zstd.(*Decoder)", decompress}, {"github.com/klauspost/compress/zstd.(*frameDec)", decompress},
	{"github.com/klauspost/compress/zstd.(*blockDec)", decompress}, {"github.com/klauspost/compress/zstd.(*history)", decompress},
	{"github.com/klauspost/compress/zstd.sequenceDecs", decompress}, {"github.com/klauspost/compress/zstd.(*sequenceDecs)", decompress},
	{"github.com/klauspost/compress/huff0.(*Decoder)", decompress}, {"github.com/klauspost/compress/huff0.decompress", decompress},
	{"github.com/klauspost/compress/", compress}, {"hc/lib/store.looksRandom", compress}, {"hc/lib/store.evenlySpread", compress},
	{"runtime.mallocgc", memory}, {"runtime.growslice", memory}, {"runtime.makeslice", memory}, {"runtime.newobject", memory}, {"runtime.gc", memory}, {"runtime.bg", memory},
	{"runtime.scan", memory}, {"runtime.greyobject", memory}, {"runtime.memclr", memory}, {"runtime.sysUsed", memory}, {"runtime.sysUnused", memory}, {"runtime.(*mheap)", memory},
	{"runtime.wbBufFlush", memory}, {"runtime.(*scavenge", memory},
	{"runtime.schedule", waiting}, {"runtime.findRunnable", waiting}, {"runtime.mcall", waiting}, {"runtime.mstart", waiting}, {"runtime.sysmon", waiting}, {"runtime.futex", waiting},
	{"runtime.ready", waiting}, {"runtime.gopark", waiting}, {"runtime.chan", waiting}, {"runtime.selectgo", waiting}, {"runtime.netpoll", waiting}, {"runtime.entersyscall", waiting},
	{"runtime.exitsyscall", waiting}, {"runtime.usleep", waiting}, {"runtime.lock", waiting}, {"runtime.unlock", waiting}, {"runtime.notesleep", waiting}, {"runtime.notewakeup", waiting},
	{"runtime.asyncPreempt", waiting}, {"runtime.epollwait", waiting}, {"do_futex", waiting}, {"do_epoll_wait", waiting}, {"do_sys_poll", waiting}, {"sync.", waiting},
	{"internal/runtime/syscall", waiting}, {"internal/poll.", waiting},

	{"hc/lib/store", index}, {"hc/lib/merkle.", index}, {"hc/lib/hypercore.", index},
	{"hc/lib/", protocol},
}

// stageOf returns the stage of a sample. Copying belongs to the stage that calls it if that works on bytes; otherwise it is a copy.
func stageOf(frames []string) string {
	copied := false
	for _, frame := range frames {
		if frame == "runtime.memmove" {
			copied = true
			continue
		}
		for _, rule := range rules {
			if !strings.HasPrefix(frame, rule.prefix) {
				continue
			}
			if copied && (rule.stage == index || rule.stage == protocol) {
				return copies
			}
			return rule.stage
		}
	}
	if copied {
		return copies
	}
	return rest
}
