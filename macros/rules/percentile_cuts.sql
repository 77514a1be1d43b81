{#- session_minutes__30d__top_25; a decimal point becomes _. -#}
{% macro rule_cut_column(metric, window, operator, percent) %}
    {%- set column = metric_window_column(metric, window.from_days_ago, window.to_days_ago) -%}
    {#- Six decimals are what validation lets in; '%f' never writes 1e-05. -#}
    {%- set digits = ('%.6f' % percent).rstrip('0').rstrip('.').replace('.', '_') -%}
    {{- return(column ~ '__' ~ operator.replace('percent', digits)) -}}
{% endmacro %}


{#- Each cut that some rule compares with, once. -#}
{% macro rule_percentile_cuts(rules=none) %}
    {%- set cuts = {} -%}
    {%- for segment in (rule_segments() if rules is none else rules) -%}
        {%- for condition in segment.conditions if 'cut_column' in condition -%}
            {%- set share = condition.limit / 100 -%}
            {%- do cuts.update({condition.cut_column: {
                'metric': condition.metric,
                'column': condition.column,
                'operator': condition.operator,
                'percent': condition.limit,
                'cut_column': condition.cut_column,
                'quantile': (1 - share if condition.operator == 'top_percent' else share) | round(8),
                'definition': rule_words(condition),
            }}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(cuts.values() | sort(attribute='cut_column')) -}}
{% endmacro %}
