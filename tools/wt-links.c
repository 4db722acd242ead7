/* wt-links.c - Reddit dumps to a list of links: scan (crawl/links_store), then choose one post for each
 * page (a Bloom filter in one pass, or exact tables), then write. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/out.h"
#include "common/tally.h"
#include "common/tool.h"
#include "crawl/crawl.h"
#include "crawl/links_exact.h"
#include "crawl/links_store.h"
#include "dedup/bloom.h"

static const char *preset = "webtext", *score_mode, *nsfw, *since, *until, *merge = "";
static const char *hidden = "keep";
static int64_t min_score = INT64_MIN;
static double fpr = 1e-6;
static bool exact;
static uint64_t memory_bytes = (uint64_t)1 << 30;
static wt_list exclude_domains, exclude_subreddits, only_subreddits, exclude_extensions;

static const wt_opt options[] = {
    {"", 0, WT_OPT_GROUP, NULL, NULL, "Which posts"},
    {"preset", 0, WT_OPT_CHOICE, &preset, "webtext|openwebtext|owt2|none", "rules to begin with"},
    {"min-score", 0, WT_OPT_INT, &min_score, "N", "lowest score (karma) of a post", "3; none: any"},
    {"score", 0, WT_OPT_CHOICE, &score_mode, "max|sum", "of a page: its best post, or all its posts added up", "max; owt2: sum"},
    {"since", 0, WT_OPT_STRING, &since, "D", "first day, month or year: 2015, 2015-06, 2015-06-01", "the beginning"},
    {"until", 0, WT_OPT_STRING, &until, "D", "last day, month or year, itself included", "the end"},
    {"nsfw", 0, WT_OPT_CHOICE, &nsfw, "keep|drop", "posts marked as over 18", "drop; owt2, none: keep"},
    {"hidden-scores", 0, WT_OPT_CHOICE, &hidden, "keep|drop", "posts whose score was not final when they were read"},
    {"exclude-domains", 0, WT_OPT_LIST, &exclude_domains, "FILE", "more domains to leave out with their subdomains, one a line"},
    {"exclude-extensions", 0, WT_OPT_LIST, &exclude_extensions, "FILE", "more endings of paths to leave out, one a line"},
    {"exclude-subreddits", 0, WT_OPT_LIST, &exclude_subreddits, "FILE", "subreddits to leave out, one a line"},
    {"only-subreddits", 0, WT_OPT_LIST, &only_subreddits, "FILE", "subreddits to take, all others are left out"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "Which pages are the same"},
    {"merge", 0, WT_OPT_STRING, &merge, "LIST", "of scheme,www,mobile,slash,query: differences that do not count", "none"},
    {"fpr", 0, WT_OPT_FLOAT, &fpr, "F", "share of new pages the Bloom filter may take for seen ones"},
    {"exact", 0, WT_OPT_FLAG, &exact, NULL, "exact tables: the page's best post instead of its first"},
    {"memory", 0, WT_OPT_BYTES, &memory_bytes, "SIZE", "for the exact tables"},
    {0},
};

static const wt_tool tool = {
    .name = "wt-links",
    .summary = "the pages that Reddit recommends, from its submission dumps",
    .usage = "DUMP... -o links.jsonl.zst",
    .description =
        "Reads Pushshift and Arctic Shift dumps (.zst with any window, .xz, .bz2, .gz, plain; told by their "
        "first bytes), API listings and JSON arrays. Writes one line for each distinct page: "
        "{\"url\",\"score\",\"subreddit\",\"id\",\"created_utc\"}. Pages are the same when their addresses are equal "
        "in normal form without tracking parameters; the first post that passes the rules stands for the "
        "page, with --exact the one with the best score. Every record that is left out is counted under "
        "one reason. A killed run goes on with the files it had not finished. --limit N "
        "writes the first N pages; all dumps are read all the same.",
    .options = options,
    .example = "wt-links RS_2016-*.zst RS_2017-*.zst --until 2017-12 -o links.jsonl.zst",
};

/* ---- rules from options ---- */
/* The first second of a year, month, day or moment; *end: the second after the last one. */
static int parse_span(const char *text, int64_t *start, int64_t *end, wt_err *err) {
    char full[64];
    int year, month = 1, n = 0;
    if (sscanf(text, "%4d%n", &year, &n) == 1 && n == 4 && !text[4]) {
        snprintf(full, sizeof full, "%04d-01-01", year + 1);
        if (wt_parse_time(full, end, err)) return -1;
        snprintf(full, sizeof full, "%04d-01-01", year);
    } else if (sscanf(text, "%4d-%2d%n", &year, &month, &n) == 2 && n == 7 && !text[7] && month <= 12) {
        snprintf(full, sizeof full, "%04d-%02d-01", year + month / 12, month % 12 + 1);
        if (wt_parse_time(full, end, err)) return -1;
        snprintf(full, sizeof full, "%04d-%02d-01", year, month);
    } else {
        if (wt_parse_time(text, start, err)) return -1;
        *end = *start + (strlen(text) <= 10 ? 86400 : 1);
        return 0;
    }
    return wt_parse_time(full, start, err);
}

