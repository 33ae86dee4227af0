"""Builds tests/fixtures/tiny-llama-NAME: the checkpoint of folders.py with its projections in few
bits.

  awq, gptq, gptq-8bit  packed as AutoAWQ and AutoGPTQ pack 4 bits, and 8
  fp8                   floats of 8 bits with a scale for each block, as DeepSeek has them
  w4a16                 symmetric, as compressed-tensors packs 4 bits
  compressed            as compressed-tensors has them: k_proj and v_proj floats with a scale for
                        all, down_proj integers and the others floats with one for each output

golden.json beside each has what folders.py writes, computed in float32 from the weights that the
tensors stand for, `(q - zero) * scale`; and under "weights" the first and last row of every
projection.

The GPTQ checkpoints have every kind: q_proj is symmetric (all zeros are the middle), down_proj is in
the order of its activations (g_idx), the others are neither. Needs the packages of
requirements.txt.
"""

import argparse
import json
from functools import partial
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

GROUP = 32
# Rows and columns of a block of fp8; they divide no projection.
BLOCK = (40, 48)
# Largest float of 8 bits.
LARGEST_FLOAT = 448.0
# Which output each number of a word belongs to (AutoAWQ's `WQLinear_GEMM.from_linear`).
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def packed_words(numbers: numpy.ndarray, order: list[int]) -> torch.Tensor:
    """As many columns to a word of 32 bits as `order` has."""
    several = numbers.reshape(numbers.shape[0], -1, len(order)).astype(numpy.uint32)
    words = numpy.zeros(several.shape[:2], numpy.uint32)
    for place, column in enumerate(order):
        words |= several[:, :, column] << numpy.uint32(32 // len(order) * place)
    return torch.from_numpy(words.view(numpy.int32))


def quantized(weight: numpy.ndarray, groups: numpy.ndarray, symmetric: bool, bits: int):
    """Numbers `[inputs, outputs]`, zeros and scales `[groups, outputs]`, and what they stand for."""
    inputs = weight.T
    count = groups.max() + 1
    low = numpy.stack([inputs[groups == group].min(0) for group in range(count)])
    high = numpy.stack([inputs[groups == group].max(0) for group in range(count)])
    if symmetric:
        high = numpy.maximum(numpy.abs(low), numpy.abs(high))
        low = -high
    most = 2**bits - 1
    scales = ((high - low) / most).astype(numpy.float16)
    steps = scales.astype(numpy.float32)
    middle = numpy.full(scales.shape, 2 ** (bits - 1))
    zeros = middle if symmetric else numpy.rint(-low / steps).clip(0, most)
    numbers = (numpy.rint(inputs / steps[groups]) + zeros[groups]).clip(0, most)
    restored = ((numbers - zeros[groups]) * steps[groups]).T.astype(numpy.float32)
    return numbers, zeros, torch.from_numpy(scales), restored


def awq(name: str, weight: numpy.ndarray):
    """A layer's tensors by the ends of their names, and the weights that they stand for."""
    groups = numpy.arange(weight.shape[1]) // GROUP
    numbers, zeros, scales, restored = quantized(weight, groups, False, 4)
    tensors = {
        "qweight": packed_words(numbers, AWQ_ORDER),
        "qzeros": packed_words(zeros, AWQ_ORDER),
        "scales": scales,
    }
    return tensors, restored


def gptq(name: str, weight: numpy.ndarray, bits: int = 4):
    """The same for GPTQ, whose words hold several inputs, and whose zeros are stored less 1."""
    groups = numpy.arange(weight.shape[1]) // GROUP
    if "down_proj" in name:
        groups = numpy.random.default_rng(SEED).permutation(groups)
    numbers, zeros, scales, restored = quantized(weight, groups, "q_proj" in name, bits)
    order = list(range(32 // bits))
    tensors = {
        "qweight": packed_words(numbers.T, order).T.contiguous(),
        "qzeros": packed_words((zeros.astype(int) - 1) % 2**bits, order),
        "scales": scales,
        "g_idx": torch.from_numpy(groups.astype(numpy.int32)),
    }
    return tensors, restored


def w4a16(name: str, weight: numpy.ndarray):
    """The same for compressed-tensors: rows as they are, and no zeros."""
    groups = numpy.arange(weight.shape[1]) // GROUP
    numbers, _, scales, restored = quantized(weight, groups, True, 4)
    tensors = {
        "weight_packed": packed_words(numbers.T, list(range(8))),
        "weight_scale": scales.T.contiguous(),
        "weight_shape": torch.tensor(weight.shape),
    }
    return tensors, restored


def floats(weight: torch.Tensor, largest: torch.Tensor):
    """Floats of 8 bits, scales of the shape of `largest`, and what they stand for."""
    scales = largest / LARGEST_FLOAT
    spread = scales
    for axis, (parts, size) in enumerate(zip(scales.shape, weight.shape)):
        block = BLOCK[axis] if 1 < parts < size else size // parts
        spread = spread.repeat_interleave(block, axis).narrow(axis, 0, size)
    numbers = (weight / spread).to(torch.float8_e4m3fn)
    return numbers, scales, numbers.float() * spread


def fp8(name: str, weight: numpy.ndarray):
    """Blocks of floats. The scale's name says the inverse, and is none."""
    weight = torch.from_numpy(weight)
    rows = [block.abs().split(BLOCK[1], 1) for block in weight.split(BLOCK[0])]
    largest = torch.stack([torch.stack([block.max() for block in row]) for row in rows])
    numbers, scales, restored = floats(weight, largest)
    return {"weight": numbers, "weight_scale_inv": scales}, restored.numpy()


def compressed(name: str, weight: numpy.ndarray):
    """Floats or integers, with a scale for all or for each output."""
    weight = torch.from_numpy(weight)
    largest = weight.abs().amax(1, keepdim=True)
    if "down_proj" in name:
        scales = (largest / 127).to(torch.bfloat16)
        numbers = (weight / scales.float()).round().clamp(-128, 127)
        restored = (numbers * scales.float()).numpy()
        return {"weight": numbers.to(torch.int8), "weight_scale": scales}, restored
    if "k_proj" in name or "v_proj" in name:
        numbers, scales, restored = floats(weight, largest.max().reshape(1, 1))
        extra = {"input_scale": torch.ones(1)}
        return {"weight": numbers, "weight_scale": scales.reshape(1), **extra}, restored.numpy()
    numbers, scales, restored = floats(weight, largest)
    return {"weight": numbers, "weight_scale": scales}, restored.numpy()


METHODS = {
    "awq": (
        awq,
        {"quant_method": "awq", "version": "gemm", "zero_point": True, "bits": 4},
    ),
    "gptq": (gptq, {"quant_method": "gptq", "desc_act": True, "sym": False, "bits": 4}),
    "gptq-8bit": (
        partial(gptq, bits=8),
        {"quant_method": "gptq", "desc_act": True, "sym": False, "bits": 8},
    ),
    "fp8": (fp8, {"quant_method": "fp8", "weight_block_size": list(BLOCK)}),
    "w4a16": (
        w4a16,
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "config_groups": {
                "group_0": {
                    "targets": ["Linear"],
                    "weights": {"num_bits": 4, "type": "int", "symmetric": True},
                }
            },
        },
    ),
    "compressed": (
        compressed,
        {"quant_method": "compressed-tensors", "format": "naive-quantized"},
    ),
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
    if "bits" in settings:
        settings = settings | {"group_size": GROUP}
    model.config.quantization_config = settings
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
