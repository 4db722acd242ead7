/* report_model.c - sections about tokenizers, shards and training runs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/fs.h"
#include "common/in.h"
#include "common/utf8.h"
#include "report/report_impl.h"

#define FILE_MAX ((uint64_t)512 << 20)

/* ---- tokenizer ---- */
enum { LENGTHS = 17, LONGEST = 24 };

typedef struct {
    double length[LENGTHS];         /* tokens of 1, 2, ... bytes; the last: 16 and more */
    uint64_t n, bytes;
    struct { char *text; size_t len; int64_t id; } longest[LONGEST];
    int n_longest;
} vocabulary;

/* Byte-level BPE writes each byte as a printable character (Radford et al. 2019): printable Latin-1 as
 * itself, the other 68 bytes as U+0100 and up in their order. -1: no such character. */
static int byte_of(uint32_t cp) {
    static int16_t extra[68];
    static bool ready;
    if (!ready) {
        int n = 0;
        for (int b = 0; b < 256; b++) {
            bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            if (!printable) extra[n++] = (int16_t)b;
        }
        ready = true;
    }
    if (cp >= 256 && cp < 256 + 68) return extra[cp - 256];
    return (cp >= 33 && cp <= 126) || (cp >= 161 && cp <= 172) || (cp >= 174 && cp <= 255) ? (int)cp : -1;
}

/* The bytes of a token; a special token's text stays as it is. */
static void token_bytes(wt_str text, wt_buf *out) {
    const char *p = text.ptr, *end = p + text.len;
    wt_buf_clear(out);
    while (p < end) {
        uint32_t cp;
        int step = wt_utf8_decode(p, end, &cp), byte = step ? byte_of(cp) : -1;
        if (byte < 0) {
            wt_buf_clear(out);
            wt_buf_add_str(out, text);
            return;
        }
        wt_buf_add_char(out, (char)byte);
        p += step;
    }
}

static void count_token(vocabulary *v, wt_str bytes, int64_t id) {
    v->n++, v->bytes += bytes.len;
    v->length[bytes.len >= LENGTHS ? LENGTHS - 1 : bytes.len]++;
    int at = v->n_longest;
    while (at > 0 && v->longest[at - 1].len < bytes.len) at--;
    if (at == LONGEST) return;
    if (v->n_longest == LONGEST) free(v->longest[--v->n_longest].text);
    memmove(&v->longest[at + 1], &v->longest[at], (size_t)(v->n_longest - at) * sizeof v->longest[0]);
    v->longest[at].text = wt_xstrndup(bytes), v->longest[at].len = bytes.len, v->longest[at].id = id;
    v->n_longest++;
}

/* White space and control bytes as people write them. */
static void show_token(wt_buf *out, wt_str bytes) {
    wt_buf shown = {0};
    for (size_t i = 0; i < bytes.len && i < 120; i++) {
        char c = bytes.ptr[i];
        if (c == '\n') wt_buf_add_str(&shown, WT_STR("\\n"));
        else if (c == '\t') wt_buf_add_str(&shown, WT_STR("\\t"));
        else if ((unsigned char)c < ' ') wt_buf_printf(&shown, "\\x%02x", c);
        else wt_buf_add_char(&shown, c);
    }
    wt_buf_add_str(out, WT_STR("<td><code>"));
    page_text(out, wt_buf_view(&shown));
    wt_buf_add_str(out, bytes.len > 120 ? WT_STR("...</code></td>") : WT_STR("</code></td>"));
    wt_buf_free(&shown);
}

static void add_vocabulary(wt_buf *out, const vocabulary *v) {
    static const char *const headings[] = {"token", ">bytes", ">id"};
    static const char *const label[LENGTHS] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16+"};
    page_bar bar[LENGTHS];
    for (int i = 1; i < LENGTHS; i++) bar[i - 1] = (page_bar){wt_str_of(label[i]), v->length[i]};
    page_columns(out, "Tokens by length in bytes", bar, NULL, LENGTHS - 1, NULL, NULL);
    page_heading(out, "Longest tokens");
    page_table(out, headings, 3);
    for (int i = 0; i < v->n_longest; i++) {
        show_token(out, (wt_str){v->longest[i].text, v->longest[i].len});
        page_cell_number(out, (double)v->longest[i].len);
        page_cell_number(out, (double)v->longest[i].id);
        page_row_end(out);
    }
    page_table_end(out);
}

