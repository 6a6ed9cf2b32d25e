"""Serves a GGUF file over the OpenAI dialect with llama.cpp's own HTTP server, on loopback, in this process.

Usage: serve.py FILE [--port PORT] [--alias NAME] [--parallel N] [--key KEY]

Prints one line, "listening on http://127.0.0.1:PORT", when the model is loaded and requests are answered, and serves
until it is interrupted or terminated. /health, /metrics and /slots tell what the engine is doing.
"""

import argparse
import os
import signal
import sys

import xllamacpp

CONTEXT_PER_SLOT = 16384
ERRORS_ONLY = 1


def parameters(options):
    params = xllamacpp.CommonParams()
    params.model.path = options.file
    params.model_alias = {options.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.n_parallel = options.parallel
    params.n_ctx = CONTEXT_PER_SLOT * options.parallel
    # One thread: the machine is shared with the gateway under test and its clients.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_threads_http = 2 * options.parallel + 4
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.ui = False
    params.verbosity = ERRORS_ONLY
    if options.key:
        params.api_keys = [options.key]
    return params


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--port", type=int, default=0, help="0 is one of the kernel's choosing")
    parser.add_argument("--alias", default="tiny", help="the name it is served under")
    parser.add_argument("--parallel", type=int, default=4, help="requests answered at once; the rest wait")
    parser.add_argument("--key", help="the key that clients have to bear")
    options = parser.parse_args()

    # Blocked before the engine starts its threads, which inherit it: the signals are for the wait below.
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    server = xllamacpp.Server(parameters(options))
    print(f"listening on {server.listening_address}", flush=True)
    signal.sigwait(signals)
    # The engine's destructor waits for its threads and connections; a test does not.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
