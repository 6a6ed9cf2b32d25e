"""The stock Python client of OpenAI against any server that claims to be compatible.

Usage: openai_client.py BASE_URL MODEL [--key KEY] [--embedder MODEL | --no-embeddings] [--lenient]

BASE_URL includes the prefix, such as http://127.0.0.1:7433/v1. Asserts what a user of the client relies on, streamed
and not, sync and async, and prints "ok N checks" at the end. Without an embedder the chat model makes the embeddings.
--lenient is for engines that take any model name and an empty chat, where others refuse.
"""

import argparse
import asyncio

import openai

CHECKS = 0
MESSAGES = [{"role": "user", "content": "why is the sky blue?"}]
NOBODY = "no-such-model-anywhere"
ENOUGH = 16


def check(condition, what):
    """Counts a check, or ends the script saying which one failed."""
    global CHECKS
    if not condition:
        raise SystemExit(f"failed: {what}")
    CHECKS += 1


def refuses(kind, what, call):
    """Checks that a call ends in this error of the client, with words."""
    try:
        call()
    except kind as error:
        check(error.message, f"{what}: an error without words")
    else:
        check(False, f"{what}: no error")


def models(client, model, strict):
    listed = [m.id for m in client.models.list()]
    served = [m for m in listed if m.removesuffix(":latest") == model.removesuffix(":latest")]
    check(served, f"list has {model}: {listed}")
    if strict:
        check(client.models.retrieve(served[0]).object == "model", "a model can be retrieved")
        refuses(openai.NotFoundError, "retrieve of nothing", lambda: client.models.retrieve(NOBODY))


def chat(client, model, strict):
    whole = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=ENOUGH)
    check(whole.object == "chat.completion", "chat says what it is")
    check(whole.choices[0].message.role == "assistant", "the assistant answers")
    check(whole.choices[0].message.content is not None, "the answer has content")
    check(whole.choices[0].finish_reason in ("stop", "length"), "chat says why it ended")
    check(whole.usage.completion_tokens > 0, "chat counts")

    stream = client.chat.completions.create(
        model=model, messages=MESSAGES, max_tokens=ENOUGH, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    check(len(chunks) > 2, "a stream has several chunks")
    check(chunks[0].choices[0].delta.role == "assistant", "the first chunk has the role")
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
    check(finishes[-1] in ("stop", "length") and not any(finishes[:-1]), "only the last choice says why it ended")
    check(chunks[-1].usage and chunks[-1].usage.completion_tokens > 0, "the last chunk counts")

    with client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=ENOUGH, stream=True) as begun:
        check(next(iter(begun)).object == "chat.completion.chunk", "a stream can be left after its first chunk")

    if strict:
        refuses(
            openai.NotFoundError,
            "chat with nothing",
            lambda: client.chat.completions.create(model=NOBODY, messages=MESSAGES),
        )
        refuses(
            openai.NotFoundError,
            "streamed chat with nothing",
            lambda: list(client.chat.completions.create(model=NOBODY, messages=MESSAGES, stream=True)),
        )
        refuses(
            openai.BadRequestError,
            "chat about nothing",
            lambda: client.chat.completions.create(model=model, messages=[]),
        )


def completions(client, model):
    whole = client.completions.create(model=model, prompt="The sky is", max_tokens=ENOUGH)
    check(whole.object == "text_completion" and whole.choices[0].text is not None, "text is completed")
    chunks = list(client.completions.create(model=model, prompt="The sky is", max_tokens=ENOUGH, stream=True))
    check(len(chunks) > 1, "completion streams")


def embeddings(client, model):
    # The client asks for base64 unless told otherwise, and unpacks it.
    packed = client.embeddings.create(model=model, input=["sky", "sea"])
    check([item.index for item in packed.data] == [0, 1], "a vector for each text")
    plain = client.embeddings.create(model=model, input=["sky"], encoding_format="float")
    near = [abs(a - b) < 1e-5 for a, b in zip(plain.data[0].embedding, packed.data[0].embedding, strict=True)]
    check(near and all(near), "the same numbers in both encodings")
    check(packed.usage.prompt_tokens > 0, "embeddings count")


async def asynchronous(url, key, model):
    async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
        create = client.chat.completions.create
        whole = await create(model=model, messages=MESSAGES, max_tokens=ENOUGH)
        check(whole.choices[0].message.content is not None, "async chat answers")
        stream = await create(model=model, messages=MESSAGES, max_tokens=ENOUGH, stream=True)
        check(len([chunk async for chunk in stream]) > 2, "async chat streams")
        answers = await asyncio.gather(
            *(create(model=model, messages=MESSAGES, max_tokens=ENOUGH) for _ in range(8))
        )
        check(all(answer.choices for answer in answers), "eight at once are answered")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("model")
    parser.add_argument("--key", default="unused")
    parser.add_argument("--embedder")
    parser.add_argument("--no-embeddings", action="store_true")
    parser.add_argument("--lenient", action="store_true")
    options = parser.parse_args()

    # Without retries, so that an error is seen and not covered up.
    client = openai.OpenAI(base_url=options.url, api_key=options.key, max_retries=0)
    strict = not options.lenient
    models(client, options.model, strict)
    chat(client, options.model, strict)
    completions(client, options.model)
    if not options.no_embeddings:
        embeddings(client, options.embedder or options.model)
    asyncio.run(asynchronous(options.url, options.key, options.model))
    print(f"ok {CHECKS} checks")


if __name__ == "__main__":
    main()
