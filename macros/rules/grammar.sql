{#- The words of the rule grammar. Lists only: change them here and the messages and checks follow. -#}

{#- Customer attributes that a rule may name. -#}
{% macro rule_attributes() %}
    {{- return(['age_band', 'gender', 'income_band', 'household_size', 'loyalty_tier', 'region', 'country']) -}}
{% endmacro %}


{#- Exclusive schemes and their segments; none where the data or another var decides on them. -#}
{% macro exclusive_schemes() %}
    {{- return({
        'rfm': [
            'hibernating', 'at_risk', 'cannot_lose', 'about_to_sleep', 'need_attention', 'loyal', 'promising',
            'recent_occasional', 'potential_loyalist', 'champions', 'prospect',
        ],
        'value_tier': ['high', 'medium', 'low', 'none', 'prospect'],
        'spend_breaks': none,
        'spend_limits': none,
        'purchase_rhythm': ['frequent', 'occasional', 'inactive', 'prospect'],
        'lifecycle': ['new', 'returning', 'active', 'lapsing', 'lapsed', 'prospect'],
        'demographic': none,
        'cluster': none,
        'journeys': none,
    }) -}}
{% endmacro %}


{#- Schemes that a customer, also a buyer, may be in no segment of. -#}
{% macro partial_schemes() %}
    {{- return(['journeys']) -}}
{% endmacro %}


{#- Each operator in words and in SQL; the percent operators and between have their own SQL. -#}
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
{% macro rule_segment_texts() %}
    {{- return(['name', 'description', 'owner', 'recommended_action', 'channel', 'offer']) -}}
{% endmacro %}


{#- The keys of each kind of rule; the first one tells the kind. -#}
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
