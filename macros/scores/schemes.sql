{#- One macro per exclusive scheme that is a rule over features: the bare segment of a buyer. -#}

{% macro value_tier(revenue, high_from, medium_from) -%}
case
    when {{ revenue }} is null or {{ revenue }} <= 0 then 'none'
    when {{ revenue }} >= {{ high_from }} then 'high'
    when {{ revenue }} >= {{ medium_from }} then 'medium'
    else 'low'
end
{%- endmacro %}


{#- Natural breaks are the upper bounds of the bands, inclusive. A break that the fit didn't find is null. -#}
{% macro spend_band(revenue, cuts) -%}
'band_' || cast(
    1
    {%- for cut in range(1, spend_bands()) %}
    + case when {{ revenue }} > {{ cuts }}_{{ cut }} then 1 else 0 end
    {%- endfor %}
    as {{ dbt.type_string() }}
)
{%- endmacro %}


{#- Var spend_limits as a list of {segment, from}, lowest first; the lowest has no lower bound. -#}
{% macro spend_limits() %}
    {% set limits = var('spend_limits') %}
    {% set expected = 'Expected a mapping of segment names (a-z, 0-9, _) to lower bounds in the reporting currency, all different, exactly one of them null.' %}
    {% if limits is not mapping %}
        {% do raise_config_error("Var spend_limits is '" ~ limits ~ "'. " ~ expected) %}
    {% endif %}
    {% set lowest, others = [], [] %}
    {% for segment, lower_bound in limits.items() %}
        {% if not modules.re.fullmatch('[a-z][a-z0-9_]*', segment | string) or segment == 'prospect' %}
            {% do raise_config_error("Var spend_limits has the segment '" ~ segment ~ "'. " ~ expected) %}
        {% elif lower_bound is none %}
            {% do lowest.append({'segment': segment, 'from': none}) %}
        {% elif lower_bound is number and lower_bound is not boolean and lower_bound not in others | map(attribute='from') | list %}
            {% do others.append({'segment': segment, 'from': lower_bound}) %}
        {% else %}
            {% do raise_config_error("Var spend_limits has '" ~ lower_bound ~ "' as the lower bound of '" ~ segment ~ "'. " ~ expected) %}
        {% endif %}
    {% endfor %}
    {% if not others %}
        {% do raise_config_error("Var spend_limits has no lower bound at all. " ~ expected) %}
    {% elif lowest | length != 1 %}
        {% do raise_config_error("Var spend_limits has " ~ lowest | length ~ " segments without a lower bound. " ~ expected) %}
    {% endif %}
    {{ return(lowest + others | sort(attribute='from')) }}
{% endmacro %}


{% macro spend_limit_segment(revenue) -%}
case
    {%- for limit in spend_limits() | reverse if limit.from is not none %}
    when {{ revenue }} >= {{ limit.from }} then '{{ limit.segment }}'
    {%- endfor %}
    else '{{ spend_limits()[0].segment }}'
end
{%- endmacro %}


{% macro purchase_rhythm(orders) -%}
case
    when {{ orders }} >= {{ whole_number_var('frequent_from_orders', 2) }} then 'frequent'
    when {{ orders }} >= 1 then 'occasional'
    else 'inactive'
end
{%- endmacro %}


{#- The first that holds. `returning` looks at the gap before the last day with an order. -#}
{% macro lifecycle_segment(tenure_days, recency_days, gap_days) -%}
{%- set days = lifecycle_days() -%}
case
    when {{ tenure_days }} <= {{ days.new }} then 'new'
    when {{ recency_days }} <= {{ days.active }} and {{ gap_days }} > {{ days.gap }} then 'returning'
    when {{ recency_days }} <= {{ days.active }} then 'active'
    when {{ recency_days }} <= {{ days.lapsed }} then 'lapsing'
    else 'lapsed'
end
{%- endmacro %}
