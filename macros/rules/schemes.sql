{% macro non_buyer_segments() %}
    {{- return({
        'prospect': {
            'name': 'Prospects',
            'description': 'Known customers who have not bought yet',
            'owner': 'acquisition',
            'recommended_action': 'Give a reason for the first order',
            'channel': 'email',
            'offer': 'welcome discount',
            'definition': 'no completed order and no return before as_of',
            'reason': 'no order',
        },
        'returns_only': {
            'name': 'Returns only',
            'description': 'Customers whose purchases are not in the data, only their returns',
            'owner': 'customer service',
            'recommended_action': 'Ask what was wrong with what they returned',
            'channel': 'email',
            'definition': 'returns, but no completed order before as_of',
            'reason': 'returns without a completed order',
        },
    }) -}}
{% endmacro %}


{% macro is_of_buyers(segments) -%}
{{ segments }}.segment_key not in (
    {%- for segment in non_buyer_segments() %}{{ segments }}.scheme || ':{{ segment }}'{{ ', ' if not loop.last }}{% endfor -%}
)
{%- endmacro %}


{% macro exclusive_schemes() %}
    {%- set schemes = {
        'rfm': [
            'hibernating', 'at_risk', 'cannot_lose', 'about_to_sleep', 'need_attention', 'loyal', 'promising',
            'recent_occasional', 'potential_loyalist', 'champions',
        ] + non_buyer_segments() | list,
        'spend_breaks': none,
        'cluster': none,
        'journeys': none,
    } -%}
    {%- for scheme, entry in declared_schemes().items() -%}
        {%- set names = entry.segments | map(attribute='segment') | list + (non_buyer_segments() | list if entry.get('who') != 'eligible' else []) -%}
        {%- do schemes.update({scheme: none if 'attribute' in entry.segments[-1] else names}) -%}
    {%- endfor -%}
    {{- return(schemes) -}}
{% endmacro %}


{% macro parts_of_segment_key(subject, path, segment_key, schemes=none) %}
    {%- set names_by_scheme = schemes or dict(exclusive_schemes(), rule=rule_segments() | map(attribute='segment') | list) -%}
    {%- set parts = segment_key.split(':', 1) if segment_key is string else [] -%}
    {%- if parts | length != 2 or parts[0] not in names_by_scheme or not parts[1] -%}
        {%- do definition_error(subject, path, format_value(segment_key), "'scheme:segment', such as 'rfm:champions', with a scheme of ", names_by_scheme | list, parts | first if parts) -%}
    {%- endif -%}
    {%- set names = names_by_scheme[parts[0]] -%}
    {%- if names is not none and parts[1] not in names -%}
        {%- do definition_error(subject, path, format_value(segment_key), 'the segments of ' ~ parts[0] ~ ': ', names, parts[1]) -%}
    {%- endif -%}
    {{- return(parts) -}}
{% endmacro %}


{% macro partial_schemes() %}
    {%- set partial = ['journeys'] -%}
    {%- for scheme, entry in declared_schemes().items() if 'rule' in entry.segments[-1] -%}
        {%- do partial.append(scheme) -%}
    {%- endfor -%}
    {{- return(partial) -}}
{% endmacro %}


{% macro fitted_schemes() %}
    {%- set fitted = {'rfm': 'cutpoints', 'spend_breaks': 'cutpoints', 'cluster': 'models', 'journeys': 'models'} -%}
    {%- for name, scheme in schemes().items() if scheme.is_fitted or scheme.reads_models -%}
        {%- do fitted.update({name: 'cutpoints' if scheme.is_fitted else 'models'}) -%}
    {%- endfor -%}
    {{- return(fitted) -}}
{% endmacro %}


