#!/usr/bin/env python3
"""Writes tests/ref/bpe_goldens.h: ids by tiktoken and merges by Hugging Face tokenizers.

    pip install tiktoken tokenizers
    python tests/ref/bpe_goldens.py ../shared/gpt2 > tests/ref/bpe_goldens.h

Ids: tiktoken's gpt2 encoding, built from the given encoder.json and vocab.bpe. Merges: BpeTrainer with
ByteLevel's alphabet, no specials, one document, on texts that `sentence` makes; the C test makes
the same texts from the same pieces and numbers.
"""
import json
import random
import sys

import tiktoken
import tokenizers
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

R50K = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
U, W = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
C = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = (r"[^\r\n\p{L}\p{N}]?" + U + "*" + W + "+" + C + r"|[^\r\n\p{L}\p{N}]?" + U + "+" + W + "*" + C
         + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

TEXTS = [
    "It was the best of times, it was the worst of times; I'LL say it's what we've got, they're 'fine'.",
    "\"'Twas brillig,\" she'd said \u2013 \u201cand the slithy toves\u2019 gyre\u201d\u2026 didn't they?\n\n\tYes.\n",
    "static int f(const char *p) {\n\tfor (int i = 0; i < 10; i++)\n\t\tx[i] += p[i] == '\\n' ? 0x7F : -1;\n}\r\n\r\n",
    "<html><body class=\"a b\">&nbsp;&amp;</body></html>  if __name__ == '__main__':\n    main()   \n",
    "\u6211\u4eec\u7684\u76ee\u6807\u662f\u4ece\u5934\u5f00\u59cb\u3002\u3053\u308c\u306f\u65e5\u672c\u8a9e\u3067\u3059\u3001\uff12\uff10\uff12\uff16\u5e74\u3002 \ud55c\uad6d\uc5b4 \ubb38\uc7a5\uc785\ub2c8\ub2e4.",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u039a\u03cc\u03c3\u03bc\u03b5. \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\U0001F600\U0001F468\u200D\U0001F469\u200D\U0001F467 \U0001F1EB\U0001F1F7 e\u0301 \u00bd \u00b2 \u2167 \u0661\u0662\u0663 12345 3.14159",
    " ", "  ", "   a", "\t\ta", " \ta", "a\u00a0b \u00a0 c\u3000\u3000d\u0085e\u2028f\u200bg\ufeffh", "x\r\n\r\ny", "a \n \n  b",
    "'s's'S ''s it''s 'll'l 're've'd'm't'x", "1'2's3 90's", "\u017f a'\u017f 'S", "\x00\x01\x1c\x1f\x7f a\x00b",
    "a" * 100 + "^" * 100 + " " * 70 + "\n" * 40 + "-" * 130, "SolidGoldMagikarp petertodd \u00c3\u00c2\u00c3\u00c2 <|endoftext|>",
    "\u00e9" * 50 + "\u4e2d" * 50 + "\u0301" * 20,
]


def gpt2(folder):
    ranks = data_gym_to_mergeable_bpe_ranks(folder + "/vocab.bpe", folder + "/encoder.json")
    return tiktoken.Encoding("gpt2", pat_str=R50K, mergeable_ranks=ranks,
                             special_tokens={"<|endoftext|>": 50256})


def random_text(rng, n):
    pieces = ["'", "s", "ll", " ", "  ", "\n", "\r", "\t", "a", "Z", "the", "1", "23", ".", ",", "-", "\u00a0", "\u3000",
              "\u00e9", "\u4e2d", "\u0301", "\U0001F600", "\u2019", "\u0085", "\u01c5", "\u02b0", "\u0660", "\u200b"]
    return "".join(rng.choice(pieces) for _ in range(n))


def numbers(x, seed):
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (seed >> 33) % x


PIECES = ["the", " the", "an", " an", "in", "er", "ing", " re", "st", "th", " ", "  ", "\n", "\n\n", "'s", "'ll", "a", "e",
          "aa", "aaa", "b", "0", "12", "1999", ".", ",", "...", "--", "==", "\u00e9", "\u4e2d\u6587", "\u65e5\u672c",
          "\u3042\u308a", "\ud55c\uad6d", "\U0001F600", "\u0440\u0438", "\t", "(", ");", "X", "LL", "Qu"]


def sentence(n, seed):
    pick = numbers(len(PIECES), seed)
    return "".join(PIECES[next(pick)] for _ in range(n))


def hf_merges(text, pattern, vocab, min_frequency, max_len):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]) if pattern else \
        pre_tokenizers.ByteLevel(add_prefix_space=False)
    more = {} if max_len is None else {"max_token_length": max_len}
    t.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=vocab, min_frequency=min_frequency, special_tokens=[], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **more))
    return [" ".join(m) for m in json.loads(t.to_str())["model"]["merges"]]


def c_bytes(b):
    return '"' + "".join("\\%03o" % x if x < 32 or x > 126 or chr(x) in '"\\?' else chr(x) for x in b) + '"'


def main(folder):
    enc = gpt2(folder)
    rng = random.Random(16)
    texts = TEXTS + [random_text(rng, 60) for _ in range(40)]
    print("/* Made by tests/ref/bpe_goldens.py: tiktoken %s, tokenizers %s. */"
          % (tiktoken.__version__, tokenizers.__version__))
    print("static const struct { const char *text; int n, ids[300]; } golden_ids[] = {")
    for t in texts:
        ids = enc.encode_ordinary(t)
        b = t.encode()
        assert len(ids) <= 300
        if b"\x00" in b:
            continue
        print("    {%s, %d, {%s}}," % (c_bytes(b), len(ids), ",".join(map(str, ids))))
    print("};")
    print("static const char *const golden_pieces[] = {\n    " + ", ".join(c_bytes(p.encode()) for p in PIECES) + "};")
    print("static const struct { const char *pattern; int n_pieces; unsigned seed, vocab, min_frequency, max_bytes; "
          "const char *merges; } golden_merges[] = {")
    for name, pattern, n, seed, vocab, minf, max_len in [
            ("gpt2", None, 4000, 1, 700, 2, None), ("gpt2", None, 800, 2, 2000, 0, None),
            ("cl100k", CL100K, 4000, 3, 600, 2, None), ("o200k", O200K, 4000, 4, 600, 2, None),
            ("gpt2", None, 4000, 5, 700, 2, 7), ("gpt2", None, 50, 6, 400, 0, None)]:
        merges = hf_merges(sentence(n, seed), pattern, vocab, minf, max_len)
        # Hugging Face's limit is exclusive
        print('    {"%s", %d, %d, %d, %d, %d,' % (name, n, seed, vocab, minf, max_len - 1 if max_len else 0))
        for at in range(0, len(merges), 12):
            print("     " + c_bytes("".join(m + "\n" for m in merges[at:at + 12]).encode()))
        print("    },")
    print("};")


main(sys.argv[1])
