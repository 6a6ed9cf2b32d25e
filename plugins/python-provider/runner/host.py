"""The host, as the box knows it: what it asks for, and what it is told."""

import json
import struct

from . import frames
from .channel import BACKLOG


class Request:
    """A run that the host is sending."""

    def __init__(self, number, payload):
        if len(payload) < 4:
            raise frames.BadFrame("a run without its parts")
        end = 4 + struct.unpack_from("!I", payload)[0]
        if end > len(payload):
            raise frames.BadFrame("a run whose parts are cut off")
        self.number = number
        self.control = json.loads(payload[4:end].decode())
        self.job = bytearray(frames.pack(frames.RUN, number, payload[end:]))
        self.given = []
        self.stdin = b""
        self.size = len(payload)
        self.complete = False

    @classmethod
    def of_ours(cls, control):
        """One that this process asks of itself."""
        control = json.dumps(control).encode()
        return cls(0, struct.pack("!I", len(control)) + control)

    def add(self, kind, payload):
        self.size += len(payload)
        if self.size > frames.LARGEST:
            raise frames.BadFrame("a run of more than %d bytes" % frames.LARGEST)
        if kind == frames.FILE:
            self.given.append(frames.split_named(payload)[0])
            self.job += frames.pack(kind, self.number, payload)
        elif kind == frames.STDIN and self.control["kind"] == "run":
            self.job += frames.pack(kind, self.number, payload)
        elif kind == frames.STDIN:
            self.stdin += payload
        else:
            self.job += frames.pack(frames.GO, self.number)
            self.job = bytes(self.job)
            self.complete = True


class Host:
    """One host at a time. `on_cancel(number)` and `on_gone()` are called as things happen."""

    def __init__(self, hello, on_cancel, on_gone):
        self.hello, self.on_cancel, self.on_gone = hello, on_cancel, on_gone
        self.channel = None
        self.door = None
        self.request = None
        self.busy = False
        self.watched = False

    def connected(self, channel):
        self.channel = channel
        channel.send(frames.HELLO, 0, self.hello)

    def disconnected(self):
        self.channel = self.request = None
        self.on_gone()

    def on_frame(self, kind, number, payload):
        if kind == frames.PING:
            self.channel.send(frames.PONG, number, payload)
        elif kind == frames.CANCEL:
            self.on_cancel(number)
        elif kind == frames.RUN:
            if self.request is not None or self.busy:
                raise frames.BadFrame("a run before the end of another")
            try:
                self.request = Request(number, payload)
            except (ValueError, KeyError, RecursionError):
                raise frames.BadFrame("a run that cannot be read")
        elif self.request is None or self.request.number != number or self.request.complete:
            raise frames.BadFrame("a part of a run that was not begun")
        else:
            self.request.add(kind, payload)

    def has_asked(self):
        """Whether a run is there, as a whole."""
        return self.request is not None and self.request.complete

    def is_quiet(self):
        """Whether nothing is there, not even a part."""
        return self.request is None and (self.channel is None or not self.channel.decoder.held)

    def take(self):
        """The run that is there. No other may come before its end."""
        request, self.request = self.request, None
        self.busy = True
        self.watched = request.control.get("stream", False)
        return request

    def done(self):
        """The end of a run."""
        self.busy = False
        if self.channel is None and self.door is not None:
            self.door.opened()

    def takes_more(self):
        """Whether it keeps up with what it is sent. Nobody is no obstacle."""
        return self.channel is None or len(self.channel.unsent) < BACKLOG

    def pass_on(self, kind, number, payload):
        """Sends: at once where somebody watches, else with what follows."""
        channel = self.channel
        if channel is not None:
            channel.put(kind, number, payload)
            if self.watched or len(channel.unsent) > 1 << 16:
                channel.flush()

    def tell(self, kind, number, payload):
        """Sends, with everything that was held back."""
        if self.channel is not None:
            self.channel.send(kind, number, payload)

    def has_unsent(self):
        return self.channel is not None and bool(self.channel.unsent)
