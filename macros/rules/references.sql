{#-
    Segments wait until everything they refer to is linked; those still waiting are on a cycle or depend on one. A reference
    means the entry rule of the other segment: members kept by its stay_until alone do not satisfy it.
-#}
{% macro link_references(segments) %}
    {%- set done = {} -%}
    {%- set progress = namespace(waiting=segments | list) -%}
    {%- for round in segments -%}
        {%- set still = [] -%}
        {%- for key in progress.waiting -%}
            {%- if segments[key].references | map(attribute='condition.segment_key') | reject('in', done) | list -%}
                {%- do still.append(key) -%}
            {%- else -%}
                {%- if segments[key].references -%}
                    {%- do link_rules_of(segments, segments[key]) -%}
                {%- endif -%}
                {%- do done.update({key: true}) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if still and still | length == progress.waiting | length -%}
            {%- do rule_cycle_error(segments, still, done) -%}
        {%- endif -%}
        {%- set progress.waiting = still -%}
    {%- endfor -%}
{% endmacro %}


{% macro link_rules_of(segments, segment) %}
    {%- set subject = segment.subject -%}
    {%- for reference in segment.references -%}
        {%- set target = segments[reference.condition.segment_key] -%}
        {%- if reference.under_not and target.stay_until is not none -%}
            {%- do definition_error(subject, reference.path, format_value(reference.condition.segment_key) ~ ' under not, which has a stay_until', 'under not, segments without stay_until; or the rule written out') -%}
        {%- endif -%}
        {#- References to references multiply: without a limit, twenty short rules make a million conditions. -#}
        {%- if segment.conditions | length + target.conditions | length > 500 -%}
            {%- do definition_error(subject, reference.path, 'more than 500 conditions once references are written out', 'at most 500') -%}
        {%- endif -%}
        {%- do segment.update({'depth': [segment.depth, reference.depth + 1 + target.depth] | max}) -%}
        {%- if segment.depth > 40 -%}
            {%- do definition_error(subject, reference.path, 'more than 40 levels once references are written out', 'at most 40 groups and references inside each other') -%}
        {%- endif -%}
        {%- do reference.condition.update({'rule': target.rule, 'has_stay_until': target.stay_until is not none}) -%}
        {%- do segment.conditions.extend(target.conditions) -%}
    {%- endfor -%}
{% endmacro %}


{#- From any waiting segment, following references leads onto a cycle; once around it is its name. -#}
{% macro rule_cycle_error(segments, waiting, done) %}
    {%- set next = {} -%}
    {%- for key in waiting -%}
        {%- do next.update({key: segments[key].references | map(attribute='condition.segment_key') | reject('in', done) | first}) -%}
    {%- endfor -%}
    {%- set here = namespace(key=waiting[0]) -%}
    {%- for step in waiting -%}
        {%- set here.key = next[here.key] -%}
    {%- endfor -%}
    {%- set cycle = [here.key, next[here.key]] -%}
    {%- for step in waiting -%}
        {%- if cycle[-1] != here.key -%}
            {%- do cycle.append(next[cycle[-1]]) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do definition_error(
        segments[here.key].subject, 'segment', 'a cycle of references, ' ~ cycle | map('replace', 'rule:', '', 1) | join(' -> '),
        'references that lead to no segment twice'
    ) -%}
{% endmacro %}
