"""Numbers that tests/unit/train_oracle.c checks: a small GPT-2 in PyTorch float64 (transformers'
GPT2LMHeadModel, eager attention) on fixed tokens: loss, every parameter's gradient, and the losses of ten
AdamW steps with clipping. Weights come from a hash that both languages compute.
    python tests/ref/gpt2_torch.py tests/ref/gpt2_torch.bin
Layout, float64 little-endian: loss; gradients in checkpoint order (wte, wpe, h.0 ..., ln_f); ten losses.
Made with torch 2.15.0, transformers 4.57.6."""
import sys
import numpy as np
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

L, C, H, V, T, B = 2, 16, 2, 40, 12, 2


def mix64(x):
    x = x.astype(np.uint64)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def numbers(i, n):
    """n numbers in [-0.5, 0.5) of tensor i, exact in fp32."""
    h = mix64(np.uint64(i + 1) * np.uint64(1 << 32) + np.arange(n, dtype=np.uint64))
    return (h >> np.uint64(40)).astype(np.float64) / 2**24 - 0.5


def main(path):
    config = GPT2Config(vocab_size=V, n_positions=T, n_embd=C, n_layer=L, n_head=H, attn_pdrop=0.0, embd_pdrop=0.0,
                        resid_pdrop=0.0, attn_implementation="eager")
    model = GPT2LMHeadModel(config).double()
    order = ["wte.weight", "wpe.weight"]
    for l in range(L):
        for part in ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]:
            order += [f"h.{l}.{part}.weight", f"h.{l}.{part}.bias"]
    order += ["ln_f.weight", "ln_f.bias"]
    params = dict(model.transformer.named_parameters())
    assert sorted(order) == sorted(params)
    with torch.no_grad():
        for i, name in enumerate(order):
            p = params[name]
            x = numbers(i, p.numel()).reshape(p.shape)
            p.copy_(torch.from_numpy(1 + 0.5 * x if name.startswith("ln_f.w") or ".ln_" in name and "weight" in name else 0.8 * x))
    ids = mix64(np.arange(B * (T + 1), dtype=np.uint64) + np.uint64(77)) % np.uint64(V)
    ids = torch.from_numpy(ids.astype(np.int64)).reshape(B, T + 1)

    def loss_of():
        logits = model(ids[:, :-1]).logits
        return torch.nn.functional.cross_entropy(logits.reshape(-1, V), ids[:, 1:].reshape(-1))

    loss = loss_of()
    loss.backward()
    out = [np.array([loss.item()])] + [params[n].grad.detach().numpy().ravel().copy() for n in order]
    decay = [p for p in params.values() if p.dim() > 1]
    rest = [p for p in params.values() if p.dim() == 1]
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=3e-3,
                            betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for _ in range(10):
        opt.zero_grad()
        loss = loss_of()
        losses.append(loss.item())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    out.append(np.array(losses))
    np.concatenate(out).astype("<f8").tofile(path)
    print("torch", torch.__version__, "transformers", transformers.__version__, "losses", losses[0], losses[-1])


main(sys.argv[1])
