"""The fixed corpus that tokenizers are compared on: 2,000 texts in many scripts.

All sentences are written for this file. What a seed draws is the same in every run, so the
corpus changes only when this file does.
"""

import random

LINES = 2_000

SENTENCES = [
    "The engine reads every weight once per step, however many rows it has.",
    "I can't, won't and shouldn't; they'll say we've lost, but it's what I'd do. DON'T! I'M HERE.",
    "Señor Núñez pidió café con leche y añadió: ¿cuánto cuesta?",
    "Où est passée l'œuvre d'été ? Là-bas, près du château, à côté de chez Zoë.",
    "Größere Straßen führen über Köln, Würzburg und Füssen.",
    "A noção de coração não está à venda; amanhã haverá pão.",
    "Perché no? È così che si fa, città dopo città.",
    "Žluťoučký kůň úpěl ďábelské ódy o páté hodině.",
    "Zażółć gęślą jaźń, proszę bardzo!",
    "Cửa Việt mở ra biển lớn, người dân đánh cá mỗi ngày.",
    "Быстрая лиса прыгает через ленивую собаку, а потом спит.",
    "Це не є ґанок, а їжак у їдальні.",
    "Η γρήγορη αλεπού πηδάει πάνω από το σκυλί.",
    "הכלב הגדול רץ מהר אל הבית, ושלום לכולם.",
    "الكلب الكبير يركض بسرعة إلى البيت، والسلام عليكم.",
    "کتاب‌های من روی میز است؛ می‌خواهم بخوانم.",
    "सूरज पूर्व में उगता है और पश्चिम में डूबता है।",
    "আমি বাংলায় গান গাই, নদীর ধারে বসে।",
    "தமிழ் மொழி மிகவும் பழமையானது.",
    "తెలుగు భాష చాలా మధురంగా ఉంటుంది.",
    "ಕನ್ನಡ ನಾಡು ಸುಂದರವಾಗಿದೆ.",
    "മലയാളം എഴുതാൻ എനിക്ക് ഇഷ്ടമാണ്.",
    "ภาษาไทยไม่มีช่องว่างระหว่างคำ แต่มีวรรณยุกต์",
    "ພາສາລາວມີສຽງວັນນະຍຸດ.",
    "ភាសាខ្មែរមានអក្សរច្រើន។",
    "မြန်မာစာကို ရေးတတ်ပါသလား။",
    "快速的棕色狐狸跳过懒狗，然后在河边睡着了。",
    "繁體中文與簡體中文並不相同：請看「這裡」。",
    "速い茶色の狐がのろまな犬を飛び越える。カタカナとひらがな、ー々〆。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다. ㅋㅋㅋ",
    "ქართული ენა ძალიან ლამაზია.",
    "Հայերենը հին լեզու է։",
    "አማርኛ የኢትዮጵያ ቋንቋ ነው።",
    "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ ᎠᎾᏕᎲ.",
    "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ",
    "བོད་ཡིག་ནི་སྐད་ཡིག་རྙིང་པ་ཞིག་ཡིན།",
    "Ἐν ἀρχῇ ἦν ὁ λόγος, καὶ ὁ λόγος ἦν πρὸς τὸν θεόν.",
    "𐌰𐌱𐌲 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝒎𝒂𝒕𝒉 𝟘𝟙𝟚 𐐷𐐸 𒀀𒀁 𓀀𓂀",
    "Iİıi ǅ ǆ ß ẞ ﬁ ﬂ ſ K Å Ω ½ ² ³ ¹ ① Ⅷ ㊗ ﷺ",
]

CODE = [
    "fn main() {\n    let x: Vec<u32> = (0..10).map(|i| i * 2).collect();\n}\n",
    "def f(a, *, b=None):\n\treturn {**a, 'b': b or []}  # noqa: E501\n",
    "if (a != b && c <= d || !e) { x += 1; y -= 2; z <<= 3; } else { /* none */ }",
    "<div class=\"a b\" id='c'>&nbsp;&lt;tag/&gt;</div>\n<!-- end -->",
    "SELECT * FROM t WHERE a='b''c' AND d>=3.14e-10; -- it's\n",
    "#include <stdio.h>\r\nint main(void) {\r\n  return 0;\r\n}\r\n",
    "https://example.org/a/b?c=d&e=%20f#g user.name+tag@example.co.uk C:\\Windows\\System32\\*.dll",
    "{\"a\": [1, 2.5, -3e+10, null, true], \"é\": \"\\u00e9\\n\"}",
    "$ cat ~/.bashrc | grep -E '^alias' && echo \"${HOME:-/root}\" > /dev/null 2>&1",
    "\\begin{align} \\frac{a}{b} &= \\sum_{i=0}^{n} x_i^2 \\\\ \\end{align}",
    "camelCaseName PascalCaseName snake_case_name SCREAMING_CASE kebab-case XMLHttpRequest iOS2Go",
    "0x1F 0b1010 1_000_000 1,234,567.89 3.14159 1e-9 00:59:59 2024-02-29 +49 (0)30 12345 100% 5°C",
    "@decorator\nclass A(B):\n    \"\"\"Doc.\"\"\"\n\n    def __init__(self):\n        pass\n",
    "a/b//c /* d */ ///e\n\n\n// f/\n/\n",
]

