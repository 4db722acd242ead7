# bpe_peers.sh - the tokenizer beside Hugging Face tokenizers, transformers, tiktoken and Python's regex.
. "$ROOT/tests/lib.sh"
B=$BIN/wt-bpe
"$PYTHON" -c 'import tokenizers, tiktoken, regex' 2>/dev/null || { skip "tokenizer peers" "tokenizers, tiktoken or regex is missing"; exit 0; }
cat "$ROOT"/common/*.c "$ROOT"/common/*.h "$ROOT"/bpe/*.c >code.txt
cp "$ROOT/docs/formats.md" prose.txt; cat "$ROOT"/docs/*.md "$ROOT"/*.md >>prose.txt
[ -r "$WT_SHARED/corpus/books.jsonl.zst" ] && zstd -dc --long=27 "$WT_SHARED/corpus/books.jsonl.zst" 2>/dev/null | head -120 |
    "$PYTHON" -c 'import sys, json; [print(json.loads(l)["text"]) for l in sys.stdin]' >>prose.txt
# the special token as text is cut out by us and counted by others
sed -i 's/<|endoftext|>//g' code.txt prose.txt
"$PYTHON" - <<'X'
import random
rng = random.Random(3)
words = ["中文", "日本語", "です", "한국어", "。", "、", "的", "是", "我们", "カタカナ", " ", "the ", "\n", "２０２６", "年", "𠀀", "é", "'s"]
open("mixed.txt", "w", encoding="utf-8").write("".join(rng.choice(words) * rng.randint(1, 3) for _ in range(60000)))
X

# merges: as Hugging Face's, three texts, three patterns, three sizes
cat >train.py <<'X'
import sys, json
sys.path.insert(0, sys.argv[1] + "/tests/ref")
sys.argv, root = [sys.argv[0], "-"] + sys.argv[2:], sys.argv[1]
source = open(root + "/tests/ref/bpe_goldens.py").read().replace("\nmain(sys.argv[1])\n", "\n")
exec(source)
text, name, vocab, out = open(sys.argv[2], encoding="utf-8", newline="").read(), sys.argv[3], int(sys.argv[4]), sys.argv[5]
merges = hf_merges(text, {"gpt2": None, "cl100k": CL100K, "o200k": O200K}[name], vocab, 2, None)
open(out, "w", encoding="utf-8").write("#version: 0.2\n" + "".join(m + "\n" for m in merges))
X
for t in prose code mixed; do
    for p in gpt2 cl100k o200k; do
        for v in 1000 8000; do
            "$B" train --text $t.txt -o tok --pattern $p --vocab-size $((v + 1)) -q --force
            "$PYTHON" train.py "$ROOT" $t.txt $p $v theirs && same "merges of $t, $p, $v as Hugging Face's" tok/merges.txt theirs
        done
    done
    "$B" train --text $t.txt -o tok-$t --vocab-size 8000 -q
done

# every file in its own ecosystem
cat >load.py <<'X'
import sys, json, base64, array
folder, texts = sys.argv[1], sys.argv[2:]
import tokenizers, tiktoken
hf = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
pair = tokenizers.ByteLevelBPETokenizer(folder + "/vocab.json", folder + "/merges.txt")
ranks = {base64.b64decode(k): int(v) for k, v in (l.split() for l in open(folder + "/tokenizer.tiktoken"))}
tk = tiktoken.Encoding("x", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": len(ranks)},
    pat_str=r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s")
for path in texts:
    text = open(path, encoding="utf-8", newline="").read()
    ids = array.array("I")
    ids.frombytes(open(path + ".ids", "rb").read())
    ids = list(ids)
    assert hf.encode(text, add_special_tokens=False).ids == ids, "tokenizers " + path
    assert pair.encode(text).ids == ids, "vocab.json + merges.txt " + path
    assert tk.encode_ordinary(text) == ids, "tiktoken " + path
    assert hf.decode(ids, skip_special_tokens=False) == text, "decode " + path
try:
    import transformers
except ImportError:
    sys.exit()
auto = transformers.AutoTokenizer.from_pretrained(folder)
text = open(texts[0], encoding="utf-8", newline="").read()[:20000]
assert auto(text)["input_ids"] == hf.encode(text).ids, "AutoTokenizer"
assert auto.eos_token == "<|endoftext|>" and auto.convert_tokens_to_ids("<|endoftext|>") == len(ranks)
X
for tok in tok-prose tok-mixed "$WT_SHARED/gpt2"; do
    [ -d "$tok" ] || { skip "GPT-2's files in other programs" "no ../shared/gpt2"; continue; }
    "$B" convert -t "$tok" -o conv -q --force
    for t in prose code mixed; do "$B" encode -t "$tok" --ids u32 $t.txt -o $t.txt.ids -q --force; done
    check "$(basename "$tok") in tokenizers, tiktoken and transformers, ids equal" "$PYTHON" load.py conv prose.txt code.txt mixed.txt
done

# cl100k and o200k: vocabularies of our own under each pattern, given to tiktoken; some with ids beyond 16 bits
cat >modern.py <<'X'
import sys, base64, array
root, folder, pattern = sys.argv[1:4]
paths = sys.argv[4:]
sys.argv = [sys.argv[0], "-"]
exec(open(root + "/tests/ref/bpe_goldens.py").read().replace("\nmain(sys.argv[1])\n", "\n"))
ranks = {base64.b64decode(k): int(v) for k, v in (l.split() for l in open(folder + "/tokenizer.tiktoken"))}
theirs = tiktoken.Encoding("x", mergeable_ranks=ranks, special_tokens={}, pat_str={"cl100k": CL100K, "o200k": O200K}[pattern])
for path in paths:
    ids = array.array("I")
    ids.frombytes(open(path + ".ids", "rb").read())
    assert theirs.encode_ordinary(open(path, encoding="utf-8", newline="").read()) == list(ids), path
print(len(ranks))
X
"$PYTHON" -c 'import random; r = random.Random(5); open("noise.txt", "wb").write(bytes(r.randrange(256) for _ in range(300000)).decode("utf-8", "replace").encode())'
cat prose.txt code.txt mixed.txt >all.txt
for p in cl100k o200k; do
    for v in 8000 70000; do
        "$B" train --text all.txt -o modern --pattern $p --vocab-size $v -q --force
        for t in prose code mixed noise; do "$B" encode -t modern --ids u32 $t.txt -o $t.txt.ids -q --force; done
        check "ids of prose, code, CJK and noise under $p with $v ids as tiktoken's" "$PYTHON" modern.py "$ROOT" modern $p prose.txt code.txt mixed.txt noise.txt
    done
done

# files that others wrote
cat >write.py <<'X'
import sys
sys.argv.append("-")
from tokenizers import Tokenizer, models, pre_tokenizers, trainers, decoders
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
t.decoder = decoders.ByteLevel()
t.train(["prose.txt"], trainers.BpeTrainer(vocab_size=3000, special_tokens=["<|endoftext|>", "<pad>"],
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
t.save("theirs.json")
text = open("mixed.txt", encoding="utf-8", newline="").read() + "<|endoftext|>x<pad>"
open("in.txt", "w", encoding="utf-8", newline="").write(text)
open("ids.txt", "w").write(" ".join(map(str, t.encode(text).ids)) + "\n")
X
"$PYTHON" write.py && "$B" encode -t theirs.json --special-tokens all in.txt -q >mine.txt && same "a tokenizer.json of Hugging Face's, specials first" mine.txt ids.txt

# patterns against Python's regex, which knows lone surrogates: bytes that are not UTF-8
cat >split.py <<'X'
import random, subprocess, sys, regex
root, b = sys.argv[1], sys.argv[2]
source = open(root + "/tests/ref/bpe_goldens.py").read().replace("\nmain(sys.argv[1])\n", "\n")
exec(source)
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
rng = random.Random(8)
pieces = [b"'", b"s", b"ll", b" ", b"  ", b"\n", b"\r", b"\t", b"a", b"Z", b"the", b"1", b"23", b".", b"/", b"\xff", b"\xc3",
          b"\xe4\xb8", b"\xed\xa0\x80"] + [c.encode() for c in "\u00a0\u3000\u00e9\u4e2d\u0301\U0001F600\u2019\u0085\u01c5\u02b0\u0660\u200b\u180e\u017f\u2028\u4dc0\u0410\u2010"]
texts = [b"".join(rng.choice(pieces) for _ in range(rng.randint(1, 40))) for _ in range(4000)]
for name, pattern in (("gpt2", GPT2), ("cl100k", CL100K), ("o200k", O200K)):
    compiled = regex.compile(pattern)
    # all texts at once: one document a text, counted
    import os
    os.makedirs("texts", exist_ok=True)
    total = {}
    for i, text in enumerate(texts):
        open("texts/%05d" % i, "wb").write(text)
        for w in compiled.findall(text.decode("utf-8", "surrogateescape")):
            w = w.encode("utf-8", "surrogateescape")
            total[w] = total.get(w, 0) + 1
    subprocess.run([b, "train", "--text", "texts", "-o", "x", "--force", "-q", "--pattern", name, "--vocab-size", "257",
                    "--counts-out", "counts"], check=True)
    chars = {}
    n = 0
    for x in range(256):
        keep = 33 <= x <= 126 or 161 <= x <= 172 or 174 <= x <= 255
        chars[chr(x) if keep else chr(256 + n)] = x
        n += not keep
    got = {}
    for line in open("counts", encoding="utf-8").read().split("\n")[:-1]:
        count, word = line.split(" ")
        got[bytes(chars[c] for c in word)] = int(count)
    assert got == total, (name, [(k, got.get(k), total.get(k)) for k in set(got) | set(total) if got.get(k) != total.get(k)][:5])
X
check "words are those of Python's regex, also where text is not UTF-8" "$PYTHON" split.py "$ROOT" "$B"

# a published trainer with other ties
"$PYTHON" -c 'import rustbpe' 2>/dev/null && cat >raw.py <<'X' && "$PYTHON" raw.py && { "$B" train --text prose.txt -o raw --ties raw --min-frequency 1 --vocab-size 4001 -q; same "merges with --ties raw as rustbpe's" raw/tokenizer.tiktoken raw.tiktoken; } || skip "rustbpe" "it is missing"
import rustbpe, base64
t = rustbpe.Tokenizer()
t.train_from_iterator(iter([open("prose.txt", encoding="utf-8", newline="").read()]), 4000,
    pattern=r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
open("raw.tiktoken", "w").write("".join("%s %d\n" % (base64.b64encode(bytes(k)).decode(), r) for k, r in sorted(t.get_mergeable_ranks(), key=lambda x: x[1])))
X
true
