# wt-eval beside PyTorch: the same windows, continuations and answers computed with transformers on a small random
# checkpoint with GPT-2's tokenizer.
. "$ROOT/tests/lib.sh"
T=$WT_SHARED/gpt2
if [ ! -d "$T" ]; then skip "evaluation beside PyTorch" "no GPT-2 vocabulary at $T"; exit 0; fi
if ! "$PYTHON" -c "import torch, transformers, tiktoken" 2>/dev/null; then
    skip "evaluation beside PyTorch" "no torch, transformers or tiktoken"; exit 0
fi
"$PYTHON" - "$T" <<'PY' || { not_ok "a checkpoint could be made"; exit 1; }
import json, random, shutil, sys, torch
from transformers import GPT2Config, GPT2LMHeadModel
torch.manual_seed(1)
random.seed(1)
model = GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=32, n_positions=64, vocab_size=50257)).eval()
with torch.no_grad():
    for p in model.parameters():
        p.mul_(4)
model.save_pretrained("model")
shutil.copy(sys.argv[1] + "/encoder.json", "model/vocab.json")
shutil.copy(sys.argv[1] + "/vocab.bpe", "model/merges.txt")
words = "the of and to in is that cat dog house tree river stone bird sings runs sleeps old young green blue".split()
sentence = lambda n: " ".join(random.choice(words) for _ in range(n))
open("text.txt", "w").write("\n".join(sentence(random.randint(3, 40)) + "." for _ in range(12)) + "\n")
with open("lambada.jsonl", "w") as f:
    for _ in range(20):
        f.write(json.dumps({"text": sentence(random.randint(5, 90))}) + "\n")
with open("hellaswag.jsonl", "w") as f:
    for i in range(15):
        f.write(json.dumps({"ind": i, "activity_label": "Walking", "ctx": sentence(20), "label": i % 4,
                            "endings": [sentence(random.randint(3, 12)) for _ in range(4)]}) + "\n")
with open("nq.jsonl", "w") as f:
    for _ in range(8):
        f.write(json.dumps({"question": sentence(6), "answer": [sentence(1)]}) + "\n")
PY
E="$BIN/wt-eval model --json -q"
check "text, rolling" $E --task text --data text.txt --stride 20 -o rolling.json
check "text, harness" $E --task text --data text.txt --preset harness -o harness.json
check "text, as transformers" $E --task text --data text.txt --window stride --stride 24 -o stride.json
check "lambada" $E --task lambada --data lambada.jsonl -o lambada.json --dump lambada.dump
check "hellaswag" $E --task hellaswag --data hellaswag.jsonl -o hellaswag.json --dump hellaswag.dump
check "nq" $E --task nq --data nq.jsonl --shots 2 --max-tokens 12 -o nq.json --dump nq.dump
check "PyTorch says the same" "$PYTHON" - "$T" <<'PY'
import json, math, sys, tiktoken, torch
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from transformers import GPT2LMHeadModel
ranks = data_gym_to_mergeable_bpe_ranks(vocab_bpe_file=sys.argv[1] + "/vocab.bpe", encoder_json_file=sys.argv[1] + "/encoder.json")
enc = tiktoken.Encoding("gpt2", pat_str=r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
                        mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})
model, CTX, EOT = GPT2LMHeadModel.from_pretrained("model").eval(), 64, 50256

@torch.no_grad()
def scores(inputs, targets):
    """log p of each target after inputs; targets are the last of the shifted sequence."""
    logits = model(torch.tensor([inputs])).logits[0].double().log_softmax(-1)
    n = len(targets)
    return [logits[len(inputs) - n + i, t].item() for i, t in enumerate(targets)], logits[len(inputs) - n:].argmax(-1).tolist()

def close(a, b, what):
    assert abs(a - b) <= 2e-4 * max(1, abs(b)), (what, a, b)

text = enc.encode_ordinary(open("text.txt").read())
stream = [EOT] + text
def rolling(stride):
    total, done = 0.0, 0
    while done < len(text):
        n = min(CTX if done == 0 else stride, len(text) - done)
        done += n
        total += sum(scores(stream[max(0, done - CTX):done], text[done - n:done])[0])
    return total
def by_transformers(stride):
    total, count, before = 0.0, 0, 0
    for begin in range(0, len(text), stride):
        end = min(begin + CTX, len(text))
        ids = torch.tensor([text[begin:end]])
        labels = ids.clone()
        labels[:, :-(end - before)] = -100
        n = (labels[:, 1:] != -100).sum().item()
        with torch.no_grad():
            total -= model(ids, labels=labels).loss.item() * n
        count += n
        before = end
        if end == len(text):
            break
    return total, count

load = lambda name: json.load(open(name))
r = load("rolling.json")
assert r["tokens"] == r["scored"] == len(text) and r["words"] == len(open("text.txt").read().split())
close(r["loglikelihood"], rolling(20), "rolling")
close(r["perplexity_token"], math.exp(-rolling(20) / len(text)), "ppl")
close(load("harness.json")["loglikelihood"], rolling(CTX), "harness")
total, count = by_transformers(24)
s = load("stride.json")
assert s["scored"] == count
close(s["loglikelihood"], total, "stride")

def pair(context, continuation):
    n = len(enc.encode_ordinary(context))
    ids = enc.encode_ordinary(context + continuation)
    got, best = scores(ids[:-1][-CTX:], ids[n:])
    return sum(got), best == ids[n:], len(ids) - n

lambada = [pair(*(lambda t: (t[:t.rindex(" ")], t[t.rindex(" "):]))(json.loads(l)["text"])) for l in open("lambada.jsonl")]
for (want, greedy, _), line in zip(lambada, open("lambada.dump")):
    close(json.loads(line)["loglikelihood"], want, "lambada")
    assert json.loads(line)["word"] == greedy
close(load("lambada.json")["perplexity"], math.exp(-sum(w for w, _, _ in lambada) / len(lambada)), "lambada ppl")

right = [0, 0]
for l, dumped in zip(open("hellaswag.jsonl"), open("hellaswag.dump")):
    q = json.loads(l)
    all = [pair(q["ctx"], " " + e) for e in q["endings"]]
    for a, b in zip(all, json.loads(dumped)["loglikelihoods"]):
        close(b, a[0], "hellaswag")
    right[0] += max(range(4), key=lambda i: all[i][0]) == q["label"]
    right[1] += max(range(4), key=lambda i: all[i][0] / all[i][2]) == q["label"]
h = load("hellaswag.json")
assert [h["right"], h["right_norm"]] == right, (h, right)

# greedy answers, token by token
questions = [json.loads(l) for l in open("nq.jsonl")]
prompt = "".join(f"Q: {q['question']}?\nA: {q['answer'][0]}\n" for q in questions[:2])
for q, dumped in zip(questions[2:], open("nq.dump")):
    ids = enc.encode_ordinary(prompt + f"Q: {q['question']}?\nA:")[-(CTX - 12):]
    out, logprob = [], 0.0
    for _ in range(12):
        with torch.no_grad():
            z = model(torch.tensor([ids + out])).logits[0, -1].double().log_softmax(-1)
        out.append(z.argmax().item())
        logprob += z.max().item()
        if out[-1] == EOT or "\n" in enc.decode(out):
            break
    d = json.loads(dumped)
    close(math.log(d["confidence"]), logprob, "confidence")
    answer = enc.decode([t for t in out if t != EOT]).split("\n")[0].strip()
    assert d["answer"] == answer or "\ufffd" in answer, (d, answer)
PY
