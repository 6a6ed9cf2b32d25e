"""Frames: how bytes on a stream become messages, the same on the control channel and on the pipes of a run."""

import struct

# Length of the payload, type, number of the run.
HEADER = struct.Struct("!IBI")

# From the host.
RUN = 1  # u32 length of the supervisor's part, that part as JSON, then the child's part
FILE = 2  # u16 length of the name, the name, the contents
STDIN = 3
GO = 4  # everything has been sent
CANCEL = 5
PING = 6

# From the supervisor to a fork that waits: it may give its rights away.
TURN = 7

# To the host.
HELLO = 16  # JSON: what this runner is
OUT = 17
ERR = 18
IMAGE = 19  # a PNG
MADE = 20  # u16 length of the name, the name, the contents
RESULT = 21  # JSON
END = 22  # JSON: how it went, and whether the box is clean
PONG = 23
FAULT = 24  # text: what was wrong with what the host sent; the connection is closed

# From a run to its supervisor: IMAGE, MADE, RESULT, and
DONE = 32  # JSON: how the code ended, as far as the interpreter saw it

# No frame is larger than this in either direction.
LARGEST = 48 << 20


class BadFrame(Exception):
    """What was sent is no frame, or not one of this size."""


def pack(kind, run, *parts):
    """One frame as bytes."""
    return b"".join((HEADER.pack(sum(map(len, parts)), kind, run), *parts))


def named(name, contents):
    """The payload of FILE and MADE."""
    name = name.encode("utf-8", "replace")[:65535]
    return struct.pack("!H", len(name)) + name, contents


def split_named(payload):
    """Name and contents of such a payload."""
    if len(payload) < 2:
        raise BadFrame("a file without a name")
    end = 2 + struct.unpack_from("!H", payload)[0]
    if end > len(payload):
        raise BadFrame("a file whose name is cut off")
    return bytes(payload[2:end]).decode("utf-8", "surrogateescape"), payload[end:]


class Decoder:
    """Frames out of pieces of a stream. `largest` says how large a frame of a type may be, or None for an unknown type."""

    def __init__(self, largest):
        self.largest = largest
        self.held = bytearray()

    def feed(self, piece):
        """Adds bytes and gives back the frames that are complete now."""
        self.held += piece
        found = []
        start, held = 0, self.held
        while len(held) - start >= HEADER.size:
            length, kind, run = HEADER.unpack_from(held, start)
            largest = self.largest(kind)
            if largest is None:
                raise BadFrame("a frame of the unknown type %d" % kind)
            if length > largest:
                raise BadFrame("a frame of type %d of %d bytes; %d are allowed" % (kind, length, largest))
            end = start + HEADER.size + length
            if end > len(held):
                break
            found.append((kind, run, bytes(held[start + HEADER.size : end])))
            start = end
        if start:
            del held[:start]
        return found
