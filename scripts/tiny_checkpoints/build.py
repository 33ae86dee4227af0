"""Builds tiny random checkpoints with what Hugging Face transformers computes for them.

For each architecture it writes tiny-NAME.gguf, a whole model of some 100 kB with a real tokenizer,
and tiny-NAME.json:

  text, ids             a text and its token ids
  logit_rows, logits    indices into ids, and the logits after each of those tokens, [rows, vocab]
  greedy_ids            16 tokens that follow, end of sequence ignored
  greedy_margin         the distance of the two largest logits at each of them

The same seed gives the same files. Needs the packages of requirements.txt.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers

import gguf_file
from checkpoints import CHECKPOINTS, build
from reference import reference

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
# Its continuations are varied, and the best token always leads clearly.
SEED = 2


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "architectures",
        nargs="*",
        metavar="NAME",
        help=f"which to build, of {', '.join(CHECKPOINTS)} (all)",
    )
    parser.add_argument("--output", type=Path, default=FIXTURES, help="folder (tests/fixtures)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"seed of the weights ({SEED})")
    options = parser.parse_args()
    for name in options.architectures:
        if name not in CHECKPOINTS:
            parser.error(f"no architecture {name}; known are {', '.join(CHECKPOINTS)}")
    return options


def main() -> None:
    options = arguments()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    for name in options.architectures or CHECKPOINTS:
        checkpoint = CHECKPOINTS[name]
        vocabulary = checkpoint.vocabulary()
        model, tensors = build(checkpoint, options.seed)
        path = options.output / f"tiny-{name}.gguf"
        gguf_file.write(path, checkpoint, model.config, vocabulary, tensors)
        golden = reference(model, vocabulary.tokenizer)
        path.with_suffix(".json").write_text(json.dumps(golden) + "\n")
        margin = min(golden["greedy_margin"])
        print(f"{path}: {path.stat().st_size} bytes, smallest greedy margin {margin}")


if __name__ == "__main__":
    main()
