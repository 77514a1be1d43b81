{#-
    The one input door: models use plain source(), so lineage, docs, unit tests and --empty work as in any project.

    run_query commits each statement. adapter.get_relation would open a transaction, and the views would be rolled back.
-#}
{% macro create_input_views() %}
    {% if not execute %}
        {{ return('') }}
    {% endif %}
    {% do check_python_package() %}
    {% do validate_vars() %}
    {% set contract = input_contract() %}
    {% set found = find_raw_tables(contract) %}
    {% set schema = contract[0].schema %}
    {% do lock_warehouse_to_dataset(schema) %}
    {% do check_publication() if flags.WHICH == 'build' and publish_path() is not none and target.name in var('publish_targets') %}
    {% do keep_other_published_dataset() %}
    {% set text = dbt.type_string() %}
    {% do create_empty_table(input_relation(schema, 'rejected_lines'), 'source_table ' ~ text ~ ', line bigint, error ' ~ text) %}
    {% do create_empty_table(input_relation(schema, 'kept_out'), 'source_table ' ~ text ~ ', check_name ' ~ text ~ ', value bigint') %}
    {% do create_empty_table(input_relation(schema, 'tombstones'), 'reference ' ~ text ~ ', customer_id ' ~ text ~ ', erased_on date') %}
    {% do create_empty_table(input_relation(schema, 'reference_keys'), 'source_table ' ~ text ~ ', keys ' ~ text) %}
    {% do create_empty_table(input_relation(schema, 'live_profiles'), 'customer_id ' ~ text ~ ', segment_key ' ~ text ~ ', as_of date') %}
    {% do load_tombstones(schema) %}
    {% do load_live_profiles(schema) %}
    {#- Lines belong to the customer of their order, and the requests say whether all that were served are still there. -#}
    {% set first = ['erasure_requests', 'orders'] %}
    {% for table in (contract | selectattr('name', 'in', first) | list) + (contract | rejectattr('name', 'in', first) | list) %}
        {% do run_query(input_view(table, found.get(table.name))) %}
    {% endfor %}
    {% do warn_of_demo_hash_key() %}
    {% do limit_file_access() %}
    {{ return('') }}
{% endmacro %}


{#- What build and stream came to for the same customers: see live_reconciliation. -#}
{% macro load_live_profiles(schema) %}
    {% do return(adapter.dispatch('load_live_profiles', 'customer_segmentation')(schema)) %}
{% endmacro %}

{% macro default__load_live_profiles(schema) %}
{% endmacro %}

{% macro duckdb__load_live_profiles(schema) %}
    {% do call_plugin('segmentation_load_live_profiles', [input_relation(schema, 'live_profiles') | string]) %}
    {% do run_query('delete from ' ~ input_relation(schema, 'live_profiles') ~ ' where customer_id in (select customer_id from ' ~ input_relation(schema, 'tombstones') ~ ')') %}
{% endmacro %}


{% macro input_contract() %}
    {% set tables = [] %}
    {% for node in graph.sources.values() if node.package_name == 'customer_segmentation' and node.source_name == 'input' %}
        {% set required, types, also_called = [], {}, {} %}
        {% for column in node.columns.values() if column.data_type %}
            {% do types.update({column.name: column.data_type}) %}
        {% endfor %}
        {% for column in node.columns.values() if column.meta.get('required') %}
            {% do required.append(column.name) %}
        {% endfor %}
        {% for column in node.columns.values() if column.meta.get('also_called') %}
            {% do also_called.update({column.name: column.meta.also_called}) %}
        {% endfor %}
        {% do tables.append({
            'name': node.name,
            'schema': node.schema,
            'columns': node.columns.keys() | list,
            'required_columns': required,
            'is_required': node.meta.get('required', false),
            'types': types,
            'also_called': also_called,
            'names': node.meta.get('also_called', []),
        }) %}
    {% endfor %}
    {{ return(tables | sort(attribute='name')) }}
{% endmacro %}


{% macro find_raw_tables(contract) %}
    {% if raw_warehouse() %}
        {{ return(find_warehouse_tables(contract, raw_warehouse())) }}
    {% endif %}
    {% if var('raw_dir') is none %}
        {% do exceptions.raise_compiler_error("Var raw_dir is null. The demo: make build. Your own data: --vars '{dataset: shop, raw_dir: data/shop, timezone: Europe/Berlin}', or raw_schema for tables of a warehouse; README.md says how.") %}
    {% endif %}
    {{ return(find_raw_files(contract)) }}
{% endmacro %}


{% macro raw_relation(table, found) %}
    {% set keys = reference_keys(table, found.columns) %}
    {% do run_query('insert into ' ~ input_relation(table.schema, 'reference_keys') ~ ' values (' ~ sql_literal(table.name) ~ ', ' ~ sql_literal(tojson(keys)) ~ ')') %}
    {{ return(load_raw_files(table, found, keys)) }}
{% endmacro %}


{#- A table without rows, whatever was there. -#}
{% macro create_empty_table(relation, columns) %}
    {% do return(adapter.dispatch('create_empty_table', 'customer_segmentation')(relation, columns)) %}
{% endmacro %}

{% macro default__create_empty_table(relation, columns) %}
    {% do run_query('create or replace table ' ~ relation ~ ' (' ~ columns ~ ')') %}
{% endmacro %}

{#- A table of Parquet files can't be replaced. -#}
{% macro spark__create_empty_table(relation, columns) %}
    {% do run_query('drop table if exists ' ~ relation) %}
    {% do run_query('create table ' ~ relation ~ ' (' ~ columns ~ ')') %}
{% endmacro %}


{% macro input_relation(schema, identifier) %}
    {{ return(api.Relation.create(database=target.get('database'), schema=schema, identifier=identifier)) }}
{% endmacro %}


{% macro call_plugin(function, arguments) %}
    {% set literals = [] %}
    {% for argument in arguments %}
        {% do literals.append(customer_segmentation.sql_literal(argument)) %}
    {% endfor %}
    {% set answer = fromjson(run_query('select ' ~ function ~ '(' ~ literals | join(', ') ~ ')').columns[0].values()[0]) %}
    {% if answer.error %}
        {% do exceptions.raise_compiler_error(answer.error) %}
    {% endif %}
    {{ return(answer.result) }}
{% endmacro %}


{% macro input_view(table, found) %}
    create or replace view {{ input_relation(table.schema, table.name) }} as
    select
    {%- for column in table.columns %}
        {% if found and column in found.columns -%}
            {{ adapter.quote(column) }}
        {%- else -%}
            cast(null as {{ dbt.type_string() }}) as {{ adapter.quote(column) }}
        {%- endif -%}
        {{ ',' if not loop.last }}
    {%- endfor %}
    {% if found %}
    from {{ raw_relation(table, found) }}
    {% else %}
    from (select 1) as nothing
    where false
    {% endif %}
{% endmacro %}


{% macro lock_warehouse_to_dataset(schema) %}
    {% do run_query('create schema if not exists ' ~ adapter.quote(schema)) %}
    {% set claim = input_relation(schema, 'data_set') %}
    {% do run_query('create table if not exists ' ~ claim ~ ' (dataset ' ~ dbt.type_string() ~ ', raw_dir ' ~ dbt.type_string() ~ ')') %}
    {% set place = raw_place() %}
    {% set owners = run_query('select dataset, raw_dir from ' ~ claim) %}
    {% if owners | length == 0 %}
        {% do run_query('insert into ' ~ claim ~ ' values (' ~ sql_literal(var('dataset')) ~ ', ' ~ sql_literal(place) ~ ')') %}
        {#- A new file; see rewrite_after_departures. -#}
        {% do run_query('create table if not exists ' ~ input_relation(schema, 'held_references') ~ ' (reference_hash ' ~ dbt.type_string() ~ ')') %}
    {% elif (owners[0]['dataset'], owners[0]['raw_dir']) != (var('dataset'), place) %}
        {% do exceptions.raise_compiler_error(
            ('The working file ' ~ target.path if 'path' in target else 'The schema ' ~ schema) ~ " belongs to the data set '" ~ owners[0]['dataset'] ~ "' from "
            ~ owners[0]['raw_dir'] ~ "; this build asks for '" ~ var('dataset') ~ "' from " ~ place
            ~ ". Give each data set its own name with --vars '{dataset: ..., raw_dir: ...}', or delete the file to start again."
        ) %}
    {% endif %}
{% endmacro %}


{#- Before anything is built, since what is built would not be published. -#}
{% macro keep_other_published_dataset() %}
    {% set path = publish_path() %}
    {% if flags.WHICH == 'build' and path is not none and target.name in var('publish_targets') and not setting('replace_other_dataset') %}
        {% set held = published_data_set(path) %}
        {% if held and held != var('dataset') %}
            {% do exceptions.raise_compiler_error(
                published_place() ~ " holds the data set '" ~ held ~ "'; this build is of '" ~ var('dataset')
                ~ "'. " ~ ('Give it a file of its own with var publish_path, or replace' if 'path' in target else 'Replace') ~ ' that one with replace_other_dataset: true.'
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}


{% macro warn_of_demo_hash_key() %}
    {% if var('dataset') != 'demo' and not run_query('select ' ~ has_own_hash_key()).columns[0].values()[0] %}
        {% do exceptions.warn(
            'The environment variable SEGMENTATION_HASH_KEY is not set: references that look like an e-mail address or a '
            ~ 'phone number are hashed with a key that is public. Set it to a secret before you publish real data.'
        ) %}
    {% endif %}
{% endmacro %}
