{% macro get_incremental_replace_periods_sql(arg_dict) %}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set flag = config.meta_get('replaced_periods', 'is_built') -%}
    delete from {{ arg_dict['target_relation'] }}
    where
        {{ arg_dict['unique_key'] }} in (select as_of from {{ ref('int_periods') }} where {{ flag }})
        or {{ arg_dict['unique_key'] }} not in (select as_of from {{ ref('int_periods') }});

    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }}
{% endmacro %}


{% macro periods_of_last_build() -%}
    {%- set stored = stored_relation(this) if execute and not flags.FULL_REFRESH else none -%}
    {%- set columns = adapter.get_columns_in_relation(stored) | map(attribute='name') | list if stored else [] -%}
    {%- if 'built_expiring_data_hash' in columns -%}
select
    as_of,
    retention,
    expiring_data_hash,
    built_definition_hash,
    built_data_hash,
    built_expiring_data_hash
from {{ last_periods() }}
    {%- else -%}
select
    cast(null as date) as as_of,
    cast(null as {{ dbt.type_string() }}) as retention,
    cast(null as decimal(38, 0)) as expiring_data_hash,
    cast(null as {{ dbt.type_string() }}) as built_definition_hash,
    cast(null as decimal(38, 0)) as built_data_hash,
    cast(null as decimal(38, 0)) as built_expiring_data_hash
where false
    {%- endif -%}
{%- endmacro %}


