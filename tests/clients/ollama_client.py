"""The stock Python client of Ollama against any server that claims to be one.

Usage: ollama_client.py BASE_URL MODEL [--embedder MODEL] [--pullable MODEL] [--read-only]

Asserts what a user of the client relies on, streamed and not, sync and async, and prints "ok N checks" at the end.
Without an embedder the chat model makes the embeddings; without a pullable model nothing is pulled; with --read-only
nothing is copied, deleted or pulled, for servers that are not ours to change.
"""

import argparse
import asyncio
import math

import ollama

CHECKS = 0
MESSAGES = [{"role": "user", "content": "why is the sky blue?"}]
NOBODY = "no-such-model-anywhere"


def check(condition, what):
    """Counts a check, or ends the script saying which one failed."""
    global CHECKS
    if not condition:
        raise SystemExit(f"failed: {what}")
    CHECKS += 1


def refuses(status, what, call):
    """Checks that a call ends in the client's own error with this status (None: any, as in a stream that has begun)."""
    try:
        call()
    except ollama.ResponseError as error:
        check(status is None or error.status_code == status, f"{what}: status {error.status_code}, not {status}")
        check(error.error, f"{what}: an error without words")
    else:
        check(False, f"{what}: no error")


def same(name, other):
    """Whether two names are the same model."""
    return name.lower().removesuffix(":latest") == other.lower().removesuffix(":latest")


def inventory(client, model):
    models = client.list().models
    check(any(same(m.model, model) for m in models), f"list has {model}")
    listed = next(m for m in models if same(m.model, model))
    check(len(listed.digest) == 64, "a digest of 64 digits")
    check(listed.size > 0, "a size")
    check(listed.modified_at.tzinfo is not None, "a time with its offset")
    check(listed.details.family, "a family")

    shown = client.show(model)
    check(shown.modelinfo and "general.architecture" in shown.modelinfo, "show tells the architecture")
    check("completion" in shown.capabilities, "show tells the capabilities")
    refuses(404, "show of nothing", lambda: client.show(NOBODY))


def chat(client, model):
    whole = client.chat(model, MESSAGES)
    check(whole.message.role == "assistant" and whole.message.content, "chat answers")
    check(whole.done and whole.done_reason in ("stop", "length"), "chat says why it ended")
    check(whole.eval_count > 0 and whole.total_duration > 0, "chat counts")
    check(same(whole.model, model), "chat names the model")

    parts = list(client.chat(model, MESSAGES, stream=True))
    check(len(parts) > 1, "a stream has several parts")
    check(all(not part.done for part in parts[:-1]) and parts[-1].done, "only the last part is the end")
    check("".join(part.message.content for part in parts), "the parts make an answer")

    short = client.chat(model, MESSAGES, options={"num_predict": 1})
    check(short.eval_count == 1 and short.done_reason == "length", "num_predict cuts it short")

    refuses(404, "chat with nothing", lambda: client.chat(NOBODY, MESSAGES))
    refuses(404, "streamed chat with nothing", lambda: list(client.chat(NOBODY, MESSAGES, stream=True)))


def generate(client, model):
    whole = client.generate(model, "why is the sky blue?")
    check(whole.response and whole.done, "generate answers")
    parts = list(client.generate(model, "why is the sky blue?", stream=True))
    check("".join(part.response for part in parts), "generate streams")
    check(parts[-1].done, "generate says that it is done")
    refuses(404, "generate with nothing", lambda: client.generate(NOBODY, "why?"))


def residency(client, model):
    loaded = client.generate(model)
    check(loaded.done_reason == "load", "an empty prompt loads")
    running = next((m for m in client.ps().models if same(m.model, model)), None)
    check(running is not None, "ps has what was loaded")
    check(running.context_length > 0 and running.size > 0, "ps tells context and size")
    check(running.expires_at.tzinfo is not None, "ps tells when it expires")
    unloaded = client.generate(model, keep_alive=0)
    check(unloaded.done_reason == "unload", "keep_alive 0 unloads")


def embed(client, embedder):
    one = client.embed(embedder, "sky")
    check(len(one.embeddings) == 1, "one vector for one text")
    check(abs(math.hypot(*one.embeddings[0]) - 1) < 1e-3, "the vector has length one")
    two = client.embed(embedder, ["sky", "sea"])
    check(len(two.embeddings) == 2 and two.embeddings[0] == one.embeddings[0], "the same text, the same vector")
    check(len(client.embeddings(embedder, "sky").embedding) > 0, "the old route answers")
    refuses(404, "embed with nothing", lambda: client.embed(NOBODY, "sky"))


def copy_and_delete(client, model):
    client.copy(model, "a-copy-of-it")
    check(any(same(m.model, "a-copy-of-it") for m in client.list().models), "the copy is there")
    client.delete("a-copy-of-it")
    check(not any(same(m.model, "a-copy-of-it") for m in client.list().models), "the copy is gone")
    refuses(404, "delete of nothing", lambda: client.delete("a-copy-of-it"))
    refuses(404, "copy of nothing", lambda: client.copy(NOBODY, "x"))


def pull(client, pullable):
    progress = list(client.pull(pullable, stream=True))
    check(progress[0].status == "pulling manifest", "a pull begins with the manifest")
    check(progress[-1].status == "success", "a pull ends with success")
    layers = [p for p in progress if p.digest]
    check(layers and any(p.completed == p.total for p in layers), "a layer comes to its end")
    check(any(same(m.model, pullable) for m in client.list().models), "the model is there")
    check(client.pull(pullable).status == "success", "a pull without a stream ends with success")
    refuses(None, "pull of nothing", lambda: list(client.pull(NOBODY, stream=True)))
    client.delete(pullable)


async def asynchronous(url, model):
    client = ollama.AsyncClient(host=url)
    whole = await client.chat(model, MESSAGES)
    check(whole.message.content, "async chat answers")
    parts = [part async for part in await client.chat(model, MESSAGES, stream=True)]
    check(parts[-1].done and len(parts) > 1, "async chat streams")
    answers = await asyncio.gather(*(client.generate(model, "why?") for _ in range(8)))
    check(all(answer.done for answer in answers), "eight at once are answered")
    check(any(same(m.model, model) for m in (await client.list()).models), "async list has the model")
    try:
        await client.chat(NOBODY, MESSAGES)
    except ollama.ResponseError as error:
        check(error.status_code == 404, "async error has its status")
    else:
        check(False, "async chat with nothing: no error")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("model")
    parser.add_argument("--embedder")
    parser.add_argument("--pullable")
    parser.add_argument("--read-only", action="store_true")
    options = parser.parse_args()

    client = ollama.Client(host=options.url)
    inventory(client, options.model)
    chat(client, options.model)
    generate(client, options.model)
    residency(client, options.model)
    embed(client, options.embedder or options.model)
    if not options.read_only:
        copy_and_delete(client, options.model)
        if options.pullable:
            pull(client, options.pullable)
    asyncio.run(asynchronous(options.url, options.model))
    print(f"ok {CHECKS} checks")


if __name__ == "__main__":
    main()
