#!/bin/sh
# Makes in one directory what the peers need: DIR/venv, and the image gleitzeit-test/peers from gleitzeit-test/plain.
# Usage: setup.sh DIR
# Run again, it does only what has changed since. What of it cannot be had, the peers say themselves when they are run.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$1"
dir=$(CDPATH='' cd -- "$1" && pwd)
exec 9>"$dir/lock"
flock 9

if ! cmp -s "$here/requirements.txt" "$dir/requirements.done"; then
    python3 -m venv --clear "$dir/venv"
    pip="$dir/venv/bin/python -m pip --disable-pip-version-check"
    # One at a time: a peer that cannot be had must not cost the others.
    grep -v '^#' "$here/requirements.txt" | while read -r requirement; do
        $pip install --quiet "$requirement" || echo "cannot install $requirement" >&2
    done
    cp "$here/requirements.txt" "$dir/requirements.done"
fi

base=$(docker image inspect --format '{{.Id}}' gleitzeit-test/plain)
if [ "$(docker image inspect --format '{{index .Config.Labels "gleitzeit-test.base"}}' gleitzeit-test/peers 2>/dev/null || true)" != "$base" ]; then
    # The kernel gateway that smolagents talks to, for the Python of the image.
    rm -rf "$dir/image"
    mkdir -p "$dir/image/gateway"
    "$dir/venv/bin/python" -m pip --disable-pip-version-check install --quiet --python-version 3.11 --only-binary=:all: \
        --target "$dir/image/gateway" jupyter_kernel_gateway ipykernel || echo "cannot fetch the kernel gateway" >&2
    cat >"$dir/image/Dockerfile" <<'DOCKERFILE'
FROM gleitzeit-test/plain
RUN ln -sf python3 /usr/bin/python && mkdir -p /sandbox /workspace
COPY gateway /usr/local/lib/python3.11/dist-packages
WORKDIR /sandbox
CMD ["python3", "-m", "kernel_gateway", "--KernelGatewayApp.ip=0.0.0.0", "--KernelGatewayApp.port=8888"]
DOCKERFILE
    DOCKER_BUILDKIT=0 docker build --quiet --label "gleitzeit-test.base=$base" --tag gleitzeit-test/peers "$dir/image" >/dev/null
fi
echo "$dir/venv/bin/python"
