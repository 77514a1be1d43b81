{% macro raw_warehouse() %}
    {% set database, schema, identifiers = setting('raw_database'), setting('raw_schema'), setting('raw_identifiers') %}
    {% if schema is none and (database is not none or identifiers) %}
        {% do exceptions.raise_compiler_error('Var ' ~ ('raw_database' if database is not none else 'raw_identifiers') ~ ' is set and raw_schema is not. Set raw_schema to read tables of a warehouse, or neither to read files.') %}
    {% endif %}
    {{ return(none if schema is none else {'database': database or target.get('database'), 'schema': schema, 'identifiers': identifiers}) }}
{% endmacro %}


{% macro raw_place() %}
    {% set warehouse = raw_warehouse() %}
    {{ return([warehouse.database, warehouse.schema] | select | join('.') if warehouse else var('raw_dir') | string) }}
{% endmacro %}


{% macro find_warehouse_tables(contract, warehouse) %}
    {% set columns, found = {}, {} %}
    {% for row in raw_columns(warehouse.database, warehouse.schema, contract, warehouse.identifiers) %}
        {% do columns.setdefault(row[0] | lower, {'identifier': row[0], 'columns': []})['columns'].append(row[1] | lower) %}
    {% endfor %}
    {% set place = raw_place() %}
    {% set hint = ' The command `make check-input` lists tables and columns that resemble it.' %}
    {% for table in contract %}
        {% set identifier = warehouse.identifiers.get(table.name, table.name) %}
        {% set known = columns.get(identifier | lower, {'columns': []}) %}
        {% if 'identifier' not in known and (table.is_required or table.name in warehouse.identifiers) %}
            {% do exceptions.raise_compiler_error(place ~ " has no table '" ~ identifier ~ "' for " ~ table.name ~ '. Expected it there, or its name in the var raw_identifiers; found ' ~ (columns | length) ~ ' tables.' ~ hint) %}
        {% elif 'identifier' in known %}
            {% do check_required_columns(place ~ '.' ~ identifier, table, known['columns']) %}
            {% set relation = api.Relation.create(database=warehouse.database, schema=warehouse.schema, identifier=known.identifier) %}
            {% do found.update({table.name: {'relation': relation, 'columns': known['columns']}}) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{% macro check_required_columns(place, table, columns) %}
    {% set missing = table.required_columns | reject('in', columns) | list %}
    {% if missing %}
        {% do exceptions.raise_compiler_error(
            place ~ ' lacks the required column ' ~ missing | join(', ') ~ '. Found '
            ~ (table.columns | select('in', columns) | join(', ') or 'none of the expected columns')
            ~ '. Expected ' ~ table.columns | join(', ') ~ ', of which ' ~ table.required_columns | join(', ') ~ ' must be there.'
            ~ ' The command `make check-input` lists tables and columns that resemble it.'
        ) %}
    {% endif %}
{% endmacro %}


{#- Name of table and column, of each that may be read. -#}
{% macro raw_columns(database, schema, contract, identifiers) %}
    {{- return(adapter.dispatch('raw_columns', 'customer_segmentation')(database, schema, contract, identifiers)) -}}
{% endmacro %}

{% macro default__raw_columns(database, schema, contract, identifiers) %}
    {% set columns %}
    select
        table_name,
        column_name
    from information_schema.columns
    where table_catalog = {{ sql_literal(database) }} and table_schema = {{ sql_literal(schema) }}
    order by table_name, ordinal_position
    {% endset %}
    {{ return(run_query(columns).rows) }}
{% endmacro %}

{#- Spark's catalog has no table of columns. -#}
{% macro spark__raw_columns(database, schema, contract, identifiers) %}
    {% set wanted, rows = [], [] %}
    {% for table in contract %}
        {% do wanted.append(identifiers.get(table.name, table.name) | lower) %}
    {% endfor %}
    {% for name in run_query('show tables in ' ~ adapter.quote(schema)).columns['tableName'].values() if name | lower in wanted %}
        {% for column in run_query('describe ' ~ adapter.quote(schema) ~ '.' ~ adapter.quote(name)).columns[0].values() if column and column[0] != '#' %}
            {% do rows.append([name, column]) %}
        {% endfor %}
    {% endfor %}
    {{ return(rows) }}
{% endmacro %}
