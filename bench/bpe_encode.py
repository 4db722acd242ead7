#!/usr/bin/env python3
"""Encoding a file with GPT-2's vocabulary beside other projects' encoders, in one interleaved run:

    WT_VENV=build/venv bench/bpe_encode.py TOKENIZER FILE [--build build] [--rounds 3] [--slow-mb 24] [--threads 1]

TOKENIZER: a folder with tokenizer.json and tokenizer.tiktoken (wt-bpe convert). Every measure is a process of its own
that reads the file first; cold is the first encoding in it, warm the second; CPU seconds of the process (user and
system, so that fresh pages count). tiktoken and tokenizers get the first --slow-mb megabytes, in pieces of
64 KB cut where no token is. The ids of all are hashed and must be equal. Prints a JSON line a tool with medians.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile

PEER = r'''
import sys, json, time, hashlib, resource, array
tool, tokenizer, path, threads = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
data = open(path, "rb").read()
def pieces():
    import re
    text, at, cut = data.decode(), 0, re.compile("(?<=[a-z]) ")
    out = []
    while at < len(text):
        m = cut.search(text, at + 65536)
        end = m.start() if m else len(text)
        out.append(text[at:end])
        at = end
    return out
if tool == "gigatoken":
    import gigatoken, numpy
    t = gigatoken.Tokenizer(tokenizer + "/tokenizer.json")
    if threads == 1:
        work = lambda: t.encode(data)
        flat = lambda x: numpy.asarray(x, dtype=numpy.uint32).tobytes()
    else:
        source = gigatoken.TextFileSource([path])
        work = lambda: t.encode_files(source, parallel=True)
        import awkward
        flat = lambda x: awkward.flatten(x).to_numpy().astype(numpy.uint32).tobytes()
elif tool == "tiktoken":
    import tiktoken, base64
    ranks = {base64.b64decode(k): int(v) for k, v in (l.split() for l in open(tokenizer + "/tokenizer.tiktoken"))}
    t = tiktoken.Encoding("gpt2", pat_str=r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
        mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})
    parts = pieces()
    work = lambda: t.encode_ordinary_batch(parts, num_threads=threads)
    flat = lambda x: array.array("I", [i for p in x for i in p]).tobytes()
else:
    from tokenizers import Tokenizer
    t = Tokenizer.from_file(tokenizer + "/tokenizer.json")
    parts = pieces()
    work = lambda: t.encode_batch_fast(parts, add_special_tokens=False)
    flat = lambda x: array.array("I", [i for p in x for i in p.ids]).tobytes()
result = {}
for name in ("cold", "warm"):
    c, w = time.process_time(), time.time()
    ids = work()
    result[name] = (time.process_time() - c, time.time() - w)
result["peak_MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
result["hash"] = hashlib.sha256(flat(ids)).hexdigest()[:16]
result["bytes"] = len(data)
print(json.dumps(result))
'''


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tokenizer")
    p.add_argument("file")
    p.add_argument("--build", default="build")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--slow-mb", type=float, default=24)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--skip", action="append", default=[])
    a = p.parse_args()
    python = os.environ.get("WT_VENV", a.build + "/venv") + "/bin/python"
    temp = tempfile.mkdtemp()
    open(temp + "/peer.py", "w").write(PEER)
    data = open(a.file, "rb").read(int(a.slow_mb * 1e6))
    open(temp + "/slow.txt", "wb").write(data[:data.rfind(b" ")] if len(data) >= a.slow_mb * 1e6 else data)
    env = {**os.environ, "RAYON_NUM_THREADS": str(a.threads), "TOKENIZERS_PARALLELISM": "false" if a.threads == 1 else "true"}

    def ours(path):
        out = subprocess.run([a.build + "/bench/bpe_encode", a.tokenizer, path, "1", str(a.threads), temp + "/ids"],
                             env=env, capture_output=True, text=True, check=True).stdout
        r = {"bytes": os.path.getsize(path)}
        for line in map(json.loads, out.splitlines()):
            if line["measure"] in ("cold", "warm", "decode cold", "decode warm"):
                name = line["measure"] + ("_u16" if line["width"] == 2 else "")
                r[name] = (line["cpu_s"], line["wall_s"])
                r["peak_MiB"] = line["peak_MiB"]
        if a.threads == 1:
            r["hash"] = subprocess.run(["sha256sum", temp + "/ids"], capture_output=True, text=True).stdout[:16]
        return r

    def peer(tool, path):
        out = subprocess.run([python, temp + "/peer.py", tool, a.tokenizer, path, str(a.threads)], env=env,
                             capture_output=True, text=True)
        if out.returncode:
            raise RuntimeError(out.stderr[-300:])
        return json.loads(out.stdout.splitlines()[-1])

    slow = temp + "/slow.txt"
    runs = {"webtext": lambda: ours(a.file), "gigatoken": lambda: peer("gigatoken", a.file),
            "webtext-slow": lambda: ours(slow), "tiktoken": lambda: peer("tiktoken", slow),
            "tokenizers": lambda: peer("tokenizers", slow)}
    results = {t: [] for t in runs if t not in a.skip}
    for _ in range(a.rounds):
        for t in list(results):
            try:
                results[t].append(runs[t]())
            except (RuntimeError, OSError) as e:
                print(json.dumps({"tool": t, "skipped": str(e)}), flush=True)
                del results[t]
    for t, r in results.items():
        line = {"bench": "bpe_encode", "tool": t, "file": os.path.basename(a.file), "MB": round(r[0]["bytes"] / 1e6, 1),
                "threads": a.threads, "runs": len(r), "hash": r[0].get("hash"),
                "peak_MiB": round(statistics.median(x["peak_MiB"] for x in r), 1)}
        for k in r[0]:
            if isinstance(r[0][k], (list, tuple)):
                line[k.replace(" ", "_") + "_MB_per_cpu_s"] = round(r[0]["bytes"] / 1e6 / statistics.median(x[k][0] for x in r), 1)
                line[k.replace(" ", "_") + "_MB_per_s"] = round(r[0]["bytes"] / 1e6 / statistics.median(x[k][1] for x in r), 1)
        print(json.dumps({**line, "machine": platform.machine()}), flush=True)


main()
