"""Templates that show each feature of the subset; the oracle says what each writes. One that jinja2 refuses has to be refused.

`{"x": …}` is CONTEXT. Each line of TEMPLATES is a template; {n} in it is a newline.
"""

CONTEXT = {
    "messages": [{"role": "user", "content": "Hi <b>"}, {"role": "assistant", "content": None, "n": 3}, {"role": "user", "content": "ünï ß Ǆ"}],
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "n": 7,
    "f": 2.5,
    "s": "  Some text, it's \"here\"\n ",
    "u": "Grüße, 世界! 🌦",
    "l": [3, 1, 2, 1],
    "words": ["b", "A", "c", "a"],
    "d": {"b": 1, "a": [1, 2], "c": {"x": None}, "items2": "y", "get": 5, "keys": 6},
    "t": True,
    "none_value": None,
    "mixed": [1, "a", None, True, 2.0, [1], {"k": "v"}],
    "rows": [{"k": "x", "v": 2, "w": {"z": 1}}, {"k": "y", "v": 1, "w": {"z": 0}}, {"k": "X", "v": 3}],
    "html": "<a href='x'>&\"",
}

TEMPLATES = r"""
{{ 1 }} {{ -2 }} {{ 3.0 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 123456789012345678 }} {{ 0x1f }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }}
{{ true }} {{ False }} {{ none }} {{ 'a' 'b' "c" }} {{ "q\"'\n\t\\ \x41 \u00e9 \U0001F600 \101 \d" }}
{{ 1 + 2 * 3 - 4 / 5 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1 / 3 }}
{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ [1] + [2] }} {{ [1, 2] * 2 }} {{ (1,) + (2,) }} {{ 'a' ~ 1 ~ none ~ 2.0 ~ true }} {{ 1 ~ 2 + 3 }}
{{ 'a' + 1 }}
{{ 1 + none }}
{{ missing }} {{ missing is defined }} {{ missing.x }}
{{ messages[0].missing }} {{ messages[0]['missing'] is undefined }} {{ messages[9] }} {{ messages[-1].role }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 == true }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ (1, 2) <= (1, 2) }} {{ 'a' != 'b' }} {{ not 1 }} {{ not not '' }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ 'b' in 'abc' }} {{ 1 in l }} {{ 'a' in d }} {{ 'z' not in d }} {{ 1 not in l }} {{ none in mixed }} {{ 3 in range(5) }} {{ missing in l }}
{{ 1 in 'a' }}
{{ 'a' in 5 }}
{{ 0 or 'x' }} {{ 0 and 1 }} {{ '' or none }} {{ 1 and 'y' }} {{ not (1 and 0) or 2 }} {{ missing or 'z' }}
{{ 'a' if t else 'b' }} {{ 'a' if not t else 'b' }} {{ 'a' if not t }} {{ 1 if 0 else 2 if 0 else 3 }}
{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip() }}|{{ s | trim }}|{{ 'xxaxx'.strip('x') }}|{{ 'xyaxy' | trim('xy') }}|{{ 'xxa'.lstrip('x') }}
{{ u.upper() }} {{ u.lower() }} {{ u | title }} {{ u.title() }} {{ "it's a-b c" | title }} {{ "it's a-b c".title() }} {{ u | capitalize }} {{ 'ABC'.capitalize() }} {{ u | upper | lower }} {{ 'aB'.swapcase() }}
{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'abc'.split('x') }} {{ ' a b  c '.split(none, 1) }} {{ ' a b  c '.rsplit(None, 1) }} {{ 'a\nb\r\nc'.splitlines() }}
{{ u.startswith('Gr') }} {{ u.endswith('🌦') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.startswith('b', 1) }} {{ 'abc'.endswith('b', 0, 2) }} {{ u.find('世') }} {{ 'abc'.find('z') }} {{ 'abcabc'.rfind('b') }} {{ 'abcabc'.index('c') }} {{ 'aaa'.count('a') }}
{{ 'abc'.index('z') }}
{{ 'aXbX'.replace('X', 'y') }} {{ 'aXbX'.replace('X', 'y', 1) }} {{ 'ab'.replace('', '-') }} {{ 'aXbX' | replace('X', 'y') }} {{ 'aXbX' | replace('X', 'y', 1) }} {{ 5 | replace(5, 6) }}
{{ 'abc'.isdigit() }} {{ '12'.isdigit() }} {{ 'ab1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ' '.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ ''.isdigit() }}
{{ 'x'.join(['a', 'b']) }} {{ ','.join(words) }} {{ 'abc'.partition('b') }} {{ 'abcb'.rpartition('b') }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ '7'.zfill(3) }} {{ '-7'.zfill(4) }} {{ 'a'.center(4) }}| {{ 'a'.ljust(3, '.') }} {{ 'a'.rjust(3) }}
{{ '{} {}'.format(1, 'a') }} {{ '{0} {1} {0}'.format(1, 2) }} {{ '{a}'.format(a=3) }} {{ '{{}}'.format() }}
{{ ','.join(l) }}
{{ 'abcdef'[1:3] }} {{ 'abcdef'[-2:] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[::2] }} {{ u[7:9] }} {{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ (1, 2, 3)[1:] }} {{ l[5:] }} {{ l[-100:2] }} {{ u[0] }} {{ u[-1] }} {{ l[-1] }} {{ l[2:0:-1] }}
{{ none_value[1:] }}
{{ range(9)[2:8][::-2] }} {{ range(3)[1:] | list }}
{% for x in l %}{% continue %}{% else %}e{% endfor %}{% for x in l %}{% break %}{% else %}e{% endfor %}
{{ d in d.keys() }}
{{ d.keys() == d.keys() }}{{ d.items() == d.items() }}{{ d.values() == d.values() }}
{{ 5 | indent }}
{{ 2.5 is odd }}{{ 3.0 is odd }}
{{ l[,1] }}
{{ l[] }}
{{ l[1 2] }}
{{ l[1:2:3:4] }}
{{ l[1,] }}
{{ l[1, 2] }} {{ {(1, 2): 3}[1, 2] }} {{ l[:] }} {{ l[::] }} {{ l[1::] }} {{ l[:2:] }}
{{ l['x'] }} {{ u['x'] }} {{ none_value['x'] }} {{ n.x }} {{ l[1.5] }} {{ d[none] }}
{{ l[::0] }}
{{ [1, 'a', none, true, 1.5] }} {{ (1,) }} {{ () }} {{ {'a': 1, 'b': [2]} }} {{ "it's" }} {{ ["it's", 'q"', "both'\"", 'n\n\\'] }} {{ {1: 2, none: 3} }} {{ u.split() }} {{ d }}
{{ d.items() | list }} {{ d.keys }} {{ d.values() | list }} {{ d.b }} {{ d['b'] }} {{ d.get('b') }} {{ d.get('z') }} {{ d.get('z', 4) }} {{ d | items | list }} {{ d.c.x }} {{ d.items2 }} {{ d.keys() | list }}
{{ d | dictsort }} {{ d | length }} {{ {'b': 2, 'A': 1} | dictsort }} {{ {'b': 2, 'A': 1} | dictsort(true) }} {{ {'b': 2, 'A': 3} | dictsort(by='value') }} {{ {'b': 2, 'A': 3} | dictsort(reverse=true) }}
{{ d.pop('b') }}
{{ l.append(1) }}
{{ l.count(1) }} {{ l.index(2) }} {{ (1, 2).index(2) }}
{{ l | length }} {{ u | length }} {{ u | count }} {{ d | count }} {{ missing | length }} {{ '' | length }}
{{ 5 | length }}
{{ l | first }} {{ l | last }} {{ [] | first }} {{ u | first }} {{ u | last }} {{ l | sum }} {{ l | max }} {{ l | min }} {{ [] | max }} {{ words | max }} {{ rows | sum(attribute='v') }} {{ l | sum(start=10) }} {{ rows | map(attribute='v') | max }}
{{ l | sort }} {{ l | sort(reverse=true) }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ rows | sort(attribute='v') | map(attribute='k') | list }} {{ rows | sort(attribute='k,v') | map(attribute='v') | list }}
{{ mixed | sort }}
{{ l | unique | list }} {{ words | unique | list }} {{ words | unique(case_sensitive=true) | list }} {{ rows | unique(attribute='k') | map(attribute='v') | list }} {{ l | reverse | list }} {{ u | reverse }} {{ 'ab' | list }} {{ d | list }}
{{ l | join }} {{ l | join(', ') }} {{ rows | join(',', attribute='k') }} {{ mixed | join('|') }} {{ [] | join }} {{ none_value | join }}
{{ rows | map(attribute='w.z') | list }} {{ rows | map(attribute='w') | map(attribute='z', default=9) | list }} {{ words | map('upper') | list }} {{ words | map('replace', 'b', 'x') | list }} {{ rows | map('length') | list }} {{ none_value | map('upper') | list }}
{{ rows | selectattr('v', 'gt', 1) | map(attribute='k') | list }} {{ rows | selectattr('w') | list | length }} {{ rows | rejectattr('v', 'equalto', 1) | list | length }} {{ l | select('odd') | list }} {{ l | reject('eq', 1) | list }} {{ mixed | select('string') | list }} {{ mixed | reject | list }} {{ rows | selectattr('w.z', 'defined') | list | length }} {{ rows | selectattr('k', 'in', ['x', 'y']) | list | length }}
{{ (l | select('odd')) | length }}
{{ (l | map('string') | list)[0] }} {{ l | map('string') | first }} {{ (rows | selectattr('v'))[0] }}
{{ missing | default('x') }} {{ none_value | default('x') }} {{ none_value | default('x', true) }} {{ '' | d('x', boolean=true) }} {{ missing | d }} {{ messages[0].z | default(messages[0].role) }}
{{ html | e }} {{ html | escape }} {{ html | safe }} {{ (html | e) | e }} {{ (html | e) + '<' }} {{ '<' + (html | safe) }} {{ (html | e) ~ '<' }} {{ (html | e).upper() }} {{ [html | e] }} {{ html | forceescape }}
{{ mixed | tojson }} {{ d | tojson }} {{ u | tojson }} {{ u | tojson(ensure_ascii=true) }} {{ d | tojson(indent=2) }} {{ d | tojson(sort_keys=true) }} {{ d | tojson(separators=(',', ':')) }} {{ html | tojson }} {{ 'a\x00\x1f\x7f/\b' | tojson }} {{ [] | tojson(indent=4) }} {{ {} | tojson }} {{ 1e22 | tojson }} {{ {1: 2, true: 3, none: 4, 1.5: 5} | tojson }} {{ [[], {}, [{}]] | tojson(indent=1) }}
{{ missing | tojson }}
{{ range(3) | tojson }}
{{ '3' | int }} {{ '3.7' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 3.9 | int }} {{ -3.9 | int }} {{ 'ff' | int(base=16) }} {{ '0xff' | int(base=16) }} {{ none_value | int }} {{ true | int }} {{ ' 12 ' | int }} {{ '1_0' | int }} {{ [] | int(7) }}
{{ '3' | float }} {{ 'x' | float }} {{ 'x' | float(1.5) }} {{ 3 | float }} {{ '1e3' | float }} {{ 'inf' | float }} {{ 'nan' | float }} {{ none_value | float }}
{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 2.1 | round(method='ceil') }} {{ 2.9 | round(0, 'floor') }} {{ 42 | round }} {{ 1234.5 | round(-2) }} {{ -2.5 | round }} {{ 2.345 | round(1, 'ceil') }} {{ -3 | abs }} {{ -3.5 | abs }}
{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb\n\nc' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb' | indent('>>') }}|{{ 'a\nb\n' | indent }}| {{ 'a b  c' | wordcount }}
{{ '%s is %d or %5.2f%%' % ('x', 3, 2.5) }} {{ '%s' % 'a' }} {{ '%(k)s' % {'k': 1} }} {{ '%r' % 'a' }} {{ '%05d|%-5s|%5s|%x|%X|%o|%e|%g|%c' % (42, 'a', 'b', 255, 255, 8, 1.5, 0.0001, 'z') }} {{ '%s %s' | format(1, 2) }} {{ '%+d % d %.3d' % (1, 2, 3) }}
{{ '%d' % 'a' }}
{{ '%s %s' % 'a' }}
{{ '%s' % ('a', 'b') }}
{{ 5 | string + 'a' }} {{ none | string }} {{ l | string }}
{{ n is number }} {{ f is number }} {{ t is number }} {{ n is integer }} {{ f is float }} {{ s is string }} {{ d is mapping }} {{ l is sequence }} {{ d is sequence }} {{ s is sequence }} {{ n is sequence }} {{ l is iterable }} {{ n is iterable }} {{ none is none }} {{ t is boolean }} {{ t is true }} {{ 1 is true }} {{ false is false }} {{ n is odd }} {{ n is even }} {{ 6 is divisibleby 3 }} {{ 'a' is lower }} {{ 'A' is upper }} {{ range is callable }} {{ n is eq 7 }} {{ n is equalto(7) }} {{ n is sameas n }} {{ 'a' is in ['a'] }} {{ n is not none }} {{ n is gt 3 }} {{ n is ge(7) }} {{ n is lt 3 }} {{ n is le 7 }} {{ n is ne 7 }} {{ 'upper' is filter }} {{ 'zzz' is filter }} {{ 'odd' is test }} {{ missing is mapping }} {{ 'x' is escaped }}
{{ n is defined and s is string }} {{ 'a' if n is defined else 'b' }} {{ not n is defined }} {{ n is defined or x }} {{ (n is odd) ~ 'x' }}
{{ n is nonsense }}
{{ n | nonsense }}
{{ nonsense() }}
{{ n() }}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }}{{ loop.depth }}{{ x }};{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in u %}{{ c }}.{% endfor %}{% for x in missing %}x{% else %}none{% endfor %}{% for x in [] %}{% else %}empty{% endfor %}
{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% else %}no{% endfor %}{% for x in l if x > 9 %}{% else %}no{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for x in 1, 2 %}{{ x }}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for x in none_value %}{% endfor %}
{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}{% for x in range(3) %}{{ x }}{% endfor %}{% for x in range(5, 0, -2) %}{{ x }}{% endfor %}{{ range(3) }} {{ range(1, 9, 2) | list }} {{ range(3) | length }} {{ range(9)[2] }}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% endfor %}
{% for x in l %}{% if loop.first %}A{% elif loop.last %}Z{% else %}-{% endif %}{% endfor %}
{% if missing %}a{% elif n > 5 %}b{% else %}c{% endif %}{% if not messages %}x{% endif %}{% if messages and messages[0].role == 'user' %}y{% endif %}{% if 0 %}{% else %}{% endif %}
{% set x = 5 %}{{ x }}{% set x = x + 1 %}{{ x }}{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set t2 = (1, 2) %}{{ t2 }}{% set q = 1, %}{{ q }}
{% set x = 1 %}{% for i in l %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}
{% set ns = namespace(c=0, l=[]) %}{% for i in l %}{% set ns.c = ns.c + i %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.c }} {{ ns.l }} {{ ns.z }} {{ ns.z is defined }}{% set ns2 = namespace({'a': 1}, b=2) %}{{ ns2.a }}{{ ns2.b }}
{% set d.x = 1 %}
{% set b %}block {{ n }}{% set inner = 1 %}{% endset %}[{{ b }}]{{ inner }}{% set b | upper | replace('O', '0') %}block {{ n }}{% endset %}[{{ b }}]
{% macro m(a, b=2, c=a) %}{{ a }}-{{ b }}-{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c=4) }}{{ m(b=5, a=6) }}{{ m() }}{{ m(1) | upper }}{{ m }}{{ m.name }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}
{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, z=4) }}
{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in {{ n }}{% endcall %}{% macro k() %}{{ caller(1, b=2) }}{% endmacro %}{% call(a, b) k() %}{{ a }}{{ b }}{% endcall %}
{% macro o() %}{{ later }}{{ n }}{% endmacro %}{% set later = 'L' %}{{ o() }}{% for i in l %}{% macro p() %}{{ i }}{% endmacro %}{{ p() }}{% endfor %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% set a = 2 %}{{ a }}{% endwith %}{{ a }}{% filter upper %}abc {{ s | trim }}{% endfilter %}{% filter replace('a', 'b') | upper %}aaa{% endfilter %}
{% generation %}shown {{ n }}{% endgeneration %}{# comment #}{#- trimmed -#} x {% raw %}{{ raw }}{% if %}{% endraw %}
  {% if true %}{n}  a{n}  {% endif %}{n}b{n}{n}{%- if true %} c {% endif -%}{n} d {{- ' e ' -}} f{n}  {{ 'g' }}{n}{%+ if true %}h{% endif +%}{n}i{# c #}{n}j  {#- c -#}  k
{% for x in l -%}{n}  {{ x }}{n}{%- endfor %}{n}{% for x in l %}{n}  {{ x }}{n}{% endfor %}{n}z{n}
a{n}   {% raw %} {{ x }} {%- endraw %}{n}b{n}  {%- raw -%} {n} x {n} {%- endraw -%} {n} c
{{ dict(a=1, b='x') }} {{ dict(d, z=1).z }} {{ dict([('a', 1)]) }} {{ dict(**{'q': 1}) }} {{ [*l] if false else '' }}
{{ dict.from_keys([('a', 1)]) }}
{{ raise_exception('no: ' ~ n) }}
{{ strftime_now('%Y') | length }}
{{ (1, 2)[0] }}{{ [[1, 2], [3]][0][1] }}{{ {'a': {'b': 1}}.a.b }}{{ {'a': 1}['a'] }}{{ 'x'.upper().lower() }}{{ (l | sort)[0] }}{{ [l][0][1] }}{{ {"a": {"b": "}}"}}["a"] }}{{ messages.0.role }}{{ l.1 }}
{{ {'a': 1} == {'a': 1.0} }}{{ [1] == (1,) }}{{ [1] == [true] }}{{ none == false }}{{ '1' == 1 }}{{ missing == missing2 }}{{ range(2) == range(2) }}
{{ -n }}{{ +n }}{{ - -n }}{{ -f | abs }}{{ not n == 7 }}{{ 2 + -1 }}{{ n - -1 }}
{{ -s }}
{{ 9223372036854775807 }} {{ 4611686018427387904 + 1 }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ n | abs | string | length }}{{ (n | string)[0] }}{{ n | string | int + 1 }}
{{ "a" if x is defined and x else "b" }}{{ messages | selectattr('role', 'equalto', 'user') | list | last }}
{{ messages | map(attribute='content') | select | join('/') }}{{ messages[1].content is none }}{{ messages[1:] | length }}{{ (messages | last).content | length }}
{{ loop }}
{% break %}
{% if %}x{% endif %}
{% for %}x{% endfor %}
{{ }}
{{ a b }}
{{ 'open }}
{% unknown %}
{% endif %}
{% if x %}
{{ ( }}
{{ [1, 2 }}
{# open
{% raw %} open
{{ 1 is is }}
{{ x. }}
{{ | upper }}
{{ f(a=1, 2) }}
{% set true = 1 %}
{{ 'a' 1 }}
{{ 1 if }}
{{ $ }}
""".strip("\n").split("\n")


def sources():
    return [template.replace("{n}", "\n") for template in TEMPLATES]
