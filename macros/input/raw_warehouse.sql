{% macro raw_warehouse() %}
    {% set database, schema, identifiers = setting('raw_database'), setting('raw_schema'), setting('raw_identifiers') %}
    {% if schema is none and (database is not none or identifiers) %}
        {% do exceptions.raise_compiler_error('Var ' ~ ('raw_database' if database is not none else 'raw_identifiers') ~ ' is set and raw_schema is not. Set raw_schema to read tables of a warehouse, or neither to read files.') %}
    {% endif %}
    {{ return(none if schema is none else {'database': database or target.database, 'schema': schema, 'identifiers': identifiers}) }}
{% endmacro %}


{% macro raw_place() %}
    {% set warehouse = raw_warehouse() %}
    {{ return(warehouse.database ~ '.' ~ warehouse.schema if warehouse else var('raw_dir') | string) }}
{% endmacro %}


{% macro find_warehouse_tables(contract, warehouse) %}
    {% set columns, found = {}, {} %}
    {% for row in run_query(raw_columns(warehouse.database, warehouse.schema)).rows %}
        {% do columns.setdefault(row[0] | lower, {'identifier': row[0], 'columns': []})['columns'].append(row[1] | lower) %}
    {% endfor %}
    {% set place = warehouse.database ~ '.' ~ warehouse.schema %}
    {% set hint = ' The command `make check-input` lists tables and columns that resemble it.' %}
    {% for table in contract %}
        {% set identifier = warehouse.identifiers.get(table.name, table.name) %}
        {% set known = columns.get(identifier | lower, {'columns': []}) %}
        {% set missing = table.required_columns | reject('in', known['columns']) | list %}
        {% if 'identifier' not in known and (table.is_required or table.name in warehouse.identifiers) %}
            {% do exceptions.raise_compiler_error(place ~ " has no table '" ~ identifier ~ "' for " ~ table.name ~ '. Expected it there, or its name in the var raw_identifiers; found ' ~ (columns | length) ~ ' tables.' ~ hint) %}
        {% elif 'identifier' in known and missing %}
            {% do exceptions.raise_compiler_error(
                place ~ '.' ~ identifier ~ ' lacks the required column ' ~ missing | join(', ') ~ '. Found '
                ~ (table.columns | select('in', known['columns']) | join(', ') or 'none of the expected columns')
                ~ '. Expected ' ~ table.columns | join(', ') ~ ', of which ' ~ table.required_columns | join(', ') ~ ' must be there.' ~ hint
            ) %}
        {% elif 'identifier' in known %}
            {% set relation = api.Relation.create(database=warehouse.database, schema=warehouse.schema, identifier=known.identifier) %}
            {% do found.update({table.name: {'relation': relation, 'columns': known['columns']}}) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{% macro raw_columns(database, schema) %}
    {{- return(adapter.dispatch('raw_columns', 'customer_segmentation')(database, schema)) -}}
{% endmacro %}

{% macro default__raw_columns(database, schema) -%}
    select
        table_name,
        column_name
    from information_schema.columns
    where table_catalog = {{ sql_literal(database) }} and table_schema = {{ sql_literal(schema) }}
    order by table_name, ordinal_position
{%- endmacro %}
