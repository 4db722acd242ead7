#!/usr/bin/env python3
"""Makes tests/ref/eval_metrics.h: sentence pairs with what rouge-score and sacrebleu say of them, and words with the
stems of nltk's PorterStemmer (pip install rouge-score sacrebleu). Texts are random words of ours with signs."""
import random, re
from importlib.metadata import version
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
import sacrebleu

random.seed(7)
WORDS = """relational conditional rational valency hesitancy digitizer conformably radically differently vilely analogously
vietnamization predication operator feudalism decisiveness hopefulness callousness formality sensitivity sensibility triplicate
formative formalize electrical hopeful goodness revival allowance inference airliner gyroscopic adjustable defensible irritant
replacement adjustment dependent adoption communism activate angularity homologous effective bowdlerize probate rate cease
controlling rolling caresses ponies ties caress cats feed agreed plastered motoring sing conflated troubled sized hopping tanned
falling hissing fizzed failing filing happy sky skies dying lying news innings proceed flies dies mules denied agree owned humbled
sizing meeting stating siezing itemization sensational traditional reference colonizer plotted geology the of and to in is was
for it with as his on be at by had not are but from or have an they which one you were all her she there would their we him been""".split()
SIGNS = [" , ", ". ", " ; ", "\n", "-", "'", '"', " 3.5 ", " 1,000 ", "1-2 ", " &amp; ", " <b> ", "$4", "%", " (x) ", "caf\u00e9", "\u00a0", " ... "]


def text():
    n = random.randint(1, 40)
    return "".join(random.choice(WORDS) + (random.choice(SIGNS) if random.random() < 0.25 else " ") for _ in range(n)).strip()


def near(s):
    words = [w for w in s.split(" ") if random.random() > 0.2]
    if random.random() < 0.3:
        random.shuffle(words)
    return " ".join(words).strip() or "x"


def c(s):
    """A C string; octal escapes, so that no digit behind one is taken in."""
    return '"' + "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in s.encode()) + '"'


pairs = [(near(r), r) for r in (text() for _ in range(60))] + [("the cat", "dog"), ("a", "a")]
stemmed = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=True)
plain = rouge_scorer.RougeScorer(["rouge1", "rougeLsum"])
tokenize, stem = Tokenizer13a(), PorterStemmer().stem
out = [f"/* Made by tests/ref/eval_metrics.py: rouge-score {version('rouge-score')}, sacrebleu {version('sacrebleu')}, "
       f"nltk {version('nltk')}. */",
       "static const struct {", "    const char *prediction, *reference, *tokens;",
       "    double rouge1, rouge2, rougeL, rougeLsum, plain1, plainLsum;", "} METRIC_PAIRS[] = {"]
for p, r in pairs:
    s, u = stemmed.score(r, p), plain.score(r, p)
    numbers = [s[k].fmeasure for k in ("rouge1", "rouge2", "rougeL", "rougeLsum")] + [u["rouge1"].fmeasure, u["rougeLsum"].fmeasure]
    out.append("    {%s,\n     %s,\n     %s,\n     %s}," % (c(p), c(r), c(" ".join(tokenize(p.rstrip()).split())),
                                                      ", ".join(f"{x:.12g}" for x in numbers)))
bleu = sacrebleu.corpus_bleu([p for p, _ in pairs], [[r for _, r in pairs]]).score
out += ["};", f"static const double METRIC_BLEU = {bleu:.12g};", "static const char *const METRIC_STEMS[][2] = {"]
words = sorted(set(WORDS))
out += ["    " + " ".join("{%s, %s}," % (c(w), c(stem(w))) for w in words[i:i + 4]) for i in range(0, len(words), 4)] + ["};"]
open("tests/ref/eval_metrics.h", "w").write("\n".join(out) + "\n")
