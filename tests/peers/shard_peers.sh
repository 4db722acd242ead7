# Other programs on our shards: python-zstandard decodes them, tiktoken made the same ids, numpy reads the
# exports as nanoGPT, llm.c and Megatron-LM do.
. "$ROOT/tests/lib.sh"
S=$BIN/wt-shard T=$WT_SHARED/gpt2
if [ ! -d "$T" ]; then skip "shards beside other programs" "no GPT-2 vocabulary at $T"; exit 0; fi
"$PYTHON" - <<'PY'
import json, random
random.seed(3)
words = "the of and to in that is was for it with as his on be at by had not are but from or have an".split()
with open("docs.jsonl", "w") as f:
    for i in range(300):
        text = " ".join(random.choice(words) for _ in range(random.randint(1, 900)))
        f.write(json.dumps({"id": f"d{i}", "text": text + random.choice(["", "\n\n", " caf\u00e9", " \U0001F600 <|endoftext|>"])}) + "\n")
PY
check "write" $S write -t "$T" docs.jsonl -o set --val-fraction 0.1 --shard-tokens 60k --no-shuffle -q
for f in nanogpt llmc megatron; do check "export $f" $S export --format $f set -o $f -q; done
check "peers read the same tokens" "$PYTHON" - "$T" <<'PY'
import glob, json, struct, sys
import numpy as np, tiktoken, zstandard
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
ranks = data_gym_to_mergeable_bpe_ranks(vocab_bpe_file=sys.argv[1] + "/vocab.bpe", encoder_json_file=sys.argv[1] + "/encoder.json")
enc = tiktoken.Encoding("gpt2", pat_str=r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
                        mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})
docs = [enc.encode_ordinary(json.loads(l)["text"]) + [50256] for l in open("docs.jsonl")]

def zstd_tokens(split):
    out = b""
    for path in sorted(glob.glob(f"set/{split}-*.wts.zst")):
        reader = zstandard.ZstdDecompressor().stream_reader(open(path, "rb"), read_across_frames=True)
        out += reader.read()
    return np.frombuffer(out, dtype=np.uint16)

streams = {s: zstd_tokens(s) for s in ("train", "val")}
# each document is in one of the splits, in order
at = {"train": 0, "val": 0}
for d in docs:
    d = np.array(d, dtype=np.uint16)
    for s in at:
        if np.array_equal(streams[s][at[s]:at[s] + len(d)], d):
            at[s] += len(d)
            break
    else:
        raise SystemExit("a document is in neither split")
assert all(at[s] == len(streams[s]) for s in at)
for s in streams:
    assert np.array_equal(np.memmap(f"nanogpt/{s}.bin", dtype=np.uint16, mode="r"), streams[s])
    # Megatron's index
    idx = open(f"megatron/{s}.idx", "rb").read()
    assert idx[:9] == b"MMIDIDX\0\0" and struct.unpack("<QB", idx[9:18]) == (1, 8)
    n_seq, n_doc = struct.unpack("<QQ", idx[18:34])
    lengths = np.frombuffer(idx, np.int32, n_seq, 34)
    pointers = np.frombuffer(idx, np.int64, n_seq, 34 + 4 * n_seq)
    documents = np.frombuffer(idx, np.int64, n_doc, 34 + 12 * n_seq)
    assert len(idx) == 34 + 12 * n_seq + 8 * n_doc and np.array_equal(documents, np.arange(n_seq + 1))
    data = np.memmap(f"megatron/{s}.bin", dtype=np.uint16, mode="r")
    assert all(data[p // 2 + l - 1] == 50256 for p, l in zip(pointers, lengths)) and lengths.sum() == len(data)
# llm.c: header, end-of-text before each document
train = b"".join(open(p, "rb").read()[1024:] for p in sorted(glob.glob("llmc/train_*.bin")))
train = np.frombuffer(train, dtype=np.uint16)
assert train[0] == 50256 and np.array_equal(train, np.concatenate([[50256], streams["train"][:-1]]))
# the seek table, read by the format's own description
raw = open("set/train-00000.wts.zst", "rb").read()
n, flags, magic = struct.unpack("<IBI", raw[-9:])
assert magic == 0x8F92EAB1 and flags == 0x80
table = raw[-9 - 12 * n:-9]
place = tokens = 0
for i in range(n):
    stored, decoded, _ = struct.unpack("<III", table[12 * i:12 * i + 12])
    if decoded:
        frame = zstandard.ZstdDecompressor().decompress(raw[place:place + stored])
        assert len(frame) == decoded and frame == streams["train"].tobytes()[2 * tokens:2 * tokens + decoded]
        tokens += decoded // 2
    place += stored
assert place == len(raw) - 9 - 12 * n - 8
PY
