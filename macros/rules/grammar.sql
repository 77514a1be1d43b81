{#- The words of the rule grammar. Lists only: change them here and the messages and checks follow. -#}

{#- Customer attributes that a rule may name. -#}
{% macro rule_attributes() %}
    {{- return(['age_band', 'gender', 'income_band', 'household_size', 'loyalty_tier', 'region', 'country']) -}}
{% endmacro %}


{#- Each operator in words and in SQL; `between` has SQL of its own. -#}
{% macro rule_operators() %}
    {{- return({
        'at_least': {'words': 'at least', 'sql': '>='},
        'at_most': {'words': 'at most', 'sql': '<='},
        'more_than': {'words': 'more than', 'sql': '>'},
        'less_than': {'words': 'less than', 'sql': '<'},
        'between': {'words': 'between', 'sql': none},
        'top_percent': {'words': 'top', 'sql': '>='},
        'bottom_percent': {'words': 'bottom', 'sql': '<='},
    }) -}}
{% endmacro %}


{#- What may stand beside the rule of a segment. -#}
{% macro segment_texts() %}
    {{- return(['name', 'description', 'owner', 'recommended_action', 'channel', 'offer']) -}}
{% endmacro %}


{#- The keys of each kind of rule; the first one names the kind. -#}
{% macro rule_kinds() %}
    {{- return({
        'all': ['all'],
        'any': ['any'],
        'not': ['not'],
        'metric': ['metric', 'window_days', 'from_days_ago', 'to_days_ago'] + rule_operators() | list,
        'attribute': ['attribute', 'in'],
        'segment': ['segment'],
    }) -}}
{% endmacro %}
