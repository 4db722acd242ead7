"""wt-sample beside transformers' generate (key-value cache in both): GPT-2 124M with random weights, fp32, greedy.
    python bench/sample.py --tokenizer DIR [--build build] [--threads 1] [--rounds 3] [--tokens 64]
DIR: vocab.json and merges.txt of GPT-2 (or encoder.json and vocab.bpe). User CPU seconds of the process with one
thread (the system's share is loading), wall with more; loading is measured with --max-tokens 1 and taken away. One JSON line a result."""
import argparse, json, os, resource, statistics, subprocess, sys, tempfile, time


def torch_run(model_dir, n, tokens, threads):
    import torch
    from transformers import GPT2LMHeadModel
    torch.set_num_threads(threads)
    model = GPT2LMHeadModel.from_pretrained(model_dir).eval()
    ids = torch.full((n, 1), 50256)
    clock = (lambda: os.times().user) if threads == 1 else time.perf_counter
    with torch.inference_mode():
        make = lambda k: model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=k, max_new_tokens=k, pad_token_id=50256)
        make(4)
        start = clock()
        make(tokens)
        seconds = clock() - start
    print(json.dumps({"seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


def ours(build, model_dir, n, tokens, threads):
    def once(k):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([f"{build}/bin/wt-sample", model_dir, "-n", str(n), "--max-tokens", str(k), "--temperature", "0", "--ignore-eot", "-j", str(threads), "-q", "-o", os.devnull], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime - before.ru_utime
        return cpu if threads == 1 else time.perf_counter() - start
    return once(tokens + 1) - once(1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--tokenizer", default="../shared/gpt2")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--tokens", type=int, default=64)
    p.add_argument("--torch", nargs=4, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.torch:
        return torch_run(a.torch[0], *map(int, a.torch[1:]))
    with tempfile.TemporaryDirectory() as d:
        from transformers import GPT2Config, GPT2LMHeadModel
        import shutil
        GPT2LMHeadModel(GPT2Config()).save_pretrained(d)
        for name, also in ("vocab.json", "encoder.json"), ("merges.txt", "vocab.bpe"):
            path = os.path.join(a.tokenizer, name)
            shutil.copy(path if os.path.exists(path) else os.path.join(a.tokenizer, also), os.path.join(d, name))
        for n in 1, 4:
            mine, theirs, memory = [], [], 0
            for _ in range(a.rounds):
                mine.append(ours(a.build, d, n, a.tokens, a.threads))
                out = subprocess.run([sys.executable, __file__, "--torch", d, str(n), str(a.tokens), str(a.threads)], capture_output=True, text=True, check=True)
                theirs.append(json.loads(out.stdout.splitlines()[-1])["seconds"])
            m, t = statistics.median(mine), statistics.median(theirs)
            print(json.dumps({"bench": "sample", "model": "gpt2 124M fp32", "sequences": n, "threads": a.threads, "webtext_tokens_per_s": round(n * a.tokens / m, 1),
                              "transformers_tokens_per_s": round(n * a.tokens / t, 1), "webtext_is_faster": round(t / m, 2)}), flush=True)


if __name__ == "__main__":
    main()
