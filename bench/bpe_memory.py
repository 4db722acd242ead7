#!/usr/bin/env python3
"""What training holds under --memory, for texts that are hard on it, and that merges do not depend on it:

    bench/bpe_memory.py [--build build] [--corpora FOLDER] [--limits 64M,128M,512M] [--vocab 50257] [--cgroup] [TEXT...]

TEXTs are files of FOLDER (bench/bpe_corpus.py makes them) or the names of made ones: words (5 million distinct), random (100 MB of random
bytes), letters (100 MB of random letters, no white space), one (100 MB of "a"). Peaks are the process' own: VmHWM counts mapped files, RssAnon
(sampled each 5 ms) does not. --cgroup runs each in a memory cgroup (v1 or v2, needs root) of the limit's size, where
file pages count, too, and going over it is fatal. Prints a JSON line a run.
"""
import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time


def make(name, path):
    rng = random.Random(1)
    with open(path + ".part", "wb") as f:
        if name == "words":
            for _ in range(50):
                f.write("".join("%s " % "".join(rng.choices("etaoinshrdlucmfwypvbgk", k=rng.randint(5, 12))) for _ in range(100000)).encode())
        elif name == "random":
            f.write(rng.randbytes(100_000_000))
        elif name == "letters":
            f.write(rng.randbytes(100_000_000).translate(bytes(97 + i % 26 for i in range(256))))
        elif name == "one":
            f.write(b"a" * 100_000_000)
        else:
            sys.exit("no such text: " + name)
    os.rename(path + ".part", path)


def status(pid):
    try:
        lines = dict(l.split(":", 1) for l in open("/proc/%d/status" % pid) if ":" in l)
        return [int(lines[k].split()[0]) / 1024 for k in ("RssAnon", "VmHWM")]
    except (OSError, KeyError, ValueError):
        return [0, 0]


class Group:
    """A memory cgroup of so many bytes, or nothing where none can be made."""

    def __init__(self, limit):
        self.path, self.v2 = None, os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        path = ("/sys/fs/cgroup/" if self.v2 else "/sys/fs/cgroup/memory/") + "bpe-%d" % os.getpid()
        try:
            os.mkdir(path)
            open(path + ("/memory.max" if self.v2 else "/memory.limit_in_bytes"), "w").write(str(limit))
            self.path = path
        except OSError as e:
            print(json.dumps({"cgroup": "none", "reason": str(e)}))

    def enter(self):
        if self.path:
            open(self.path + "/cgroup.procs", "w").write(str(os.getpid()))

    def close(self):
        if self.path:
            os.rmdir(self.path)


def run(command, group=None):
    start = time.time()
    process = subprocess.Popen(command, preexec_fn=group.enter if group else None)
    anon = whole = 0
    while True:
        pid, code, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        a, w = status(process.pid)
        anon, whole = max(anon, a), max(whole, w)
        time.sleep(0.005)
    return code, {"wall_s": round(time.time() - start, 2), "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
                  "anon_MiB": round(anon, 1), "peak_MiB": round(max(whole, usage.ru_maxrss / 1024), 1)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("texts", nargs="*", default=["prose.txt", "cjk.txt", "words", "random", "letters", "one"])
    p.add_argument("--build", default="build")
    p.add_argument("--corpora", default="build/corpora")
    p.add_argument("--limits", default="64M,128M,512M")
    p.add_argument("--vocab", default="50257")
    p.add_argument("--threads", default="2")
    p.add_argument("--cgroup", action="store_true")
    a = p.parse_args()
    bad = 0
    temp = tempfile.mkdtemp()
    for text in a.texts:
        path = os.path.join(a.corpora, text)
        if not os.path.exists(path):
            make(text, path)
        merges = {}
        for limit in ["16G"] + a.limits.split(","):
            out = temp + "/" + limit
            command = [a.build + "/bin/wt-bpe", "train", "--text", path, "-o", out, "--force", "-q", "--memory", limit, "-j", a.threads,
                       "--vocab-size", a.vocab, "--report", temp + "/report"]
            scale = {"M": 1 << 20, "G": 1 << 30}[limit[-1]]
            group = Group(int(limit[:-1]) * scale) if a.cgroup and limit != "16G" else None
            code, result = run(command, group)
            if group:
                group.close()
            spilled = 0
            if code == 0:
                merges[limit] = hashlib.sha256(open(out + "/merges.txt", "rb").read()).hexdigest()[:16]
                report = json.load(open(temp + "/report"))
                spilled = report.get("counts", report).get("bytes spilled to disk", 0)
            bad += code != 0 or merges[limit] != merges["16G"]
            print(json.dumps({"bench": "bpe_memory", "text": text, "limit": limit, "cgroup": bool(group and group.path), "exit": code,
                              "merges": merges.get(limit), "spilled_MB": round(spilled / 1e6, 1), **result}), flush=True)
    sys.exit(bad > 0)


main()
