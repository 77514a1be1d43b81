{#- Rows of erased people are left out before anything of them is stored: a raw file may be an old one. -#}
{% macro load_tombstones(schema) %}
    {% do return(adapter.dispatch('load_tombstones', 'customer_segmentation')(schema)) %}
{% endmacro %}

{% macro default__load_tombstones(schema) %}
{% endmacro %}

{% macro duckdb__load_tombstones(schema) %}
    {#- Copies of raw data that this run doesn't make again would keep whoever was in them. -#}
    {% for row in run_query("select table_name from information_schema.tables where table_schema = " ~ sql_literal(schema) ~ " and regexp_matches(table_name, '^(text|kept)_')") if row[0] != 'kept_out' %}
        {% do run_query('drop table ' ~ input_relation(schema, row[0])) %}
    {% endfor %}
    {% do call_plugin('segmentation_load_tombstones', [input_relation(schema, 'tombstones') | string, input_relation(schema, 'kept_out') | string]) %}
{% endmacro %}


{% macro without_erased(table, relation, keys) %}
    {{ return(adapter.dispatch('without_erased', 'customer_segmentation')(table, relation, keys)) }}
{% endmacro %}

{% macro default__without_erased(table, relation, keys) %}
    {{ return(relation) }}
{% endmacro %}

{% macro duckdb__without_erased(table, relation, keys) %}
    {{ return(call_plugin('segmentation_keep_out', [relation | string, tojson(keys), input_relation(table.schema, 'kept_' ~ table.name) | string])) }}
{% endmacro %}


{% macro reference_keys(table, columns) %}
    {% set references = [] %}
    {#- No reference has a blank. The id of a record may be another customer's reference, and a device may be used by others later. -#}
    {% set has_reference = 'customer_ref' in table.columns and 'customer_ref' in columns %}
    {% if has_reference %}
        {% do references.append(safe_reference(to_key('customer_ref'))) %}
    {% endif %}
    {% if 'record_id' in table.columns and 'record_id' in columns %}
        {% do references.append("'record ' || " ~ safe_reference(to_key('record_id'))) %}
    {% endif %}
    {% if 'anonymous_id' in table.columns and 'anonymous_id' in columns %}
        {% set visitor = "'visitor ' || " ~ to_key('anonymous_id') %}
        {% do references.append('case when ' ~ to_key('customer_ref') ~ ' is null then ' ~ visitor ~ ' end' if has_reference else visitor) %}
    {% endif %}
    {{ return({
        'table': table.name,
        'source_system': 'coalesce(' ~ to_key('source_system') ~ ", 'default')" if 'source_system' in columns else "'default'",
        'references': references,
        'order_id': to_key('order_id') if table.name in ['orders', 'order_lines'] else none,
    }) }}
{% endmacro %}


{#- The erased of a request that came in the usual way, and with them what identity links to it. -#}
{% macro record_tombstones(results) %}
    {% if execute and flags.WHICH == 'build' %}
        {% do adapter.dispatch('record_tombstones', 'customer_segmentation')(results) %}
    {% endif %}
    {{ return('') }}
{% endmacro %}

{% macro default__record_tombstones(results) %}
{% endmacro %}

{% macro duckdb__record_tombstones(results) %}
    {% set recorded = call_plugin('segmentation_record_tombstones', [erased_query()]) if all_models_are_built(results) else 0 %}
    {% if recorded %}
        {% do log(recorded ~ ' references of erased people are remembered as keyed hashes. When a request is gone, builds leave out their raw rows.', info=true) %}
    {% endif %}
{% endmacro %}


{% macro erased_query() %}
    {%- set relations = {} -%}
    {%- for name in ['int_identity__erased_references', 'int_identity__erasures', 'int_staging__calendar', 'stg_events', 'stg_identity_links'] -%}
        {%- do relations.update({name: graph.nodes['model.customer_segmentation.' ~ name].relation_name}) if 'model.customer_segmentation.' ~ name in graph.nodes -%}
    {%- endfor -%}
    {%- if relations | length < 5 -%}{{ return('') }}{%- endif -%}
    with erased as (
        select
            source_table,
            source_system,
            reference
        from {{ relations['int_identity__erased_references'] }}
    ),

    log_ins as (
        select source_system, anonymous_id, customer_ref from {{ relations['stg_events'] }}
        union
        select source_system, anonymous_id, customer_ref from {{ relations['stg_identity_links'] }}
    ),

    -- Visitors who were no one else. Events before the log-in have no other reference.
    visitors as (
        select
            log_ins.source_system,
            log_ins.anonymous_id
        from log_ins
        left join (select distinct source_system, reference from erased) as references_of_erased
            on
                log_ins.source_system = references_of_erased.source_system
                and log_ins.customer_ref = references_of_erased.reference
        where log_ins.anonymous_id is not null and log_ins.customer_ref is not null
        group by log_ins.source_system, log_ins.anonymous_id
        having count(*) = count(references_of_erased.reference)
    ),

    all_references as (
        select
            source_table,
            source_system,
            case when source_table = 'records' then 'record ' || reference else reference end as reference,
            {{ hashed_id(['source_system', 'reference']) }} as possible_id
        from erased
        union all
        select
            'visitors' as source_table,
            source_system,
            'visitor ' || anonymous_id as reference,
            cast(null as {{ dbt.type_string() }}) as possible_id
        from visitors
    )

    select distinct erased.source_table, erased.source_system, erased.reference, erasures.customer_id, calendar.as_of
    from all_references as erased
    inner join {{ relations['int_staging__calendar'] }} as calendar on calendar.is_current
    left join {{ relations['int_identity__erasures'] }} as erasures on erased.possible_id = erasures.customer_id
{%- endmacro %}
