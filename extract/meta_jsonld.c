/* meta_jsonld.c - see meta_jsonld.h. The objects of a script are visited with a stack of our own, the
 * page's main object (an article, a product, a discussion) before what it refers to. Scripts on the
 * web hold raw line ends in strings, comments around the JSON and HTML in the body: all are cleaned. */
#include "extract/meta_jsonld.h"

#include "common/json.h"

enum { STACK_MAX = 256, OBJECTS_MAX = 4096 };

/* Control bytes become spaces, wrappers of old times are cut. */
static wt_str clean_script(wt_str s, wt_arena *arena) {
    wt_str copy = wt_arena_copy(arena, s);
    char *p = (char *)copy.ptr;
    for (size_t i = 0; i < copy.len; i++)
        if ((unsigned char)p[i] < ' ') p[i] = ' ';
    size_t start = 0, end = copy.len;
    while (start < end && p[start] != '{' && p[start] != '[') start++;
    while (end > start && p[end - 1] != '}' && p[end - 1] != ']') end--;
    return (wt_str){p + start, end - start};
}

static wt_str string_of(wt_json v, wt_arena *arena) {
    return v.kind == WT_JSON_STRING ? wt_str_trim(wt_json_string(v, arena)) : (wt_str){NULL, 0};
}

static wt_json first_of(wt_json v) {
    wt_json_iter it;
    wt_json x = {0};
    if (v.kind != WT_JSON_ARRAY) return v;
    if (wt_json_iter_init(&it, v, NULL) || wt_json_next(&it, NULL, &x, NULL) != 1) return (wt_json){0};
    return x;
}

/* "A", {"name":"A"} or a list of these: the names, joined by "; ". */
static wt_str names_of(wt_json v, wt_arena *arena) {
    if (v.kind == WT_JSON_STRING) return string_of(v, arena);
    if (v.kind == WT_JSON_OBJECT) return string_of(first_of(wt_json_get(v, "name")), arena);
    wt_json_iter it;
    wt_json x;
    wt_str all = {NULL, 0};
    if (v.kind != WT_JSON_ARRAY || wt_json_iter_init(&it, v, NULL)) return all;
    for (int n = 0; n < 10 && wt_json_next(&it, NULL, &x, NULL) == 1; n++) {
        wt_str name = x.kind == WT_JSON_ARRAY ? (wt_str){NULL, 0} : names_of(x, arena);
        if (!name.len) continue;
        all = all.len ? wt_str_of(wt_arena_printf(arena, "%.*s; %.*s", WT_FMT(all), WT_FMT(name))) : name;
    }
    return all;
}

static bool type_has(wt_str type, const char *part) { return wt_str_find(type, wt_str_of(part)) >= 0; }

static page_kind kind_of_type(wt_str type) {
    if (type_has(type, "DiscussionForum") || type_has(type, "QAPage") || type_has(type, "Question")) return PAGE_THREAD;
    if (type_has(type, "Product")) return PAGE_PRODUCT;
    if (type_has(type, "Article") || type_has(type, "BlogPosting") || type_has(type, "Report") || type_has(type, "Recipe"))
        return PAGE_ARTICLE;
    if (type_has(type, "CollectionPage") || type_has(type, "ItemList") || type_has(type, "SearchResults")) return PAGE_LIST;
    return PAGE_UNKNOWN;
}

static void take(wt_str *slot, wt_str value) {
    if (!slot->len && value.len) *slot = value;
}

static void read_object(wt_json o, wt_arena *arena, jsonld *out) {
    wt_json type_value = wt_json_get(o, "@type");
    wt_str type = type_value.raw;
    if (type_value.kind == WT_JSON_NONE || type.len == 0) return;
    page_kind kind = kind_of_type(type);
    if (type_has(type, "WebSite") && !type_has(type, "Page")) {
        take(&out->site, string_of(wt_json_get(o, "name"), arena));
        return;
    }
    if (type_has(type, "WebPage")) {
        take(&out->name, string_of(wt_json_get(o, "name"), arena));
        take(&out->description, string_of(wt_json_get(o, "description"), arena));
        take(&out->lang, string_of(wt_json_get(o, "inLanguage"), arena));
        take(&out->page_date, string_of(wt_json_get(o, "datePublished"), arena));
        return;
    }
    if (type_has(type, "Person")) take(&out->person, string_of(wt_json_get(o, "name"), arena));
    if (kind == PAGE_UNKNOWN || kind == PAGE_LIST) {
        take(&out->page_date, string_of(wt_json_get(o, "datePublished"), arena));
        if (out->kind == PAGE_UNKNOWN) out->kind = kind;
        return;
    }
    if (out->kind != PAGE_UNKNOWN && out->kind != PAGE_LIST && (out->headline.len || out->name.len) && out->date.len) return;
    if (out->kind == PAGE_UNKNOWN || out->kind == PAGE_LIST) out->kind = kind;
    take(&out->headline, string_of(wt_json_get(o, "headline"), arena));
    if (kind != PAGE_ARTICLE || !out->headline.len) take(&out->headline, string_of(wt_json_get(o, "name"), arena));
    take(&out->author, names_of(wt_json_get(o, "author"), arena));
    if (!out->author.len) take(&out->author, names_of(wt_json_get(o, "creator"), arena));
    take(&out->date, string_of(wt_json_get(o, "datePublished"), arena));
    take(&out->date, string_of(wt_json_get(o, "dateCreated"), arena));
    take(&out->modified, string_of(wt_json_get(o, "dateModified"), arena));
    take(&out->publisher, names_of(first_of(wt_json_get(o, "publisher")), arena));
    take(&out->description, string_of(wt_json_get(o, "description"), arena));
    take(&out->lang, string_of(wt_json_get(o, "inLanguage"), arena));
    take(&out->license, string_of(wt_json_get(o, "license"), arena));
    take(&out->url, string_of(wt_json_get(o, "url"), arena));
    wt_str body = string_of(wt_json_get(o, "articleBody"), arena);
    if (!body.len) body = string_of(wt_json_get(o, "reviewBody"), arena);
    if (body.len > out->body.len) out->body = body;
}

void jsonld_read(wt_str script, wt_arena *arena, jsonld *out) {
    wt_json stack[STACK_MAX];
    int n = 0, visited = 0;
    wt_json root;
    script = clean_script(script, arena);
    if (!script.len || wt_json_parse(script, &root, NULL)) return;
    stack[n++] = root;
    while (n && visited++ < OBJECTS_MAX) {
        wt_json v = stack[--n];
        if (v.kind == WT_JSON_OBJECT) read_object(v, arena, out);
        /* members of lists, of @graph and of the page's main entity, first ones visited first */
        wt_json inner[16];
        int n_inner = 0;
        wt_json_iter it;
        if (v.kind == WT_JSON_ARRAY && !wt_json_iter_init(&it, v, NULL)) {
            wt_json x;
            while (n_inner < 16 && wt_json_next(&it, NULL, &x, NULL) == 1) inner[n_inner++] = x;
        } else if (v.kind == WT_JSON_OBJECT) {
            static const char *const keys[] = {"@graph", "mainEntity", "mainEntityOfPage", "isPartOf"};
            for (int k = 0; k < 4; k++) {
                wt_json x = wt_json_get(v, keys[k]);
                if (x.kind == WT_JSON_OBJECT || x.kind == WT_JSON_ARRAY) inner[n_inner++] = x;
            }
        }
        while (n_inner && n < STACK_MAX) {
            wt_json x = inner[--n_inner];
            if (x.kind == WT_JSON_OBJECT || x.kind == WT_JSON_ARRAY) stack[n++] = x;
        }
    }
}
