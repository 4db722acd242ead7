/* links_rules.c - rule sets as data. WebText's own list was never published; OpenAI published the 1,000
 * domains WebText links to most (domains.txt). Among the sites Reddit links to most, a few are not on
 * it; since they hold pictures, videos, posts of a few words, or Reddit and Wikipedia (which the paper
 * says was removed), they were surely left out on purpose. The "webtext" list is those, with the
 * names they go by. */
#include <stdlib.h>

#include "common/fs.h"
#include "crawl/links.h"

static const char *const webtext_domains[] = {
    "reddit.com", "redd.it", "redditmedia.com", "reddituploads.com", "redditstatic.com",
    "imgur.com", "gfycat.com", "youtube.com", "youtu.be", "youtube-nocookie.com", "twitter.com", "t.co",
    "twimg.com", "x.com", "facebook.com", "fb.com", "fb.me", "fbcdn.net", "instagram.com", "instagr.am",
    "wikipedia.org", "wikimedia.org", "tumblr.com", "flickr.com", "flic.kr", "staticflickr.com", "vimeo.com",
    "soundcloud.com", "spotify.com", "twitch.tv", "amazon.com", "amazon.co.uk", "amazon.ca", "amazon.de",
    "amazon.fr", "amazon.it", "amazon.es", "amazon.in", "amazon.co.jp", "amazon.com.au", "amzn.com", "amzn.to",
    NULL,
};

static const char *const openwebtext_domains[] = {
    "imgur.com", "redd.it", "gfycat.com", "giphy.com", "reddituploads.com", "redditmedia.com", "twimg.com",
    "sli.mg", "magaimg.net", "flickr.com", "flic.kr", "imgflip.com", "youtube.com", "youtu.be",
    "youtubedoubler.com", "vimeo.com", "twitch.tv", "streamable.com", "bandcamp.com", "soundcloud.com",
    "video.google.com", "instagram.com", "deviantart.com", "itunes.apple.com", "pornhub.com", "pinterest.com",
    "erome.com", "reddit.com", "gyazo.com", "github.com", "xkcd.com", "twitter.com", "spotify.com",
    "facebook.com", "gunprime.com", "strawpoll.me", "voyagefusion.com", "rollingstone.com", "google.com",
    "timeanddate.com", "walmart.com", "roanoke.com", "spotrac.com", "discord.gg", "ebay.com",
    "hotdealstar.com", "edealinfo.com", "aapks.com", "dlapkandroid.com", "wikipedia.org",
    "battleforthenet.com", NULL,
};

/* What is neither HTML nor text. */
static const char *const media_extensions[] = {
    "jpg", "jpeg", "jpe", "png", "gif", "gifv", "bmp", "webp", "svg", "tif", "tiff", "ico", "psd", "heic",
    "mp4", "m4v", "webm", "avi", "mov", "mkv", "flv", "wmv", "mpg", "mpeg", "ogv", "3gp", "swf",
    "mp3", "m4a", "aac", "ogg", "oga", "opus", "wav", "flac", "wma", "mid", "midi",
    "zip", "rar", "7z", "gz", "tgz", "bz2", "xz", "zst", "tar", "iso", "dmg", "exe", "msi", "apk", "jar", "deb",
    "rpm", "bin", "torrent", "pdf", "ps", "epub", "mobi", "djvu", "doc", "docx", "xls", "xlsx", "ppt", "pptx",
    "odt", "ods", "odp", "rtf", "ttf", "otf", "woff", "woff2", "eot", "css", "js", NULL,
};
static const char *const data_extensions[] = {"xml", "json", "csv", "sql", "txt", "py", "rss", "atom", NULL};

typedef struct {
    const char *name;
    int64_t min_score;
    bool sum_scores, keep_over_18;
    size_t min_url_bytes;
    const char *const *domains, *const *extensions[2];
} preset;

static const preset presets[] = {
    {"webtext", 3, false, false, 0, webtext_domains, {media_extensions}},
    {"openwebtext", 3, false, false, 10, openwebtext_domains, {media_extensions, data_extensions}},
    {"owt2", 3, true, true, 0, NULL, {NULL}},
    {"none", INT64_MIN, false, true, 0, NULL, {NULL}},
};

/* ---- sets of words ---- */
struct links_names {
    char **name;            /* lower case, sorted when `sorted` */
    size_t n, cap;
    uint8_t longest;
};

static links_names *names_new(void) { return wt_xcalloc(1, sizeof(links_names)); }

static void names_free(links_names *names) {
    if (!names) return;
    for (size_t i = 0; i < names->n; i++) free(names->name[i]);
    free(names->name);
    free(names);
}

static wt_str lower_into(wt_str s, char out[64]) {
    for (size_t i = 0; i < s.len; i++)
        out[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] | 0x20) : s.ptr[i];
    return (wt_str){out, s.len};
}

/* The place of a word, or where it belongs. */
static size_t names_place(const links_names *names, wt_str word, bool *found) {
    size_t low = 0, high = names->n;
    *found = false;
    while (low < high && !*found) {
        size_t middle = (low + high) / 2;
        int order = wt_str_cmp(word, wt_str_of(names->name[middle]));
        if (order == 0) *found = true, low = middle;
        else if (order < 0) high = middle;
        else low = middle + 1;
    }
    return low;
}