static char *tokenizer_file(const char *path) {
    if (!wt_is_dir(path)) return wt_xstrdup(path);
    char *file = wt_path_join(path, "tokenizer.json");
    if (wt_exists(file)) return file;
    free(file);
    return wt_path_join(path, "vocab.json");
}

int report_tokenizer(wt_buf *out, const char *path, wt_err *err) {
    wt_buf text = {0}, bytes = {0};
    wt_json all, value;
    wt_json_iter it;
    wt_str key;
    char *file = tokenizer_file(path);
    int result = wt_read_file(file, FILE_MAX, &text, err) || wt_json_parse(wt_buf_view(&text), &all, err) ? -1 : 0;
    free(file);
    if (result) return wt_buf_free(&text), -1;
    wt_json model = wt_json_get(all, "model"), vocab = model.kind ? wt_json_get(model, "vocab") : all;
    vocabulary v = {0};
    wt_arena *arena = wt_arena_new(0);
    result = wt_json_iter_init(&it, vocab, err);
    while (result == 0 && wt_json_next(&it, &key, &value, NULL) == 1) {
        int64_t id = 0;
        wt_arena_reset(arena);
        wt_json_i64(value, &id);
        token_bytes(wt_json_unescape(key, arena), &bytes);
        count_token(&v, wt_buf_view(&bytes), id);
    }
    if (result == 0) {
        uint64_t merges = 0, added = 0;
        if (wt_json_iter_init(&it, wt_json_get(model, "merges"), NULL) == 0)
            while (wt_json_next(&it, NULL, &value, NULL) == 1) merges++;
        if (wt_json_iter_init(&it, wt_json_get(all, "added_tokens"), NULL) == 0)
            while (wt_json_next(&it, NULL, &value, NULL) == 1) added++;
        page_tiles(out);
        report_tile(out, "tokens", (double)v.n, page_number);
        if (merges) report_tile(out, "merges", (double)merges, page_number);
        if (added) report_tile(out, "special tokens", (double)added, page_number);
        report_tile(out, "bytes in a token, mean over the vocabulary", v.n ? (double)v.bytes / (double)v.n : 0, page_number);
        page_tiles_end(out);
        if (v.n) add_vocabulary(out, &v);
    }
    for (int i = 0; i < v.n_longest; i++) free(v.longest[i].text);
    wt_arena_free(arena);
    wt_buf_free(&text), wt_buf_free(&bytes);
    return result;
}

/* ---- shards ---- */
int report_shards(wt_buf *out, const char *path, report_extent *extent, wt_err *err) {
    static const char *const headings[] = {"split", ">shards", ">documents", ">tokens", ">bytes", ">of the plain tokens"};
    static const char *const split_name[] = {"train", "val"};
    wt_buf text = {0};
    wt_json all;
    char *file = wt_is_dir(path) ? wt_path_join(path, "index.json") : wt_xstrdup(path);
    int result = wt_read_file(file, FILE_MAX, &text, err) || wt_json_parse(wt_buf_view(&text), &all, err) ? -1 : 0;
    free(file);
    if (result) return wt_buf_free(&text), -1;
    wt_arena *arena = wt_arena_new(0);
    wt_json tokenizer = wt_json_get(all, "tokenizer"), splits = wt_json_get(all, "splits");
    double width = report_number(all, "token_bytes"), tokens = 0, documents = 0;
    for (int k = 0; k < 2; k++) {
        double n = report_number(wt_json_get(splits, split_name[k]), "tokens");
        tokens += isfinite(n) ? n : 0;
        n = report_number(wt_json_get(splits, split_name[k]), "documents");
        documents += isfinite(n) ? n : 0;
    }
    *extent = (report_extent){.documents = (uint64_t)documents, .tokens = (uint64_t)tokens};
    page_tiles(out);
    report_tile(out, "tokens", tokens, page_number);
    report_tile(out, "documents", documents, page_number);
    report_tile(out, "tokens a document, mean", documents > 0 ? tokens / documents : NAN, page_number);
    report_tile(out, "vocabulary", report_number(tokenizer, "vocab"), page_number);
    report_tile(out, "bytes an id", width, page_number);
    page_tiles_end(out);
    page_table(out, headings, 6);
    for (int k = 0; k < 2; k++) {
        wt_json s = wt_json_get(splits, split_name[k]);
        double n = report_number(s, "tokens"), bytes = report_number(s, "bytes");
        if (s.kind != WT_JSON_OBJECT) continue;
        page_cell(out, wt_str_of(split_name[k]));
        page_cell_number(out, report_number(s, "shards"));
        page_cell_number(out, report_number(s, "documents"));
        page_cell_number(out, n);
        page_cell_number(out, bytes);
        wt_buf_printf(out, "<td class=\"r\">%.1f %%</td>", n > 0 ? 100 * bytes / (n * width) : 0);
        page_row_end(out);
    }
    page_table_end(out);
    wt_str print = wt_json_string(wt_json_get(tokenizer, "sha256"), arena);
    page_note(out, "Tokenizer %.*s, fingerprint %.*s", WT_FMT(wt_json_string(wt_json_get(tokenizer, "name"), arena)),
              print.len > 16 ? 16 : (int)print.len, print.ptr ? print.ptr : "");
    wt_arena_free(arena);
    wt_buf_free(&text);
    return 0;
}