static int parse_merges(const char *text, unsigned *merges, wt_err *err) {
    static const char *const name[] = {"scheme", "www", "mobile", "slash", "query"};
    wt_str rest = wt_str_of(text);
    while (rest.len) {
        wt_str word = wt_str_trim(wt_str_cut(&rest, ','));
        unsigned bit = 0;
        for (unsigned i = 0; i < 5; i++)
            if (wt_str_eq(word, wt_str_of(name[i]))) bit = 1u << i;
        if (!bit && word.len && !wt_str_eq(word, WT_STR("none")))
            return wt_fail(err, WT_EARG, "--merge: no '%.*s'; there are scheme, www, mobile, slash, query", WT_FMT(word));
        *merges |= bit;
    }
    return 0;
}

static int read_lists(links_rules *rules, wt_err *err) {
    for (size_t i = 0; i < exclude_domains.n; i++)
        if (links_rules_add_domains(rules, exclude_domains.item[i], err)) return -1;
    for (size_t i = 0; i < exclude_extensions.n; i++)
        if (links_names_add_file(rules->exclude_extensions, exclude_extensions.item[i], err)) return -1;
    for (size_t i = 0; i < exclude_subreddits.n; i++)
        if (links_names_add_file(rules->exclude_subreddits, exclude_subreddits.item[i], err)) return -1;
    for (size_t i = 0; i < only_subreddits.n; i++)
        if (links_names_add_file(rules->only_subreddits, only_subreddits.item[i], err)) return -1;
    return 0;
}

static links_rules *make_rules(wt_err *err) {
    links_rules *rules = links_rules_new(preset, err);
    if (!rules) return NULL;
    int64_t unused;
    if (min_score != INT64_MIN) rules->min_score = min_score;
    if (score_mode) rules->sum_scores = strcmp(score_mode, "sum") == 0;
    if (nsfw) rules->keep_over_18 = strcmp(nsfw, "keep") == 0;
    rules->keep_hidden_scores = strcmp(hidden, "keep") == 0;
    bool bad = (since && parse_span(since, &rules->since_s, &unused, err)) ||
               (until && parse_span(until, &unused, &rules->until_s, err)) ||
               parse_merges(merge, &rules->merges, err) || read_lists(rules, err);
    if (until && !bad) rules->until_s--;
    if (!bad && rules->since_s > rules->until_s)
        bad = wt_fail(err, WT_EARG, "--since %s is behind --until %s", since, until);
    if (!bad && !(fpr >= 1e-12 && fpr <= 0.5)) bad = wt_fail(err, WT_EARG, "--fpr %g is not in 1e-12 to 0.5", fpr);
    if (!bad) return rules;
    links_rules_free(rules);
    return NULL;
}

