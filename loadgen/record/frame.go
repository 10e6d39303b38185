package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A ledger file is a sequence of frames, and a delta is one; integers little-endian:
//
//	magic 4 · payload length 4 · worker 4 · epoch 4 · sequence 8 · payload · CRC-32C 4 (over all before it)
//
// A frame is known by (worker, epoch, sequence): told again, it changes nothing.
const (
	frameHead = 24
	frameFoot = 4
	// longestFrame bounds the memory a frame may ask for: four bitmaps of every uint32 there is would be larger, one
	// second of a run is some kilobytes.
	longestFrame = 1 << 28
)

// The magics do not begin with a byte that text or a bitmap starts with.
const (
	ledgerMagic = "\xa5ALG"
	deltaMagic  = "\xa5ADL"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// FrameID names a delta, and the frame of the ledger that its fates become. Workers count from 1; 0 is whoever keeps the
// record. An epoch is one life of one engine in a worker, and never used twice; its frames count from 0.
type FrameID struct {
	Worker, Epoch uint32
	Sequence      uint64
}

// appendFrame adds the frame whose payload content appends.
func appendFrame(buf []byte, magic string, id FrameID, content func([]byte) ([]byte, error)) ([]byte, error) {
	start := len(buf)
	buf = append(buf, magic...)
	buf = binary.LittleEndian.AppendUint32(buf, 0)
	buf = binary.LittleEndian.AppendUint32(buf, id.Worker)
	buf = binary.LittleEndian.AppendUint32(buf, id.Epoch)
	buf = binary.LittleEndian.AppendUint64(buf, id.Sequence)
	buf, err := content(buf)
	if err != nil {
		return buf[:start], err
	}
	binary.LittleEndian.PutUint32(buf[start+4:], uint32(len(buf)-start-frameHead))
	return binary.LittleEndian.AppendUint32(buf, crc32.Checksum(buf[start:], castagnoli)), nil
}

var (
	errFrameCut = errors.New("a frame is cut off")
	errFrameBad = errors.New("no frame, or its checksum does not hold")
)

// parseFrame reads the frame at the head of b and says how long it is.
func parseFrame(b []byte, magic string) (id FrameID, payload []byte, size int, err error) {
	if n := min(len(b), len(magic)); string(b[:n]) != magic[:n] {
		return id, nil, 0, errFrameBad
	}
	if len(b) < frameHead {
		return id, nil, 0, errFrameCut
	}
	length := binary.LittleEndian.Uint32(b[4:])
	if length > longestFrame {
		return id, nil, 0, errFrameBad
	}
	size = frameHead + int(length) + frameFoot
	if len(b) < size {
		return id, nil, 0, errFrameCut
	}
	body := size - frameFoot
	if crc32.Checksum(b[:body], castagnoli) != binary.LittleEndian.Uint32(b[body:]) {
		return id, nil, 0, errFrameBad
	}
	id = FrameID{binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint64(b[16:])}
	return id, b[frameHead:body], size, nil
}

// nextFrame finds the next sound frame from byte from on, −1 where there is none.
func nextFrame(b []byte, magic string, from int) int {
	for from < len(b) {
		i := bytes.Index(b[from:], []byte(magic))
		if i < 0 {
			return -1
		}
		if _, _, _, err := parseFrame(b[from+i:], magic); err == nil {
			return from + i
		}
		from += i + 1
	}
	return -1
}
