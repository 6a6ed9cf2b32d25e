"""Runs the same code with a peer, over and over, and says on each line how long one run took.

Usage: run.py PEER SECONDS
Prints one JSON object: {"open": ms, "runs": [ms], "close": ms}, or {"error": "..."} where the peer does not run here.
"""

import json
import sys
import tempfile
import time
import traceback

IMAGE = "gleitzeit-test/peers"
CODE = "print(sum(range(100)))"
ANSWER = "4950"
LIMITS = {"mem_limit": "256m", "network_mode": "none", "pids_limit": 64}


def timed(call):
    begun = time.perf_counter()
    value = call()
    return value, (time.perf_counter() - begun) * 1e3


def llm_sandbox(backend=None):
    from llm_sandbox import SandboxBackend, SandboxSession

    if backend == "bubblewrap":
        session = SandboxSession(lang="python", backend=SandboxBackend.BUBBLEWRAP, skip_environment_setup=True)
    else:
        import docker

        session = SandboxSession(
            lang="python",
            image=IMAGE,
            skip_environment_setup=True,
            client=docker.from_env(),
            runtime_configs={**LIMITS, "command": ["sleep", "infinity"]},
        )
    return session.open, lambda: session.run(CODE).stdout, session.close


def smolagents():
    import logging

    from smolagents.monitoring import AgentLogger, LogLevel
    from smolagents.remote_executors import DockerExecutor

    made = []

    def start():
        # It talks to a published port, so it cannot be without a network.
        made.append(
            DockerExecutor(
                [],
                AgentLogger(level=LogLevel.OFF),
                image_name=IMAGE,
                build_new_image=False,
                port=18888,
                container_run_kwargs={"mem_limit": "256m", "pids_limit": 64},
            )
        )

    logging.disable(logging.CRITICAL)
    return start, lambda: made[0].run_code_raise_errors(CODE).logs, lambda: made[0].cleanup()


def autogen():
    import asyncio

    from autogen_core import CancellationToken
    from autogen_core.code_executor import CodeBlock
    from autogen_ext.code_executors.docker import DockerCommandLineCodeExecutor

    loop = asyncio.new_event_loop()
    folder = tempfile.mkdtemp()
    executor = DockerCommandLineCodeExecutor(image=IMAGE, timeout=30, work_dir=folder)
    block = [CodeBlock(language="python", code=CODE)]

    def run():
        return loop.run_until_complete(executor.execute_code_blocks(block, CancellationToken())).output

    return lambda: loop.run_until_complete(executor.start()), run, lambda: loop.run_until_complete(executor.stop())


PEERS = {
    "llm-sandbox": llm_sandbox,
    "llm-sandbox-bubblewrap": lambda: llm_sandbox("bubblewrap"),
    "smolagents": smolagents,
    "autogen": autogen,
}


def measure(peer, seconds):
    start, run, close = PEERS[peer]()
    found = {"runs": []}
    try:
        found["open"] = timed(start)[1]
        for _ in range(2):
            run()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            output, took = timed(run)
            if ANSWER not in str(output):
                raise RuntimeError(f"it answered {output!r}")
            found["runs"].append(took)
    finally:
        found["close"] = timed(close)[1]
    return found


def main():
    # Whatever a peer prints must not be taken for what we found.
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        found = measure(sys.argv[1], float(sys.argv[2]))
    except BaseException as error:
        traceback.print_exc()
        found = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    print(json.dumps(found), file=out, flush=True)


main()
