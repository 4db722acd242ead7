#!/usr/bin/env python3
"""dedup_quality.py - how well near-duplicates are found, with exact labels.

Passages of a real corpus, and edits of them of 15 kinds and all strengths; a document's label is whether
its true Jaccard similarity (sets of 5-grams of lower-cased alphanumeric words) to an earlier document of its
family is at least the threshold. wt-dedup judges the stream; precision, recall and F1 over documents, mean of
the seeds, one JSON line a setting. "grey" leaves out documents whose similarity is within 0.05 of the threshold.
The filters get room for the documents of the stream (--expect), no more. What assumptions of the solver were
chosen on (seeds 11 to 15) is not what is reported (1 to 5).
    dedup_quality.py [--bin DIR] [--corpus FILE] [--docs N] [--first-seed N] [--seeds N] [--svg FILE]
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import io

import zstandard

WORD = re.compile(r"[^\W_]+")
FRAME = ("This page was printed from our archive please see the terms of use below all rights reserved " * 3).split()

SETTINGS = [("18 bytes", ["--bytes-per-doc", "18"]), ("35 bytes", ["--bytes-per-doc", "35"]),
            ("60 bytes", ["--bytes-per-doc", "60"]),
            ("8 of 22x5", ["--bands", "22", "--rows", "5", "--votes", "8"]),
            ("6 of 32x8", ["--bands", "32", "--rows", "8", "--votes", "6"]),
            ("1 of 14x8 (FineWeb)", ["--bands", "14", "--rows", "8", "--votes", "1"]),
            ("1 of 9x13 (LSHBloom)", ["--bands", "9", "--rows", "13", "--votes", "1"]),
            ("1 of 20x13 (NeMo)", ["--bands", "20", "--rows", "13", "--votes", "1"]),
            ("index", ["--index", "--keep", "first"])]


def passages(path, n, rng):
    with open(path, "rb") as f:
        reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(f)
        texts = [json.loads(line)["text"] for line in io.TextIOWrapper(reader, encoding="utf-8")]
    out = []
    while len(out) < n:
        words = rng.choice(texts).split()
        size = int(min(2000, max(60, rng.lognormvariate(6, 0.7))))
        if len(words) > size:
            at = rng.randrange(len(words) - size)
            out.append(words[at:at + size])
    return out


def edits(rng, other):
    """Kinds of change: (name, function of words and strength in 0..1)."""
    def spots(w, s): return sorted(rng.sample(range(len(w)), max(1, int(len(w) * s * 0.06))))
    def substitute(w, s):
        w = w[:]
        for i in spots(w, s): w[i] = rng.choice(other)
        return w
    def typo(w, s):
        w = w[:]
        for i in spots(w, s): w[i] = w[i][:1] + "x" + w[i][1:]
        return w
    def drop(w, s):
        gone = set(spots(w, s))
        return [x for i, x in enumerate(w) if i not in gone]
    def insert(w, s):
        w = w[:]
        for i in reversed(spots(w, s)): w.insert(i, rng.choice(other))
        return w
    def block_drop(w, s):
        n = int(len(w) * s * 0.4)
        at = rng.randrange(len(w) - n) if n < len(w) else 0
        return w[:at] + w[at + n:]
    def block_insert(w, s):
        n, at = int(len(w) * s * 0.5), rng.randrange(len(w))
        return w[:at] + [rng.choice(other) for _ in range(n)] + w[at:]
    def shuffle(w, s):
        n = max(2, int(s * 20))
        cuts = sorted(rng.sample(range(1, len(w)), min(n, len(w) - 1)))
        parts = [w[a:b] for a, b in zip([0] + cuts, cuts + [len(w)])]
        i, j = rng.randrange(len(parts)), rng.randrange(len(parts))
        parts[i], parts[j] = parts[j], parts[i]
        return sum(parts, [])
    def head(w, s): return FRAME[:int(5 + s * 40)] + w
    def tail(w, s): return w + [rng.choice(other) for _ in range(int(len(w) * s * 0.4))]
    def cut_end(w, s): return w[:max(20, int(len(w) * (1 - 0.4 * s)))]
    def cut_start(w, s): return w[int(len(w) * 0.4 * s):]
    def mix(w, s):
        n = int(len(w) * s * 0.4)
        return w[n:] + [rng.choice(other) for _ in range(n)]
    def punctuate(w, s): return [x.upper() if i % 7 == 0 else "(" + x + ")" for i, x in enumerate(w)]
    def repeat(w, s): return w + w[:int(len(w) * s)]
    def numbers(w, s):
        w = w[:]
        for i in spots(w, s): w[i] = str(rng.randrange(10000))
        return w
    return [substitute, typo, drop, insert, block_drop, block_insert, shuffle, head, tail, cut_end, cut_start, mix,
            punctuate, repeat, numbers]


def grams(words):
    w = [x.lower() for x in WORD.findall(" ".join(words))]
    return frozenset(hash(tuple(w[i:i + 5])) for i in range(len(w) - 4))


def jaccard(a, b):
    both = len(a & b)
    return both / (len(a) + len(b) - both) if a or b else 1.0


def generate(path, n, seed):
    """List of (text, highest similarity to an earlier one of its family)."""
    rng = random.Random(seed)
    base = passages(path, n * 6 // 10, rng)
    other = [w for p in base[:200] for w in p]
    kinds = edits(rng, other)
    docs, families = [], [[] for _ in base]
    order = list(range(len(base)))
    order += [rng.randrange(len(base)) for _ in range(n - len(base))]
    rng.shuffle(order)
    started = set()
    for f in order:
        if f not in started:
            started.add(f)
            words = base[f]
        else:
            words = rng.choice(kinds)(base[f], rng.random())
            if rng.random() < 0.2:
                words = rng.choice(kinds)(words, rng.random() * 0.5)
        g = grams(words)
        docs.append((" ".join(words), max((jaccard(g, e) for e in families[f]), default=0.0)))
        families[f].append(g)
    return docs


def judge(binary, path, out, options, n_docs):
    if "--index" in options:
        return judge_index(binary, path, out, options)
    subprocess.run([binary, path, "-o", out, "--near", "--attributes", "--force", "-q", "--expect", str(n_docs)] + options, check=True)
    got = subprocess.run(["zstd", "-dcq"] + sorted(os.path.join(out, f) for f in os.listdir(out) if f.startswith("part-")),
                         check=True, capture_output=True).stdout
    return [b"dedup__" in line for line in got.splitlines()]


def judge_index(binary, path, out, options):
    subprocess.run([binary, path, "-o", out, "--force", "-q"] + options, check=True)
    got = subprocess.run(["zstd", "-dcq", os.path.join(out, "dropped.jsonl.zst")], check=True, capture_output=True).stdout
    dropped = {int(json.loads(line)["id"]) for line in got.splitlines()}
    with open(path) as f:
        return [i in dropped for i, _ in enumerate(f)]


def scores(called, truth, threshold, grey):
    tp = fp = fn = 0
    for c, j in zip(called, truth):
        if abs(j - threshold) < grey:
            continue
        dup = j >= threshold
        tp += c and dup
        fp += c and not dup
        fn += dup and not c
    p, r = tp / max(1, tp + fp), tp / max(1, tp + fn)
    return p, r, 2 * p * r / max(1e-9, p + r)


def svg(path, curves):
    colors = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b9770e"]
    x = lambda j: 60 + (j - 0.4) / 0.6 * 500
    y = lambda p: 330 - p * 300
    s = ['<svg xmlns="http://www.w3.org/2000/svg" width="620" height="400" font-family="sans-serif" font-size="12">',
         '<rect width="620" height="400" fill="white"/>']
    for i in range(7):
        j = 0.4 + i / 10
        s.append('<line x1="%.0f" y1="30" x2="%.0f" y2="330" stroke="#ddd"/><text x="%.0f" y="348" text-anchor="middle">%.1f</text>' % (x(j), x(j), x(j), j))
    for i in range(6):
        s.append('<line x1="60" y1="%.0f" x2="560" y2="%.0f" stroke="#ddd"/><text x="52" y="%.0f" text-anchor="end">%.1f</text>' % (y(i / 5), y(i / 5), y(i / 5) + 4, i / 5))
    s.append('<text x="310" y="368" text-anchor="middle">true Jaccard similarity of 5-grams to an earlier document</text>')
    s.append('<text x="60" y="20">share called duplicate (threshold 0.8; dots measured, lines by the formula, filters half full)</text>')
    for k, (name, formula, measured) in enumerate(curves):
        c = colors[k % len(colors)]
        s.append('<polyline fill="none" stroke="%s" points="%s"/>' % (c, " ".join("%.1f,%.1f" % (x(j), y(p)) for j, p in formula)))
        s += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (x(j), y(p), c) for j, p in measured if j >= 0.4]
        s.append('<rect x="75" y="%d" width="10" height="10" fill="%s"/><text x="90" y="%d">%s</text>' % (45 + 18 * k, c, 54 + 18 * k, name))
    s.append("</svg>")
    with open(path, "w") as f:
        f.write("\n".join(s) + "\n")


def plan_of(binary, options):
    """Votes, bands, rows, votes when the filters are full, their rate then, bytes a document, as wt-dedup prints them."""
    text = subprocess.run([binary, "--near", "--curve", "-q"] + options, check=True, capture_output=True, text=True).stdout
    c, b, r, full, rate, size = re.match(r"(\d+) of (\d+) bands of (\d+) rows \((\d+) of .* at ([\d.]+), ([\d.]+) bytes", text).groups()
    return int(c), int(b), int(r), int(full), float(rate), float(size)


def chance(plan, j):
    """To be called a duplicate, by the formula, with filters half full."""
    from math import comb, exp, log
    c, b, r, full, rate, size = plan
    bits = size * 8 / b
    k = max(1, round(bits * log(2)))
    half = ((1 - exp(-k / 2 / bits)) / (1 - exp(-k / bits)))**k
    p = 1 - (1 - j**r) * (1 - rate * half)
    return sum(comb(b, i) * p**i * (1 - p)**(b - i) for i in range(round(c + (full - c) * half), b + 1))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--bin", default="build/bin")
    a.add_argument("--corpus", default=os.path.join(os.environ.get("WT_SHARED", "../shared"), "corpus/books.jsonl.zst"))
    a.add_argument("--docs", type=int, default=4000)
    a.add_argument("--first-seed", type=int, default=1)
    a.add_argument("--seeds", type=int, default=5)
    a.add_argument("--threshold", type=float, default=0.8)
    a.add_argument("--svg")
    a.add_argument("--plan", nargs="*", default=[], metavar="CofBxR", help="only these, e.g. 8of22x5")
    args = a.parse_args()
    binary = os.path.join(args.bin, "wt-dedup")
    if not os.path.exists(args.corpus):
        sys.exit("skipped: no " + args.corpus)
    if args.plan:
        SETTINGS[:] = [(p, [x for o, v in zip(("--votes", "--bands", "--rows"), re.split("of|x", p)) for x in (o, v)])
                       for p in args.plan]
    results = {name: [] for name, _ in SETTINGS}
    bins = {name: {} for name, _ in SETTINGS}
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "docs.jsonl")
        for seed in range(args.first_seed, args.first_seed + args.seeds):
            docs = generate(args.corpus, args.docs, seed)
            truth = [j for _, j in docs]
            with open(path, "w") as f:
                for i, (text, _) in enumerate(docs):
                    f.write(json.dumps({"id": str(i), "text": text}) + "\n")
            for name, options in SETTINGS:
                called = judge(binary, path, os.path.join(tmp, "out"), options + ["--threshold", str(args.threshold)], len(docs))
                results[name].append(scores(called, truth, args.threshold, 0) + scores(called, truth, args.threshold, 0.05))
                for c, j in zip(called, truth):
                    n = bins[name].setdefault(min(0.975, int(j * 20) / 20 + 0.025), [0, 0])
                    n[0] += c
                    n[1] += 1
            print("seed %d: %d documents, %d with J >= %.2f, %d with 0.4 <= J < %.2f" % (
                seed, len(docs), sum(j >= args.threshold for j in truth), args.threshold,
                sum(0.4 <= j < args.threshold for j in truth), args.threshold), file=sys.stderr)
    plans = {name: plan_of(binary, options + ["--threshold", str(args.threshold)])
             for name, options in SETTINGS if "--index" not in options}
    for name, _ in SETTINGS:
        r = results[name]
        mean = [sum(x[i] for x in r) / len(r) for i in range(6)]
        line = {"bench": "dedup_quality", "setting": name, "first_seed": args.first_seed, "seeds": args.seeds, "documents": args.docs}
        if name in plans:
            line.update(plan="%d of %dx%d (full: %d)" % plans[name][:4], rate=plans[name][4], bytes_per_doc=plans[name][5])
        line.update(precision=round(mean[0], 4), recall=round(mean[1], 4), f1=round(mean[2], 4),
                    f1_min=round(min(x[2] for x in r), 4), f1_max=round(max(x[2] for x in r), 4), f1_grey=round(mean[5], 4))
        print(json.dumps(line))
    if args.svg:
        curves = []
        for name in [n for n in ("18 bytes", "35 bytes", "60 bytes", "1 of 14x8 (FineWeb)") if n in plans]:
            formula = [(0.4 + i * 0.01, chance(plans[name], 0.4 + i * 0.01)) for i in range(61)]
            curves.append((name, formula, [(j, n[0] / n[1]) for j, n in sorted(bins[name].items()) if n[1] >= 30]))
        svg(args.svg, curves)


if __name__ == "__main__":
    main()
