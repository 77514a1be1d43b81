{#-
    The input door. Makes one view per contract table in the schema of the source `input`, with exactly
    the contract's columns, uncast, and null where the raw data has none. Everything after it uses plain
    source(), so lineage, docs, unit tests and --empty work as in any project.

    Statements go through run_query, which commits each of them: adapter.get_relation would open a
    transaction here, and the views would be rolled back with it.
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
    {% do run_query('create or replace table ' ~ input_relation(schema, 'rejected_lines') ~ ' (source_table ' ~ dbt.type_string() ~ ', line bigint, error ' ~ dbt.type_string() ~ ')') %}
    {% for table in contract %}
        {% do run_query(input_view(table, found.get(table.name))) %}
    {% endfor %}
    {% do warn_of_demo_hash_key() %}
    {% do limit_file_access() %}
    {{ return('') }}
{% endmacro %}


{#-
    The declared sources as a list of {name, schema, view, columns, required_columns, is_required, types, also_called, names}.
-#}
{% macro input_contract() %}
    {% set tables = [] %}
    {% for node in graph.sources.values() if node.package_name == 'customer_segmentation' and node.source_name == 'input' %}
        {% set required, types, also_called = [], {}, {} %}
        {% for column in node.columns.values() if column.data_type %}
            {% do types.update({column.name: column.data_type}) %}
        {% endfor %}
        {% for column in node.columns.values() if column.meta.get('required') or column.get('config', {}).get('meta', {}).get('required') %}
            {% do required.append(column.name) %}
        {% endfor %}
        {% for column in node.columns.values() if column.meta.get('also_called') %}
            {% do also_called.update({column.name: column.meta.also_called}) %}
        {% endfor %}
        {% do tables.append({
            'name': node.name,
            'schema': node.schema,
            'view': api.Relation.create(database=node.database, schema=node.schema, identifier=node.identifier),
            'columns': node.columns.keys() | list,
            'required_columns': required,
            'is_required': node.config.meta.get('required', false) or node.meta.get('required', false),
            'types': types,
            'also_called': also_called,
            'names': node.meta.get('also_called', []),
        }) %}
    {% endfor %}
    {{ return(tables | sort(attribute='name')) }}
{% endmacro %}


{#-
    What each contract table can be read from: {table name: {columns, and relation or what raw_files tells of a file}}.
    Tables that are not there have no entry.
-#}
{% macro find_raw_tables(contract) %}
    {% if raw_warehouse() %}
        {{ return(find_warehouse_tables(contract, raw_warehouse())) }}
    {% endif %}
    {% set found = {} %}
    {% for file in call_plugin('segmentation_find_raw_files', [var('raw_dir'), tojson(for_python(contract))]) %}
        {% do found.update({file.table: file}) %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- The contract without its relations, which JSON can't say. -#}
{% macro for_python(contract) %}
    {% set tables = [] %}
    {% for table in contract %}
        {% set told = dict(table) %}
        {% do told.pop('view') %}
        {% do tables.append(told) %}
    {% endfor %}
    {{ return(tables) }}
{% endmacro %}


{#-
    What a raw table is read from: a table of the warehouse or a Parquet file as it is, a CSV file as a table of text that is loaded
    here, so that lines which can't be read are set aside and the others are not lost with them.
-#}
{% macro raw_relation(file, schema) %}
    {% if file.relation %}
        {{ return(file.relation) }}
    {% elif file.format == 'parquet' %}
        {{ return('read_parquet(' ~ sql_literal(file.path) ~ ')') }}
    {% endif %}
    {% set loaded = input_relation(schema, 'csv_' ~ file.table) | string %}
    {% do call_plugin('segmentation_load_csv', [tojson(file), loaded, input_relation(schema, 'rejected_lines') | string]) %}
    {{ return(loaded) }}
{% endmacro %}


{% macro input_relation(schema, identifier) %}
    {{ return(api.Relation.create(database=target.database, schema=schema, identifier=identifier)) }}
{% endmacro %}


{#- The result of a function of the Python package. What went wrong there stops the build in one sentence. -#}
{% macro call_plugin(function, arguments) %}
    {% set literals = [] %}
    {% for argument in arguments %}
        {% do literals.append(customer_segmentation.sql_literal(argument)) %}
    {% endfor %}
    {% set answer = fromjson(run_query('select ' ~ function ~ '(' ~ literals | join(', ') ~ ')').columns[0].values()[0]) %}
    {% if answer.error %}
        {% do customer_segmentation.raise_config_error(answer.error) %}
    {% endif %}
    {{ return(answer.result) }}
{% endmacro %}


{% macro input_view(table, found) %}
    create or replace view {{ table.view }} as
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
    from {{ raw_relation(found, table.schema) }}
    {% else %}
    from (select 1) as nothing
    where false
    {% endif %}
{% endmacro %}


{#-
    One working file belongs to one data set. The first build writes the name and the folder into it; a
    build that meets another's stops before it touches anything.
-#}
{% macro lock_warehouse_to_dataset(schema) %}
    {% do run_query('create schema if not exists ' ~ adapter.quote(schema)) %}
    {% set claim = input_relation(schema, 'data_set') %}
    {% do run_query('create table if not exists ' ~ claim ~ ' (dataset ' ~ dbt.type_string() ~ ', raw_dir ' ~ dbt.type_string() ~ ')') %}
    {% set place = raw_place() %}
    {% set owners = run_query('select dataset, raw_dir from ' ~ claim) %}
    {% if owners | length == 0 %}
        {% do run_query('insert into ' ~ claim ~ ' values (' ~ sql_literal(var('dataset')) ~ ', ' ~ sql_literal(place) ~ ')') %}
    {% elif (owners[0]['dataset'], owners[0]['raw_dir']) != (var('dataset'), place) %}
        {% do raise_config_error(
            "The working file " ~ target.get('path', target.database) ~ " belongs to the data set '" ~ owners[0]['dataset'] ~ "' from "
            ~ owners[0]['raw_dir'] ~ "; this build asks for '" ~ var('dataset') ~ "' from " ~ place
            ~ ". Give each data set its own name with --vars '{dataset: ..., raw_dir: ...}', or delete the file to start again."
        ) %}
    {% endif %}
{% endmacro %}


{#- Hashes with the key that is in the source code hide nothing from anyone who reads it. -#}
{% macro warn_of_demo_hash_key() %}
    {% if var('dataset') != 'demo' and not run_query('select segmentation_has_own_hash_key()').columns[0].values()[0] %}
        {% do exceptions.warn(
            'The environment variable SEGMENTATION_HASH_KEY is not set: references that look like an e-mail address or a '
            ~ 'phone number are hashed with a key that is public. Set it to a secret before you publish real data.'
        ) %}
    {% endif %}
{% endmacro %}
