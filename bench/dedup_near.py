#!/usr/bin/env python3
"""dedup_near.py - JSON lines in, decisions out: wt-dedup beside rensa (R-MinHash, the honest path),
datasketch (MinHashLSH and MinHashLSHBloom) and datatrove's signature stage, on the same documents, the same
words (lower-cased alphanumeric) and 5-grams, one core each. Rounds are interleaved; CPU time (user + system,
of the whole process), median of the rounds, peak memory; one JSON line each. Every tool runs in a process
of its own: `dedup_near.py --one NAME FILE` is that process. wt-dedup's other rules follow, and overlap.
    dedup_near.py [--bin DIR] [--docs N] [--rounds N]
"""
import argparse
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile

WORD = re.compile(r"[^\W_]+")
PERMS = 112


def shingles(text):
    w = WORD.findall(text.lower())
    return [" ".join(w[i:i + 5]) for i in range(len(w) - 4)] or [" ".join(w)]


def documents(path):
    with open(path) as f:
        for line in f:
            d = json.loads(line)
            yield d["id"], d["text"]


def run_rensa(path):
    from rensa import RMinHash, RMinHashLSH
    lsh, out = RMinHashLSH(threshold=0.8, num_perm=PERMS, num_bands=14), []
    for i, (_, text) in enumerate(documents(path)):
        m = RMinHash(num_perm=PERMS, seed=1)
        m.update(shingles(text))
        hit = bool(lsh.query(m))
        out.append(hit)
        if not hit:
            lsh.insert(i, m)
    return sum(out)


def run_datasketch(path, bloom=False):
    from datasketch import MinHash, MinHashLSH, MinHashLSHBloom
    lsh = (MinHashLSHBloom(num_perm=PERMS, n=20000, fp=1e-3, params=(14, 8)) if bloom
           else MinHashLSH(num_perm=PERMS, params=(14, 8)))
    n = 0
    for i, (_, text) in enumerate(documents(path)):
        m = MinHash(num_perm=PERMS, seed=1)
        m.update_batch([s.encode() for s in shingles(text)])
        hit = bool(lsh.query(m))
        n += hit
        if not hit:
            if bloom:
                lsh.insert(m)
            else:
                lsh.insert(str(i), m)
    return n


def run_datatrove(path):
    """Stage 1 alone (signatures); matching and clustering would come on top."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    with tempfile.TemporaryDirectory() as tmp:
        stage = MinhashDedupSignature(tmp, MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8))
        stage.run((Document(text=t, id=i) for i, t in documents(path)), 0, 1)
    return 0


PEERS = {"rensa RMinHash 14x8": run_rensa, "datasketch MinHashLSH 14x8": run_datasketch,
         "datasketch LSHBloom 14x8": lambda p: run_datasketch(p, True), "datatrove signatures 14x8": run_datatrove}


def measure(command):
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status), out.read().decode()


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--one":
        print(PEERS[sys.argv[2]](sys.argv[3]))
        return
    a = argparse.ArgumentParser()
    a.add_argument("--bin", default="build/bin")
    a.add_argument("--corpus", default=os.path.join(os.environ.get("WT_SHARED", "../shared"), "corpus/books.jsonl.zst"))
    a.add_argument("--docs", type=int, default=500, help="for the peers")
    a.add_argument("--rounds", type=int, default=3)
    args = a.parse_args()
    if not os.path.exists(args.corpus):
        sys.exit("skipped: no " + args.corpus)
    venv = os.environ.get("WT_VENV", "build/venv")
    python = os.path.join(venv, "bin/python")
    tool = os.path.join(args.bin, "wt-dedup")
    with tempfile.TemporaryDirectory() as tmp:
        whole, part = os.path.join(tmp, "whole.jsonl"), os.path.join(tmp, "part.jsonl")
        with open(whole, "wb") as f:
            subprocess.run(["zstd", "-dcq", "--long=31", args.corpus], stdout=f, check=True)
        with open(whole) as f, open(part, "w") as g:
            for i, line in enumerate(f):
                if i == args.docs:
                    break
                g.write(line)
        def wt(path, *options):
            return [tool, path, "-o", os.path.join(tmp, "out"), "--force", "-j", "1", "-q", "--attributes"] + list(options)
        url_lines = os.path.join(tmp, "urls.jsonl")
        with open(url_lines, "w") as f:
            for i in range(1000000):
                f.write('{"id":"%d","text":"x","url":"https://www.host%d.example.com/path/%d?utm_source=a"}\n' % (i, i % 9973, i))
        runs = {name: ([python, os.path.abspath(__file__), "--one", name, part], part) for name in PEERS}
        runs["wt-dedup --near, same documents"] = (wt(part, "--near", "--expect", "20000"), part)
        runs["wt-dedup --near"] = (wt(whole, "--near", "--expect", "20000"), whole)
        runs["wt-dedup --near 14x8, one vote"] = (wt(whole, "--near", "--expect", "20000", "--bands", "14", "--rows", "8", "--votes", "1"), whole)
        runs["wt-dedup --near --exact, writing the corpus"] = ([x for x in wt(whole, "--expect", "20000") if x != "--attributes"], whole)
        runs["wt-dedup --exact"] = (wt(whole, "--exact", "--expect", "20000"), whole)
        runs["wt-dedup --paragraphs"] = (wt(whole, "--paragraphs", "--expect", "100000"), whole)
        runs["wt-dedup --ngram 13"] = (wt(whole, "--ngram", "13", "--expect", "100000"), whole)
        runs["wt-dedup --ngram 13, filter of 1.2 GiB"] = (wt(whole, "--ngram", "13", "--expect", "1500000"), whole)
        runs["wt-dedup --urls, 1M lines"] = (wt(url_lines, "--urls", "--expect", "1000000"), url_lines)
        test = os.path.join(os.environ.get("WT_SHARED", "../shared"), "evaldata/wikitext2/wiki.valid.tokens")
        for mode in ("inverted", "bloom"):
            runs["wt-dedup overlap, " + mode] = ([tool, "overlap", "--train", whole, "--test", test, "--mode", mode, "-q", "-j",
                                                  "1", "--probes", "0", "--expect", "33M"], whole)
        results = {name: [] for name in runs}
        for _ in range(args.rounds):
            for name, (command, _) in runs.items():
                if not os.path.exists(command[0]):
                    continue
                cpu, rss, code, out = measure(command)
                if code == 0:
                    results[name].append((cpu, rss))
        for name, rs in results.items():
            if not rs:
                print(json.dumps({"bench": "dedup_near", "tool": name, "skipped": "not installed or failed"}))
                continue
            cpu = sorted(r[0] for r in rs)
            size = os.path.getsize(runs[name][1])
            print(json.dumps({"bench": "dedup_near", "tool": name, "bytes": size, "cpu_s": round(cpu[len(cpu) // 2], 3),
                              "cpu_min": round(cpu[0], 3), "cpu_max": round(cpu[-1], 3),
                              "MB_per_s": round(size / 1e6 / cpu[len(cpu) // 2], 2),
                              "peak_MiB": round(max(r[1] for r in rs) / 1024, 1)}))


if __name__ == "__main__":
    main()
