"""Builds tests/fixtures/tiny-llama-awq and tiny-llama-gptq: the checkpoint of folders.py with its
projections in 4 bits, packed as AutoAWQ and AutoGPTQ pack them.

golden.json beside each has what folders.py writes, computed in float32 from the weights that the
packed tensors stand for, `(q - zero) * scale`; and under "weights" the first and last row of every
projection.

The GPTQ checkpoint has every kind: q_proj is symmetric (all zeros are 8), down_proj is in the order
of its activations (g_idx), the others are neither. Needs the packages of requirements.txt.
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
import transformers
from safetensors.torch import save_file
from transformers import PreTrainedModel

from build import FIXTURES
from checkpoints import CHECKPOINTS, build
from folders import SEED, fast_tokenizer
from reference import reference

BITS = 4
GROUP = 32
# Which output each number of a word belongs to (AutoAWQ's `WQLinear_GEMM.from_linear`).
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
PLAIN_ORDER = list(range(8))


def packed_words(numbers: numpy.ndarray, order: list[int]) -> torch.Tensor:
    """Eight columns to a word of 32 bits."""
    eights = numbers.reshape(numbers.shape[0], -1, 8).astype(numpy.uint32)
    words = numpy.zeros(eights.shape[:2], numpy.uint32)
    for place, column in enumerate(order):
        words |= eights[:, :, column] << numpy.uint32(BITS * place)
    return torch.from_numpy(words.view(numpy.int32))


def quantized(weight: numpy.ndarray, groups: numpy.ndarray, symmetric: bool):
    """Numbers `[inputs, outputs]`, zeros and scales `[groups, outputs]`, and what they stand for."""
    inputs = weight.T
    count = groups.max() + 1
    low = numpy.stack([inputs[groups == group].min(0) for group in range(count)])
    high = numpy.stack([inputs[groups == group].max(0) for group in range(count)])
    if symmetric:
        high = numpy.maximum(numpy.abs(low), numpy.abs(high))
        low = -high
    scales = ((high - low) / 15).astype(numpy.float16)
    steps = scales.astype(numpy.float32)
    zeros = numpy.full(scales.shape, 8) if symmetric else numpy.rint(-low / steps).clip(0, 15)
    numbers = (numpy.rint(inputs / steps[groups]) + zeros[groups]).clip(0, 15)
    restored = ((numbers - zeros[groups]) * steps[groups]).T.astype(numpy.float32)
    return numbers, zeros, torch.from_numpy(scales), restored


def awq(name: str, weight: numpy.ndarray):
    """A layer's tensors by the ends of their names, and the weights that they stand for."""
    groups = numpy.arange(weight.shape[1]) // GROUP
    numbers, zeros, scales, restored = quantized(weight, groups, symmetric=False)
    tensors = {
        "qweight": packed_words(numbers, AWQ_ORDER),
        "qzeros": packed_words(zeros, AWQ_ORDER),
        "scales": scales,
    }
    return tensors, restored


def gptq(name: str, weight: numpy.ndarray):
    """The same for GPTQ, whose words hold eight inputs, and whose zeros are stored less 1."""
    groups = numpy.arange(weight.shape[1]) // GROUP
    if "down_proj" in name:
        groups = numpy.random.default_rng(SEED).permutation(groups)
    numbers, zeros, scales, restored = quantized(weight, groups, symmetric="q_proj" in name)
    tensors = {
        "qweight": packed_words(numbers.T, PLAIN_ORDER).T.contiguous(),
        "qzeros": packed_words((zeros.astype(int) - 1) % 16, PLAIN_ORDER),
        "scales": scales,
        "g_idx": torch.from_numpy(groups.astype(numpy.int32)),
    }
    return tensors, restored


METHODS = {
    "awq": (awq, {"quant_method": "awq", "version": "gemm", "zero_point": True}),
    "gptq": (gptq, {"quant_method": "gptq", "desc_act": True, "sym": False}),
}


def pack(model: PreTrainedModel, method) -> tuple[dict, dict]:
    """Packs every projection; the model keeps what the packed tensors stand for."""
    tensors, rows = {}, {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "_proj." not in name:
                half = parameter.to(torch.float16)
                tensors[name] = half.clone()
                parameter.copy_(half)
                continue
            layer, restored = method(name, parameter.numpy())
            parameter.copy_(torch.from_numpy(restored))
            rows[name] = [restored[0].tolist(), restored[-1].tolist()]
            stem = name.removesuffix("weight")
            tensors |= {f"{stem}{end}": tensor for end, tensor in layer.items()}
    return tensors, rows


def write(folder: Path, name: str) -> None:
    checkpoint = CHECKPOINTS["llama"]
    vocabulary = checkpoint.vocabulary()
    model, _ = build(checkpoint, SEED)
    method, settings = METHODS[name]
    tensors, rows = pack(model, method)
    folder.mkdir(parents=True, exist_ok=True)
    golden = reference(model, vocabulary.tokenizer) | {"weights": rows}
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    model.config.quantization_config = settings | {"bits": BITS, "group_size": GROUP}
    model.config.bos_token_id, model.config.eos_token_id = vocabulary.bos, vocabulary.eos
    model.config.save_pretrained(folder)
    fast_tokenizer(vocabulary).save_pretrained(folder, save_jinja_files=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=FIXTURES, help="folder (tests/fixtures)")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    for name in METHODS:
        folder = options.output / f"tiny-llama-{name}"
        write(folder, name)
        for path in sorted(folder.iterdir()):
            print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
