"""Builds tests/fixtures/tiny-llama: a tiny random checkpoint as Hugging Face transformers saves it.

The folder holds config.json, generation_config.json, model.safetensors (bfloat16), tokenizer.json
and tokenizer_config.json with a chat template; golden.json beside them has the fields of
tiny-NAME.json (see build.py), computed in float32 from the weights in bfloat16.

The same seed gives the same files. Needs the packages of requirements.txt.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from build import FIXTURES
from checkpoints import CHECKPOINTS, build
from reference import reference
from vocabulary import Vocabulary

# Of the first thirty the one whose best tokens lead most clearly: a backend that rounds finds them.
SEED = 15
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<{{ message.role }}>{{ message.content }}\n"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def rounded(model: PreTrainedModel) -> PreTrainedModel:
    """The model with weights that bfloat16 can hold; buffers, such as rope's, stay as they are."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(torch.bfloat16))
    return model


def fast_tokenizer(vocabulary: Vocabulary) -> PreTrainedTokenizerFast:
    def text(id: int | None) -> str | None:
        return None if id is None else vocabulary.tokens[id]

    return PreTrainedTokenizerFast(
        tokenizer_object=vocabulary.tokenizer,
        bos_token=text(vocabulary.bos),
        eos_token=text(vocabulary.eos),
        chat_template=TEMPLATE,
    )


def write(folder: Path, model: PreTrainedModel, vocabulary: Vocabulary) -> None:
    """Saves the model in bfloat16, and its tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    golden = reference(model, vocabulary.tokenizer)
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    tokenizer = fast_tokenizer(vocabulary)
    model.config.bos_token_id = vocabulary.bos
    model.config.eos_token_id = vocabulary.eos
    model.generation_config = transformers.GenerationConfig.from_model_config(model.config)
    # An older way to save the template, and the one that most folders have.
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    model.to(torch.bfloat16).save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=FIXTURES, help="folder (tests/fixtures)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"seed of the weights ({SEED})")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    checkpoint = CHECKPOINTS["llama"]
    model, _ = build(checkpoint, options.seed)
    folder = options.output / "tiny-llama"
    write(folder, rounded(model), checkpoint.vocabulary())
    for path in sorted(folder.iterdir()):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
