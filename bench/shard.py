#!/usr/bin/env python3
"""bench/shard.py TOKENIZER DOCS... - wt-shard beside the files that trainers of today read, on the same
tokens in one run: JSON lines with size, time to write, time to the first window of a shard, median time of a
random window of 1,025 tokens. nanoGPT and Megatron: numpy memory maps, as their loaders do. "mds layout": shards of
int32 samples under whole-shard zstd 3, which MosaicML's StreamingDataset writes for llm-foundry (the layout is written
here with python-zstandard; the package itself is not needed). Every window is compared with the flat stream.
env: BUILD (build), WORK (a folder for 1-2 GB; default: temporary)."""
import json, os, subprocess, sys, tempfile, time
import numpy as np
import zstandard

T, N = 1024, 400
build = os.environ.get("BUILD", "build")
tool = os.path.join(build, "bin/wt-shard")


def say(who, what, value, unit):
    print(json.dumps({"bench": "shard", "who": who, "what": what, "value": round(float(value), 4), "unit": unit}), flush=True)


def run(*args):
    start = os.times()
    subprocess.run([tool, *args, "-q", "-j", "1"], check=True)
    end = os.times()
    return end.children_user + end.children_system - start.children_user - start.children_system


def windows(n):
    return np.random.default_rng(5).integers(0, n - T - 1, N)


def timed(read, flat, who):
    seconds = []
    for at in windows(len(flat)):
        start = time.perf_counter()
        got = read(int(at))
        seconds.append(time.perf_counter() - start)
        assert np.array_equal(got, flat[at:at + T + 1]), who
    say(who, "window p50 (from Python)", 1e6 * np.median(seconds), "us")


def mds_write(flat, path, shard_bytes=1 << 26):
    """u32 count, u32 offsets, samples of 1,024 int32; each shard compressed as a whole."""
    per_shard = shard_bytes // (4 * T)
    sizes, shards = 0, []
    for first in range(0, len(flat) // T, per_shard):
        samples = flat[first * T:(first + per_shard) * T]
        samples = samples[:len(samples) // T * T].astype(np.int32)
        n = len(samples) // T
        offsets = (4 + 4 * (n + 1) + np.arange(n + 1, dtype=np.uint32) * 4 * T).astype(np.uint32)
        packed = zstandard.ZstdCompressor(level=3).compress(np.uint32(n).tobytes() + offsets.tobytes() + samples.tobytes())
        shards.append(os.path.join(path, f"shard.{len(shards):05d}.mds.zstd"))
        open(shards[-1], "wb").write(packed)
        sizes += len(packed)
    return sizes, shards


def main():
    tokenizer, docs = sys.argv[1], sys.argv[2:]
    work = os.environ.get("WORK") or tempfile.mkdtemp()
    path = lambda name: os.path.join(work, name)
    cpu = run("write", "-t", tokenizer, *docs, "-o", path("wts"), "--val-fraction", "0")
    index = json.load(open(path("wts/index.json")))["splits"]["train"]
    n = index["tokens"]
    say("wt-shard", "write with tokenising", n / cpu / 1e6, "Mtok/s CPU")
    say("wt-shard", "size on disk", 8 * index["bytes"] / n, "bit/token")
    for form in ("nanogpt", "megatron"):
        cpu = run("export", "--format", form, path("wts"), "-o", path(form))
        size = sum(os.path.getsize(os.path.join(path(form), f)) for f in os.listdir(path(form)) if f != "run.json")
        say(form, "export by wt-shard", n / cpu / 1e6, "Mtok/s CPU")
        say(form, "size on disk", 8 * size / n, "bit/token")
    flat = np.memmap(path("nanogpt/train.bin"), dtype=np.uint16, mode="r")
    assert len(flat) == n
    timed(lambda at: np.array(flat[at:at + T + 1]), flat, "nanogpt")
    start = time.process_time()
    size, shards = mds_write(flat, work)
    say("mds layout", "compress", n / (time.process_time() - start) / 1e6, "Mtok/s CPU")
    say("mds layout", "size on disk", 8 * size / n, "bit/token")
    seconds = []
    for shard in shards:
        start = time.perf_counter()
        raw = zstandard.ZstdDecompressor().decompress(open(shard, "rb").read())
        first = np.frombuffer(raw, dtype=np.int32, count=T, offset=4 + 4 * (np.frombuffer(raw, np.uint32, 1)[0] + 1))
        seconds.append(time.perf_counter() - start)
    assert np.array_equal(first, flat[(len(shards) - 1) * ((1 << 26) // (4 * T)) * T:][:T])
    say("mds layout", "first window of a shard (all of it is decompressed)", 1e6 * np.median(seconds), "us")
    subprocess.run([os.path.join(build, "bench/shard"), path("wts"), "5"], check=True)


main()
