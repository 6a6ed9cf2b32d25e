"""A loop over poll(2): one callback for each descriptor, no threads, nothing asked twice."""

import select
import time

READ, WRITE = select.POLLIN, select.POLLOUT


class Loop:
    def __init__(self):
        self.poll = select.poll()
        self.callbacks = {}

    def watch(self, descriptor, events, callback):
        """Calls back when one of the events happens, or the other end is gone."""
        self.poll.register(descriptor, events)
        self.callbacks[descriptor] = callback

    def forget(self, descriptor):
        """Watches it no longer. May be called twice."""
        if self.callbacks.pop(descriptor, None) is not None:
            self.poll.unregister(descriptor)

    def turn(self, until=None):
        """Waits for something to happen, or for a moment of time.monotonic(), and calls back."""
        wait = None
        if until is not None:
            left = (until - time.monotonic()) * 1000
            # Rounded up: rounding down would spin through the last millisecond.
            wait = min(int(left) + 1, 3600000) if left > 0 else 0
        for descriptor, _ in self.poll.poll(wait):
            callback = self.callbacks.get(descriptor)
            if callback is not None:
                callback()
