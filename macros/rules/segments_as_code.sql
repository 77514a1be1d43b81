{#-
    A parse asks for the segments ninety times, and 200 rules take a quarter of a second to check, hence the cache. Its key is
    all that the result depends on, since a unit test has vars of its own.
-#}
{% macro segments_as_code(others={}) %}
    {%- set cache = cache_of_this_run() -%}
    {%- set key = ['segments_as_code', var('rule_segments', {}), var('schemes', {}), var('predictions', {}), var('prediction_features', []), others, var('metrics', {}), var('extra_metrics', {})] | string -%}
    {%- if key not in cache -%}
        {%- do cache.update({key: checked_segments(others)}) -%}
    {%- endif -%}
    {{- return(cache[key]) -}}
{% endmacro %}


{% macro rule_segments(others={}) %}
    {{- return(segments_as_code(others).rules) -}}
{% endmacro %}


{% macro schemes() %}
    {{- return(segments_as_code().schemes) -}}
{% endmacro %}


{% macro checked_segments(others) %}
    {%- set rules = var('rule_segments', {}) or {} -%}
    {%- do check('Var rule_segments', '', rules, {'values': {'keys': {}}, 'may_be_empty': true, 'words': 'a mapping from the key of a segment to its rule'}) if rules is not mapping -%}
    {%- set rules = dict(rules, **others) -%}
    {#- One lookup of everything a rule may name; fetched per condition it would be most of the time. -#}
    {%- set grammar = {
        'metrics': metrics(),
        'operators': rule_operators(),
        'attributes': rule_attributes(),
        'scores': score_names(),
        'foreign_words': foreign_words(),
        'schemes': exclusive_schemes(),
        'kinds': rule_kinds(),
        'rules': rules | list,
        'predictions': declared_predictions() | list,
    } -%}
    {%- set segments = {} -%}
    {%- for key, definition in rules.items() -%}
        {%- set subject = "Segment '" ~ key ~ "' in var rule_segments" -%}
        {%- do check(subject, 'its key', key, name_kind()) -%}
        {%- set rule = {} -%}
        {%- for name, value in (definition.items() if definition is mapping else []) if name not in segment_texts() and name != 'stay_until' -%}
            {%- do rule.update({name: value}) -%}
        {%- endfor -%}
        {%- do segments.update({'rule:' ~ key: parsed_segment(grammar, subject, 'rule', key, definition, rule)}) -%}
    {%- endfor -%}
    {%- set declared = declared_schemes() -%}
    {%- for scheme, entry in declared.items() -%}
        {%- for part in entry.segments if 'segment' in part -%}
            {%- set subject = "Segment '" ~ part.segment ~ "' of scheme '" ~ scheme ~ "' in var schemes" -%}
            {%- set definition = dict(part, owner=part.get('owner', entry.get('owner'))) -%}
            {%- do segments.update({scheme ~ ':' ~ part.segment: parsed_segment(grammar, subject, scheme, part.segment, definition, part.get('rule'))}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do segments.update(parsed_predictions(grammar)) -%}
    {%- do link_references(segments) -%}
    {%- do check_predictions_come_last(segments) -%}
    {%- set checked = {'rules': [], 'schemes': {}} -%}
    {%- for segment in segments.values() if segment.scheme == 'rule' -%}
        {%- do rule_check_stay(grammar, segment) -%}
        {%- set stays = '; stays while ' ~ rule_words(segment.stay_until, false, true) if segment.stay_until is not none else '' -%}
        {%- do define_segment(segment, rule_words(segment.rule, false, true) ~ stays) -%}
        {%- do checked.rules.append(segment) -%}
    {%- endfor -%}
    {%- for scheme, entry in declared.items() -%}
        {%- do checked.schemes.update({scheme: linked_scheme(scheme, entry, segments, declared)}) -%}
    {%- endfor -%}
    {%- do checked.update({'rules': checked.rules | sort(attribute='segment'), 'predictions': linked_predictions(segments, checked.schemes)}) -%}
    {{- return(checked) -}}
{% endmacro %}


{% macro parsed_segment(grammar, subject, scheme, name, definition, rule) %}
    {%- if definition is not mapping -%}
        {%- do definition_error(subject, '', format_value(definition), 'a rule such as {metric: orders, window_days: 30, at_least: 1}') -%}
    {%- endif -%}
    {%- set segment = {'scheme': scheme, 'segment': name, 'segment_key': scheme ~ ':' ~ name, 'subject': subject} -%}
    {%- for text in segment_texts() -%}
        {%- do check(subject, text, definition.get(text), {'text': none, 'nullable': true, 'words': 'a non-empty string, or leave the key out'}) -%}
        {%- do segment.update({text: definition.get(text)}) -%}
    {%- endfor -%}
    {%- set at = {
        'subject': subject, 'path': '', 'under_not': false, 'depth': 0,
        'beside': segment_texts() + ['stay_until'] if scheme == 'rule' else [],
        'conditions': [], 'references': [], 'levels': [0],
    } -%}
    {%- do segment.update({
        'rule': none if rule is none else rule_node(grammar, at, rule),
        'stay_until': rule_node(grammar, dict(at, path='stay_until.', beside=[]), definition.stay_until) if 'stay_until' in definition else none,
        'conditions': at.conditions,
        'references': at.references,
    }) -%}
    {%- do segment.update({'depth': at.levels | max}) -%}
    {{- return(segment) -}}
{% endmacro %}


{% macro define_segment(segment, marked_words) %}
    {%- set words = modules.re.sub('\x1f[^\x1f]*\x1f', '', marked_words) -%}
    {%- do segment.update({
        'marked_definition': marked_words,
        'definition': words,
        'name': segment.name or segment.segment | replace('_', ' ') | capitalize,
    }) -%}
{% endmacro %}
