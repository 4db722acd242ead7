#!/usr/bin/env python3
"""Writes extract/html_entities.h: the named character references of the HTML standard, from Python's own
copy of that table (html.entities.html5). usage: make_entities.py > extract/html_entities.h"""
from html.entities import html5

names = sorted(html5, key=lambda n: n.encode())
print('/* html_entities.h - written by tests/ref/make_entities.py: the %d named character references of the\n'
      ' * HTML standard, sorted by name; those without ";" are the ones that old pages use. */' % len(names))
print('static const struct {\n    const char *name, *text;\n} html_entities[] = {')
for n in names:
    print('{"%s","%s"},' % (n, ''.join('\\x%02x' % b for b in html5[n].encode())))
print('};')
