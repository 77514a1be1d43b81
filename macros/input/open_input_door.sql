{#-
    The input door. Makes one view per contract table in the schema of the source `input`, with exactly
    the contract's columns, uncast, and null where the raw data has none. Everything after it uses plain
    source(), so lineage, docs, unit tests and --empty work as in any project.

    Statements go through run_query, which commits each of them: adapter.get_relation would open a
    transaction here, and the views would be rolled back with it.
-#}
{% macro open_input_door() %}
    {% if not execute %}
        {{ return('') }}
    {% endif %}
    {% do validate_vars() %}
    {% set contract = input_contract() %}
    {% set found = find_raw_tables(contract) %}
    {% do claim_working_file(contract[0].schema) %}
    {% for table in contract %}
        {% do run_query(input_view(table, found.get(table.name))) %}
    {% endfor %}
    {% do limit_file_access() %}
    {{ return('') }}
{% endmacro %}


{#- The declared sources as a list of {name, schema, view, columns, required_columns, is_required}. -#}
{% macro input_contract() %}
    {% set tables = [] %}
    {% for node in graph.sources.values() if node.package_name == 'customer_segmentation' and node.source_name == 'input' %}
        {% set required = [] %}
        {% for column in node.columns.values() if column.meta.get('required') or column.get('config', {}).get('meta', {}).get('required') %}
            {% do required.append(column.name) %}
        {% endfor %}
        {% do tables.append({
            'name': node.name,
            'schema': node.schema,
            'view': api.Relation.create(database=node.database, schema=node.schema, identifier=node.identifier),
            'columns': node.columns.keys() | list,
            'required_columns': required,
            'is_required': node.config.meta.get('required', false) or node.meta.get('required', false),
        }) %}
    {% endfor %}
    {{ return(tables | sort(attribute='name')) }}
{% endmacro %}


{#-
    Where each contract table can be read: {table name: {from, columns}}. `from` goes into a from clause.
    Tables that are not there have no entry.
-#}
{% macro find_raw_tables(contract) %}
    {% set wanted = [] %}
    {% for table in contract %}
        {% do wanted.append({'name': table.name, 'columns': table.columns, 'required_columns': table.required_columns, 'is_required': table.is_required}) %}
    {% endfor %}
    {% set answer = fromjson(run_query(
        'select segmentation_find_raw_files(' ~ sql_literal(var('raw_dir')) ~ ', ' ~ sql_literal(tojson(wanted)) ~ ')'
    ).columns[0].values()[0]) %}
    {% if answer.error %}
        {% do stop(answer.error) %}
    {% endif %}
    {% set found = {} %}
    {% for file in answer.result %}
        {% do found.update({file.table: {'from': raw_file_scan(file), 'columns': file.columns}}) %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- The from clause that reads one raw file. CSV columns are bound by name and stay text. -#}
{% macro raw_file_scan(file) %}
    {% if file.format == 'parquet' %}
        {{ return('read_parquet(' ~ sql_literal(file.path) ~ ')') }}
    {% endif %}
    {% set columns = [] %}
    {% for column in file.columns %}
        {% do columns.append(sql_literal(column) ~ ": 'varchar'") %}
    {% endfor %}
    {{ return(
        'read_csv(' ~ sql_literal(file.path) ~ ', header = true, auto_detect = false, delim = \',\', quote = \'"\', escape = \'"\', '
        ~ 'columns = {' ~ columns | join(', ') ~ '})'
    ) }}
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
    from {{ found.from }}
    {% else %}
    from (select 1) as nothing
    where false
    {% endif %}
{% endmacro %}


{#-
    One working file belongs to one data set. The first build writes the name and the folder into it; a
    build that meets another's stops before it touches anything.
-#}
{% macro claim_working_file(schema) %}
    {% do run_query('create schema if not exists ' ~ adapter.quote(schema)) %}
    {% set claim = api.Relation.create(database=target.database, schema=schema, identifier='data_set') %}
    {% do run_query('create table if not exists ' ~ claim ~ ' (dataset ' ~ dbt.type_string() ~ ', raw_dir ' ~ dbt.type_string() ~ ')') %}
    {% set owners = run_query('select dataset, raw_dir from ' ~ claim) %}
    {% if owners | length == 0 %}
        {% do run_query('insert into ' ~ claim ~ ' values (' ~ sql_literal(var('dataset')) ~ ', ' ~ sql_literal(var('raw_dir')) ~ ')') %}
    {% elif (owners[0]['dataset'], owners[0]['raw_dir']) != (var('dataset'), var('raw_dir') | string) %}
        {% do stop(
            "The working file " ~ target.get('path', target.database) ~ " belongs to the data set '" ~ owners[0]['dataset'] ~ "' from "
            ~ owners[0]['raw_dir'] ~ "; this build asks for '" ~ var('dataset') ~ "' from " ~ var('raw_dir')
            ~ ". Give each data set its own name with --vars '{dataset: ..., raw_dir: ...}', or delete the file to start again."
        ) %}
    {% endif %}
{% endmacro %}
