"""Splits tests/fixtures/tiny-llama.gguf as llama.cpp's `gguf-split` does.

  tests/fixtures/tiny-llama-split/tiny-llama-0000N-of-00003.gguf   the metadata alone first, then
                                                                   eleven tensors a file

Needs the packages of requirements.txt.
"""

from pathlib import Path

from gguf import GGUFReader, GGUFValueType, GGUFWriter

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
TENSORS = 11


def split(source: Path, target: Path) -> None:
    reader = GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = GGUFWriter(target, architecture, split_max_tensors=TENSORS, small_first_shard=True)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind = field.types[0]
        element = field.types[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=element)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    folder = FIXTURES / "tiny-llama-split"
    folder.mkdir(exist_ok=True)
    split(FIXTURES / "tiny-llama.gguf", folder / "tiny-llama.gguf")
    for path in sorted(folder.iterdir()):
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
