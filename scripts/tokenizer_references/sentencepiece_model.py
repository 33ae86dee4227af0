"""A unigram model of SentencePiece, trained and turned into `tokenizer.json`.

What is written is what transformers' converters write (`SpmConverter` of
`convert_slow_tokenizer.py`).
"""

import io

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors

#: What a text is rewritten by before anything else: ligatures, wide digits, spaces of other widths,
#: composed letters; the last goes without trace.
RULES = {
    "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "１": "1", "２": "2", "３": "3", "①": "1", "½": "1/2",
    "\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ", "\u2003": " ",
    "e\u0301": "é", "A\u030a": "Å", "\u212b": "Å", "…": "...", "\u200b": "",
}


def train(corpus: list[str], folder: str) -> Tokenizer:
    """A tokenizer of 1,200 pieces; `folder` is for what comes up meanwhile."""
    rules = f"{folder}/rules.tsv"
    points = lambda text: " ".join(f"{ord(character):X}" for character in text)
    with open(rules, "w", encoding="utf-8") as file:
        file.writelines(f"{points(before)}\t{points(after)}\n" for before, after in RULES.items())
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for text in corpus if text.isprintable()]),
        model_writer=model,
        model_type="unigram",
        vocab_size=1_200,
        normalization_rule_tsv=rules,
        user_defined_symbols=["<tool_call>"],
        control_symbols=["<|end|>"],
        num_threads=1,
        minloglevel=2,
    )
    return converted(model.getvalue())


def converted(proto: bytes) -> Tokenizer:
    model = sentencepiece.SentencePieceProcessor(model_proto=proto)
    pieces = range(model.get_piece_size())
    vocab = [(model.id_to_piece(id), model.get_score(id)) for id in pieces]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=model.unk_id(), byte_fallback=False))
    is_special = lambda id: model.is_control(id) or model.is_unknown(id)
    tokenizer.add_tokens(
        [
            AddedToken(model.id_to_piece(id), normalized=False, special=is_special(id))
            for id in pieces
            if is_special(id) or vocab[id][0] == "<tool_call>"
        ]
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(charsmap(proto)),
            normalizers.Strip(left=False, right=True),
            normalizers.Replace(Regex(" {2,}"), "▁"),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", model.eos_id())]
    )
    return tokenizer


def charsmap(proto: bytes) -> bytes:
    """`normalizer_spec.precompiled_charsmap` of a model (sentencepiece_model.proto)."""
    return field(field(proto, 3), 2)


def field(message: bytes, wanted: int) -> bytes:
    """The bytes of the last field of a number; there are no groups in the messages."""
    found, at = b"", 0

    def varint() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        tag = varint()
        match tag & 7:
            case 0:
                varint()
            case 2:
                length = varint()
                if tag >> 3 == wanted:
                    found = message[at : at + length]
                at += length
            case kind:
                at += {1: 8, 5: 4}[kind]
    return found
