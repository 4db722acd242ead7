#!/usr/bin/env python3
"""Writes tests/ref/dedup_words_golden.h: texts and their words by uniseg (pip), an implementation of
UAX #29: white space left out, lower-cased by code point."""
import random
import uniseg
from uniseg.wordbreak import words as split_words

random.seed(5)
TEXTS = ["Can't stop: 3.14, e-mail a@b.com!", "The quick (\u201cbrown\u201d) fox can\u2019t jump 32.3 feet, right?",
         "x_y_1 __init__ 1,000.5 3.a .5", "\u05d0\u05d1\"\u05d2 \u05d0' \u05d0\"", "\u30ab\u30bf\u30ab\u30ca \u6f22\u5b57 \u3072\u3089",
         "\U0001F1E9\U0001F1EA\U0001F1EB\U0001F1F7 \U0001F468\u200d\U0001F469\u200d\U0001F467 ok", "a\u0308b \u0301c A\u00adB",
         "one  two\r\nthree\n\nfour\u2028five", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 a:b a.b a..b 1:2 1;2"]
ALPHABET = list("aB1 .,:;'\"_-\n\r") + list("\u05d0\u05d1\u30ab\u30bf\u6f22\u0301\u200d\u00ad\u2019\u00a0\u3000") + ["\U0001F1E9", "\U0001F600", "\U0001F468"]
TEXTS += ["".join(random.choice(ALPHABET) for _ in range(random.randint(1, 14))) for _ in range(400)]


def lower(c):
    low = c.lower()
    return low if len(low) == 1 else c


def c_string(s):
    return '"' + "".join("\\%03o" % b for b in s.encode()) + '"'


print("/* dedup_words_golden.h - made by tests/ref/dedup_words_golden.py with uniseg %s. */" % uniseg.__version__)
print("static const struct {\n    const char *text;\n    const char *words[40];\n} GOLDEN_WORDS[] = {")
for t in TEXTS:
    parts = [p for p in split_words(t) if p and not p.isspace()]
    print("    {%s, {%s}}," % (c_string(t), ", ".join([c_string("".join(map(lower, p))) for p in parts] + ["0"])))
print("};")
