{% macro rule_attributes() %}
    {{- return(['age_band', 'gender', 'income_band', 'household_size', 'loyalty_tier', 'region', 'country']) -}}
{% endmacro %}


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


{% macro segment_texts() %}
    {{- return(['name', 'description', 'owner', 'recommended_action', 'channel', 'offer']) -}}
{% endmacro %}


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
