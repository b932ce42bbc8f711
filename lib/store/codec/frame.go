package codec

import (
	"github.com/klauspost/compress/zstd"

	"hc/lib/store/records"
)

// IsFrame reports whether data is one frame and nothing else, as a run of so many bytes may have it
// (lib/store/records/FORMAT.md), as far as can be seen without decoding it.
func IsFrame(data []byte, raw int) bool {
	var h zstd.Header
	if h.Decode(data) != nil || h.Skippable || h.DictionaryID != 0 || h.HasFCS && h.FrameContentSize != uint64(raw) {
		return false
	}
	if h.WindowSize > records.MaxWindow || h.SingleSegment && raw > records.MaxWindow {
		return false
	}
	const header = 3 // bytes before each block: 1 bit last, 2 bits type, 21 bits size
	at := h.HeaderSize
	for last := false; !last; {
		if len(data)-at < header {
			return false
		}
		word := uint32(data[at]) | uint32(data[at+1])<<8 | uint32(data[at+2])<<16
		size := int(word >> 3)
		if word>>1&3 == 1 { // one byte, repeated
			size = 1
		}
		last = word&1 != 0
		at += header + size
	}
	if h.HasCheckSum {
		at += 4
	}
	return at == len(data)
}
