#!/usr/bin/env python3
"""Are the merges learned those of other projects' trainers, line by line? On the beginnings of texts:

    WT_VENV=build/venv bench/bpe_merges.py FILE... [--build build] [--bytes 20000000] [--sizes 1000,32000,50257]

Each file is cut to --bytes at a line's end. One run of ours with --vocab-sizes gives all sizes; one run of Hugging Face
tokenizers (ByteLevel BPE) at the largest gives the rest, for a smaller vocabulary's merges are the first of a larger
one's there, too. Ours with --ties raw is compared to rustbpe at the largest. Prints a JSON line a comparison with a hash of the
merges, "equal", and the first line that differs; exit code 1 where one does.
"""
import argparse
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile

from bpe_train import PEER


def cut(path, n_bytes, out):
    with open(path, "rb") as f:
        data = f.read(n_bytes)
    data = data[:data.rfind(b"\n") + 1]
    if b"<|endoftext|>" in data:
        sys.exit(path + " has <|endoftext|> as text, which cuts here and is counted by others")
    with open(out, "wb") as f:
        f.write(data)
    return len(data)


def merges_of(path):
    return [line for line in open(path, encoding="utf-8").read().split("\n")[1:] if line]


def tokens_of(path):
    return [base64.b64decode(line.split()[0]).hex() for line in open(path) if line.strip()]


def compare(what, ours, theirs):
    n = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    equal = ours == theirs
    result = {"bench": "bpe_merges", **what, "n": len(ours), "hash": hashlib.sha256("\n".join(ours).encode()).hexdigest()[:16], "equal": equal}
    if not equal:
        result["differs"] = [n, ours[n:n + 1], theirs[n:n + 1]]
    print(json.dumps(result), flush=True)
    return equal


def main():
    p = argparse.ArgumentParser()
    p.add_argument("files", nargs="+")
    p.add_argument("--build", default="build")
    p.add_argument("--bytes", type=int, default=20_000_000)
    p.add_argument("--sizes", default="1000,32000,50257")
    a = p.parse_args()
    python = os.environ.get("WT_VENV", a.build + "/venv") + "/bin/python"
    sizes = sorted(int(s) for s in a.sizes.split(","))
    good = True
    with tempfile.TemporaryDirectory() as temp:
        text, peer = temp + "/text", temp + "/peer.py"
        open(peer, "w").write(PEER)
        train = [a.build + "/bin/wt-bpe", "train", "--text", text, "-q", "--force", "-o"]
        for file in a.files:
            what = {"file": os.path.basename(file), "bytes": cut(file, a.bytes, text)}
            subprocess.run(train + [temp + "/hf", "--vocab-sizes", a.sizes], check=True)
            subprocess.run([python, peer, "tokenizers", text, str(sizes[-1]), temp + "/theirs"], check=True)
            theirs = [line for line in open(temp + "/theirs", encoding="utf-8").read().split("\n") if line]
            for size in sizes:
                ours = merges_of(temp + "/hf" + ("" if size == sizes[-1] else "/%d" % size) + "/merges.txt")
                good &= compare({**what, "peer": "tokenizers", "vocab": size}, ours, theirs[:size - 257])
            subprocess.run(train + [temp + "/raw", "--ties", "raw", "--min-frequency", "1", "--vocab-size", str(sizes[-1])], check=True)
            subprocess.run([python, peer, "rustbpe", text, str(sizes[-1] - 1), temp + "/theirs"], check=True)     # it has no specials
            good &= compare({**what, "peer": "rustbpe", "vocab": sizes[-1]}, tokens_of(temp + "/raw/tokenizer.tiktoken"),
                            open(temp + "/theirs").read().split())
    sys.exit(not good)


main()
