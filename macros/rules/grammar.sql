{% macro rule_attributes() %}
    {{- return(['age_band', 'gender', 'income_band', 'household_size', 'loyalty_tier', 'region', 'country']) -}}
{% endmacro %}


{% macro consent_purposes() %}
    {{- return(['segmentation', 'activation']) -}}
{% endmacro %}


{% macro rule_operators() %}
    {{- return({
        'at_least': {'words': 'at least', 'sql': '>='},
        'at_most': {'words': 'at most', 'sql': '<='},
        'more_than': {'words': 'more than', 'sql': '>'},
        'less_than': {'words': 'less than', 'sql': '<'},
        'equals': {'words': 'equal to', 'sql': '='},
        'between': {'words': 'between', 'sql': none},
        'top_percent': {'words': 'top', 'sql': '>=', 'side': 'at least'},
        'bottom_percent': {'words': 'bottom', 'sql': '<=', 'side': 'at most'},
        'top': {'words': 'top', 'sql': '>=', 'side': 'at least'},
        'above': {'words': 'above the', 'sql': '>', 'side': 'more than'},
        'below': {'words': 'below the', 'sql': '<', 'side': 'less than'},
        'is_known': {'words': none, 'sql': none},
    }) -}}
{% endmacro %}


{#- Words of other languages, with the key that means the same here. -#}
{% macro foreign_words() %}
    {%- set words = {} -%}
    {%- for key, others in {
        'all': ['and', '&&', '&'],
        'any': ['or', '||', '|'],
        'not': ['!', 'none', 'nor', 'except'],
        'at_least': ['>=', '=>', 'gte', 'ge', 'min', 'minimum'],
        'at_most': ['<=', '=<', 'lte', 'le', 'max', 'maximum'],
        'less_than': ['<', 'lt', 'fewer_than'],
        'equals': ['==', '=', 'eq', 'equal', 'is', 'value'],
        'not_in': ['!=', '<>', 'ne', 'not_equals', 'nin', 'is_not'],
        'is_known': ['is_null', 'is_missing', 'exists', 'missing', 'null'],
        'more_than': ['>', 'gt', 'greater_than', 'than'],
        'window_days': ['dates', 'since', 'after', 'before', 'until', 'from', 'to', 'days', 'last_days'],
    }.items() -%}
        {%- for other in others -%}
            {%- do words.update({other: key}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(words) -}}
{% endmacro %}


{% macro segment_texts() %}
    {{- return(['name', 'description', 'owner', 'recommended_action', 'channel', 'offer']) -}}
{% endmacro %}


{#- Sources send texts such as 5+, so an attribute has no percentiles. -#}
{% macro attribute_operators(attribute) %}
    {%- set numeric = ['at_least', 'at_most', 'more_than', 'less_than', 'between'] if attribute == 'household_size' else [] -%}
    {{- return(['in', 'not_in', 'equals', 'is_known'] + numeric) -}}
{% endmacro %}


{#- A birthday is a direct identifier, so rules can only ask whether it is near. -#}
{% macro rule_dates() %}
    {%- set operators = ['days_ago', 'after', 'before', 'anniversary_in_days', 'is_known'] -%}
    {{- return({
        'signed_up': {'words': 'sign-up', 'column': 'signed_up_days', 'operators': operators},
        'first_order': {'words': 'first order', 'column': 'tenure_days__all', 'operators': operators},
        'last_order': {'words': 'last order', 'column': 'recency_days__all', 'operators': operators},
        'birthday': {'words': 'birthday', 'column': 'birthday_in_days', 'operators': ['anniversary_in_days', 'is_known']},
    }) -}}
{% endmacro %}


{% macro reads_birthdays() %}
    {%- set conditions = (rule_segments() + schemes().values() | list + predictions().values() | list) | map(attribute='conditions') | sum(start=[]) -%}
    {{- return('birthday_in_days' in conditions | map(attribute='column')) -}}
{% endmacro %}


{% macro rule_kinds() %}
    {{- return({
        'all': ['all'],
        'any': ['any'],
        'not': ['not'],
        'metric': ['metric', 'where'] + window_keys() | list + rule_operators() | list,
        'score': ['score'] + rule_operators() | list,
        'attribute': ['attribute'] + attribute_operators('household_size'),
        'consent': ['consent', 'is'],
        'date': ['date'] + rule_dates().first_order.operators,
        'sequence': ['sequence', 'within_days', 'window_days', 'from_days_ago', 'to_days_ago'],
        'bought_together': ['bought_together', 'window_days', 'from_days_ago', 'to_days_ago'],
        'prediction': ['prediction', 'at_least', 'at_most', 'more_than', 'less_than', 'between', 'top_percent', 'is_known'],
        'prediction_decile': ['prediction_decile', 'at_least', 'at_most', 'equals', 'between'],
        'segment': ['segment'],
        'sample_percent': ['sample_percent', 'salt'],
    }) -}}
{% endmacro %}