{#- A table as the last build left it, or none. -#}
{% macro stored_relation(relation) %}
    {{- return(adapter.dispatch('stored_relation', 'customer_segmentation')(relation)) -}}
{% endmacro %}

{% macro default__stored_relation(relation) %}
    {{- return(load_relation(relation)) -}}
{% endmacro %}

{#- A build that stops between two statements leaves a table under the name of spark__replace_table, or int_periods under that of last_periods. -#}
{% macro spark__stored_relation(relation) %}
    {%- for ending in ['', '__new', '__last'] -%}
        {%- set stored = load_relation(relation.incorporate(path={'identifier': relation.identifier ~ ending})) -%}
        {{- return(stored) if stored -}}
    {%- endfor -%}
    {{- return(none) -}}
{% endmacro %}


{#- The table int_periods as the last build left it. -#}
{% macro last_periods() %}
    {{- return(adapter.dispatch('last_periods', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro default__last_periods() %}
    {{- return(this) -}}
{% endmacro %}

{#- dbt-spark drops a table before it runs the query that makes it again; see keep_last_periods. -#}
{% macro spark__last_periods() %}
    {{- return(this ~ '__last') -}}
{% endmacro %}

{% macro keep_last_periods() %}
    {{- return(adapter.dispatch('keep_last_periods', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro default__keep_last_periods() %}
{% endmacro %}

{% macro spark__keep_last_periods() %}
    {%- set stored = stored_relation(this) if execute -%}
    {%- if stored and stored | string != last_periods() -%}
        {%- do run_query('drop table if exists ' ~ last_periods()) -%}
        {%- do run_query('create table ' ~ last_periods() ~ ' as select * from ' ~ stored) -%}
        {#- Where int_periods is missing, that table is taken for it; by the next build it would be an old one. -#}
        {{- return('drop table if exists ' ~ this ~ '__new') -}}
    {%- endif -%}
{% endmacro %}


{#- Reads the kept rows themselves, so that no departed customer stays in them, even after a build that was killed. -#}
{% macro customers_departed_since_last_build() -%}
    {%- set kept = graph.nodes.get('model.customer_segmentation.int_segmentation__memberships') if execute -%}
    {%- set stored = stored_relation(api.Relation.create(database=kept.database, schema=kept.schema, identifier=kept.alias)) if kept -%}
    {%- if stored -%}
select count(*) as customers
from (
    select distinct customer_key
    from {{ stored }}
    where scheme = '{{ exclusive_schemes() | first }}'
) as earlier
left join {{ ref('int_identity__customers_resolved') }} as customers
    on earlier.customer_key = customers.customer_key and not customers.is_excluded
where customers.customer_key is null
    {%- else -%}
select 0 as customers
    {%- endif -%}
{%- endmacro %}


{% macro backfill_range() %}
    {%- set first, last = setting('backfill_from'), setting('backfill_to') -%}
    {%- if not first and not last -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- if first and last and first > last -%}
        {%- do definition_error('Var backfill_from', '', first, 'a date up to backfill_to, which is ' ~ last ~ ', or null') -%}
    {%- endif -%}
    {{- return([first or '0001-01-01', last or '9999-12-31']) -}}
{% endmacro %}


{#- A seed of this package: dbt gives macros no other path to its folder. -#}
{% macro project_folder() %}
    {{- return((graph.nodes.get('seed.customer_segmentation.nicknames') or {}).get('root_path', '.')) -}}
{% endmacro %}


{#- A change restates the whole history, because a build from scratch would. -#}
{% macro definition_hash() %}
    {%- if not execute or flags.WHICH not in ['build', 'run', 'retry'] -%}
        {{- return('') -}}
    {%- endif -%}
    {%- set values = {} -%}
    {%- for name in vars_that_shape_history() -%}
        {%- do values.update({name: var(name)}) -%}
    {%- endfor -%}
    {{- return(local_md5(code_hash() ~ embedding_model_key() ~ tojson(values, sort_keys=true))) -}}
{% endmacro %}


{#- Of the code that shapes tables. -#}
{% macro code_hash() %}
    {{- return(adapter.dispatch('code_hash', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro duckdb__code_hash() %}
    {{- return(call_plugin('segmentation_code_hash', [project_folder()])) -}}
{% endmacro %}

{#- Jinja can't read the text of macros and of the Python package: of those, the version alone counts. -#}
{% macro spark__code_hash() %}
    {%- set hashes = [package_version()] -%}
    {%- for node in graph.nodes.values() if node.package_name == 'customer_segmentation' and node.resource_type in ['model', 'seed'] -%}
        {%- do hashes.append(node.name ~ ' ' ~ node.checksum.checksum) -%}
    {%- endfor -%}
    {{- return(local_md5(hashes | sort | join(' '))) -}}
{% endmacro %}


{% macro vars_that_shape_history() %}
    {{- return([
        'timezone', 'raw_timezone', 'period', 'currency', 'order_statuses', 'zero_orders_count', 'largest_plausible_amount', 'earliest_plausible_date',
        'latest_plausible_date', 'empty_references', 'date_formats', 'oldest_plausible_age', 'segmentation_consent', 'identity_threshold', 'identity_review_from',
        'identity_vetoes', 'identity_cap', 'identity_hub_limit', 'trusted_sources', 'linkage_comparisons',
        'linkage_sample_rows', 'linkage_seed', 'metrics', 'extra_metrics', 'feature_windows', 'feature_treatments',
        'spend_breaks', 'schemes', 'cluster_features', 'journey_features', 'cluster_pca', 'cluster_k', 'cluster_sample_rows', 'cluster_seed',
        'break_sample_rows', 'rule_segments', 'session_idle_minutes', 'bot_events_per_day', 'bot_events_per_minute',
        'event_roles', 'cart_grace_hours', 'half_life_days', 'big_purchase', 'score_weights', 'score_half_points', 'loyalty_tiers',
        'topics', 'rating_scales', 'score_slack', 'rfm_recency', 'predictions', 'prediction_features', 'prediction_sample_rows', 'prediction_seed',
        'prediction_xgboost', 'annual_discount',
    ]) -}}
{% endmacro %}


{#- Without that note, as after a build that was killed, the next build builds the period again. -#}
{% macro confirm_periods(results) %}
    {% if not execute or flags.WHICH not in ['build', 'run', 'retry'] %}
        {{ return('') }}
    {% endif %}
    {% set written = (results | selectattr('status', 'equalto', 'success') | map(attribute='node.unique_id') | list) + kept_nodes() %}
    {% set periods = graph.nodes.get('model.customer_segmentation.int_periods') %}
    {#- A project that disables it builds nothing by period. -#}
    {% if not periods %}
        {{ return('') }}
    {% endif %}
    {% for node in graph.nodes.values()
        if node.package_name == 'customer_segmentation'
        and (node.config.get('incremental_strategy') == 'replace_periods' or node.unique_id == periods.unique_id)
        and node.unique_id not in written %}
        {{ return('') }}
    {% endfor %}
    {% set relation = api.Relation.create(database=periods.database, schema=periods.schema, identifier=periods.alias) %}
    {% do note_built_periods(relation, {'built_definition_hash': 'definition_hash', 'built_data_hash': 'data_hash', 'built_expiring_data_hash': 'expiring_data_hash'}) %}
    {{ return('') }}
{% endmacro %}


{% macro note_built_periods(periods, hashes) %}
    {% do return(adapter.dispatch('note_built_periods', 'customer_segmentation')(periods, hashes)) %}
{% endmacro %}

{% macro default__note_built_periods(periods, hashes) %}
    {% set changes = [] %}
    {% for built, now in hashes.items() %}
        {% do changes.append(built ~ ' = ' ~ now) %}
    {% endfor %}
    {% do run_query('update ' ~ periods ~ ' set ' ~ changes | join(', ') ~ ' where is_built') %}
{% endmacro %}

{% macro spark__note_built_periods(periods, hashes) %}
    {% set columns = [] %}
    {% for column in adapter.get_columns_in_relation(periods) %}
        {% do columns.append('case when is_built then ' ~ hashes[column.name] ~ ' else ' ~ column.name ~ ' end as ' ~ column.name if column.name in hashes else column.name) %}
    {% endfor %}
    {% do spark__replace_table(periods, 'select ' ~ columns | join(', ') ~ ' from ' ~ periods) %}
{% endmacro %}
