"""The runner: executes code for the host, from the inside of a box.

Process 1 is supervisor and template at once. It has imported what the code may want, holds the control channel, and runs
none of the code itself: each run is a fork of it, with another user's rights, in a process group and a session of its own.
What the code does there reaches this process only as bytes of bounded number on pipes. When a run ends, everything it has
started is dead and everything it has written is gone before the host is told so.

Standard library only; CPython 3.8 and later.
"""
