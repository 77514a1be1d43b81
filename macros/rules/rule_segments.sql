{#-
    The rule segments, checked, in name order. Models call it while dbt parses, so a bad definition never reaches
    the warehouse. `others` are definitions that the var doesn't have. Nobody may change the result.

    A build asks for them thirty times, and 200 take a quarter of a second to check. So what was checked is kept in `graph`,
    which lives as long as a run of dbt, under all that it is made of: a unit test has vars of its own. While dbt parses it is
    not, for dbt would store it with what it has parsed, and read it again when the grammar is another one.
-#}
{% macro rule_segments(others={}) %}
    {%- if not execute -%}
        {{- return(checked_rule_segments(others)) -}}
    {%- endif -%}
    {%- set kept = graph.setdefault('checked_rule_segments', {}) -%}
    {%- set made_of = [var('rule_segments', {}), others, var('metrics', {}), var('extra_metrics', {})] | string -%}
    {%- if made_of not in kept -%}
        {%- do kept.update({made_of: checked_rule_segments(others)}) -%}
    {%- endif -%}
    {{- return(kept[made_of]) -}}
{% endmacro %}


{% macro checked_rule_segments(others) %}
    {%- set definitions = var('rule_segments', {}) or {} -%}
    {%- if definitions is not mapping -%}
        {%- do definition_error('Var rule_segments', '', format_value(definitions), 'a mapping from the key of a segment to its rule') -%}
    {%- endif -%}
    {%- set definitions = dict(definitions, **others) -%}
    {#- One lookup of everything a rule may name; fetched per condition it would be most of the time. -#}
    {%- set grammar = {
        'metrics': metrics(),
        'operators': rule_operators() | list,
        'attributes': rule_attributes(),
        'schemes': exclusive_schemes(),
        'kinds': rule_kinds(),
        'definitions': definitions,
    } -%}
    {%- set texts = rule_segment_texts() -%}
    {%- set segments = {} -%}
    {%- for key, definition in definitions.items() -%}
        {%- set subject = "Segment '" ~ key ~ "' in var rule_segments" -%}
        {%- if key is not string or not modules.re.fullmatch('[a-z][a-z0-9_]*', key) -%}
            {%- do definition_error(subject, 'its key', format_value(key), 'lower-case letters, digits and _, starting with a letter') -%}
        {%- endif -%}
        {%- if definition is not mapping -%}
            {%- do definition_error(subject, '', format_value(definition), 'a rule such as {metric: orders, window_days: 30, at_least: 1}') -%}
        {%- endif -%}
        {%- for name in texts if name in definition and definition[name] is not none -%}
            {%- if definition[name] is not string or not definition[name] | trim -%}
                {%- do definition_error(subject, name, format_value(definition[name]), 'some words, or no such key') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set body = {} -%}
        {%- for name, value in definition.items() if name not in texts and name != 'stay_until' -%}
            {%- do body.update({name: value}) -%}
        {%- endfor -%}
        {%- set at = {
            'subject': subject, 'path': '', 'under_not': false, 'depth': 0, 'beside': texts + ['stay_until'],
            'conditions': [], 'references': [], 'levels': [0],
        } -%}
        {%- set rule = rule_node(grammar, at, body) -%}
        {%- set stay_until = none -%}
        {%- if 'stay_until' in definition -%}
            {%- set stay_until = rule_node(grammar, dict(at, path='stay_until.', beside=[]), definition['stay_until']) -%}
        {%- endif -%}
        {%- set segment = {
            'key': key,
            'segment_key': 'rule:' ~ key,
            'rule': rule,
            'stay_until': stay_until,
            'conditions': at.conditions,
            'references': at.references,
            'depth': at.levels | max,
        } -%}
        {%- for name in texts -%}
            {%- do segment.update({name: definition[name] if name in definition else none}) -%}
        {%- endfor -%}
        {%- do segments.update({key: segment}) -%}
    {%- endfor -%}
    {%- do rule_resolve_references(segments) -%}
    {%- for key, segment in segments.items() -%}
        {%- do rule_check_stay(grammar, segment) -%}
        {%- set stays = '; stays while ' ~ rule_words(segment.stay_until) if segment.stay_until is not none else '' -%}
        {%- do segment.update({'definition': rule_words(segment.rule) ~ stays}) -%}
        {%- do segment.update({
            'name': segment.name or key | replace('_', ' ') | capitalize,
            'description': segment.description or segment.definition,
        }) -%}
        {%- do segment.pop('references') -%}
        {%- do segment.pop('depth') -%}
    {%- endfor -%}
    {{- return(segments.values() | sort(attribute='key')) -}}
{% endmacro %}
