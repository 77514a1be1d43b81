{#-
    What people did, by the date. Master data has no date, statements of will hold until the next one, and as_of and the history
    are derived from orders.
-#}
{% macro expiring_tables() %}
    {{- return({
        'identity_links': 'seen',
        'events': 'occurred',
        'tickets': 'opened',
        'campaign_contacts': 'contacted',
        'campaign_responses': 'responded',
    }) -}}
{% endmacro %}


{#- A date before earliest_plausible_date is none. -#}
{% macro is_expired(table, day, retention) -%}
    coalesce(
        {{ day }} < (select retained_from from {{ retention }} where source_table = '{{ table }}')
        {%- if setting('earliest_plausible_date') %}
        and {{ day }} >= {{ plausible_date_limit('earliest_plausible_date') }}
        {%- endif %},
        false
    )
{%- endmacro %}


{#- Views on the raw data may read copies in the working file, which have all of its rows. -#}
{% macro delete_expired_copies() %}
    {{ return(adapter.dispatch('delete_expired_copies', 'customer_segmentation')()) }}
{% endmacro %}

{% macro default__delete_expired_copies() %}
    {{ return(false) }}
{% endmacro %}

{% macro duckdb__delete_expired_copies() %}
    {% set schema, deleted = input_contract()[0].schema, [] %}
    {% set retention = graph.nodes['model.customer_segmentation.int_staging__retention'].relation_name %}
    {% for table in setting('retention') %}
        {% set column = expiring_tables()[table] ~ '_at' %}
        {% for copy in run_query(
            "select table_name from information_schema.columns where table_schema = " ~ sql_literal(schema)
            ~ " and table_name in ('text_" ~ table ~ "', 'kept_" ~ table ~ "') and column_name = '" ~ column ~ "'"
        ).columns[0].values() %}
            {% set expired = ' from ' ~ input_relation(schema, copy) ~ ' where ' ~ is_expired(table, local_date(to_instant(column)), retention) %}
            {% if run_query('select 1' ~ expired ~ ' limit 1') | length %}
                {% do run_query('delete' ~ expired) %}
                {% do deleted.append(copy) %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {{ return(deleted | length > 0) }}
{% endmacro %}


{% macro check_retention() %}
    {% set retention = setting('retention') %}
    {% if retention and setting('score_slack') > 0 %}
        {% do definition_error('Var retention', '', 'limits, and a score_slack above 0', 'one of them: score_slack builds all periods again in every build, from rows that retention has left out') %}
    {% endif %}
    {% set too_long = [] %}
    {% for window in metric_windows() if retention and window.from_days_ago %}
        {% for table, _ in window.reads %}
            {% set raw_tables = {'tickets': ['tickets'], 'topics': ['tickets'], 'events': ['events'], 'sessions': ['events'], 'touchpoints': ['tickets', 'campaign_contacts', 'campaign_responses']}.get(table, []) %}
            {% for raw_table in raw_tables if raw_table in retention %}
                {% set years, months = retention[raw_table] // 12, retention[raw_table] % 12 %}
                {#- Days that are kept on any date: February may be among the months. -#}
                {% if window.from_days_ago > 365 * years + 30 * months - (2 if months else 0) %}
                    {% do too_long.append(window.column) %}
                {% endif %}
            {% endfor %}
        {% endfor %}
    {% endfor %}
    {% if too_long and execute %}
        {% do exceptions.warn('Var retention: ' ~ too_long | unique | join(', ') ~ ' look back further than rows are kept, so they count less. Shorten their windows, or keep the rows for longer.') %}
    {% endif %}
{% endmacro %}
