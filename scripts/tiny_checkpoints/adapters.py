"""Builds tests/fixtures/tiny-llama-adapters: random LoRA adapters as PEFT saves them.

  every      rank 4 on every projection
  attention  rank 6 on q and v, scaled by the root of the rank (rsLoRA), in bfloat16

Each folder holds adapter_config.json, adapter_model.safetensors, and what PEFT computes in float32
with the adapter on a tiny checkpoint, in the fields of tiny-NAME.json (see build.py): golden.json
on the folder of folders.py, golden-gguf.json on the GGUF file of build.py.

The same seed gives the same files. Needs the packages of requirements.txt.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

import build as gguf
import folders
from build import FIXTURES
from checkpoints import CHECKPOINTS, build
from reference import reference

# Of the first eighty the one whose best tokens lead most clearly: a backend that rounds finds them.
SEED = 65
EVERY = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    "every": (LoraConfig(r=4, lora_alpha=8, target_modules=EVERY), torch.float32),
    "attention": (
        LoraConfig(r=6, lora_alpha=4, use_rslora=True, target_modules=["q_proj", "v_proj"]),
        torch.bfloat16,
    ),
}


def write(folder: Path, base: PreTrainedModel, config: LoraConfig, dtype, seed: int) -> None:
    """Saves an adapter whose numbers are large enough to change what the model says."""
    torch.manual_seed(seed)
    model = get_peft_model(base, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_((0.25 * torch.randn_like(parameter)).to(dtype))
                parameter.data = parameter.data.to(dtype)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)


def golden(base: PreTrainedModel, folder: Path, tokenizer, name: str) -> None:
    model = PeftModel.from_pretrained(base, folder).to(torch.float32)
    found = reference(model, tokenizer)
    (folder / name).write_text(json.dumps(found) + "\n")
    print(f"{folder / name}: smallest greedy margin {min(found['greedy_margin'])}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=FIXTURES, help="folder (tests/fixtures)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"seed of the adapters ({SEED})")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    checkpoint = CHECKPOINTS["llama"]
    tokenizer = checkpoint.vocabulary().tokenizer

    def in_folder() -> PreTrainedModel:
        return folders.rounded(build(checkpoint, folders.SEED)[0])

    for name, (config, dtype) in ADAPTERS.items():
        folder = options.output / "tiny-llama-adapters" / name
        write(folder, in_folder(), config, dtype, options.seed)
        golden(in_folder(), folder, tokenizer, "golden.json")
        golden(build(checkpoint, gguf.SEED)[0], folder, tokenizer, "golden-gguf.json")


if __name__ == "__main__":
    main()
