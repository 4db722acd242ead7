"""Loss against size, as in the paper's figure 1 for five small models: one family (32 wide a layer), one corpus, equal
tokens, equal batches, else wt-train's defaults.
    python bench/train_scale.py [--build build] [--work FOLDER] [--tokens 1000000] [--together] [--plot FILE.svg]
Data as bench/time_to_loss.py makes it (WT_SHARED/corpus/books.jsonl.zst). One JSON line a model: parameters, tokens, CPU seconds, validation
loss, bits a byte; the last line says whether loss fell with each size."""
import argparse, json, math, os, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import time_to_loss as ttl

SIZES = "2x64x1,3x96x3,4x128x2,6x192x3,8x256x4"


def run(a, model):
    L, C, _ = ttl.shape(model)
    a.model = model
    lines = list(ttl.log_of(ttl.train(a, f"scale {model}", a.tokens, 0 if a.evals < 2 else a.tokens // a.batch_tokens // a.evals)))
    curve = [[round(s, 2), t, round(v, 4)] for s, t, v in lines if v is not None]
    layers = 12 * L * C * C + 13 * L * C
    print(json.dumps({"bench": "train_scale", "model": model, "parameters_in_layers": layers, "parameters": layers + (a.vocab + a.seq_len + 2) * C,
                      "tokens": curve[-1][1], "cpu_seconds": round(lines[-1][0], 1), "val_loss": curve[-1][2], "curve": curve}), flush=True)


def plot(path, results):
    """Validation loss over parameters (logarithmic) as one SVG."""
    W, H, left, top, right, bottom = 620, 380, 60, 40, 30, 50
    x = [math.log10(r["parameters"]) for r in results]
    y = [r["val_loss"] for r in results]
    x0, x1, y0, y1 = min(x) - 0.15, max(x) + 0.15, math.floor(min(y) * 5) / 5, math.ceil(max(y) * 5) / 5
    X, Y = lambda v: left + (W - left - right) * (v - x0) / (x1 - x0), lambda v: top + (H - top - bottom) * (y1 - v) / (y1 - y0)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{W}" height="{H}" font-family="sans-serif" font-size="12"><rect width="{W}" height="{H}" fill="white"/>',
           f'<text x="{left}" y="22" font-size="14">validation loss after {results[0]["tokens"]:,} tokens, by parameters</text>']
    for i in range(round((y1 - y0) * 5) + 1):
        out.append(f'<path d="M{left} {Y(y0 + i / 5):.1f}H{W - right}" stroke="#ddd"/><text x="{left - 8}" y="{Y(y0 + i / 5) + 4:.1f}" text-anchor="end">{y0 + i / 5:.1f}</text>')
    out.append(f'<polyline points="{" ".join(f"{X(a):.1f},{Y(b):.1f}" for a, b in zip(x, y))}" fill="none" stroke="{ttl.TAU[0]}" stroke-width="2"/>')
    for r, a, b in zip(results, x, y):
        out.append(f'<circle cx="{X(a):.1f}" cy="{Y(b):.1f}" r="4" fill="{ttl.TAU[0]}"/><text x="{X(a):.1f}" y="{Y(b) - 10:.1f}" text-anchor="middle">{b:.3f}</text>'
                   f'<text x="{X(a):.1f}" y="{H - bottom + 18}" text-anchor="middle">{r["parameters"] / 1e6:.2f} M</text><text x="{X(a):.1f}" y="{H - bottom + 33}" text-anchor="middle">{r["model"]}</text>')
    open(path, "w").write("\n".join(out) + "\n</svg>\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--work", default="build/time_to_loss")
    p.add_argument("--sizes", default=SIZES)
    p.add_argument("--tokens", type=int, default=1000000)
    p.add_argument("--batch-tokens", type=int, default=2048, help="the same for all, so that only size differs")
    p.add_argument("--seq-len", type=int, default=256)
    p.add_argument("--vocab", type=int, default=4096)
    p.add_argument("--eval-tokens", type=int, default=131072)
    p.add_argument("--evals", type=int, default=1, help="validations in a run")
    p.add_argument("--together", action="store_true")
    p.add_argument("--plot")
    p.add_argument("--one", help=argparse.SUPPRESS)
    a = p.parse_args()
    a.ours = ["--batch-tokens", a.batch_tokens]
    if a.one:
        return run(a, a.one)
    os.makedirs(f"{a.work}/runs", exist_ok=True)
    ttl.make_data(a)
    jobs = []
    for model in a.sizes.split(","):
        jobs.append(subprocess.Popen([sys.executable, __file__, "--one", model] + [f"--{k}={getattr(a, k.replace('-', '_'))}" for k in
                                     ("build", "work", "tokens", "batch-tokens", "seq-len", "vocab", "eval-tokens", "evals")], stdout=subprocess.PIPE, text=True))
        if not a.together:
            jobs[-1].wait()
    results = [json.loads(j.communicate()[0].splitlines()[-1]) for j in jobs]
    for r in results:
        print(json.dumps(r))
    print(json.dumps({"bench": "train_scale", "loss_falls_with_size": all(a["val_loss"] > b["val_loss"] for a, b in zip(results, results[1:]))}))
    if a.plot:
        plot(a.plot, results)


if __name__ == "__main__":
    main()