/* ---- runs ---- */
typedef struct {
    double *x, *y;
    size_t n, cap;
} curve;

static void curve_add(curve *c, double x, double y) {
    if (!isfinite(y)) return;
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 1024;
        c->x = wt_xrealloc(c->x, c->cap * sizeof *c->x);
        c->y = wt_xrealloc(c->y, c->cap * sizeof *c->y);
    }
    c->x[c->n] = x, c->y[c->n++] = y;
}

typedef struct {
    curve loss, smooth, val, rate, norm, speed;
    wt_buf samples[6];                  /* the last ones, a ring */
    double sample_step[6];
    size_t n_samples;
    double last_step, last_tokens, seconds, best_val, best_step;
} run_log;

static void read_entry(run_log *log, wt_json e, wt_arena *arena) {
    double step = report_number(e, "step"), val = report_number(e, "val_loss");
    wt_json sample = wt_json_get(e, "sample");
    if (!isfinite(step)) return;
    log->last_step = fmax(log->last_step, step);
    double tokens = report_number(e, "tokens"), seconds = report_number(e, "seconds");
    if (isfinite(tokens)) log->last_tokens = tokens;
    if (isfinite(seconds)) log->seconds += seconds;
    curve_add(&log->loss, step, report_number(e, "loss"));
    curve_add(&log->smooth, step, report_number(e, "loss_smooth"));
    curve_add(&log->val, step, val);
    curve_add(&log->rate, step, report_number(e, "lr"));
    curve_add(&log->norm, step, report_number(e, "grad_norm"));
    curve_add(&log->speed, step, report_number(e, "tokens_per_s"));
    if (isfinite(val) && !(val >= log->best_val)) log->best_val = val, log->best_step = step;
    if (sample.kind != WT_JSON_STRING) return;
    wt_buf *slot = &log->samples[log->n_samples % 6];
    log->sample_step[log->n_samples++ % 6] = step;
    wt_buf_clear(slot);
    wt_buf_add_str(slot, wt_json_string(sample, arena));
}

static int read_log(run_log *log, const char *path, wt_err *err) {
    wt_str line;
    wt_json entry;
    int got;
    wt_in *in = wt_in_open(path, err);
    if (!in) return -1;
    wt_arena *arena = wt_arena_new(0);
    log->best_val = NAN;
    while ((got = wt_in_line(in, (size_t)64 << 20, &line, NULL, err)) > 0) {
        wt_arena_reset(arena);
        if (wt_json_parse(line, &entry, NULL) == 0) read_entry(log, entry, arena);    /* a line being written is none yet */
    }
    wt_arena_free(arena);
    wt_in_close(in);
    return got < 0 ? -1 : 0;
}

static page_series series_of(const char *name, const curve *c) {
    return (page_series){.name = name, .x = c->x, .y = c->y, .n = c->n};
}

static void draw_one(wt_buf *out, const char *title, const curve *c, bool log_y, bool from_zero) {
    page_series s = series_of(title, c);
    if (c->n > 1) page_lines(out, &(page_axes){.title = title, .x_label = "step", .log_y = log_y, .from_zero = from_zero}, &s, 1);
}

