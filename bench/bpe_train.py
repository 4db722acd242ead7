#!/usr/bin/env python3
"""Learning a vocabulary beside other projects' trainers, on the same file, in one interleaved run:

    WT_VENV=build/venv bench/bpe_train.py FILE [--build build] [--rounds 3] [--vocab 50257] [--threads 2] [--skip NAME]...

FILE is one document; peers that take lists of texts get it in pieces (see below), which is faster for them. Each run is a process of its own; CPU and wall seconds and peak memory are the process's (wait4), so
start-up and reading the file are in. Merges are hashed and must be equal: ours (--ties hf) to Hugging Face's
and gigatoken's, ours (--ties raw) to rustbpe's. Prints a JSON line a run and one a tool with medians.
"""
import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

PEER = r'''
import sys, json, hashlib
tool, path, vocab, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

# Pieces of about 64 KB, cut between a letter and a space, where no pretoken is: the peers that take a list
# of texts work in parallel and in less memory on it, and count the same.
def pieces():
    import re
    text, at, cut = open(path, encoding="utf-8", newline="").read(), 0, re.compile("(?<=[a-z]) ")
    while at < len(text):
        m = cut.search(text, at + 65536)
        end = m.start() if m else len(text)
        yield text[at:end]
        at = end

if tool == "tokenizers":
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(pieces(), trainers.BpeTrainer(vocab_size=vocab, min_frequency=2, special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    merges = [" ".join(m) for m in json.loads(t.to_str())["model"]["merges"]]
elif tool == "gigatoken":
    import gigatoken
    b2u = {}
    n = 0
    for b in range(256):
        if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255: b2u[b] = chr(b)
        else: b2u[b] = chr(256 + n); n += 1
    t = gigatoken.train_bpe(gigatoken.TextFileSource([path]), vocab, ["<|endoftext|>"])
    pairs = t.merges if hasattr(t, "merges") else t[1]
    merges = [" ".join("".join(b2u[x] for x in s) for s in p) for p in pairs]
else:
    import rustbpe
    t = rustbpe.Tokenizer()
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    t.train_from_iterator(pieces(), vocab, pattern=pattern)
    merges = [bytes(k).hex() for k, r in t.get_mergeable_ranks()]
open(out, "w").write("".join(m + "\n" for m in merges))
'''


def run(command, env=None):
    start = time.time()
    pid = os.spawnvpe(os.P_NOWAIT, command[0], command, {**os.environ, **(env or {})})
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit("failed: %s" % command)
    return {"cpu_s": round(usage.ru_utime + usage.ru_stime, 3), "wall_s": round(time.time() - start, 3),
            "peak_MiB": round(usage.ru_maxrss / 1024, 1)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("file")
    p.add_argument("--build", default="build")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--vocab", type=int, default=50257)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--skip", action="append", default=[])
    a = p.parse_args()
    python = os.environ.get("WT_VENV", a.build + "/venv") + "/bin/python"
    size = os.path.getsize(a.file)
    temp = tempfile.mkdtemp()
    peer = temp + "/peer.py"
    open(peer, "w").write(PEER)
    threads = {"RAYON_NUM_THREADS": str(a.threads), "TOKENIZERS_PARALLELISM": "true"}
    bpe = a.build + "/bin/wt-bpe"
    ours = [bpe, "train", "--text", a.file, "-j", str(a.threads), "--vocab-size", str(a.vocab), "-q", "--force", "-o"]
    tools = {"webtext": (ours + [temp + "/hf"], temp + "/hf/merges.txt", "hf"),
             "tokenizers": ([python, peer, "tokenizers", a.file, str(a.vocab), temp + "/t"], temp + "/t", "hf"),
             "gigatoken": ([python, peer, "gigatoken", a.file, str(a.vocab), temp + "/g"], temp + "/g", "hf"),
             "webtext-raw": (ours + [temp + "/raw", "--ties", "raw", "--min-frequency", "1"],
                             temp + "/raw/tokenizer.tiktoken", "raw"),
             # rustbpe's vocabulary has no specials
             "rustbpe": ([python, peer, "rustbpe", a.file, str(a.vocab - 1), temp + "/r"], temp + "/r", "raw")}
    for t in a.skip:
        tools.pop(t, None)
    results, hashes = {t: [] for t in tools}, {}
    for r in range(a.rounds):
        for t, (command, out, kind) in tools.items():
            if r and len(results[t]) < r:
                continue
            try:
                results[t].append(run(command, threads))
            except SystemExit as e:
                print(json.dumps({"tool": t, "skipped": str(e)[:200]}), flush=True)
                continue
            lines = open(out).read().split("\n")
            if t == "webtext":
                lines = lines[1:]
            if t == "webtext-raw":
                import base64
                lines = [base64.b64decode(x.split()[0]).hex() for x in lines if x]
            lines = [x for x in lines if x]
            hashes.setdefault(kind, {})[t] = (hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16], len(lines))
            print(json.dumps({"tool": t, "round": r, **results[t][-1]}), flush=True)
    for t, runs in results.items():
        if runs:
            kind = tools[t][2]
            print(json.dumps({"bench": "bpe_train", "tool": t, "file_MB": round(size / 1e6, 1), "vocab": a.vocab,
                              "threads": a.threads, "runs": len(runs), "merges": hashes[kind][t][0], "n": hashes[kind][t][1],
                              **{k: statistics.median(x[k] for x in runs) for k in runs[0]},
                              "machine": platform.processor() or platform.machine()}), flush=True)
    for kind, h in hashes.items():
        print(json.dumps({"ties": kind, "equal": len(set(h.values())) == 1, "hashes": h}))


if __name__ == "__main__":
    main()