NUMBERS = ["7", "42", "123", "1234", "12345", "123456", "3.14", "1,000,000", "١٢٣٤", "१२३", "一二三",
           "１２３", "²³", "1st", "2nd", "v1.2.3", "½", "Ⅻ", "0" * 17]

EMOJI = ["🙂", "🚀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇯🇵", "1️⃣", "❤️", "🤷🏿‍♀️", "☃", "🫠", "🧑‍💻", "⌨️"]

MARKS = ["e\u0301", "n\u0303", "a\u0308\u0304", "o\u0302\u0323", "Z\u0351\u036b\u0343", "\u0301",
         "ç\u0327", "\u1100\u1161\u11a8", "が", "か\u3099", "שָׁלוֹם", "نَصٌّ", "กำ", "Å", "A\u030a",
         "\u0958", "ﬃ", "ä", "ậ", "\u2126"]

SPACES = [" ", "  ", "   ", "    ", " " * 7, " " * 8, " " * 16, " " * 31, "\t", "\t\t", "\n", "\n\n",
          "\n\n\n", "\r\n", "\r\n\r\n", " \n", "\n ", " \t \n", "\u00a0", "\u3000", "\u2003", "\u2028",
          "\u200b", "\u202f", "\x0b", "\x0c", "\u0085", "\u1680", "\ufeff", "\u2060"]

CONTROLS = ["\x00", "\x01", "\x07", "\x08", "\x1b[0m", "\x7f", "\u0080", "\u009f", "\u200d", "\u200e",
            "\u202e", "\ufffd", "\ufffe", "\ue000", "\U000f0000", "\U0010ffff", "\u00ad", "\x1f", "\u2063"]

LOOK_ALIKES = [
    "<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<|endoftext|>", "<|im_start|>", "<|im_end|>",
    "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<start_of_turn>", "<end_of_turn>",
    "[INST]", "[/INST]", "[TOOL_CALLS]", "<|START_OF_TURN_TOKEN|>", "<BOS_TOKEN>", "<EOT>", "<META>",
    "<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜tool▁calls▁begin｜>", "<tool_call>", "<think>", "</think>",
    "<|fim_prefix|>", "<0x0A>", "<0xE2>", "<unused7>", "<mask>", "<extra_id_0>", "[UNK]", "[CLS]", "##ing",
    "<|user|>", "<|end|>", "<|assistant|>", "<| im_start |>", "<|im_start|", "|im_end|>", "▁", "▁▁a", "Ġ",
    "Ċ", "Ġthe", "Â", "Ã©", "<s", "s>", "<<s>>", "</s></s>", "<br>", "<h1>",
]


def corpus() -> list[str]:
    """All texts, no two equal; every sentence, piece of code and particle stands alone once."""
    draw = random.Random(20_240_229)
    particles = NUMBERS + EMOJI + MARKS + SPACES + CONTROLS + LOOK_ALIKES
    texts = ["", *SENTENCES, *CODE, *particles]
    texts += [f"{particle}word" for particle in particles]
    texts += [f"a {particle} b" for particle in particles]
    texts = list(dict.fromkeys(texts))
    while len(texts) < LINES:
        text = _mixed(draw)
        if text not in texts:
            texts.append(text)
    return texts


def _mixed(draw: random.Random) -> str:
    """Some words of sentences among particles of every kind."""
    kinds = [NUMBERS, EMOJI, MARKS, SPACES, SPACES, CONTROLS, LOOK_ALIKES]
    parts = []
    for _ in range(draw.randint(1, 7)):
        kind = draw.random()
        if kind < 0.45:
            parts.append(_words(draw, draw.choice(SENTENCES)))
        elif kind < 0.6:
            code = draw.choice(CODE)
            start = draw.randrange(len(code))
            parts.append(code[start : start + draw.randint(1, 40)])
        elif kind < 0.65:
            parts.append(chr(_code_point(draw)) * draw.randint(1, 3))
        else:
            parts.append(draw.choice(draw.choice(kinds)))
    return draw.choice(["", " "]).join(parts)


def _words(draw: random.Random, sentence: str) -> str:
    words = sentence.split(" ")
    start = draw.randrange(len(words))
    return " ".join(words[start : start + draw.randint(1, 6)])


def _code_point(draw: random.Random) -> int:
    """Any code point but a surrogate."""
    point = draw.choice([draw.randrange(0x80), draw.randrange(0x3000), draw.randrange(0x11_0000)])
    return point if not 0xD800 <= point < 0xE000 else 0xE000
