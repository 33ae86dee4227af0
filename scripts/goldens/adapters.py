"""Builds LoRA adapters of fused matrices for tiny checkpoints, as PEFT saves them.

For each it writes a folder tests/goldens/adapters/NAME for the checkpoint of the same name in
tests/goldens/architectures, with

  adapter_config.json, adapter_model.safetensors   the adapter
  expected.json                                    what PEFT computes with it, in the fields that
                                                   build.py has

The same version of the packages in requirements.txt gives the same files.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

import tokenizer as tiny_tokenizer
from build import GOLDENS, MARGIN, SEEDS
from reference import reference

ADAPTERS = {
    "phi3": LoraConfig(
        r=3,
        lora_alpha=6,
        target_modules=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
    ),
    "gpt2": LoraConfig(
        r=4, lora_alpha=8, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True
    ),
    # Its fused projection goes head by head.
    "gpt_neox": LoraConfig(r=4, lora_alpha=4, target_modules=["query_key_value", "dense"]),
}


def write(name: str, config: LoraConfig, folder: Path) -> None:
    """Saves the adapter with the first seed whose greedy tokens lead clearly."""
    for seed in range(SEEDS):
        base = AutoModelForCausalLM.from_pretrained(GOLDENS / name, attn_implementation="eager")
        torch.manual_seed(seed)
        model = get_peft_model(base, config).eval()
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if "lora_" in parameter_name:
                    parameter.copy_(0.4 * torch.randn_like(parameter))
        golden = reference(model, tiny_tokenizer.build(), False)
        if min(golden["greedy_margin"]) >= MARGIN and len(set(golden["greedy_ids"])) >= 4:
            break
    else:
        raise ValueError(f"no seed below {SEEDS} leads by {MARGIN} at every greedy token")
    shutil.rmtree(folder, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = name
    # Whether embeddings were trained too is known; to find out, PEFT would ask the hub.
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    (folder / "expected.json").write_text(json.dumps(golden) + "\n")
    print(f"{name}: seed {seed}, margin {min(golden['greedy_margin'])}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=GOLDENS.parent / "adapters",
        help="folder (tests/goldens/adapters)",
    )
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    for name, config in ADAPTERS.items():
        write(name, config, options.output / name)


if __name__ == "__main__":
    main()
