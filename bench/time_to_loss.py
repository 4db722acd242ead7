"""Time to equal loss: wt-train with its defaults beside the nanoGPT recipe in PyTorch; same shards, same model, same CPU time.
    python bench/time_to_loss.py [--build build] [--work FOLDER] [--seconds 240] [--model 6x256x4] [--together] [--plot FILE.svg]
Contenders, one thread each (the clock is the process's CPU time, validation and compiling left out):
    ours          wt-train with --model, --seq-len and --tokens given, nothing else: the defaults
    ours third    the same with a third of the time, its schedule made for that
    small batch   nanoGPT's model and recipe (AdamW, decay on matrices only, cosine to a tenth, clipping at 1, scaled_dot_product_attention,
                  torch.compile) with a batch and a rate tuned for this budget (--peer-batch, --peer-lr; beta2 0.99 as in its small settings)
    default batch its 480 sequences of 1024 tokens a step (beta2 0.95), as many steps as the time gives, at least one
Each contender's schedule is as long as its own speed, measured first, fills the time. Validation is over the same first
windows of the validation split. Data: WT_SHARED/corpus/books.jsonl.zst through wt-bpe and wt-shard into --work. Prints one JSON line a
contender with its curve, then one a peer: at which CPU second ours was below the peer's last loss."""
import argparse, json, math, os, resource, subprocess, sys, time

TAU = ["#1b6ca8", "#7fb2d6", "#c8553d", "#8a8a8a"]


def shape(model):
    return tuple(int(x) for x in model.split("x"))


