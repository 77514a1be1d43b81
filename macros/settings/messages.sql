{% macro definition_error(subject, path, found, allowed, names=[], word=none) %}
    {%- set place = (path | string).rstrip('.') -%}
    {%- set near = near_misses(word, names) if word is string else [] -%}
    {%- do exceptions.raise_compiler_error(
        subject ~ (', at ' ~ place if place else '') ~ ': found ' ~ found ~ '.'
        ~ (' Did you mean ' ~ near | join(' or ') ~ '?' if near else '')
        ~ ' Allowed: ' ~ allowed ~ (names | join(', ') if names | length <= 200 else '') ~ '.'
    ) -%}
{% endmacro %}


{% macro format_value(value) %}
    {%- if value is none -%}
        {{- return('null') -}}
    {%- elif value is boolean -%}
        {{- return('true' if value else 'false') -}}
    {%- elif value is string -%}
        {{- return("'" ~ value ~ "'") -}}
    {%- elif value is mapping -%}
        {{- return('a mapping with the keys ' ~ value | join(', ') if value else 'an empty mapping') -}}
    {%- elif value is iterable -%}
        {%- set parts = [] -%}
        {%- for part in value -%}
            {%- do parts.append(format_value(part)) -%}
        {%- endfor -%}
        {{- return('[' ~ parts | join(', ') ~ ']' if parts else 'an empty list') -}}
    {%- endif -%}
    {{- return(value | string) -}}
{% endmacro %}


{#- Compares pairs of adjacent letters (Dice), and finds anagrams, since swapped letters are a frequent typo. -#}
{% macro near_misses(word, names) %}
    {%- if word in names -%}
        {{- return([word]) -}}
    {%- endif -%}
    {%- set pairs = [] -%}
    {%- for letter in (word | lower)[1:] -%}
        {%- do pairs.append((word | lower)[loop.index0] ~ letter) -%}
    {%- endfor -%}
    {%- set candidates = [] -%}
    {%- for name in names | map('string') -%}
        {%- set shared = pairs | unique | select('in', name) | list | length -%}
        {%- set likeness = 2 * shared / (pairs | length + name | length - 1) if pairs else 0 -%}
        {%- if word | lower | sort == name | sort -%}
            {%- do candidates.append((-1, name)) -%}
        {%- elif likeness >= 0.5 -%}
            {%- do candidates.append((-likeness, name)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return((candidates | sort)[:3] | map('last') | list) -}}
{% endmacro %}
