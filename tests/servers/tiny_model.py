"""Write a tiny BERT cross-encoder with random weights: no download, the same files on every run.

    python tests/servers/tiny_model.py FOLDER [--gguf]

FOLDER then has what Transformers loads (`config.json`, `model.safetensors`, tokenizer), or with `--gguf` the same
weights and vocabulary as `model.gguf`. It needs NumPy; `--gguf` needs the package gguf. The scores mean nothing.
"""

from __future__ import annotations

import json
import string
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

SIZE, HEADS, INNER, LAYERS, POSITIONS = 128, 2, 256, 2, 512
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHARACTERS = string.digits + string.ascii_lowercase + "äöüß天然有机" + string.punctuation
VOCABULARY = (*SPECIAL, *CHARACTERS, *(f"##{character}" for character in CHARACTERS))
EPSILON = 1e-12

# The parts of one layer: the name in Transformers, the name in GGUF, and the size of the output and the input.
PARTS = (
    ("attention.self.query", "attn_q", SIZE, SIZE),
    ("attention.self.key", "attn_k", SIZE, SIZE),
    ("attention.self.value", "attn_v", SIZE, SIZE),
    ("attention.output.dense", "attn_output", SIZE, SIZE),
    ("attention.output.LayerNorm", "attn_output_norm", SIZE, 0),
    ("intermediate.dense", "ffn_up", INNER, SIZE),
    ("output.dense", "ffn_down", SIZE, INNER),
    ("output.LayerNorm", "layer_output_norm", SIZE, 0),
)


def weights() -> dict[str, tuple[str, Any]]:
    """Return each tensor's name in GGUF and its values, by its name in Transformers."""
    random = np.random.default_rng(20261126)
    tensors: dict[str, tuple[str, Any]] = {}

    def add(name: str, gguf: str, rows: int, columns: int, *, bias: bool = True) -> None:
        # Without columns: the scale of a normalisation.
        values = random.normal(0, 1.5 / np.sqrt(columns), (rows, columns)) if columns else np.ones(rows)
        tensors[f"{name}.weight"] = (f"{gguf}.weight", values.astype(np.float32))
        if bias:
            tensors[f"{name}.bias"] = (f"{gguf}.bias", random.normal(0, 0.1, rows).astype(np.float32))

    add("bert.embeddings.word_embeddings", "token_embd", len(VOCABULARY), SIZE, bias=False)
    add("bert.embeddings.position_embeddings", "position_embd", POSITIONS, SIZE, bias=False)
    add("bert.embeddings.token_type_embeddings", "token_types", 2, SIZE, bias=False)
    add("bert.embeddings.LayerNorm", "token_embd_norm", SIZE, 0)
    for layer in range(LAYERS):
        for name, gguf, rows, columns in PARTS:
            add(f"bert.encoder.layer.{layer}.{name}", f"blk.{layer}.{gguf}", rows, columns)
    add("bert.pooler.dense", "cls", SIZE, SIZE)
    add("classifier", "cls.output", 1, SIZE)
    return tensors


def write_transformers(folder: Path) -> None:
    """Write `config.json`, `model.safetensors` and a WordPiece tokenizer."""
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "torch_dtype": "float32",
        "vocab_size": len(VOCABULARY),
        "hidden_size": SIZE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "hidden_act": "gelu",
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
        "layer_norm_eps": EPSILON,
        "pad_token_id": 0,
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
    }
    special = {f"{token.strip('[]').lower()}_token": token for token in SPECIAL}
    settings = {
        "tokenizer_class": "BertTokenizer",
        "model_max_length": POSITIONS,
        "do_lower_case": True,
        "strip_accents": False,
        **special,
    }
    added = [
        {"id": at, "content": token, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for at, token in enumerate(SPECIAL)
    ]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": False,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [_special("[CLS]", 0), _sequence("A", 0), _special("[SEP]", 0)],
            "pair": [
                *(_special("[CLS]", 0), _sequence("A", 0), _special("[SEP]", 0)),
                *(_sequence("B", 1), _special("[SEP]", 1)),
            ],
            "special_tokens": {
                token: {"id": token, "ids": [SPECIAL.index(token)], "tokens": [token]} for token in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: at for at, token in enumerate(VOCABULARY)},
        },
    }
    files: Mapping[str, Any] = {
        "config.json": config,
        "special_tokens_map.json": special,
        "tokenizer_config.json": settings,
        "tokenizer.json": tokenizer,
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2), "utf-8")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", "utf-8")
    _write_safetensors(folder / "model.safetensors")


def _special(token: str, segment: int) -> dict[str, Any]:
    return {"SpecialToken": {"id": token, "type_id": segment}}


def _sequence(name: str, segment: int) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": segment}}


def _write_safetensors(file: Path) -> None:
    """Write the format of safetensors: the length of a JSON header, the header, and the values."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    values: list[bytes] = []
    end = 0
    for name, (_, tensor) in weights().items():
        values.append(tensor.tobytes())
        start, end = end, end + len(values[-1])
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": (start, end)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(values))


def write_gguf(file: Path) -> None:
    """Write the same weights and vocabulary as GGUF, named as llama.cpp's converter names them."""
    gguf: Any = import_module("gguf")  # installed beside llama.cpp's server alone

    writer = gguf.GGUFWriter(file, "bert")
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(SIZE)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(EPSILON)
    writer.add_causal_attention(value=False)
    writer.add_pooling_type(gguf.PoolingType.RANK)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_token_type_count(2)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    # A word's first piece has the mark of a space, the others lose their ##.
    pieces = [
        token[2:] if token.startswith("##") and len(token) > 2 else f"\u2581{token}"
        for token in VOCABULARY[len(SPECIAL) :]
    ]
    writer.add_token_list([*SPECIAL, *pieces])
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * len(pieces)
    writer.add_token_types(kinds)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_eos_token_id(3)
    writer.add_mask_token_id(4)
    for name, tensor in weights().values():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    if "--gguf" in sys.argv:
        write_gguf(target / "model.gguf")
    else:
        write_transformers(target)