static void add_curves(wt_buf *out, const run_log *log) {
    page_series loss[3] = {series_of("training, each step", &log->loss), series_of("validation", &log->val),
                           series_of("training, smoothed", &log->smooth)};
    loss[0].faint = log->smooth.n > 0;
    loss[1].points = true;
    if (log->loss.n || log->val.n) page_lines(out, &(page_axes){.title = "Loss (nats a token)", .x_label = "step"}, loss, 3);
    draw_one(out, "Learning rate", &log->rate, false, true);
    draw_one(out, "Norm of the gradient", &log->norm, true, false);
    draw_one(out, "Tokens a second", &log->speed, false, true);
}

/* The shape of the model, from the newest checkpoint. */
static void add_model(wt_buf *out, const char *path) {
    static const char *const suffix[] = {"config.json", NULL};
    static const struct { const char *key, *label; } field[] = {
        {"n_layer", "layers"}, {"n_head", "heads"}, {"n_embd", "width"}, {"n_positions", "context"}, {"vocab_size", "vocabulary"},
    };
    wt_paths files = {0};
    wt_buf text = {0};
    wt_json config;
    if (!wt_is_dir(path) || wt_paths_add(&files, path, suffix, NULL) || !files.n) return wt_paths_free(&files);
    size_t last = files.n;
    while (last > 0 && !wt_str_ends(wt_str_of(files.path[last - 1]), WT_STR("/config.json"))) last--;
    if (last && wt_read_file(files.path[last - 1], FILE_MAX, &text, NULL) == 0 && wt_json_parse(wt_buf_view(&text), &config, NULL) == 0) {
        page_tiles(out);
        for (size_t i = 0; i < sizeof field / sizeof *field; i++)
            report_tile(out, field[i].label, report_number(config, field[i].key), page_number);
        double L = report_number(config, "n_layer"), C = report_number(config, "n_embd"), T = report_number(config, "n_positions"),
               V = report_number(config, "vocab_size");
        /* GPT-2 with tied embeddings: 12 C^2 + 13 C a layer, embeddings, the last norm. */
        report_tile(out, "parameters", V * C + T * C + L * (12 * C * C + 13 * C) + 2 * C, page_short);
        page_tiles_end(out);
    }
    wt_buf_free(&text);
    wt_paths_free(&files);
}

static void add_samples(wt_buf *out, const run_log *log) {
    size_t n = log->n_samples < 6 ? log->n_samples : 6;
    if (n) page_heading(out, "What the model wrote, newest first");
    for (size_t i = 0; i < n; i++) {
        size_t k = (log->n_samples - 1 - i) % 6;
        page_note(out, "after step %.0f", log->sample_step[k]);
        wt_buf_add_str(out, WT_STR("<pre>"));
        page_text(out, wt_buf_view(&log->samples[k]));
        wt_buf_add_str(out, WT_STR("</pre>\n"));
    }
}

int report_run(wt_buf *out, const char *path, wt_err *err) {
    run_log log = {0};
    char *file = wt_is_dir(path) ? wt_path_join(path, "log.jsonl") : wt_xstrdup(path);
    int result = read_log(&log, file, err);
    free(file);
    if (result == 0) {
        add_model(out, path);
        page_tiles(out);
        report_tile(out, "steps", log.last_step, page_number);
        report_tile(out, "tokens", log.last_tokens, page_short);
        if (log.smooth.n) report_tile(out, "training loss", log.smooth.y[log.smooth.n - 1], page_number);
        if (log.val.n) report_tile(out, "last validation loss", log.val.y[log.val.n - 1], page_number);
        if (log.val.n) report_tile(out, "its perplexity", exp(log.val.y[log.val.n - 1]), page_number);
        if (log.val.n > 1) report_tile(out, "best validation loss", log.best_val, page_number);
        if (log.val.n > 1) report_tile(out, "at step", log.best_step, page_number);
        page_tiles_end(out);
        add_curves(out, &log);
        add_samples(out, &log);
    }
    curve *curves[] = {&log.loss, &log.smooth, &log.val, &log.rate, &log.norm, &log.speed};
    for (int i = 0; i < 6; i++) free(curves[i]->x), free(curves[i]->y);
    for (int i = 0; i < 6; i++) wt_buf_free(&log.samples[i]);
    return result;
}
