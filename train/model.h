/* model.h - the inside of a gpt, shared by the files of this folder.
 *
 * All weights lie in one array of fp32, in the checkpoint's own shapes ((in,out) for matrices), each
 * tensor on a 64-byte boundary:
 *     wte (Vp,C)  wpe (n_ctx,C)  then each layer's twelve tensors, one layer after the other  lnf_w lnf_b (C)
 * Vp is V rounded up to 64: the rows behind V stay zero and take no part in the loss. Gradients and
 * the optimizer's moments have the same layout. */
#ifndef WT_TRAIN_MODEL_H
#define WT_TRAIN_MODEL_H

#include "train/gemm.h"
#include "train/train.h"

enum { LAYER_TENSORS = 12 };

typedef struct {
    size_t wte, wpe, layers, lnf_w, lnf_b;   /* offsets in floats */
    size_t in_layer[LAYER_TENSORS];          /* offsets from a layer's start */
    size_t layer_floats, total_floats;
    int Vp;
} gpt_layout;

typedef struct {
    float *ln1_w, *ln1_b, *qkv_w, *qkv_b, *att_w, *att_b, *ln2_w, *ln2_b, *fc_w, *fc_b, *out_w, *out_b;
} gpt_layer;

typedef struct gpt_scratch gpt_scratch;      /* activations and temporaries, pass.c */

struct gpt {
    gpt_shape shape;
    gpt_layout at;
    float *w;
    float *grad;                             /* NULL until training */
    bool grad_stale;                         /* the optimizer has used them: they count as zero */
    size_t grad_layer_stride, grad_floats;   /* stride 0: all layers share one layer's gradients */
    const kernels *k;
    gemm_team *team;
    int threads;
    gpt_scratch *scratch;
    char *dir;
};

gpt_layout gpt_layout_of(const gpt_shape *shape);
gpt_layer gpt_layer_at(const gpt_layout *layout, float *layer_start);
static inline gpt_layer gpt_weights_of(const gpt *m, int l) {
    return gpt_layer_at(&m->at, m->w + m->at.layers + (size_t)l * m->at.layer_floats);
}
/* Where gradients of a layer, or of a tensor outside the layers, are. */
float *gpt_grad_layer(const gpt *m, int l);
float *gpt_grad_final(const gpt *m);         /* lnf_w, then lnf_b at the same distance as in weights */

/* Name and place of tensor i: 0 wte, 1 wpe, 2.. layers, then ln_f. */
typedef struct {
    char name[48];
    size_t offset;
    int rows, cols;
    int layer;                               /* -1: outside of the layers */
    bool decays;                             /* weight decay applies: matrices */
} gpt_tensor_info;
gpt_tensor_info gpt_tensor_describe(const gpt *m, int i);

gpt *gpt_alloc(const gpt_shape *shape, int threads, wt_err *err);   /* weights zero */
int gpt_shape_check(const gpt_shape *shape, wt_err *err);
/* fused: one layer's gradients at a time. */
int gpt_grad_alloc(gpt *m, bool fused, wt_err *err);

/* ---- one pass over B windows of T tokens (pass.c) ---- */

typedef struct gpt_pass gpt_pass;
struct gpt_pass {
    int B, T;
    const uint32_t *tokens, *targets;        /* (B,T) */
    const int32_t *key_start;                /* (B,T) first position each token attends to; NULL: 0 */
    bool backward;
    int again;                               /* so many first layers keep their input only: the backward pass computes the rest again */
    float weight;                            /* gradients are of weight * (mean loss) */
    float *logprob;                          /* (B,T) or NULL */
    uint32_t *best;                          /* (B,T) or NULL */
    float *logits;                           /* (B,T,V) or NULL */
    /* Called before the weights of a part are read, and no weights of later ones until then: -1 for the rows of the
     * embedding that the tokens name and all small ones, layer l = 0 .. L-1, L for the head; NULL: not asked. */
    void (*part_wanted)(const gpt_pass *pass, int part);
    /* Called when the gradients of a part are complete: layer l = L-1 .. 0, then -1 for the rest. */
    void (*part_done)(void *ctx, int layer);
    void *ctx;
};
/* *loss: mean over the asked targets. WT_EARG for bad ids, WT_ENOMEM. */
int gpt_pass_run(gpt *m, const gpt_pass *pass, double *loss, wt_err *err);
/* The same in double by plain loops that explain it (ref.c). logits and loss of pass are filled as
 * above; grad: total_floats doubles in the layout of the weights, added to; NULL: not asked. */
void gpt_pass_ref(const gpt *m, const gpt_pass *pass, double *loss, double *grad);
size_t gpt_scratch_bytes(const gpt_shape *shape, int B, int T, bool backward, int again, int threads);
/* The memory of such passes before the first of them, and what there is of it between passes, for others' use until the
 * next; NULL: less than `bytes`. */
int gpt_scratch_reserve(gpt *m, const gpt_pass *pass, wt_err *err);
void *gpt_scratch_lend(const gpt *m, size_t bytes);
void gpt_scratch_free(gpt_scratch *scratch);

/* ---- attention (attention.c) ---- */
enum { ATTENTION_ROWS = 112 };               /* queries of one block */
size_t attention_scratch_floats(int T, int D, bool backward);   /* of one thread; D channels a head */
/* qkv (B,T,3C), out (B,T,C), lse (B,H,T). scratch: threads x attention_scratch_floats. */
void attention_forward(gemm_team *team, const kernels *k, const float *qkv, float *out, float *lse, float *scratch,
                       const int32_t *key_start, int B, int T, int C, int H);
/* dqkv is overwritten. */
void attention_backward(gemm_team *team, const kernels *k, const float *qkv, const float *out, const float *lse,
                        const float *dout, float *dqkv, float *scratch, const int32_t *key_start, int B, int T, int C,
                        int H);

#endif
