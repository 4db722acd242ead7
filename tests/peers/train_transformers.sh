# A checkpoint of wt-train opens in transformers as it is, and both say the same: logits, tokenizer,
# greedy text. A model that transformers saved (fp32, fp16, bf16, with and without prefix) opens here.
. "$ROOT/tests/lib.sh"
cd "$TMP" || exit 1
export HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
"$PYTHON" -c 'import torch, transformers' 2>/dev/null || { skip "transformers opens our checkpoints" "no torch and transformers"; exit 0; }

awk 'BEGIN { n = split("the of and to in a is that it was for on are as with his they at be this", w, " "); s = 7
    for (d = 0; d < 200; d++) { printf "{\"id\":\"%d\",\"text\":\"", d
        for (i = 0; i < 50; i++) { s = (s * 16807) % 2147483647; printf "%s%s", (i ? " " : ""), w[1 + int(s / 999) % n] }
        printf "\"}\n" } }' > docs.jsonl
"$BIN/wt-bpe" train docs.jsonl -o tok --vocab-size 290 -q && "$BIN/wt-shard" write -t tok docs.jsonl -o shards --val-fraction 0.1 -q &&
    "$BIN/wt-train" shards --model 2x32x2 --seq-len 32 --batch-tokens 256 --steps 20 --lr 3e-3 --sample-every 0 -q -j 2 -o run || not_ok "a run to look at"
"$BIN/wt-sample" run --prompt "the of and" --temperature 0 --max-tokens 20 -q > ours.txt

cat > look.py <<'PY'
import os, subprocess, sys, torch
from transformers import AutoTokenizer, GPT2LMHeadModel
model, info = GPT2LMHeadModel.from_pretrained("run/latest", output_loading_info=True)
model.eval()
def check(name, good, words=""):
    print(("ok - " if good else "not ok - ") + name + ("" if good else f" # {words}"))
check("transformers misses and adds nothing", not info["missing_keys"] and not info["unexpected_keys"], str(info))
tok = AutoTokenizer.from_pretrained("run/latest")
text = "the of and"
ids = tok(text, return_tensors="pt").input_ids
check("the tokenizer encodes and decodes", tok.decode(ids[0]) == text)
with torch.no_grad():
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=20, pad_token_id=0)
ours = open("ours.txt").read().rstrip("\n")
theirs = tok.decode(out[0], skip_special_tokens=True)
check("greedy text is the same", ours.rstrip() == theirs.rstrip(), f"{ours!r} / {theirs!r}")
# The same numbers: loss by both over one window.
ids = torch.arange(32).reshape(1, 32) % 290
with torch.no_grad():
    want = torch.log_softmax(model(ids).logits.double(), -1)
    want = want[0, torch.arange(31), ids[0, 1:]]
line = subprocess.run([os.environ["BUILD"] + "/examples/train_generate", "run"] + [str(int(i)) for i in ids[0]], capture_output=True, text=True)
got = torch.tensor([float(x) for x in line.stdout.split()], dtype=torch.float64)
check("log-probabilities are equal", got.shape == want.shape and (got - want).abs().max() < 1e-4, line.stderr)
for name, dtype in ("float32", torch.float32), ("float16", torch.float16), ("bfloat16", torch.bfloat16):
    for prefix in ("", " without prefix"):
        d = name + prefix.replace(" ", "-")
        half = GPT2LMHeadModel.from_pretrained("run/latest").to(dtype)
        (half.transformer if prefix else half).save_pretrained(d)
        with torch.no_grad():
            want = torch.log_softmax(half.float()(ids).logits.double(), -1)[0, torch.arange(31), ids[0, 1:]]
        line = subprocess.run([os.environ["BUILD"] + "/examples/train_generate", d] + [str(int(i)) for i in ids[0]], capture_output=True, text=True)
        got = torch.tensor([float(x) for x in line.stdout.split()], dtype=torch.float64)
        check(f"a model saved by transformers as {name}{prefix} opens here", got.shape == want.shape and (got - want).abs().max() < 1e-4, line.stderr)
PY
"$PYTHON" look.py

# GGUF: the gguf package of llama.cpp reads the file, and its tensors are the checkpoint's.
"$BIN/wt-train" --gguf run -o model.gguf -q || not_ok "GGUF export"
cat > gguf_look.py <<'PY'
import sys
try:
    from gguf import GGUFReader
except ImportError:
    print("ok - GGUF # SKIP no gguf package"); sys.exit()
import numpy as np
from safetensors.numpy import load_file
r = GGUFReader("model.gguf")
w = load_file("run/latest/model.safetensors")
t = {x.name: x.data for x in r.tensors}
good = len(t) == len(w) + 1 and np.array_equal(w["transformer.wte.weight"], t["output.weight"])
for l in range(2):
    for ours, theirs in ("ln_1", "attn_norm"), ("attn.c_attn", "attn_qkv"), ("attn.c_proj", "attn_output"), ("ln_2", "ffn_norm"), ("mlp.c_fc", "ffn_up"), ("mlp.c_proj", "ffn_down"):
        for kind in "weight", "bias":
            good &= np.array_equal(w[f"transformer.h.{l}.{ours}.{kind}"].T, t[f"blk.{l}.{theirs}.{kind}"])
good &= np.array_equal(w["transformer.wte.weight"], t["token_embd.weight"]) and np.array_equal(w["transformer.wpe.weight"], t["position_embd.weight"])
good &= np.array_equal(w["transformer.ln_f.weight"], t["output_norm.weight"])
print(("ok" if good else "not ok") + " - GGUF holds the checkpoint's tensors")
f = r.fields
ids = [bytes(f["tokenizer.ggml.tokens"].parts[i]).decode() for i in f["tokenizer.ggml.tokens"].data]
good = f["gpt2.block_count"].parts[-1][0] == 2 and len(ids) == w["transformer.wte.weight"].shape[0] and "<|endoftext|>" in ids
print(("ok" if good else "not ok") + " - GGUF holds shape and tokenizer")
PY
"$PYTHON" gguf_look.py

# llama.cpp itself, as gpt4all brings it: the most probable tokens are ours.
cat > llama.py <<'PY'
import subprocess, sys
try:
    from gpt4all import GPT4All
except ImportError:
    print("ok - llama.cpp # SKIP no gpt4all package"); sys.exit()
prompt = sys.argv[2]
ours = subprocess.run([sys.argv[1], "run", "--prompt", prompt, "--temperature", "0", "--max-tokens", "8", "-q", "-j", "1"], capture_output=True, text=True).stdout
m = GPT4All(model_name="model.gguf", model_path=".", allow_download=False, device="cpu", n_ctx=32, n_threads=1)
theirs = prompt + m.generate(prompt, max_tokens=8, temp=0.0, top_k=1, repeat_penalty=1.0, n_batch=8)
good = ours.strip() == theirs.strip()
print(("ok" if good else "not ok") + " - llama.cpp writes what wt-sample writes")
if not good: print("#", repr(ours), repr(theirs))
PY
"$PYTHON" llama.py "$BIN/wt-sample" "the of and" 2>/dev/null