/* ---- writing ---- */
typedef struct {
    wt_out *out;
    wt_buf line;
    bloom *seen;
    wt_tally *domains;
    uint64_t n_written, n_duplicates, limit;
} writer;

/* The host in an address that has the normal form. */
static wt_str host_of(wt_str url) {
    size_t scheme = url.ptr[4] == 's' ? strlen("https://") : strlen("http://");
    url.ptr += scheme, url.len -= scheme;
    wt_str authority = wt_str_cut(&url, '/');
    return authority.ptr[0] == '[' ? authority : wt_str_cut(&authority, ':');
}

static int write_link(void *ctx, const links_post *post, wt_err *err) {
    writer *w = ctx;
    if (w->limit && w->n_written == w->limit) return 0;
    wt_buf *line = &w->line;
    wt_buf_clear(line);
    wt_buf_add_str(line, WT_STR("{\"url\":"));
    wt_json_add_string(line, post->url);
    wt_buf_printf(line, ",\"score\":%ld,\"subreddit\":", (long)post->score);
    wt_json_add_string(line, post->subreddit);
    wt_buf_add_str(line, WT_STR(",\"id\":"));
    wt_json_add_string(line, post->id);
    if (post->has_created) wt_buf_printf(line, ",\"created_utc\":%ld}\n", (long)post->created_s);
    else wt_buf_add_str(line, WT_STR(",\"created_utc\":null}\n"));
    w->n_written++;
    wt_tally_add(w->domains, crawl_host_site(host_of(post->url)), 1);
    return wt_out_str(w->out, wt_buf_view(line), err);
}

static int write_if_new(void *ctx, const links_post *post, wt_err *err) {
    writer *w = ctx;
    if (bloom_add(w->seen, post->key.lo)) {
        w->n_duplicates++;
        return 0;
    }
    return write_link(w, post, err);
}

static int choose_by_bloom(writer *w, const links_store *store, uint64_t n_posts, wt_err *err) {
    w->seen = bloom_new(n_posts ? n_posts : 1, fpr, err);
    if (!w->seen) return -1;
    int result = links_store_read(store, write_if_new, w, err);
    wt_report_drop("duplicate url", w->n_duplicates);
    bloom_free(w->seen);
    return result;
}

static int choose_exactly(writer *w, const links_store *store, const links_rules *rules, uint64_t n_posts, wt_err *err) {
    links_exact_counts counts;
    if (links_exact_choose(store, rules, n_posts, memory_bytes, write_link, w, &counts, err)) return -1;
    wt_report_drop("duplicate url", counts.duplicates);
    wt_report_drop("earlier copy of a post", counts.copies);
    wt_report_drop("sum of scores too low", counts.too_low);
    return 0;
}

/* ---- the summary ---- */
static void warn_about(const links_stats *all) {
    for (int i = 0; i < LINKS_N_MONTHS; i++) {
        const links_month *m = &all->month[i];
        if (!links_month_degenerate(m)) continue;
        char name[16];
        links_month_name(i, name);
        wt_warn("%s: the scores of %lu link posts say little (mean %.2f, %.0f%% hidden): the dump was made minutes after "
                "the posts; take one with a second retrieval", name, (unsigned long)m->n, (double)m->sum / (double)m->n,
                100.0 * (double)m->hidden / (double)m->n);
    }
    uint64_t n = links_stats_records(all);
    if (n && all->verdict[LINKS_NO_URL] > n / 2)
        wt_warn("%lu of %lu records have no url: are these dumps of submissions (RS_*)?",
                (unsigned long)all->verdict[LINKS_NO_URL], (unsigned long)n);
}

