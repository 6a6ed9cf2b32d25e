"""The control channel: the one connection to the host, and the door it comes through."""

import os
import socket
import struct

from . import frames
from .loop import READ, WRITE

# Above so many unsent bytes no more is read from the code: it waits, and its deadline goes on.
BACKLOG = 1 << 20
FROM_HOST = {frames.RUN: frames.LARGEST, frames.FILE: frames.LARGEST, frames.STDIN: frames.LARGEST}
FROM_HOST.update({frames.GO: 0, frames.CANCEL: 0, frames.PING: 64})


class Channel:
    """A connection. Reads frames, and sends without ever waiting."""

    def __init__(self, loop, incoming, outgoing, on_frame, on_close, owner=None):
        self.loop, self.incoming, self.outgoing, self.owner = loop, incoming, outgoing, owner
        self.on_frame, self.on_close = on_frame, on_close
        self.decoder = frames.Decoder(FROM_HOST.get)
        self.unsent = bytearray()
        self.waiting = False
        self.open = True
        loop.watch(incoming, READ, self.readable)

    def readable(self):
        try:
            piece = os.read(self.incoming, 1 << 18)
        except BlockingIOError:
            return self.flush()
        except OSError:
            piece = b""
        if self.waiting and self.unsent:
            self.flush()
        if not piece:
            return self.close()
        try:
            for frame in self.decoder.feed(piece):
                if self.open:
                    self.on_frame(*frame)
        except frames.BadFrame as bad:
            self.fault(str(bad))

    def fault(self, why):
        """Says what was wrong, as far as that can be done without waiting, and ends the connection."""
        self.send(frames.FAULT, 0, why.encode())
        self.close()

    def put(self, kind, run, *parts):
        """Adds a frame to what will be sent; `flush` sends it."""
        if self.open:
            self.unsent += frames.pack(kind, run, *parts)

    def send(self, kind, run, *parts):
        self.put(kind, run, *parts)
        self.flush()

    def flush(self):
        """Sends what can be sent now."""
        try:
            while self.unsent and self.open:
                with memoryview(self.unsent) as whole, whole[: 1 << 18] as piece:
                    sent = os.write(self.outgoing, piece)
                del self.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            return self.close()
        self.watch_for_room(bool(self.unsent))

    def watch_for_room(self, wanted):
        if not self.open or wanted == self.waiting:
            return
        self.waiting = wanted
        if self.incoming == self.outgoing:
            self.loop.watch(self.incoming, READ | WRITE if wanted else READ, self.readable)
        elif wanted:
            self.loop.watch(self.outgoing, WRITE, self.flush)
        else:
            self.loop.forget(self.outgoing)

    def close(self):
        if self.open:
            self.open = False
            self.loop.forget(self.incoming)
            self.loop.forget(self.outgoing)
            if self.owner is not None:
                self.owner.close()
            self.on_close()


class Door:
    """A unix socket that takes one connection at a time."""

    def __init__(self, loop, path, on_open):
        self.loop, self.on_open = loop, on_open
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.setblocking(False)
        # Who may connect is asked of the peer itself: the host is another user than any in this box.
        self.listener.bind(path)
        os.chmod(path, 0o666 if os.getpid() == 1 else 0o600)
        self.listener.listen(8)
        self.opened()

    def opened(self):
        """Takes the next connection."""
        self.loop.watch(self.listener.fileno(), READ, self.knock)

    def knock(self):
        try:
            peer, _ = self.listener.accept()
        except OSError:
            return
        pid, _, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        # A process of this box has a number in it, and is not the host.
        if os.getpid() == 1 and pid != 0:
            return peer.close()
        peer.setblocking(False)
        self.loop.forget(self.listener.fileno())
        self.on_open(peer.fileno(), peer.fileno(), peer)
