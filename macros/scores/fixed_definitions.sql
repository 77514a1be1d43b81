{#- The segments whose limits are vars, as a list of {scheme, segment, definition}: and prospect of every scheme. -#}
{% macro fixed_definitions() %}
    {% set definitions = [] %}
    {% set limits = spend_limits() %}
    {% for limit in limits %}
        {% set from = 'of at least ' ~ limit.from if limit.from is not none else '' %}
        {% set below = 'below ' ~ limits[loop.index].from if not loop.last else '' %}
        {% do definitions.append({
            'scheme': 'spend_limits',
            'segment': limit.segment,
            'definition': 'lifetime revenue ' ~ ([from, below] | select | join(' and ')),
        }) %}
    {% endfor %}
    {% set frequent, days = whole_number_var('frequent_from_orders', 2), lifecycle_days() %}
    {% for scheme, segments in {
        'purchase_rhythm': {
            'frequent': 'at least ' ~ frequent ~ ' orders in the last 365 days',
            'occasional': '1 to ' ~ (frequent - 1) ~ ' orders in the last 365 days',
            'inactive': 'no order in the last 365 days',
        },
        'lifecycle': {
            'new': 'first order at most ' ~ days.new ~ ' days ago',
            'returning':
                'not new, last order at most ' ~ days.active ~ ' days ago, after a gap of more than ' ~ days.gap ~ ' days',
            'active': 'neither new nor returning, last order at most ' ~ days.active ~ ' days ago',
            'lapsing': 'not new, last order ' ~ (days.active + 1) ~ ' to ' ~ days.lapsed ~ ' days ago',
            'lapsed': 'last order more than ' ~ days.lapsed ~ ' days ago',
        },
    }.items() %}
        {% for segment, definition in segments.items() %}
            {% do definitions.append({'scheme': scheme, 'segment': segment, 'definition': definition}) %}
        {% endfor %}
    {% endfor %}
    {% for scheme in exclusive_schemes() if scheme not in partial_schemes() %}
        {% do definitions.append({
            'scheme': scheme, 'segment': 'prospect', 'definition': 'no completed order before as_of',
        }) %}
    {% endfor %}
    {{ return(definitions) }}
{% endmacro %}
