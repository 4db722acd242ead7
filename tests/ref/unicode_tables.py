#!/usr/bin/env python3
"""Writes common/unicode_tables.h: classes, simple lower case and spaceless scripts of Unicode 16.0.

    pip install unicodedata2==16.0.0 regex
    python tests/ref/unicode_tables.py > common/unicode_tables.h

General categories come from unicodedata2 16.0.0 (the Unicode 16.0 database as a Python module).
Scripts come from `regex`, whose tables are newer, limited to code points that 16.0 assigns: a code
point's script does not change once given. Lower case comes from Python's str.lower (an older
database) and, for upper-case letters that it does not know, from regex's case folding.
"""
import sys
import unicodedata
import regex
import unicodedata2

assert unicodedata2.unidata_version == "16.0.0"
SPACE = [*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F,
         0x205F, 0x3000]
assert len(SPACE) == 25
CLASS = {"Lu": 1, "Ll": 2, "Lt": 3, "Lm": 4, "Lo": 5, "Mn": 6, "Mc": 6, "Me": 6, "Nd": 7, "Nl": 7,
         "No": 7}
SPACELESS = ["Han", "Hiragana", "Katakana", "Bopomofo", "Yi", "Tangut", "Nushu",
             "Khitan_Small_Script", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan", "Tai_Le",
             "New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Ahom"]
spaceless = regex.compile("[" + "".join(r"\p{scx=%s}" % s for s in SPACELESS) + "]")
N = 0x110000


def class_byte(cp):
    if cp in SPACE:
        return 8
    c = CLASS.get(unicodedata2.category(chr(cp)), 0)
    if 1 <= c <= 6 and spaceless.match(chr(cp)):
        c |= 0x10
    return c


def lower_deltas():
    delta = [0] * N
    lower_letters = [cp for cp in range(N) if unicodedata2.category(chr(cp)) == "Ll"]
    for cp in range(N):
        if 0xD800 <= cp < 0xE000 or unicodedata2.category(chr(cp)) == "Cn":
            continue
        low = chr(cp).lower()
        if cp == 0x130:
            low = "i"           # the simple mapping; str.lower gives the full one, i + dot above
        if len(low) == 1 and low != chr(cp):
            delta[cp] = ord(low) - cp
        elif unicodedata2.category(chr(cp)) == "Lu" and unicodedata.category(chr(cp)) == "Cn":
            same = [x for x in lower_letters if regex.fullmatch("(?i)" + chr(cp), chr(x))]
            assert len(same) <= 1, (hex(cp), same)
            delta[cp] = same[0] - cp if same else 0
    return delta


def two_stage(values, shift=7):
    blocks, stage1 = {}, []
    for at in range(0, N, 1 << shift):
        block = tuple(values[at:at + (1 << shift)])
        stage1.append(blocks.setdefault(block, len(blocks)))
    assert len(blocks) <= 256
    return stage1, [x for b in blocks for x in b]


def emit(ctype, name, numbers, per_line=24):
    print("static const %s %s[%d] = {" % (ctype, name, len(numbers)))
    for at in range(0, len(numbers), per_line):
        print("    " + ",".join(map(str, numbers[at:at + per_line])) + ",")
    print("};")


def counts():
    """What tests/unit/common_unicode.c expects: code points of each class, and all pairs' sum."""
    classes, deltas = [class_byte(cp) for cp in range(N)], lower_deltas()
    print([sum(c & 15 == k for c in classes) for k in range(9)], sum(c > 15 for c in classes),
          sum(d != 0 for d in deltas), sum(cp * d for cp, d in enumerate(deltas)))


def main():
    classes = [class_byte(cp) for cp in range(N)]
    deltas = lower_deltas()
    distinct = [0] + sorted(set(deltas) - {0})
    index = {d: i for i, d in enumerate(distinct)}
    assert len(distinct) <= 256
    print("/* Unicode 16.0, made by tests/ref/unicode_tables.py with unicodedata2 %s, regex %s,\n"
          " * Python %s. Two-stage tables in blocks of 128 code points; class in bits 0..3, bit 4 a\n"
          " * letter or mark of a script written without spaces. */"
          % (unicodedata2.unidata_version, regex.__version__, sys.version.split()[0]))
    stage1, stage2 = two_stage(classes)
    emit("uint8_t", "uc_class_block", stage1)
    emit("uint8_t", "uc_class_value", stage2)
    stage1, stage2 = two_stage([index[d] for d in deltas])
    emit("uint8_t", "uc_lower_block", stage1)
    emit("uint8_t", "uc_lower_index", stage2)
    emit("int32_t", "uc_lower_delta", distinct, 12)


counts() if sys.argv[1:] == ["--counts"] else main()
