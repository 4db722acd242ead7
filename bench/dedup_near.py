#!/usr/bin/env python3
"""dedup_near.py - JSON lines in, decisions out: wt-dedup beside rensa (R-MinHash, the honest path),
datasketch (MinHashLSH and MinHashLSHBloom), datatrove's four stages and text-dedup, on the same documents, one core
each; 5-grams of lower-cased alphanumeric words, the last two of words as they make them. Rounds are interleaved; CPU time (user + system,
of the whole process), median of the rounds, peak memory; one JSON line each. Every tool runs in a process
of its own: `dedup_near.py --one NAME FILE` is that process. wt-dedup's other rules follow, and overlap.
    dedup_near.py [--bin DIR] [--docs N] [--rounds N] [--only REGEX]
    dedup_near.py --memory LSH | --memory bloom       bytes a document of datasketch's indexes
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


def run_datatrove(path, all_stages=True):
    """Signatures, matching by bucket, clusters, filtering: its four stages, one task each where it can be one."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import (MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster,
                                                  MinhashDedupFilter, MinhashDedupSignature)
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    docs = [(i, t) for i, t in documents(path)]
    stream = lambda: (Document(text=t, id=i) for i, t in docs)
    with tempfile.TemporaryDirectory() as tmp:
        signatures, buckets, removed = (os.path.join(tmp, x) for x in ("signatures", "buckets", "removed"))
        MinhashDedupSignature(signatures, config).run(stream(), 0, 1)
        if not all_stages:
            return 0
        for bucket in range(14):
            MinhashDedupBuckets(signatures, buckets, config=config).run(None, bucket, 14)
        MinhashDedupCluster(buckets, removed, config=config).run(None, 0, 1)
        return len(docs) - sum(1 for _ in MinhashDedupFilter(removed).run(stream(), 0, 1))


def run_text_dedup(path):
    """Its command, in a venv of its own (WT_TEXT_DEDUP): it does not go with the others' versions."""
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "out")
        subprocess.run([sys.executable, "-m", "text_dedup.minhash", "--path", "json", "--data_files", path, "--split", "train",
                        "--cache_dir", os.path.join(tmp, "cache"), "--output", out, "--column", "text", "--ngram", "5",
                        "--min_length", "1", "--num_perm", str(PERMS), "--b", "14", "--r", "8", "--hash_func", "xxh3",
                        "--num_proc", "1"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        import datasets
        return sum(1 for _ in documents(path)) - len(datasets.load_from_disk(out))


def memory_of(kind, n=200000):
    """Bytes a document, of documents whose signatures have nothing in common: growth of the process, or the filters' bits."""
    import numpy
    from datasketch import MinHash, MinHashLSH, MinHashLSHBloom
    rng = numpy.random.default_rng(1)
    if kind == "bloom":                               # F1 of 9x13 is in dedup_quality.py
        lsh = MinHashLSHBloom(num_perm=117, n=n, fp=1e-4 / 9, params=(9, 13))     # 1e-4 a document, as ours
        return sum(t.bloom_filter.num_bits for t in lsh.hashtables) / 8 / n
    n //= 4
    lsh = MinHashLSH(num_perm=PERMS, params=(14, 8))
    rss = lambda: int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    before = rss()
    for i in range(n):
        lsh.insert(str(i), MinHash(num_perm=PERMS, scheme="legacy", hashvalues=rng.integers(0, 2**32, PERMS, dtype=numpy.uint64)))
    return (rss() - before) / n


PEERS = {"rensa RMinHash 14x8": run_rensa, "datasketch MinHashLSH 14x8": run_datasketch,
         "datasketch LSHBloom 14x8": lambda p: run_datasketch(p, True),
         "datatrove 14x8": run_datatrove, "datatrove 14x8, signatures alone": lambda p: run_datatrove(p, False),
         "text-dedup minhash 14x8": run_text_dedup}


def measure(command):
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status), out.read().decode()


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--memory":
        print(json.dumps({"bench": "dedup_near", "tool": "datasketch " + sys.argv[2], "bytes_a_document": round(memory_of(sys.argv[2]), 1)}))
        return
    if len(sys.argv) == 4 and sys.argv[1] == "--one":
        print(PEERS[sys.argv[2]](sys.argv[3]))
        return
    a = argparse.ArgumentParser()
    a.add_argument("--bin", default="build/bin")
    a.add_argument("--corpus", default=os.path.join(os.environ.get("WT_SHARED", "../shared"), "corpus/books.jsonl.zst"))
    a.add_argument("--docs", type=int, default=500, help="for the peers")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--only", help="regular expression of names")
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
        venv_of = lambda name: os.environ.get("WT_TEXT_DEDUP", venv) if name.startswith("text-dedup") else venv
        runs = {name: ([os.path.join(venv_of(name), "bin/python"), os.path.abspath(__file__), "--one", name, part], part)
                for name in PEERS}
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
        if args.only:
            runs = {name: r for name, r in runs.items() if re.search(args.only, name)}
        results, said = {name: [] for name in runs}, {}
        for _ in range(args.rounds):
            for name, (command, _) in runs.items():
                if not os.path.exists(command[0]):
                    continue
                cpu, rss, code, out = measure(command)
                if code == 0:
                    results[name].append((cpu, rss))
                    said[name] = out.strip()
        for name, rs in results.items():
            if not rs:
                print(json.dumps({"bench": "dedup_near", "tool": name, "skipped": "not installed or failed"}))
                continue
            cpu = sorted(r[0] for r in rs)
            size = os.path.getsize(runs[name][1])
            print(json.dumps({"bench": "dedup_near", "tool": name, "bytes": size, "cpu_s": round(cpu[len(cpu) // 2], 3),
                              "cpu_min": round(cpu[0], 3), "cpu_max": round(cpu[-1], 3),
                              "MB_per_s": round(size / 1e6 / cpu[len(cpu) // 2], 2),
                              "peak_MiB": round(max(r[1] for r in rs) / 1024, 1),
                              "dropped": int(said[name]) if said[name].isdigit() else None}))


if __name__ == "__main__":
    main()
