{#- Rows that are deleted stay in the blocks of a DuckDB file until others take their place. -#}
{% macro rewrite_after_departures(results) %}
    {% if execute and flags.WHICH == 'build' %}
        {% do adapter.dispatch('rewrite_after_departures', 'customer_segmentation')(results) %}
    {% endif %}
    {{ return('') }}
{% endmacro %}

{#- Elsewhere a table made anew is new files; when old ones are removed is a matter of the storage. -#}
{% macro default__rewrite_after_departures(results) %}
{% endmacro %}

{% macro duckdb__rewrite_after_departures(results) %}
    {#- Where a table was not built, the departed are still in it. -#}
    {% if not all_models_are_built(results) %}
        {{ return('') }}
    {% endif %}
    {% set dropped = drop_tables_no_longer_built() %}
    {% set records = graph.nodes.get('model.customer_segmentation.int_identity__records') %}
    {% set erased = graph.nodes.get('model.customer_segmentation.int_identity__erased_references') %}
    {% set retention = graph.nodes.get('model.customer_segmentation.int_staging__retention') %}
    {% if not (records and erased and retention) %}
        {{ return('') }}
    {% endif %}
    {% set schema = input_contract()[0].schema %}
    {% set held, rewrite_due = input_relation(schema, 'held_references'), input_relation(schema, 'rewrite_due') %}
    {% set now_held -%}
        select cast(hash('known', is_in_crm, source_system, record_id) as varchar) as reference_hash
        from {{ records.relation_name }}
        union
        select cast(hash(source_table, source_system, reference) as varchar) as reference_hash
        from {{ erased.relation_name }}
        where source_table <> 'erasure_requests'
        {%- for table in expiring_tables() %}
        union
        select cast(hash('retained from', '{{ table }}', min(retained_from)) as varchar) as reference_hash
        from {{ retention.relation_name }}
        where source_table = '{{ table }}'
        {%- endfor %}
    {%- endset %}
    {#- A file of an earlier version may hold anyone. -#}
    {% set due = true %}
    {% if run_query("select 1 from information_schema.tables where table_schema = " ~ sql_literal(schema) ~ " and table_name = 'held_references'") | length %}
        {% set gone = run_query('select 1 from ' ~ held ~ ' where reference_hash not in (' ~ now_held ~ ') limit 1') %}
        {% set due = gone | length > 0 or dropped %}
    {% endif %}
    {% if delete_expired_copies() or due %}
        {% do run_query('create or replace table ' ~ rewrite_due ~ ' as select 1 as due') %}
        {% do log('People or rows have left the data: the working file is written anew without them when this run ends.', info=true) %}
    {% endif %}
    {% do run_query('create or replace table ' ~ held ~ ' as ' ~ now_held) %}
{% endmacro %}


{#- What only earlier builds made is never built again, and would keep whoever was in it. -#}
{% macro drop_tables_no_longer_built() %}
    {% set schema = input_contract()[0].schema %}
    {% set record = input_relation(schema, 'built_tables') %}
    {% set built, ours = [], [] %}
    {% for node in graph.nodes.values() if node.resource_type in ['model', 'seed'] and node.config.materialized != 'ephemeral' %}
        {% set name = '(' ~ sql_literal(node.schema) ~ ', ' ~ sql_literal(node.alias) ~ ')' %}
        {% do built.append(name) %}
        {% do ours.append(name) if node.package_name == 'customer_segmentation' %}
    {% endfor %}
    {% set dropped = [] %}
    {#- Not by the adapter's functions: they begin a transaction that nothing commits after a run. -#}
    {% set there = 'from information_schema.tables where table_catalog = ' ~ sql_literal(target.database) ~ ' and ' %}
    {% if run_query('select 1 ' ~ there ~ 'table_schema = ' ~ sql_literal(schema) ~ " and table_name = 'built_tables'") | length %}
        {% set gone %}
            select table_schema, table_name, table_type {{ there }}
                (table_schema, table_name) in (select (table_schema, table_name) from {{ record }} where target_name = {{ sql_literal(target.name) }})
                and (table_schema, table_name) not in ({{ built | join(', ') }})
            order by table_schema, table_name
        {% endset %}
        {% for table in run_query(gone) %}
            {% set kind = 'view' if table['table_type'] == 'VIEW' else 'table' %}
            {% do run_query('drop ' ~ kind ~ ' ' ~ input_relation(table['table_schema'], table['table_name'])) %}
            {% do dropped.append(table['table_schema'] ~ '.' ~ table['table_name']) %}
        {% endfor %}
    {% endif %}
    {% if dropped %}
        {% do log('Dropped from the working file, since no model makes it any more: ' ~ dropped | join(', '), info=true) %}
    {% endif %}
    {% do run_query('create table if not exists ' ~ record ~ ' (target_name varchar, table_schema varchar, table_name varchar)') %}
    {% do run_query('delete from ' ~ record ~ ' where target_name = ' ~ sql_literal(target.name)) %}
    {% do run_query('insert into ' ~ record ~ ' select ' ~ sql_literal(target.name) ~ ', * from (values ' ~ ours | join(', ') ~ ') as ours (table_schema, table_name)') %}
    {{ return(dropped | length > 0) }}
{% endmacro %}


{% macro all_models_are_built(results) %}
    {% set built = [] %}
    {% for result in results if result.status | string == 'success' %}
        {% do built.append(result.node.unique_id) %}
    {% endfor %}
    {% for node in graph.nodes.values()
        if node.package_name == 'customer_segmentation'
        and node.resource_type == 'model'
        and node.config.materialized != 'ephemeral'
        and node.unique_id not in built %}
        {{ return(false) }}
    {% endfor %}
    {{ return(true) }}
{% endmacro %}
