#!/usr/bin/env python3
"""Writes dedup/word_break_table.h: Unicode's Word_Break property (UAX #29) and Extended_Pictographic as
sorted ranges, read from the `regex` module. Run: dedup_word_break.py > dedup/word_break_table.h"""
import regex
import sys

CLASSES = ["CR", "LF", "Newline", "Extend", "ZWJ", "Regional_Indicator", "Format", "Katakana",
           "Hebrew_Letter", "ALetter", "Single_Quote", "Double_Quote", "MidNumLet", "MidLetter", "MidNum",
           "Numeric", "ExtendNumLet", "WSegSpace"]
NAMES = {c: "WB_" + c.upper() for c in CLASSES}
TESTS = [(NAMES[c], regex.compile(r"\p{WB=%s}" % c)) for c in CLASSES]
PICTURE = regex.compile(r"\p{Extended_Pictographic}")


def class_of(cp):
    c = chr(cp)
    name = next((n for n, r in TESTS if r.match(c)), "WB_OTHER")
    if PICTURE.match(c):
        name += " | WB_PICTURE"
    return name


ranges = []
for cp in range(0x110000):
    if 0xD800 <= cp < 0xE000:
        continue
    name = class_of(cp)
    if ranges and ranges[-1][2] == name and ranges[-1][1] == cp - 1:
        ranges[-1][1] = cp
    elif name != "WB_OTHER":
        ranges.append([cp, cp, name])

print("/* word_break_table.h - Word_Break classes, made by tests/ref/dedup_word_break.py with regex %s. */" % regex.__version__)
print("static const word_break_range WORD_BREAK_RANGES[] = {")
for a, b, name in ranges:
    print("    {0x%04X, 0x%04X, %s}," % (a, b, name))
print("};")
print("%d ranges" % len(ranges), file=sys.stderr)
