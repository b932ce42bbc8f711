#!/usr/bin/env python3
"""Prints the example of FORMAT.md: a second implementation of the format, written from that page."""
import struct

TABLE = []
for n in range(256):
    for _ in range(8): n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)

def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data: crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF

def u32(*n): return struct.pack(f"<{len(n)}I", *n)
def u64(*n): return struct.pack(f"<{len(n)}Q", *n)

PACK, OTHER = 0x1122334455667788, 0x99AABBCCDDEEFF01
NONE = (0, 0, 0)                                                # a position: sequence, id, offset
KINDS = "core run span nodes head seal truncate clear drop seen".split()

def header(id, sequence, generation, through, closer, synced, close):
    b = b"hcpack1\n" + u64(id, sequence, generation, through, closer, *synced, *close) + bytes(28)
    b += u32(crc32c(b))
    return b + bytes(512 - len(b)) + b + bytes(512 - len(b))

def record(pack, offset, kind, append, synced, meta, payload=b"", commit=False):
    padding = bytes(-(64 + len(meta) + len(payload)) % 8)
    seed = u64(pack, offset)
    b = b"hcr\x01" + bytes([KINDS.index(kind) + 1, commit, 0, 0]) + u32(len(meta), len(payload)) + append + u64(*synced)
    b += u32(crc32c(seed + payload + padding))
    b += u32(crc32c(seed + b + meta))
    return b + meta + payload + padding

def mark(boot, synced, readable, end, folder):
    b = b"hcmark1\n" + boot + u64(*synced, *readable, *end, folder) + bytes(20)
    return b + u32(crc32c(b))

def dump(title, b):
    print(f"{title}\n")
    last = None
    for at in range(0, len(b), 16):
        row = b[at:at + 16]
        if row == last == bytes(16):
            if not skipped: print("    *")
            skipped = True
            continue
        skipped, last = False, row
        text = "".join(chr(c) if 32 <= c < 127 else "." for c in row)
        print(f"    {at:08x}  {row.hex(' '):47}  {text}")
    print(f"    {len(b):08x}\n")

append, boot = bytes(range(0xA0, 0xB0)), bytes(range(0x10, 0x20))
synced = (2, PACK, 1024)
pack = header(PACK, 2, 0, 2, 2, synced, (1, OTHER, 1096))
pack += record(PACK, len(pack), "run", append, synced, b"meta", b"some blocks")
pack += record(PACK, len(pack), "head", append, synced, b"a head!!", commit=True)
end = (2, PACK, len(pack))
dump("`packs/2.0.pack`, made by a recovery (it closes pack 1), with one append of a run and a head:", pack)
dump("`mark`, after that append was committed with a sync:", mark(boot, end, end, end, 0x0102030405060708))