{% macro declared_schemes() %}
    {%- set schemes = var('schemes', {}) or {} -%}
    {%- set subject, attributes = 'Var schemes', {'one_of': rule_attributes(), 'words': 'the attributes '} -%}
    {%- set example = 'segments such as {segment: large, rule: {metric: revenue, at_least: 2000}}' -%}
    {%- set rule, text = {'values': none, 'words': 'a rule such as {metric: orders, window_days: 30, at_least: 1}'}, {'text': none, 'nullable': true} -%}
    {#- The values of an attribute share a card, but not a name. -#}
    {%- set attribute_texts = dict.fromkeys(segment_texts() | reject('equalto', 'name'), text) -%}
    {%- do check(subject, '', schemes, {'may_be_empty': true, 'values': {
        'keys': {'segments': {'items': {'values': none, 'words': example}, 'words': 'a list of ' ~ example}},
        'optional': {'description': text, 'owner': text, 'who': {'one_of': ['buyers', 'eligible']}},
    }}) -%}
    {#- A scheme is a column of int_segmentation__customers_scored, beside these; the others are words of SQL. -#}
    {%- set taken = 'select from where group order having limit union all case when then else end in is as on and or not null true false table by join using'.split() + ['rfm', 'spend_breaks', 'cluster', 'journeys', 'rule', 'prediction', 'all', 'as_of', 'customer_key', 'customer_id']
        + ['is_buyer', 'non_buyer', 'has_events', 'top_category', 'recency_gaps', 'recency_score', 'frequency_score', 'monetary_score', 'cluster_distance']
        + ['cluster_confidence', 'journeys_distance', 'journeys_confidence'] + ['consent_to_segmentation', 'consent_to_activation'] + rule_attributes() + derived_columns() -%}
    {%- for scheme, entry in schemes.items() -%}
        {%- do check_name(subject, 'the name of a scheme', scheme | string | replace('__', '?'), taken) -%}
        {%- set names = non_buyer_segments() | list -%}
        {%- for part in entry.segments -%}
            {%- set path = scheme ~ '.segments[' ~ loop.index0 ~ ']' -%}
            {%- if 'attribute' in part -%}
                {%- do check(subject, path, part, {'keys': {'attribute': attributes}, 'optional': attribute_texts}) -%}
            {%- else -%}
                {%- set key = {'else': {'one_of': [true]}} if 'else' in part else {'rule': rule} -%}
                {%- do check(subject, path, part, {'keys': dict({'segment': none}, **key), 'optional': dict.fromkeys(segment_texts())}) -%}
                {%- do check_name(subject, path ~ '.segment', part.segment, names) -%}
                {%- do names.append(part.segment) -%}
            {%- endif -%}
            {%- if 'rule' not in part and not loop.last -%}
                {%- do definition_error(subject, path, 'another segment after it', 'a segment with else or attribute in the last place, since it leaves no customer to the next') -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(schemes) -}}
{% endmacro %}


{% macro check_name(subject, path, name, taken) %}
    {%- do check(subject, path, name, name_kind()) -%}
    {%- if name in taken -%}
        {%- do definition_error(subject, path, format_value(name), 'a name that is not taken, as these are: ' ~ taken | join(', ')) -%}
    {%- endif -%}
{% endmacro %}


{% macro linked_scheme(name, entry, segments, declared) %}
    {%- set own, earlier, conditions = [], [], {} -%}
    {%- for part in entry.segments if 'segment' in part -%}
        {%- set segment = segments[name ~ ':' ~ part.segment] -%}
        {%- for condition in segment.conditions -%}
            {%- if condition.kind != 'segment' -%}
                {%- do conditions.update({[condition.column, condition.subject, condition.words] | join(' '): condition}) -%}
            {%- elif condition.scheme in declared -%}
                {%- do definition_error(segment.subject, 'rule', format_value(condition.segment_key), 'segments of rfm, spend_breaks, cluster, journeys and rule, which are known before; or the rule written out') -%}
            {%- elif condition.scheme != 'rule' -%}
                {%- do conditions.update({condition.scheme: {'kind': 'segment', 'column': condition.scheme, 'subject': condition.scheme | replace('_', ' ')}}) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set others = (earlier[:-1] | join(', ') ~ ' or ' if earlier | length > 1 else '') ~ earlier | last | default('') -%}
        {%- set words = [rule_words(segment.rule, false, true)] if segment.rule is not none else [] -%}
        {%- if others -%}
            {%- do words.append(('but ' if words else '') ~ 'not ' ~ others) -%}
        {%- endif -%}
        {%- do define_segment(segment, words | join(', ') or 'everyone') -%}
        {%- do earlier.append(segment.segment | replace('_', ' ')) -%}
        {%- do own.append(segment) -%}
    {%- endfor -%}
    {%- set last = entry.segments[-1] -%}
    {%- set attribute = last.get('attribute') -%}
    {%- if attribute -%}
        {%- do conditions.update({attribute: {'kind': 'attribute', 'column': attribute, 'subject': attribute | replace('_', ' ')}}) -%}
    {%- endif -%}
    {{- return({
        'segments': own,
        'attribute': attribute,
        'texts': dict(last, owner=last.get('owner', entry.get('owner'))),
        'conditions': conditions.values() | list,
        'of_buyers': entry.get('who', 'buyers') == 'buyers',
        'is_fitted': conditions.values() | selectattr('cut_column', 'defined') | list | length > 0 or 'rfm' in conditions or 'spend_breaks' in conditions,
        'reads_models': conditions.values() | map(attribute='windows', default=[]) | sum(start=[]) | map(attribute='table') | select('in', tables_of_models()) | list | length > 0,
    }) -}}
{% endmacro %}


{% macro scheme_segment(scheme, features, cutpoints) -%}
case
    {%- if scheme.of_buyers %}
    when {{ features }}.non_buyer is not null then {{ features }}.non_buyer
    {%- endif %}
    {%- for segment in scheme.segments %}
    when {{ rule_sql(segment.rule, features, cutpoints) if segment.rule is not none else 'true' }} then {{ sql_literal(segment.segment) }}
    {%- endfor %}
    {%- if scheme.attribute %}
    when true then coalesce(cast({{ features }}.{{ scheme.attribute }} as {{ dbt.type_string() }}), 'unknown')
    {%- endif %}
end
{%- endmacro %}


{% macro promised_scheme(name, customers='customers') %}
    {{- return(customers ~ '.' ~ name if name in exclusive_schemes() else 'cast(null as ' ~ dbt.type_string() ~ ')') -}}
{% endmacro %}
