#!/bin/sh
# Makes everything the tests need from Python in one directory: DIR/venv with the pinned packages, DIR/tiny.gguf.
# Usage: setup.sh DIR
# Run again, it does only what has changed since. Prints nothing but errors and, last, what was made.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: setup.sh DIR" >&2
    exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$1"
dir=$(CDPATH='' cd -- "$1" && pwd)
python=$dir/venv/bin/python

# Two set-ups at once, as parallel tests may start them, take turns.
exec 9>"$dir/lock"
flock 9

# A stamp is written last: an interrupted step is done again.
if ! cmp -s "$here/requirements.txt" "$dir/requirements.done"; then
    python3 -m venv --clear "$dir/venv"
    "$python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$dir/requirements.done"
fi
if ! cmp -s "$here/make_gguf.py" "$dir/make_gguf.done" || [ ! -f "$dir/tiny.gguf" ]; then
    "$python" "$here/make_gguf.py" "$dir/tiny.gguf.new"
    mv "$dir/tiny.gguf.new" "$dir/tiny.gguf"
    cp "$here/make_gguf.py" "$dir/make_gguf.done"
fi
echo "$python"
echo "$dir/tiny.gguf"
