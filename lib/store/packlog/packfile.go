package packlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// A pack's header, 128 bytes at offset 0 and again at 512; the rest up to 1024 is zero:
//
//	offset  size  field
//	     0     8  magic       "hcpack1\n"
//	     8     8  id          random, not 0
//	    16     8  sequence    ≥ 1, as in the name
//	    24     8  generation  as in the name
//	    32     8  through     ≥ sequence
//	    40     8  closer      ≤ through
//	    48    24  synced      position
//	    72    24  close       position, or zero
//	    96    28  reserved
//	   124     4  crc32c      u32le, bytes 0–123
const (
	packHeader     = 1024 // bytes before the first record
	packHeaderCopy = 512  // offset of the second copy
	packFields     = 128  // bytes of one copy
	packMagic      = "hcpack1\n"
	packSuffix     = ".pack"
	// DefaultPackSize is the size at which a pack is full unless Options say otherwise.
	DefaultPackSize = 4 << 30 // bytes
)

var (
	errPackHeader = errors.New("pack header is not valid")
	errPackCopy   = errors.New("one of two copies of the pack header is not valid")
	errPackName   = errors.New("pack header and file name differ")
)

// packInfo is the content of a pack's header.
type packInfo struct {
	id         uint64
	sequence   uint64
	generation uint64
	through    uint64
	closer     uint64
	synced     Position
	close      Position
}

func (p packInfo) name() string {
	return strconv.FormatUint(p.sequence, 10) + "." + strconv.FormatUint(p.generation, 10) + packSuffix
}

// parsePackName reads a pack's file name; there is one spelling for each.
func parsePackName(name string) (sequence, generation uint64, ok bool) {
	numbers, ok := strings.CutSuffix(name, packSuffix)
	if !ok {
		return 0, 0, false
	}
	first, second, ok := strings.Cut(numbers, ".")
	if !ok {
		return 0, 0, false
	}
	sequence, err := strconv.ParseUint(first, 10, 64)
	if err != nil || sequence == 0 || sequence >= maxNumber {
		return 0, 0, false
	}
	generation, err = strconv.ParseUint(second, 10, 64)
	if err != nil || generation >= maxNumber {
		return 0, 0, false
	}
	return sequence, generation, packInfo{sequence: sequence, generation: generation}.name() == name
}

// encodePackHeader returns the first 1024 bytes of a pack.
func encodePackHeader(p packInfo) []byte {
	b := make([]byte, 0, packHeader)
	b = append(b, packMagic...)
	b = binary.LittleEndian.AppendUint64(b, p.id)
	b = binary.LittleEndian.AppendUint64(b, p.sequence)
	b = binary.LittleEndian.AppendUint64(b, p.generation)
	b = binary.LittleEndian.AppendUint64(b, p.through)
	b = binary.LittleEndian.AppendUint64(b, p.closer)
	b = AppendPosition(b, p.synced)
	b = AppendPosition(b, p.close)
	b = b[:packFields-4]
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	b = b[:packHeader]
	copy(b[packHeaderCopy:], b[:packFields])
	return b
}

// decodePackHeader decodes a pack's first bytes. If only one copy is valid, or the other bytes are not all zero, it
// returns the valid fields together with an error wrapping errPackCopy.
func decodePackHeader(b []byte) (packInfo, error) {
	if len(b) < packHeader {
		return packInfo{}, fmt.Errorf("%w: file is too short", errPackHeader)
	}
	b = b[:packHeader]
	p, err := decodePackFields(b)
	if err != nil {
		second, err2 := decodePackFields(b[packHeaderCopy:])
		if err2 != nil {
			return packInfo{}, err
		}
		p = second
	}
	if string(encodePackHeader(p)) != string(b) {
		return p, errPackCopy
	}
	return p, nil
}

func decodePackFields(b []byte) (packInfo, error) {
	if string(b[:8]) != packMagic {
		return packInfo{}, fmt.Errorf("%w: no magic", errPackHeader)
	}
	if crc32.Checksum(b[:packFields-4], castagnoli) != binary.LittleEndian.Uint32(b[packFields-4:]) {
		return packInfo{}, fmt.Errorf("%w: checksum does not match", errPackHeader)
	}
	p := packInfo{
		id:         binary.LittleEndian.Uint64(b[8:]),
		sequence:   binary.LittleEndian.Uint64(b[16:]),
		generation: binary.LittleEndian.Uint64(b[24:]),
		through:    binary.LittleEndian.Uint64(b[32:]),
		closer:     binary.LittleEndian.Uint64(b[40:]),
		synced:     DecodePosition(b[48:]),
		close:      DecodePosition(b[72:]),
	}
	for _, x := range b[96 : packFields-4] {
		if x != 0 {
			return packInfo{}, fmt.Errorf("%w: reserved bytes are not zero", errPackHeader)
		}
	}
	if p.id == 0 || p.sequence == 0 || p.through < p.sequence || p.through >= maxNumber || p.closer > p.through ||
		!p.close.IsZero() && (!p.close.valid() || p.close.Pack >= p.sequence) ||
		!p.synced.IsZero() && (!p.synced.valid() || p.synced.Pack > p.through) {
		return packInfo{}, fmt.Errorf("%w: fields contradict one another", errPackHeader)
	}
	return p, nil
}
