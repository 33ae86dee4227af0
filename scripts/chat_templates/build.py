"""Writes what transformers' `apply_chat_template` makes of conversations, for the tests of our own.

  tests/fixtures/chat_templates/NAME.jinja      templates, see SOURCES.md beside them
  tests/fixtures/chat_templates/cases.json      conversations, tools and variables
  tests/fixtures/chat_templates/expected.json   per template and conversation what comes of it:
      {"text": …}       the prompt; a date stands in it as «strftime format»
      {"error": …}      what the template said by `raise_exception`
      {"fails": true}   any other error
  tests/fixtures/chat_templates/continued.json  conversations to go on with, and per template and
      conversation, as above, what comes of it
The last message of those is also among the cases, with the mark behind its text by which
transformers finds it in the prompt.

Needs the packages of requirements.txt.
"""

import json
from pathlib import Path

import jinja2
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

from conversations import CASES, CONTINUED

#: `continue_final_message_tag` of transformers' `render_jinja_template`.
MARK = "CONTINUE_FINAL_MESSAGE_TAG "
FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "chat_templates"


class Today:
    """In the place of `datetime`: dates as their format."""

    @staticmethod
    def now() -> "Today":
        return Today()

    def strftime(self, form: str) -> str:
        return f"«{form}»"


def rendered(template: str, case: dict, **options: bool) -> dict:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>"
    )
    try:
        text = tokenizer.apply_chat_template(
            # No two of them are the same object: what is done to the last is done to it alone.
            json.loads(json.dumps(case["messages"])),
            tools=case["tools"],
            chat_template=template,
            add_generation_prompt=case["add_generation_prompt"],
            tokenize=False,
            **options,
            **case["variables"],
        )
    except jinja2.exceptions.UndefinedError:
        return {"fails": True}
    except jinja2.exceptions.TemplateError as error:
        return {"error": error.message}
    except (TypeError, AttributeError, KeyError, IndexError, ValueError):
        return {"fails": True}
    return {"text": text}


def marked(case: dict) -> dict | None:
    *messages, last = case["messages"]
    if last["content"] is None or case["add_generation_prompt"]:
        return None
    return {**case, "messages": [*messages, {**last, "content": last["content"] + MARK}]}


def write(name: str, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    (FIXTURES / name).write_text(text + "\n", encoding="utf-8")


def main() -> None:
    chat_template_utils.datetime = Today
    marks = {f"continued, {name}": marked(case) for name, case in CONTINUED.items()}
    cases = CASES | {name: case for name, case in marks.items() if case}
    expected, continued = {}, {}
    for path in sorted(FIXTURES.glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        expected[path.stem] = {name: rendered(template, case) for name, case in cases.items()}
        continued[path.stem] = {
            name: rendered(template, case, continue_final_message=True)
            for name, case in CONTINUED.items()
        }
        kinds = [next(iter(result)) for result in expected[path.stem].values()]
        print(path.stem, {kind: kinds.count(kind) for kind in sorted(set(kinds))})
    write("cases.json", cases)
    write("expected.json", expected)
    write("continued.json", {"cases": CONTINUED, "expected": continued})


if __name__ == "__main__":
    main()
