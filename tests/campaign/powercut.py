"""What a disk may hold after a power cut: of writes that were not synced, any part."""

import collections
import struct

SECTOR = 512
Generation = collections.namedtuple("Generation", "commits size")


def salts(wal):
    """SQLite's WAL header has two; the first goes up by one at each reset."""
    return struct.unpack(">II", wal[16:24]) if len(wal) >= 32 else (0, 0)


def generation(wal):
    """Commits since the WAL was last begun anew, and up to where its frames go."""
    page, at, commits = struct.unpack(">I", wal[8:12])[0], 32, 0
    while at + 24 + page <= len(wal) and struct.unpack(">II", wal[at + 8:at + 16]) == salts(wal):
        commits += struct.unpack(">I", wal[at + 4:at + 8])[0] != 0
        at += 24 + page
    return Generation(commits, at)


def any_part(new, old, unit, dice, put):
    """`put` gets `old` with some of the units in which `new` differs, some of them by sectors; how many were lost or torn."""
    share = dice.choice((0.1, 0.5, 0.9))
    out, lost = bytearray(new), 0
    for at in range(0, len(new), unit):
        before = old[at:at + unit]
        if out[at:at + unit] == before or dice.random() < share:
            continue
        lost += 1
        before = before.ljust(min(unit, len(new) - at), b"\0")  # beyond its old end: a hole
        torn = unit > SECTOR and dice.random() < 0.3
        for sector in range(at, min(at + unit, len(new)), SECTOR):
            if not torn or dice.random() < 0.5:
                out[sector:sector + SECTOR] = before[sector - at:sector - at + SECTOR]
    if len(new) > len(old) and dice.random() < 0.3:
        del out[dice.randrange(len(old), len(new)) // unit * unit:]  # and the file did not grow so far
    put(bytes(out))
    return lost