static void print_file(const char *name, const links_stats *s) {
    uint64_t n = 0, reaching = 0;
    int64_t sum = 0;
    for (int i = 0; i < LINKS_N_MONTHS; i++)
        n += s->month[i].n, reaching += s->month[i].reaching, sum += s->month[i].sum;
    wt_info("%s: %lu records, %lu link posts, mean score %.2f, %.1f%% reach the minimum, %lu taken", name,
            (unsigned long)links_stats_records(s), (unsigned long)n, n ? (double)sum / (double)n : 0.0,
            n ? 100.0 * (double)reaching / (double)n : 0.0, (unsigned long)s->verdict[LINKS_TAKEN]);
}

/* Adds up the files' counts and tells them. */
static int summarize(const links_store *store, links_stats *all, wt_err *err) {
    links_stats *one = wt_xmalloc(sizeof *one);
    wt_buf files = {0};
    int result = 0;
    for (int i = 0; i < store->n_inputs && result == 0; i++) {
        result = links_store_stats(store, i, one, err);
        if (result) break;
        links_stats_add(all, one);
        print_file(store->input[i], one);
        wt_buf_add_str(&files, files.len ? WT_STR(",{\"name\":") : WT_STR("[{\"name\":"));
        wt_json_add_string(&files, wt_str_of(store->input[i]));
        wt_buf_add_str(&files, WT_STR(",\"counts\":"));
        links_stats_write(one, &files);
        wt_buf_add_char(&files, '}');
    }
    wt_buf_add_char(&files, ']');
    wt_report_json("files", wt_buf_view(&files));
    wt_buf_clear(&files);
    links_stats_write(all, &files);
    wt_report_json("scan", wt_buf_view(&files));
    wt_buf_free(&files);
    free(one);
    wt_report_count("files", (uint64_t)store->n_inputs);
    wt_report_count("bytes of JSON", all->bytes);
    wt_report_count("records", links_stats_records(all));
    for (int v = LINKS_TAKEN + 1; v < LINKS_N_VERDICTS; v++) wt_report_drop(links_verdict_text(v), all->verdict[v]);
    warn_about(all);
    return result;
}

static int choose(const wt_args *args, const links_store *store, const links_rules *rules, wt_str key, wt_err *err) {
    links_stats *all = wt_xcalloc(1, sizeof *all);
    writer w = {.limit = args->limit, .domains = wt_tally_new(), .out = wt_out_open(args->output, err)};
    int result = w.out ? summarize(store, all, err) : -1;
    uint64_t n_posts = all->verdict[LINKS_TAKEN];
    if (result == 0)
        result = exact || rules->sum_scores ? choose_exactly(&w, store, rules, n_posts, err)
                                            : choose_by_bloom(&w, store, n_posts, err);
    wt_buf note = {0};
    if (result == 0) {
        wt_report_count("links written", w.n_written);
        wt_report_count("domains", wt_tally_names(w.domains));
        wt_tally_write_top(w.domains, 100, &note);
        wt_report_json("top_domains", wt_buf_view(&note));
        wt_buf_clear(&note);
        wt_provenance(&note, key);
        result = wt_out_provenance(w.out, wt_buf_view(&note), err);
    }
    if (result == 0) result = wt_out_commit(w.out, err);
    else if (w.out) wt_out_abort(w.out);
    wt_buf_free(&note);
    wt_buf_free(&w.line);
    wt_tally_free(w.domains);
    free(all);
    return result;
}

/* ---- the run ---- */
static void describe(wt_buf *key, const wt_args *args, const links_rules *rules, const wt_paths *inputs) {
    wt_buf_printf(key, "{\"version\":\"%s\",\"preset\":\"%s\",", WT_VERSION, preset);
    links_rules_describe(rules, key);
    if (exact || rules->sum_scores) wt_buf_printf(key, ",\"exact\":true");
    else wt_buf_printf(key, ",\"fpr\":%g", fpr);
    wt_buf_printf(key, ",\"limit\":%lu,\"inputs\":[", (unsigned long)args->limit);
    for (size_t i = 0; i < inputs->n; i++) wt_run_key_input(key, inputs->path[i]);
    wt_buf_printf(key, "]}");
}