bool links_names_have(const links_names *names, wt_str name) {
    char word[64];
    bool found = false;
    if (names->n && name.len && name.len <= names->longest)
        names_place(names, lower_into(name, word), &found);
    return found;
}

void links_names_add(links_names *names, wt_str name) {
    char lower[64];
    bool found;
    if (wt_str_starts(name, WT_STR("/"))) name.ptr++, name.len--;
    if (wt_str_starts(name, WT_STR("r/"))) name.ptr += 2, name.len -= 2;
    if (wt_str_starts(name, WT_STR("."))) name.ptr++, name.len--;
    if (!name.len || name.len > sizeof lower) return;
    wt_str word = lower_into(name, lower);
    size_t at = names_place(names, word, &found);
    if (found) return;
    WT_GROW(names->name, names->cap, names->n + 1);
    memmove(names->name + at + 1, names->name + at, (names->n - at) * sizeof *names->name);
    names->name[at] = wt_xstrndup(word);
    names->n++;
    if (word.len > names->longest) names->longest = (uint8_t)word.len;
}

size_t links_names_count(const links_names *names) { return names->n; }

/* ---- lists in files ---- */
typedef bool (*line_fn)(void *set, wt_str line);

static int each_line(const char *path, line_fn add, void *set, wt_err *err) {
    wt_buf file = {0};
    if (wt_read_file(path, 256 << 20, &file, err)) return -1;
    wt_str rest = wt_buf_view(&file);
    int result = 0;
    for (int n = 1; rest.len && result == 0; n++) {
        wt_str line = wt_str_cut(&rest, '\n');
        line = wt_str_trim(wt_str_cut(&line, '#'));
        if (line.len && !add(set, line))
            result = wt_fail(err, WT_EDATA, "'%s' line %d: '%.*s' is not a domain", path, n,
                             line.len < 200 ? (int)line.len : 200, line.ptr);
    }
    wt_buf_free(&file);
    return result;
}

static bool add_domain(void *set, wt_str line) { return crawl_domains_add(set, line); }
static bool add_name(void *set, wt_str line) { return links_names_add(set, line), true; }

int links_rules_add_domains(links_rules *rules, const char *path, wt_err *err) {
    return each_line(path, add_domain, rules->exclude_domains, err);
}
int links_names_add_file(links_names *names, const char *path, wt_err *err) {
    return each_line(path, add_name, names, err);
}

/* ---- rule sets ---- */
links_rules *links_rules_new(const char *name, wt_err *err) {
    const preset *p = NULL;
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(presets[i].name, name) == 0) p = &presets[i];
    if (!p) {
        wt_fail(err, WT_EARG, "no rules named '%s'; there are webtext, openwebtext, owt2, none", name);
        return NULL;
    }
    links_rules *rules = wt_xcalloc(1, sizeof *rules);
    *rules = (links_rules){
        .min_score = p->min_score, .sum_scores = p->sum_scores, .keep_over_18 = p->keep_over_18,
        .keep_hidden_scores = true, .since_s = INT64_MIN, .until_s = INT64_MAX,
        .min_url_bytes = p->min_url_bytes, .exclude_domains = crawl_domains_new(),
        .exclude_extensions = names_new(), .exclude_subreddits = names_new(), .only_subreddits = names_new(),
    };
    for (size_t i = 0; p->domains && p->domains[i]; i++)
        crawl_domains_add(rules->exclude_domains, wt_str_of(p->domains[i]));
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; p->extensions[k] && p->extensions[k][i]; i++)
            links_names_add(rules->exclude_extensions, wt_str_of(p->extensions[k][i]));
    return rules;
}

void links_rules_free(links_rules *rules) {
    if (!rules) return;
    crawl_domains_free(rules->exclude_domains);
    names_free(rules->exclude_extensions);
    names_free(rules->exclude_subreddits);
    names_free(rules->only_subreddits);
    free(rules);
}

static void describe_names(const char *label, const links_names *names, wt_buf *json) {
    uint64_t hash = 0;
    for (size_t i = 0; i < names->n; i++) hash = wt_hash64(names->name[i], strlen(names->name[i]) + 1, hash);
    wt_buf_printf(json, ",\"%s\":\"%zu, %016lx\"", label, names->n, (unsigned long)hash);
}

void links_rules_describe(const links_rules *rules, wt_buf *json) {
    wt_buf_printf(json, "\"min_score\":%ld,\"score\":\"%s\",\"nsfw\":\"%s\",\"hidden_scores\":\"%s\"",
                  (long)rules->min_score, rules->sum_scores ? "sum" : "max",
                  rules->keep_over_18 ? "keep" : "drop", rules->keep_hidden_scores ? "keep" : "drop");
    wt_buf_printf(json, ",\"since\":%ld,\"until\":%ld,\"min_url_bytes\":%zu,\"merges\":%u",
                  (long)rules->since_s, (long)rules->until_s, rules->min_url_bytes, rules->merges);
    wt_buf_printf(json, ",\"domains\":\"%zu, %016lx\"", crawl_domains_count(rules->exclude_domains),
                  (unsigned long)crawl_domains_hash(rules->exclude_domains));
    describe_names("extensions", rules->exclude_extensions, json);
    describe_names("subreddits", rules->exclude_subreddits, json);
    describe_names("only_subreddits", rules->only_subreddits, json);
}
