{#- Patterns are what one row can't show: the busiest days, sequences, and what was bought together. -#}
{% macro pattern_windows(windows, periods) -%}
select
    as_of,
    customer_key
    {%- for window in windows %},
    cast(max(case when pattern = '{{ window.column }}' then value end) as {{ window.type }}) as {{ window.column }}
    {%- endfor %}
from (
    {%- for window in windows %}
    select
        as_of,
        customer_key,
        '{{ window.column }}' as pattern,
        cast(value as decimal(38, 6)) as value
    from (
        {%- if window.kind == 'sequence' %}
        {{ sequences(window, periods) | indent(8) }}
        {%- elif window.kind == 'bought_together' %}
        {{ orders_with_all(window, periods) | indent(8) }}
        {%- else %}
        {{ busiest_days(window, periods) | indent(8) }}
        {%- endif %}
    ) as found
    {{- ' union all' if not loop.last }}
    {%- endfor %}
) as patterns
group by as_of, customer_key
{%- endmacro %}


{% macro busiest_days(window, periods) -%}
{%- set metric = metrics()[window.metric] -%}
{%- set kept = ([metric.filter] if metric.filter else []) + window.where | map(attribute='test') | list -%}
select
    as_of,
    customer_key,
    max(running_value) as value
from (
    select
        as_of,
        customer_key,
        sum(value) over (
            partition by as_of, customer_key
            order by {{ day_number() }}
            range between {{ window.size - 1 }} preceding and current row
        ) as running_value
    from (
        select
            periods.as_of,
            facts.customer_key,
            facts.day,
            {{ {'count': 'count(*)', 'count_days': '1'}.get(metric.aggregate, 'sum(facts.' ~ metric.value ~ ')') }} as value
        from {{ periods }} as periods
        inner join {{ ref(metric_model(metric.table)) }} as facts on {{ counts_at_as_of(metric.table) | indent(8) }}
        {%- for condition in kept %}
        {{ 'where' if loop.first else 'and' }} ({{ condition }})
        {%- endfor %}
        group by periods.as_of, facts.customer_key, facts.day
    ) as values_of_days
) as running_values
group by as_of, customer_key
{%- endmacro %}


{#- The orders are found once, then counted at each as_of. -#}
{% macro orders_with_all(window, periods) -%}
select
    periods.as_of,
    found.customer_key,
    count(case when {{ day_limits(window, 'found.day', 'periods.as_of') | join(' and ') or 'true' }} then 1 end) as value
from {{ periods }} as periods
inner join (
    select
        customer_key,
        order_key,
        min(day) as day
    from {{ ref('int_facts__lines') }}
    where is_completed
    group by customer_key, order_key
    having
        {%- for conditions in window.parts %}
        max(case when {{ conditions | map(attribute='test') | join(' and ') }} then 1 end) = 1
        {{- ' and' if not loop.last }}
        {%- endfor %}
) as found on periods.as_of > found.day
group by periods.as_of, found.customer_key
{%- endmacro %}


{#-
    From the last step to the first, each row gets the earliest day on which all later steps have followed it, that of the next
    step's rows after it.

    Rows are ordered by instant where all tables of the steps have one, with the place of an event in its session, since events may
    share an instant; an order comes after the events of its instant. Otherwise by day: then the same day is after, unless both steps read the same table.
-#}
{% macro sequences(window, periods) -%}
{%- set steps = window.steps -%}
{%- set by_instant = steps | map(attribute='instant') | select | list | length == steps | length -%}
{%- set rows -%}
    {%- for step in steps %}
    select
        periods.as_of,
        facts.customer_key,
        facts.day,
        {{ microseconds('facts.' ~ step.instant) ~ ' * 1000 + ' ~ ('least(facts.' ~ step.place ~ ', 998)' if step.place else '999') if by_instant else day_number('facts.day') }} as moment,
        {{ loop.index }} as step
    from {{ periods }} as periods
    inner join {{ numbered_facts(step.table, [step.window]) }} as facts on {{ counts_at_as_of(step.table) }}
    {%- for condition in step.tests %}
    {{ 'where' if loop.first else 'and' }} ({{ condition }})
    {%- endfor %}
    {{- ' union all' if not loop.last }}
    {%- endfor %}
{%- endset -%}
{%- set query = namespace(sql=rows) -%}
{%- for number in range(steps | length - 1, 0, -1) -%}
    {%- set is_later = by_instant or steps[number].table == steps[number - 1].table -%}
    {%- set query.sql -%}
    select
        *,
        min(case when step = {{ number + 1 }} then {{ 'day' if loop.first else 'completed_' ~ (number + 1) }} end) over (
            partition by as_of, customer_key
            order by moment
            range between {{ '1 following' if is_later else 'current row' }} and unbounded following
        ) as completed_{{ number }}
    from ({{ query.sql }}) as rows_{{ number }}
    {%- endset -%}
{%- endfor -%}
select
    as_of,
    customer_key,
    count(
        case
            when
                {{ (['step = 1'] + day_limits(window, 'day', 'as_of')) | join(' and ') }}
                {%- if window.is_missing %}
                and {{ dbt.datediff('day', 'as_of', 'day') }} > {{ window.within_days }}
                and coalesce({{ dbt.datediff('day', 'completed_1', 'day') }} > {{ window.within_days }}, true)
                {%- else %}
                and {{ dbt.datediff('day', 'completed_1', 'day') }} <= {{ window.within_days }}
                {%- endif %}
                then 1
        end
    ) as value
from ({{ query.sql }}) as completed
group by as_of, customer_key
{%- endmacro %}
