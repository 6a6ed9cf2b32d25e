"""Figures of matplotlib become pictures: those that are shown, and those that are still open at the end of a run."""

import io
import struct
import sys

from . import frames

# Where pictures go, how many may still come, and whether there were more; set for each run.
report = None
left = 0
over = False


def begin(to, count):
    global report, left, over
    report, left, over = to, count, False


def deliver():
    """Sends every open figure and closes it."""
    global left, over
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or report is None:
        return
    for number in pyplot.get_fignums():
        if left > 0:
            left -= 1
            picture = io.BytesIO()
            pyplot.figure(number).savefig(picture, format="png")
            report.send(frames.IMAGE, picture.getvalue())
        else:
            over = True
        pyplot.close(number)


def size(png):
    """Width and height of a PNG, or None for what is none."""
    if len(png) < 24 or png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR":
        return None
    return struct.unpack_from("!2I", png, 16)
