"""wt-train's step beside PyTorch, llm.c and the best matrix product, in one interleaved run.
    python bench/train.py [--build build] [--threads 1,2] [--rounds 3] [--shapes 1x1024,4x64] [--compile] [--micro N] [--shards DIR [--limits 0,1850MiB]]
GPT-2 124M, fp32, forward + backward + clipping + AdamW, random weights and tokens. One thread: CPU time; more: wall.
Each round starts every contender once, in turn, in a process of its own; a result is the median over the rounds
of each process's median step. Prints one JSON line a result; `share_of_gemm` is against the best of our product,
oneDNN and OpenBLAS measured in the same rounds (bench/train_gemm). --micro N: ours adds up passes of N windows, as
wt-train does by itself. WT_LLMC names a folder with llm.c's train_gpt2 built once for each shape (train_gpt2_4x64: B and T
are constants in its main); its weights and tokens are written here, in its formats. Its threads and PyTorch's are `threads`.
--shards: shards with GPT-2's vocabulary, on which wt-train itself takes a step with its own defaults (Muon), for each of the
limits as --memory (0: none): its peak memory, validation, sample and checkpoint included."""
import argparse, array, json, os, random, re, resource, statistics, struct, subprocess, sys, tempfile, time


def torch_step(B, T, threads, steps, compiled):
    import torch, torch.nn as nn, torch.nn.functional as F
    torch.set_num_threads(threads)
    L, C, H, V = 12, 768, 12, 50304

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
            self.qkv, self.att, self.fc, self.out = nn.Linear(C, 3 * C), nn.Linear(C, C), nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

        def forward(self, x):
            B, T, _ = x.shape
            q, k, v = (t.view(B, T, H, C // H).transpose(1, 2) for t in self.qkv(self.ln1(x)).split(C, 2))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.att(y.transpose(1, 2).reshape(B, T, C))
            return x + self.out(F.gelu(self.fc(self.ln2(x)), approximate="tanh"))

    class GPT2(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(V, C), nn.Embedding(1024, C)
            self.h = nn.ModuleList(Block() for _ in range(L))
            self.lnf = nn.LayerNorm(C)
            for p in self.parameters():
                nn.init.normal_(p, std=0.02) if p.dim() > 1 else None

        def forward(self, ids, targets):
            x = self.wte(ids) + self.wpe.weight[: ids.shape[1]]
            for block in self.h:
                x = block(x)
            logits = self.lnf(x) @ self.wte.weight.T
            return F.cross_entropy(logits.view(-1, V), targets.view(-1))

    model = GPT2()
    run = torch.compile(model) if compiled else model
    opt = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), fused=True)
    ids, targets = torch.randint(0, 50257, (B, T)), torch.randint(0, 50257, (B, T))
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds = []
    for s in range(steps + 1):
        start = clock()
        loss = run(ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)
        if s:
            seconds.append(clock() - start)
    print(json.dumps({"bench": "train_step", "trainer": "pytorch " + torch.__version__ + (" compiled" if compiled else " eager"), "B": B, "T": T,
                      "threads": threads, "seconds_best": min(seconds), "seconds_median": statistics.median(seconds),
                      "tokens_per_s": B * T / statistics.median(seconds), "tokens_per_s_best": B * T / min(seconds),
                      "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


def llmc_files(folder):
    """A random GPT-2 124M and tokens as llm.c reads them: 256 int32 of header, then the numbers."""
    V, Vp, T, L, H, C = 50257, 50304, 1024, 12, 12, 768
    numbers = array.array("f", (random.gauss(0, 0.02) for _ in range(1 << 16)))
    ones, zeros = array.array("f", [1.0]), array.array("f", [0.0])
    with open(f"{folder}/gpt2_124M.bin", "wb") as f:
        f.write(struct.pack("256i", 20240326, 3, T, V, L, H, C, Vp, *[0] * 248))
        # wte wpe ln1w ln1b qkvw qkvb attprojw attprojb ln2w ln2b fcw fcb fcprojw fcprojb lnfw lnfb, each over all layers
        for kind, n in [("w", Vp * C), ("w", T * C), ("1", L * C), ("0", L * C), ("w", L * 3 * C * C), ("0", L * 3 * C), ("w", L * C * C),
                        ("0", L * C), ("1", L * C), ("0", L * C), ("w", L * 4 * C * C), ("0", L * 4 * C), ("w", L * 4 * C * C), ("0", L * C),
                        ("1", C), ("0", C)]:
            block = numbers if kind == "w" else ones if kind == "1" else zeros
            f.write((block * (n // len(block) + 1))[:n].tobytes())
    os.makedirs(f"{folder}/dev/data/tinyshakespeare")
    for split in "train", "val":
        with open(f"{folder}/dev/data/tinyshakespeare/tiny_shakespeare_{split}.bin", "wb") as f:
            f.write(struct.pack("256i", 20240520, 1, 32768, *[0] * 253))
            f.write(array.array("H", (random.randrange(V) for _ in range(32768))).tobytes())


def llmc_step(binary, B, T, threads, steps):
    """Its step 0 is not counted; it is ended after the others."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        llmc_files(folder)
        child = subprocess.Popen(["stdbuf", "-oL", os.path.abspath(binary)], cwd=folder, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
        for line in child.stdout:
            took = re.search(r"^step \d+: .*took ([0-9.]+) ms", line)
            if took:
                times.append(float(took[1]) / 1000)
            if len(times) > steps:
                break
        peak = int(re.search(r"VmHWM:\s*(\d+)", open(f"/proc/{child.pid}/status").read())[1]) // 1024
        child.terminate()
        child.wait()
    return {"trainer": "llm.c", "seconds_median": statistics.median(times[1:]), "peak_mib": peak}


def wt_train_peak(build, shards, B, T, threads, limit):
    with tempfile.TemporaryDirectory() as folder:
        command = [f"{build}/bin/wt-train", shards, "-o", f"{folder}/run", "--model", "gpt2", "--seq-len", str(T), "--batch-tokens", str(B * T), "--steps", "1",
                   "--eval-tokens", str(2 * T), "--sample-tokens", "5", "-j", str(threads), *(["--memory", limit] if limit != "0" else [])]
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        words = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
    mode = re.search(r"mode +(.*)", words)
    if status or not mode:
        print("failed:", " ".join(command), words[-400:], file=sys.stderr)
        return None
    return {"mode": mode[1], "peak_mib": usage.ru_maxrss // 1024}


def run(command, env=None):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})})
    if done.returncode:
        print("failed:", " ".join(command), done.stderr[-400:], file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=2)
    p.add_argument("--shapes", default="1x1024,4x64")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--micro", type=int, default=0)
    p.add_argument("--shards", default="")
    p.add_argument("--limits", default="0")
    p.add_argument("--without", default="", help="contenders that stay away: eager, gemm, webtext")
    p.add_argument("--torch-step", nargs=5, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.torch_step:
        B, T, threads, steps, compiled = map(int, a.torch_step)
        return torch_step(B, T, threads, steps, compiled)
    for threads in map(int, a.threads.split(",")):
        env = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        if threads > 1:
            env.update({"OMP_PROC_BIND": "close", "OMP_PLACES": "cores"})
        for shape in a.shapes.split(","):
            B, T = map(int, shape.split("x"))
            results, gemm = {}, {}
            for _ in range(a.rounds):
                micro = [f"micro={a.micro}"] if a.micro else []
                lines = [] if "webtext" in a.without else run([f"{a.build}/bench/train_step", "gpt2", str(B), str(T), str(threads), str(a.steps), *micro])
                for compiled in [0] * ("eager" not in a.without) + [1] * a.compile:
                    lines += run([sys.executable, __file__, "--torch-step", str(B), str(T), str(threads), str(a.steps), str(compiled)], env)
                binary = os.path.join(os.environ.get("WT_LLMC", ""), f"train_gpt2_{shape}")
                if os.environ.get("WT_LLMC") and os.path.exists(binary):
                    lines.append(llmc_step(binary, B, T, threads, a.steps))
                for line in lines:
                    print(f"{shape} {line['trainer']}: {line['seconds_median']:.3f} s", file=sys.stderr, flush=True)
                    results.setdefault(line["trainer"], []).append(line)
                for line in [] if "gemm" in a.without else run([f"{a.build}/bench/train_gemm", str(threads), str(B * T), "3", "onednn=libdnnl.so.2", "openblas=libopenblas.so.0"],
                                                               {"OPENBLAS_THREAD_TIMEOUT": "4"}):  # its threads would spin in ours' time
                    if line["shape"] == "step":
                        gemm.setdefault(line["library"], []).append(line["gflops_median"])
            bound = max((statistics.median(v), k) for k, v in gemm.items()) if gemm else (0, "")
            ours_lines = [r for name, lines in results.items() if name.startswith("webtext") for r in lines]
            ours = statistics.median(r["seconds_median"] for r in ours_lines) if ours_lines else 0
            memory = max((r["peak_mib"] for r in ours_lines), default=0)
            flops = 6 * (12 * 768 * 768 * 12 + 768 * 50257) + 3.5 * 2 * (T + 1) * 768 * 12
            for name, rs in results.items():
                seconds = statistics.median(r["seconds_median"] for r in rs)
                line = {"bench": "train", "trainer": name, "B": B, "T": T, "threads": threads, "tokens_per_s": round(B * T / seconds, 1),
                        "gflops": round(flops * B * T / seconds * 1e-9, 1), "peak_mib": max(r["peak_mib"] for r in rs),
                        "round_seconds": [round(r["seconds_median"], 3) for r in rs]}
                if ours_lines:
                    line.update({"webtext_is_faster": round(seconds / ours, 2), "webtext_memory": round(memory / max(r["peak_mib"] for r in rs), 2)})
                if bound[0]:
                    line.update({"share_of_gemm": round(flops * B * T / seconds * 1e-9 / bound[0], 3), "gemm": f"{bound[1]} {bound[0]:.0f} GFLOP/s"})
                print(json.dumps(line), flush=True)
            for limit in a.limits.split(",") if a.shards else []:
                peak = wt_train_peak(a.build, a.shards, B, T, threads, limit)
                if peak:
                    of = {name: round(peak["peak_mib"] / max(r["peak_mib"] for r in rs), 3) for name, rs in results.items() if not name.startswith("webtext")}
                    print(json.dumps({"bench": "train_memory", "trainer": "wt-train" + (f" --memory {limit}" if limit != "0" else ""), "B": B, "T": T, **peak, "of": of}), flush=True)


if __name__ == "__main__":
    main()
