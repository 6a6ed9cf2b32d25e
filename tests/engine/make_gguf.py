"""Writes a tiny language model with random weights: a real file for a real engine, without a download.

Usage: make_gguf.py FILE

The architecture is llama with two layers and a vocabulary of bytes. The weights come from a fixed seed, so every run
writes the same model. It has learnt nothing, yet it is bent in one direction: letters, digits and spaces are likely,
and the end of text is not, so that its answers are plain text which goes on until a limit or a hang-up ends it.
"""

import sys

import gguf
import numpy as np

SEED = 7
LAYERS, WIDTH, HEADS, HIDDEN = 2, 64, 4, 192
CONTEXT = 32768
SPECIAL = ["<unk>", "<s>", "</s>"]
LIKELY = b"abcdefghijklmnopqrstuvwxyz0123456789    "

# One coordinate of the width is the same for every token and carries the bend to the output.
BEND = 0
BEND_IN, BEND_OUT = 4.0, 1.5

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def vocabulary(writer):
    tokens = [token.encode() for token in SPECIAL] + [b"<0x%02X>" % byte for byte in range(256)]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL] + [gguf.TokenType.BYTE] * 256
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    return len(tokens)


def weights(writer, tokens):
    random = np.random.default_rng(SEED)

    def matrix(rows, columns):
        return (random.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)

    def ones():
        return np.ones(WIDTH, dtype=np.float32)

    embedding = matrix(tokens, WIDTH) * 8
    embedding[:, BEND] = BEND_IN
    output = matrix(tokens, WIDTH) * 8
    likely = np.zeros(tokens, dtype=bool)
    likely[[len(SPECIAL) + byte for byte in LIKELY]] = True
    output[:, BEND] = np.where(likely, BEND_OUT, -BEND_OUT) * 8

    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", ones())
    writer.add_tensor("output.weight", output)
    for layer in range(LAYERS):
        name = f"blk.{layer}"
        writer.add_tensor(f"{name}.attn_norm.weight", ones())
        writer.add_tensor(f"{name}.ffn_norm.weight", ones())
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            square = matrix(WIDTH, WIDTH)
            if part == "attn_output":
                square[BEND] = 0
            writer.add_tensor(f"{name}.{part}.weight", square)
        writer.add_tensor(f"{name}.ffn_gate.weight", matrix(HIDDEN, WIDTH))
        writer.add_tensor(f"{name}.ffn_up.weight", matrix(HIDDEN, WIDTH))
        down = matrix(WIDTH, HIDDEN)
        down[BEND] = 0
        writer.add_tensor(f"{name}.ffn_down.weight", down)


def main(path):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    tokens = vocabulary(writer)
    writer.add_vocab_size(tokens)
    weights(writer, tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