# ---- the peer: nanoGPT's recipe, one process ----
def peer_model(L, C, H, V, T):
    import torch, torch.nn as nn, torch.nn.functional as F

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
            self.qkv, self.c_proj = nn.Linear(C, 3 * C), nn.Linear(C, C)
            self.fc, self.mlp_c_proj = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

        def forward(self, x):
            B, T, _ = x.shape
            q, k, v = (t.view(B, T, H, C // H).transpose(1, 2) for t in self.qkv(self.ln1(x)).split(C, 2))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.c_proj(y.transpose(1, 2).reshape(B, T, C))
            return x + self.mlp_c_proj(F.gelu(self.fc(self.ln2(x)), approximate="tanh"))

    class GPT2(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(V, C), nn.Embedding(T, C)
            self.h = nn.ModuleList(Block() for _ in range(L))
            self.lnf = nn.LayerNorm(C)
            for name, p in self.named_parameters():
                if p.dim() > 1:
                    nn.init.normal_(p, std=0.02 / math.sqrt(2 * L) if "c_proj" in name else 0.02)
                elif name.endswith("bias"):
                    nn.init.zeros_(p)

        def forward(self, ids, targets):
            x = self.wte(ids) + self.wpe.weight[: ids.shape[1]]
            for block in self.h:
                x = block(x)
            return F.cross_entropy((self.lnf(x) @ self.wte.weight.T).view(-1, V), targets.view(-1))

    return GPT2()


def peer(a):
    """Trains for a.seconds of CPU time and prints the curve."""
    import numpy as np, torch
    torch.set_num_threads(1)
    torch.manual_seed(1337)
    (L, C, H), T, V = shape(a.model), a.seq_len, a.vocab
    train, val = (np.fromfile(f"{a.work}/nanogpt/{s}.bin", dtype=np.uint16) for s in ("train", "val"))
    model = peer_model(L, C, H, V, T)
    run = model if a.eager else torch.compile(model)
    matrices, vectors = [p for p in model.parameters() if p.dim() > 1], [p for p in model.parameters() if p.dim() < 2]
    beta2 = a.peer_beta2
    opt = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                            lr=a.peer_lr, betas=(0.9, beta2), fused=True)
    rng = np.random.default_rng(1337)
    windows = max(1, a.peer_batch // T)
    micro = min(windows, a.micro)
    windows = windows // micro * micro

    def batch(data, starts):
        ids = torch.from_numpy(np.stack([data[s : s + T + 1] for s in starts]).astype(np.int64))
        return ids[:, :-1].contiguous(), ids[:, 1:].contiguous()

    def gradients():
        for _ in range(windows // micro):
            (run(*batch(train, rng.integers(0, len(train) - T - 1, micro))) / (windows // micro)).backward()

    def validate():
        n = a.eval_tokens // T
        with torch.no_grad():
            return sum(float(run(*batch(val, [i * T for i in range(b, b + micro)]))) for b in range(0, n, micro)) / (n // micro)

    def speed():
        """CPU seconds of a micro-step with its share of the optimizer's; the weights stay as they are."""
        run(*batch(train, [0] * micro)).backward()
        start = time.process_time()
        for _ in range(4):
            run(*batch(train, rng.integers(0, len(train) - T - 1, micro))).backward()
        return (time.process_time() - start) / 4

    first = validate()      # compiles for evaluation; speed() compiles for training
    speed()
    steps = max(a.least_steps, int(a.seconds / (speed() * windows / micro) + 0.5))
    opt.zero_grad(set_to_none=True)
    warmup = max(1, int(a.peer_warmup * steps))
    spent, curve, every = 0.0, [[0, 0, round(first, 4)]], max(1, steps // a.points)
    for step in range(steps):
        start = time.process_time()
        share = (step - warmup) / max(1, steps - warmup)
        rate = (step + 1) / (warmup + 1) if step < warmup else 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share))
        for group in opt.param_groups:
            group["lr"] = a.peer_lr * rate
        gradients()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)
        spent += time.process_time() - start
        if (step + 1) % every == 0 or step + 1 == steps:
            curve.append([round(spent, 2), (step + 1) * windows * T, round(validate(), 4)])
            print(f"{a.peer}: {curve[-1]}", file=sys.stderr, flush=True)
    print(json.dumps({"bench": "time_to_loss", "contender": a.peer, "trainer": "pytorch " + torch.__version__, "batch_tokens": windows * T,
                      "lr": a.peer_lr, "beta2": beta2, "steps": steps, "cpu_seconds": round(spent, 1), "tokens": steps * windows * T,
                      "tokens_per_cpu_s": round(steps * windows * T / spent, 1), "val_loss": curve[-1][2], "curve": curve,
                      "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


# ---- ours ----
def tool(a, name, *args):
    done = subprocess.run([f"{a.build}/bin/{name}", *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} failed: {done.stderr[-500:]}")


def log_of(run):
    """Lines of a run as (CPU seconds so far, tokens, validation loss or None)."""
    spent = 0.0
    for line in map(json.loads, open(f"{run}/log.jsonl")):
        spent += line.get("cpu_seconds", 0)
        yield spent, line.get("tokens", 0), line.get("val_loss")


def train(a, name, tokens, every):
    run = f"{a.work}/runs/{name.replace(' ', '-')}"
    tool(a, "wt-train", f"{a.work}/shards", "-o", run, "--model", a.model, "--seq-len", a.seq_len, "--tokens", tokens, "-j", 1, "-q", "--force",
         "--eval-every", every or 10**9, "--eval-tokens", a.eval_tokens, "--sample-every", 0, "--save-every", 0, *a.ours)
    return run


def ours(a):
    """Measures the speed, then trains for a.seconds of CPU time with the defaults."""
    probe = list(log_of(train(a, a.peer + " probe", 40000, 0)))
    half = probe[len(probe) // 2]
    rate = (probe[-1][1] - half[1]) / (probe[-1][0] - half[0])
    steps = len([x for x in probe if x[1]])
    batch = probe[-1][1] / steps
    tokens = int(rate * a.seconds)
    run = train(a, a.peer, tokens, max(1, int(tokens / batch / a.points)))
    lines = list(log_of(run))
    curve = [[round(s, 2), t, round(v, 4)] for s, t, v in lines if v is not None]
    print(json.dumps({"bench": "time_to_loss", "contender": a.peer, "trainer": "webtext", "flags": a.ours, "batch_tokens": batch, "steps": round(tokens / batch),
                      "cpu_seconds": round(lines[-1][0], 1), "tokens": curve[-1][1], "tokens_per_cpu_s": round(curve[-1][1] / lines[-1][0], 1),
                      "val_loss": curve[-1][2], "curve": curve, "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024}))


# ---- the comparison ----
def make_data(a):
    source = os.path.join(os.environ.get("WT_SHARED", "../shared"), "corpus/books.jsonl.zst")
    if not os.path.exists(f"{a.work}/shards/index.json"):
        if not os.path.exists(source):
            print(json.dumps({"bench": "time_to_loss", "skipped": f"no {source}"}))
            sys.exit(0)
        tool(a, "wt-bpe", "train", source, "-o", f"{a.work}/tokenizer", "--vocab-size", a.vocab, "-q")
        tool(a, "wt-shard", "write", "-t", f"{a.work}/tokenizer", source, "-o", f"{a.work}/shards", "--val-fraction", 0.01, "-q")
    if not os.path.exists(f"{a.work}/nanogpt/val.bin"):
        tool(a, "wt-shard", "export", "--format", "nanogpt", f"{a.work}/shards", "-o", f"{a.work}/nanogpt", "-q")


def reached(curve, loss):
    """CPU seconds at which a curve falls to a loss, by a straight line between its points; None: never."""
    for (s0, _, v0), (s1, _, v1) in zip(curve, curve[1:]):
        if v1 <= loss:
            return s0 if v0 <= loss else s0 + (s1 - s0) * (v0 - loss) / (v0 - v1)
    return curve[0][0] if curve and curve[0][2] <= loss else None


def plot(path, results, title):
    """Curves of validation loss over CPU seconds as one SVG."""
    W, Hh, left, top, right, bottom = 760, 440, 60, 40, 20, 50
    points = {name: [(s, v) for s, _, v in r["curve"] if s > 0] for name, r in results.items()}
    x1 = max(s for c in points.values() for s, _ in c)
    y0, y1 = (f(v for c in points.values() for _, v in c) for f in (min, max))
    y0, y1 = math.floor(y0 * 2) / 2, math.ceil(y1 * 2) / 2
    X, Y = lambda s: left + (W - left - right) * s / x1, lambda v: top + (Hh - top - bottom) * (y1 - v) / (y1 - y0)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {Hh}" font-family="sans-serif" font-size="12">',
           f'<rect width="{W}" height="{Hh}" fill="white"/><text x="{left}" y="22" font-size="14">{title}</text>']
    for i in range(int((y1 - y0) * 2) + 1):
        v = y0 + i / 2
        out.append(f'<path d="M{left} {Y(v):.1f}H{W - right}" stroke="#ddd"/><text x="{left - 8}" y="{Y(v) + 4:.1f}" text-anchor="end">{v:.1f}</text>')
    unit = 10 ** math.floor(math.log10(x1)) / 2
    for i in range(int(x1 / unit) + 1):
        out.append(f'<text x="{X(i * unit):.1f}" y="{Hh - bottom + 18}" text-anchor="middle">{i * unit:g}</text>')
    out.append(f'<text x="{(W + left) / 2}" y="{Hh - 10}" text-anchor="middle">CPU seconds, one thread</text>')
    for i, (name, c) in enumerate(points.items()):
        line = " ".join(f"{X(s):.1f},{Y(v):.1f}" for s, v in c)
        out.append(f'<polyline points="{line}" fill="none" stroke="{TAU[i % 4]}" stroke-width="2"/>')
        out += [f'<circle cx="{X(s):.1f}" cy="{Y(v):.1f}" r="3" fill="{TAU[i % 4]}"/>' for s, v in c]
        out.append(f'<rect x="{W - 400}" y="{top + 8 + 18 * i}" width="12" height="12" fill="{TAU[i % 4]}"/>'
                   f'<text x="{W - 382}" y="{top + 18 + 18 * i}">{name}: {c[-1][1]:.3f} after {c[-1][0]:.0f} s</text>')
    open(path, "w").write("\n".join(out) + "\n</svg>\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--work", default="build/time_to_loss")
    p.add_argument("--seconds", type=float, default=240)
    p.add_argument("--model", default="6x256x4")
    p.add_argument("--seq-len", type=int, default=256)
    p.add_argument("--vocab", type=int, default=4096)
    p.add_argument("--eval-tokens", type=int, default=32768)
    p.add_argument("--points", type=int, default=8, help="validations in a run")
    p.add_argument("--together", action="store_true", help="all contenders at once, for equal load")
    p.add_argument("--contenders", default="ours,ours third,small batch,default batch")
    p.add_argument("--peer-lr", type=float, default=2e-3)
    p.add_argument("--peer-batch", type=int, default=512, help="the best found")
    p.add_argument("--peer-beta2", type=float, default=0.99)
    p.add_argument("--peer-warmup", type=float, default=0.05, help="share of the steps")
    p.add_argument("--default-lr", type=float, default=6e-4)
    p.add_argument("--micro", type=int, default=4, help="windows of one PyTorch pass")
    p.add_argument("--eager", action="store_true", help="no torch.compile")
    p.add_argument("--least-steps", type=int, default=1, help=argparse.SUPPRESS)
    p.add_argument("--plot")
    p.add_argument("--peer", help=argparse.SUPPRESS)
    p.add_argument("ours", nargs="*", help="after --: flags for wt-train instead of its defaults")
    a = p.parse_args()
    if a.peer:
        return ours(a) if a.peer.startswith("ours") else peer(a)
    os.makedirs(f"{a.work}/runs", exist_ok=True)
    make_data(a)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    jobs, results = [], {}
    for name in a.contenders.split(","):
        command = [sys.executable, __file__, "--peer", name] + [f"--{k}={getattr(a, k.replace('-', '_'))}" for k in
                   ("build", "work", "model", "seq-len", "vocab", "eval-tokens", "points", "peer-warmup")] + ["--eager"] * a.eager
        if name == "default batch":
            command += ["--peer-batch", str(480 * 1024), "--peer-lr", str(a.default_lr), "--peer-beta2", "0.95", "--micro", "16", "--least-steps", "1"]
        else:
            command += [f"--{k}={getattr(a, k.replace('-', '_'))}" for k in ("peer-batch", "peer-lr", "peer-beta2", "micro")]
        command += ["--seconds", str(a.seconds / 3 if name == "ours third" else a.seconds)] + ["--"] * bool(a.ours) + a.ours
        jobs.append((name, subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)))
        if not a.together:
            jobs[-1][1].wait()
    for name, job in jobs:
        for line in job.communicate()[0].splitlines():
            results[name] = json.loads(line)
            print(line, flush=True)
    for name in results:
        if name.startswith("ours"):
            continue
        last, spent = results[name]["val_loss"], results[name]["cpu_seconds"]
        for mine in results:
            if mine.startswith("ours"):
                at = reached(results[mine]["curve"], last)
                print(json.dumps({"bench": "time_to_loss", "peer": name, "loss": last, "peer_cpu_s": spent, "run": mine,
                                  "ours_cpu_s": at and round(at, 1), "ratio": at and round(spent / at, 2)}), flush=True)
    if a.plot and results:
        plot(a.plot, results, f"{a.model}, {a.seq_len} tokens a window: validation loss over CPU time")


if __name__ == "__main__":
    main()
