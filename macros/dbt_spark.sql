{#- dbt-spark calls it to check the strategy of a model, and knows none but its own. -#}
{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) %}
    {% if raw_strategy != 'replace_periods' %}
        {{ return(dbt.dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format)) }}
    {% endif %}
    {#- A build that was killed within spark__replace_table left the whole table under its new name. -#}
    {% set stored = customer_segmentation.stored_relation(this) %}
    {% do adapter.rename_relation(stored, this) if stored and not load_relation(this) %}
    {{ return(raw_strategy) }}
{% endmacro %}

{#- dbt-spark calls it for the rows to write. -#}
{% macro dbt_spark_get_incremental_sql(strategy, source, target, existing, unique_key, incremental_predicates) %}
    {%- if strategy != 'replace_periods' -%}
        {{- return(dbt.dbt_spark_get_incremental_sql(strategy, source, target, existing, unique_key, incremental_predicates)) -}}
    {%- endif -%}
    {%- set columns = adapter.get_columns_in_relation(target) | map(attribute='quoted') | join(', ') -%}
    {%- set flag = config.meta_get('replaced_periods', 'is_built') -%}
    {%- set rows -%}
        select {{ columns }}
        from {{ target }}
        where {{ unique_key }} in (select as_of from {{ ref('int_periods') }} where not {{ flag }})
        union all
        select {{ columns }}
        from {{ source }}
    {%- endset -%}
    {%- do spark__replace_table(target, rows) -%}
    {#- All is written, and dbt runs what it is given. -#}
    {{- return('select 1 as done') -}}
{% endmacro %}


{#- A table of Parquet files has no delete, and can't be overwritten from itself. -#}
{% macro spark__replace_table(relation, query) %}
    {% set spare = relation ~ '__new' %}
    {% do run_query('drop table if exists ' ~ spare) %}
    {% do run_query('create table ' ~ spare ~ ' as ' ~ query) %}
    {% do run_query('drop table ' ~ relation) %}
    {% do run_query('alter table ' ~ spare ~ ' rename to ' ~ relation) %}
{% endmacro %}


{#- dbt-spark's own writes a missing value as the text None in a local session, and stops at an apostrophe. -#}
{% macro spark__load_csv_rows(model, agate_table) %}
    {% set types, rows = model.config.get('column_types', {}), [] %}
    {% for row in agate_table.rows %}
        {% set values = [] %}
        {% for name in agate_table.column_names %}
            {% set value = 'null' if row[loop.index0] is none else customer_segmentation.sql_literal(row[loop.index0]) %}
            {% do values.append('cast(' ~ value ~ ' as ' ~ types.get(name, adapter.convert_type(agate_table, loop.index0)) ~ ')') %}
        {% endfor %}
        {% do rows.append('(' ~ values | join(', ') ~ ')') %}
    {% endfor %}
    {% set insert = 'insert into ' ~ this.render() ~ ' values ' ~ rows | join(', ') %}
    {% do adapter.add_query(insert, abridge_sql_log=True) if rows %}
    {{ return(insert) }}
{% endmacro %}


{#- Tables of Parquet files have no constraints, and dbt-spark's own statements fail. -#}
{% macro spark__persist_constraints(relation, model) %}
    {% set nulls = [] %}
    {% for column in model.columns.values() %}
        {% for constraint in column.constraints if model.config.contract.enforced and constraint.type == 'not_null' %}
            {% do nulls.append(adapter.quote(column.name) ~ ' is null') %}
        {% endfor %}
    {% endfor %}
    {% if nulls and run_query('select 1 from ' ~ relation ~ ' where ' ~ nulls | join(' or ') ~ ' limit 1') | length %}
        {% do exceptions.raise_compiler_error(relation ~ ' has rows in which a column of its contract is null. Expected: ' ~ nulls | join(' or ') ~ ' for no row.') %}
    {% endif %}
{% endmacro %}
