#!/usr/bin/env python3
"""links.py - wt-links and what else selects links from Reddit's dumps, side by side on one core.

usage: bench/links.py [--runs 5] [--records 100000] [--eras 2014,2017,2024] [NAME...]     (env: BUILD, WT_VENV)

The dumps are made by tests/util/reddit_dump.c (records of 1.2, 1.7 and 2.8 KB) and packed by `zstd`. Tools, interleaved,
pinned to core 0 (wt-links -j 2: to two):
  zstd       zstd -dc, the floor for anything that reads the file
  wt-links   one thread, to a file
  wt-links-2 two threads
  json       Python: zstandard, json.loads, the same rules written in Python (tests/ref/links_twin.py)
  orjson     the same with orjson.loads
  parse      Python: orjson.loads alone, nothing selected
  jq         zstd -dc | jq: is_self, over_18 and score only, addresses as they stand
The lists of json and orjson must equal wt-links' byte for byte; jq must find as many posts as wt-links passes on to its
rules about addresses. One line of JSON a tool and era: medians of CPU and wall seconds, MB of JSON a CPU second, MB of
memory, and how many times the CPU wt-links -j 1 takes.
"""
import argparse, json, os, shutil, statistics, subprocess, sys, tempfile, time

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
build = os.path.abspath(os.environ.get("BUILD", os.path.join(root, "build")))
venv = os.path.abspath(os.environ.get("WT_VENV", os.path.join(root, "build/venv")))
python = f"{venv}/bin/python"

PEER = r"""
import io, json, sys
sys.path.insert(0, sys.argv[1])
mode, path = sys.argv[2], sys.argv[3]
sys.argv = ["twin", "none"]
import zstandard
import links_twin as twin
if mode != "json":
    import orjson
loads = json.loads if mode == "json" else orjson.loads
opt = {"min": 3, "nsfw": False, "since": None, "until": None, "sum": False, "exact": False, "lists": True}
seen = set()
out = sys.stdout.buffer
with open(path, "rb") as f:
    for line in io.BufferedReader(zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(f), 1 << 20):
        r = loads(line)
        if mode == "parse":
            continue
        try:
            p = twin.judge(r, opt)
        except twin.Bad:
            continue
        if p["key"] not in seen:
            seen.add(p["key"])
            fields = {k: p[k] for k in ("url", "score", "subreddit", "id", "created_utc")}
            out.write(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
"""
JQ = 'select((.is_self | not) and (.over_18 | not) and .score >= 3) | [.url, .score, .subreddit, .id, .created_utc]'


def measured(command, core, out, err):
    """CPU seconds, wall seconds, peak MB of a command with its children."""
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, core)
        os.dup2(os.open(out, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 1)
        os.dup2(os.open(err, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
        os.execvp(command[0], command)
    start = time.time()
    _, status, use = os.wait4(pid, 0)
    if status:
        sys.exit("%s failed: %s" % (command[0], open(err).read()[-500:]))
    return use.ru_utime + use.ru_stime, time.time() - start, use.ru_maxrss / 1024


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--records", type=int, default=100000)
    p.add_argument("--eras", default="2014,2017,2024")
    p.add_argument("names", nargs="*")
    a = p.parse_args()
    tmp = tempfile.mkdtemp(prefix="wt-bench-links.")
    open(f"{tmp}/peer.py", "w").write(PEER)
    cores = sorted(os.sched_getaffinity(0))
    links = [f"{build}/bin/wt-links", "-q", "--force"]
    for era in a.eras.split(","):
        dump = f"{tmp}/RS_{era}"
        with open(dump, "wb") as f:
            subprocess.run([f"{build}/util/reddit_dump", str(a.records), era], stdout=f, check=True)
        subprocess.run(["zstd", "-q", dump, "-o", dump + ".zst"], check=True)
        size, z, ours = os.path.getsize(dump), dump + ".zst", f"{tmp}/ours.{era}"
        peer = [python, f"{tmp}/peer.py", f"{root}/tests/ref"]
        tools = {
            "zstd": ["zstd", "-dcq", z],
            "wt-links": links + [z, "-j", "1", "-o", ours, "--report", ours + ".json"],
            "wt-links-2": links + [z, "-j", "2", "-o", ours + "2"],
            "json": peer + ["json", z], "orjson": peer + ["orjson", z], "parse": peer + ["parse", z],
            "jq": ["sh", "-c", f"zstd -dcq {z} | jq -c '{JQ}'"],
        }
        def there(name):
            if name == "jq": return shutil.which("jq") is not None
            if name in ("json", "orjson", "parse"):
                modules = "zstandard" if name == "json" else "zstandard, orjson"
                return os.path.exists(python) and subprocess.run([python, "-c", "import " + modules], capture_output=True).returncode == 0
            return True
        for name in list(tools):
            if a.names and name not in a.names + ["wt-links"] or not there(name):
                print(json.dumps({"bench": "links", "era": era, "tool": name, "skipped": True}))
                del tools[name]
        runs = {name: [] for name in tools}
        for _ in range(a.runs):
            for name, command in tools.items():
                runs[name].append(measured(command, set(cores[:2] if name == "wt-links-2" else cores[:1]),
                                           "/dev/null" if name == "zstd" else f"{tmp}/out.{name}", f"{tmp}/err"))
        median = {name: [statistics.median(x) for x in zip(*r)] for name, r in runs.items()}
        facts = json.load(open(ours + ".json"))
        late = sum(facts["dropped"].get(k, 0) for k in ("relative url", "not http or https", "bad url", "url too long",
                                                          "excluded domain", "file type", "duplicate url"))
        for name, (cpu, wall, mb) in median.items():
            equal = None
            if name in ("json", "orjson"):
                equal = open(f"{tmp}/out.{name}", "rb").read() == open(ours, "rb").read()
            if name == "wt-links-2":
                equal = open(ours + "2", "rb").read() == open(ours, "rb").read()
            if name == "jq":
                equal = sum(1 for _ in open(f"{tmp}/out.jq")) == facts["counts"]["links written"] + late
            spread = max(x[0] for x in runs[name]) / min(x[0] for x in runs[name]) - 1
            print(json.dumps({"bench": "links", "era": era, "tool": name, "cpu_s": round(cpu, 3), "wall_s": round(wall, 3),
                              "MB_per_cpu_s": round(size / 1e6 / cpu), "MB_per_wall_s": round(size / 1e6 / wall), "peak_MB": round(mb, 1),
                              "times_wt_links": round(cpu / median["wt-links"][0], 2), "spread": round(spread, 2), "equal": equal}), flush=True)
            if equal is False:
                sys.exit(f"{name}: another result than wt-links")
    shutil.rmtree(tmp)


main()
