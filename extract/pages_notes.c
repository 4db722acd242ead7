/* pages_notes.c - counts of what was read, written and dropped, with examples. Each unit leaves a note beside its output; the sum
 * of the notes is the run's report, however often it was interrupted. */
#include <stdlib.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "extract/pages_impl.h"

enum { EXAMPLES_A_RULE = 5 };

void pages_count_drop(run *r, const char *rule, const wt_buf *example) {
    size_t i = 0;
    while (i < r->n_rules && strcmp(r->rules[i].name, rule) != 0) i++;
    if (i == r->n_rules) {
        WT_GROW(r->rules, r->rules_cap, r->n_rules + 1);
        r->rules[r->n_rules++] = (rule_count){.name = wt_xstrdup(rule)};
    }
    r->rules[i].n++;
    if (!example || !example->len || r->rules[i].n_examples >= EXAMPLES_A_RULE) return;
    wt_buf_add_str(&r->rules[i].examples, r->rules[i].n_examples++ ? WT_STR(",") : WT_STR(""));
    wt_buf_add_str(&r->rules[i].examples, wt_buf_view(example));
}

void pages_reset_counts(run *r) {
    for (size_t i = 0; i < r->n_rules; i++) {
        free((char *)r->rules[i].name);
        wt_buf_free(&r->rules[i].examples);
    }
    r->n_rules = 0;
    r->n_in = r->n_documents = r->n_text_bytes = r->n_records = r->n_other_parser = 0;
}

void pages_counts_write(const run *r, wt_buf *json) {
    wt_buf_printf(json, "{\"records\":%llu,\"pages\":%llu,\"documents\":%llu,\"bytes\":%llu,\"other_parser\":%llu,\"dropped\":{",
                  (unsigned long long)r->n_records, (unsigned long long)r->n_in, (unsigned long long)r->n_documents,
                  (unsigned long long)r->n_text_bytes, (unsigned long long)r->n_other_parser);
    for (size_t i = 0; i < r->n_rules; i++) {
        wt_buf_add_str(json, i ? WT_STR(",") : WT_STR(""));
        wt_json_add_string(json, wt_str_of(r->rules[i].name));
        wt_buf_printf(json, ":{\"n\":%llu,\"examples\":[", (unsigned long long)r->rules[i].n);
        wt_buf_add_str(json, r->rules[i].examples.len ? wt_buf_view(&r->rules[i].examples) : WT_STR(""));
        wt_buf_add_str(json, WT_STR("]}"));
    }
    wt_buf_add_str(json, WT_STR("}}\n"));
}

static uint64_t member(wt_json object, const char *name) {
    int64_t v = 0;
    return wt_json_i64(wt_json_get(object, name), &v) ? 0 : (uint64_t)v;
}

void pages_totals_add(totals *t, wt_str json) {
    wt_json o, value;
    wt_json_iter it;
    wt_str name;
    if (wt_json_parse(json, &o, NULL)) return;
    t->records += member(o, "records");
    t->pages += member(o, "pages");
    t->documents += member(o, "documents");
    t->bytes += member(o, "bytes");
    t->other_parser += member(o, "other_parser");
    if (wt_json_iter_init(&it, wt_json_get(o, "dropped"), NULL)) return;
    while (wt_json_next(&it, &name, &value, NULL) == 1) {
        size_t i = 0;
        while (i < t->n_rules && !wt_str_eq(wt_str_of(t->rules[i].name), name)) i++;
        if (i == t->n_rules) {
            WT_GROW(t->rules, t->cap, t->n_rules + 1);
            t->rules[t->n_rules++] = (rule_count){.name = wt_xstrndup(name)};
        }
        t->rules[i].n += member(value, "n");
        wt_str examples = wt_json_get(value, "examples").raw;
        if (examples.len <= 2 || t->rules[i].n_examples >= EXAMPLES_A_RULE) continue;
        t->rules[i].n_examples += 1;
        wt_buf_add_str(&t->rules[i].examples, t->rules[i].examples.len ? WT_STR(",") : WT_STR(""));
        wt_buf_add(&t->rules[i].examples, examples.ptr + 1, examples.len - 2);
    }
}

static int write_filter_report(const totals *t, const pages_options *o, wt_err *err) {
    wt_buf b = {0};
    wt_buf_add_str(&b, WT_STR("{\"filter\":"));
    wt_json_add_string(&b, wt_str_of(o->filter));
    wt_buf_printf(&b, ",\"pages\":%llu,\"documents\":%llu,\"rules\":[", (unsigned long long)t->pages, (unsigned long long)t->documents);
    for (size_t i = 0; i < t->n_rules; i++) {
        wt_buf_add_str(&b, i ? WT_STR(",\n{\"rule\":") : WT_STR("\n{\"rule\":"));
        wt_json_add_string(&b, wt_str_of(t->rules[i].name));
        wt_buf_printf(&b, ",\"dropped\":%llu,\"examples\":[%.*s]}", (unsigned long long)t->rules[i].n, WT_FMT(t->rules[i].examples));
    }
    wt_buf_add_str(&b, WT_STR("\n]}\n"));
    int result = wt_write_file(o->filter_report, wt_buf_view(&b), err);
    wt_buf_free(&b);
    return result;
}

int pages_report(totals *t, const pages_options *o, wt_err *err) {
    wt_report_count("records", t->records);
    wt_report_count("pages", t->pages);
    wt_report_count("documents", t->documents);
    wt_report_count("bytes of documents", t->bytes);
    if (t->other_parser) wt_report_count("pages refused by their parser, read by our own", t->other_parser);
    for (size_t i = 0; i < t->n_rules; i++) wt_report_drop(t->rules[i].name, t->rules[i].n);
    int result = o->filter_report && wt_cluster_rank() == 0 ? write_filter_report(t, o, err) : 0;
    for (size_t i = 0; i < t->n_rules; i++) {
        free((char *)t->rules[i].name);
        wt_buf_free(&t->rules[i].examples);
    }
    free(t->rules);
    return result;
}