/* A file beside which a folder can be kept: no device, no pipe. */
static bool is_ordinary(const char *output) {
    struct stat s;
    return output && (stat(output, &s) || S_ISREG(s.st_mode));
}

/* The store's folder: beside the output, or a temporary one. */
static char *store_folder(const char *output, wt_err *err) {
    wt_buf name = {0};
    if (is_ordinary(output)) {
        wt_buf_printf(&name, "%s.posts", output);
        return name.ptr;
    }
    if (wt_cluster_size() > 1) {
        wt_fail(err, WT_EARG, "several ranks need a file that all of them see: name one with -o");
        return NULL;
    }
    const char *tmp = getenv("TMPDIR");
    wt_buf_printf(&name, "%s/wt-links.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (mkdtemp(name.ptr)) return name.ptr;
    wt_fail_errno(err, "cannot make a folder '%s'", name.ptr);
    wt_buf_free(&name);
    return NULL;
}

static uint64_t total_bytes(const wt_paths *inputs) {
    uint64_t sum = 0;
    for (size_t i = 0; i < inputs->n; i++) {
        int64_t bytes = wt_file_bytes(inputs->path[i]);
        if (bytes > 0) sum += (uint64_t)bytes;
    }
    return sum;
}

/* Scans on all ranks; the first of them chooses and writes. */
static int scan_and_choose(const wt_args *args, const char *output, const links_rules *rules,
                           const wt_paths *inputs, wt_str key, bool fresh, wt_err *err) {
    char *folder = store_folder(output, err);
    if (!folder) return -1;
    links_store store = {.folder = folder, .input = inputs->path, .n_inputs = (int)inputs->n, .threads = args->threads};
    int result = 0;
    if (wt_cluster_rank() == 0) result = (fresh && wt_remove_tree(folder, err)) || wt_mkdirs(folder, err) ? -1 : 0;
    result = wt_cluster_agree(result, err);
    if (!result) {
        wt_progress_begin("scanning", "bytes", total_bytes(inputs));
        result = links_store_fill(&store, rules, err);
        wt_progress_end();
        result = wt_cluster_agree(result, err);
    }
    if (!result && wt_cluster_rank() == 0) result = choose(args, &store, rules, key, err);
    result = wt_cluster_agree(result, err);
    if (wt_cluster_rank() == 0 && (!is_ordinary(output) || result == 0)) wt_remove_tree(folder, NULL);
    free(folder);
    return result;
}

static int run(const wt_args *args, wt_err *err) {
    static const char *const suffixes[] = {".zst", ".xz", ".bz2", ".gz", ".json", ".jsonl", ".ndjson", NULL};
    const char *output = args->output && strcmp(args->output, "-") ? args->output : NULL;
    links_rules *rules = make_rules(err);
    if (!rules) return -1;
    wt_paths inputs = {0};
    wt_buf key = {0};
    int result = 0;
    for (int i = 0; i < args->n_inputs && result == 0; i++) result = wt_paths_add(&inputs, args->inputs[i], suffixes, err);
    if (result == 0) {
        describe(&key, args, rules, &inputs);
        int state = wt_run_begin(output, false, wt_buf_view(&key), args->force, err);
        if (state < 0) result = -1;
        else if (state != WT_RUN_DONE)
            result = scan_and_choose(args, output, rules, &inputs, wt_buf_view(&key), state == WT_RUN_FRESH, err);
        if (result == 0 && state != WT_RUN_DONE) result = wt_run_finish(output, false, wt_buf_view(&key), err);
    }
    wt_buf_free(&key);
    wt_paths_free(&inputs);
    links_rules_free(rules);
    return result;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_args args;
    wt_tool_start(&tool, argc, argv, &args);
    return wt_tool_end(&tool, run(&args, &err), &err);
}
